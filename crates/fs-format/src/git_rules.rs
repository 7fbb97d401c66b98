//! What the files of a store say to git: which of them are committed, and that no byte of them is changed.
//!
//! **Invariant**: nothing that git does by its attributes, converting, filtering, expanding, merging by lines, alters a
//! transaction file of a store that has these files.

/// The name of the file in `events/` that holds [`GIT_ATTRIBUTES`].
pub const GIT_ATTRIBUTES_NAME: &str = ".gitattributes";

/// What git is told of the files below `events/`.
///
/// Two contents of one name are a conflict, and neither is altered: a merge by lines would mix the bytes of transactions
/// where git takes one file for the other renamed.
pub const GIT_ATTRIBUTES: &str = "\
* -text -filter -ident -working-tree-encoding -eol -merge linguist-generated=true
*.pack -text -filter -diff -merge -delta
";

/// What earlier versions wrote in the place of [`GIT_ATTRIBUTES`].
const FORMER_GIT_ATTRIBUTES: [&str; 1] = ["* -text merge=union linguist-generated=true\n"];

/// The lines of the `.gitignore` in the root of a store.
///
/// They take back what rules above say of `events/`, as `*.jsonl` does. Where git ignores the root itself, they are not read.
pub const GIT_IGNORE_LINES: [&str; 4] = ["/index/", "/local/", "!/events/", "!/events/**"];

/// The `.gitignore` in `index/` and in `local/`, for stores whose own `.gitignore` is somebody else's or was lost.
pub const PRIVATE_GIT_IGNORE: &str = "*\n";

/// Returns whether `found` is what an earlier version wrote, so that it may be replaced by [`GIT_ATTRIBUTES`].
pub fn is_former_git_attributes(found: &[u8]) -> bool {
    let found: Vec<u8> = found
        .iter()
        .copied()
        .filter(|byte| *byte != b'\r')
        .collect();
    let former = FORMER_GIT_ATTRIBUTES.iter();
    former
        .map(|former| former.as_bytes())
        .any(|former| former == found)
}

/// Returns the `.gitignore` of a store with the missing lines of [`GIT_IGNORE_LINES`] at its end; `None` where none is
/// missing. What was there stays byte for byte.
pub fn complete_git_ignore(found: &[u8]) -> Option<Vec<u8>> {
    let lines = found.split(|byte| *byte == b'\n');
    let there: Vec<&[u8]> = lines.map(<[u8]>::trim_ascii_end).collect();
    let missing = GIT_IGNORE_LINES.iter();
    let missing: Vec<_> = missing
        .filter(|line| !there.contains(&line.as_bytes()))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let mut completed = found.to_vec();
    if !found.is_empty() && !found.ends_with(b"\n") {
        completed.push(b'\n');
    }
    for line in missing {
        completed.extend_from_slice(line.as_bytes());
        completed.push(b'\n');
    }
    Some(completed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_earlier_version_wrote_may_be_replaced() {
        for former in FORMER_GIT_ATTRIBUTES {
            let with_cr = former.replace('\n', "\r\n");
            assert!(
                is_former_git_attributes(former.as_bytes())
                    && is_former_git_attributes(with_cr.as_bytes()),
                "{former:?}, whatever its line ends"
            );
        }
        for edited in [
            "",
            GIT_ATTRIBUTES,
            "* -text merge=union\n",
            "# mine\n* -text",
        ] {
            assert!(
                !is_former_git_attributes(edited.as_bytes()),
                "{edited:?} is the user's or the present one"
            );
        }
    }

    #[test]
    fn an_ignore_file_is_completed_and_keeps_what_it_has() {
        let complete = GIT_IGNORE_LINES.map(|line| format!("{line}\n")).concat();
        assert_eq!(
            complete_git_ignore(b"").as_deref(),
            Some(complete.as_bytes()),
            "all lines, in their order"
        );
        for user in ["notes", "notes\n", "notes\r\nü"] {
            let completed = complete_git_ignore(user.as_bytes()).unwrap();
            assert!(completed.starts_with(user.as_bytes()), "{user:?} stays");
            assert_eq!(
                complete_git_ignore(&completed),
                None,
                "{user:?}: completed once"
            );
        }
        let partly = complete_git_ignore(b"/index/\r\n!/events/ \n/local/").unwrap();
        assert_eq!(
            partly, b"/index/\r\n!/events/ \n/local/\n!/events/**\n",
            "only what is missing is added"
        );
    }
}
