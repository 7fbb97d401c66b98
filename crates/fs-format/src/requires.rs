//! The file `requires` of a store: what a program has to know to take the files for what they mean.
//!
//! ```text
//! # blank lines and comments are passed over
//! NAME [MIN-VERSION [ARGUMENTS...]]
//! ```
//!
//! **Invariant**: a file that is not understood to its end is a feature that is not known.

use std::fmt;

/// The features that this version knows by name; none is in use yet.
const KNOWN_FEATURES: [&str; 0] = [];

/// More of a file than this is not looked at, and counts as a feature that is not known.
pub const MAX_REQUIRES_BYTES: u64 = 65_536;

/// So many characters of a name or version are shown.
const SHOWN_CHARS: usize = 64;

/// Something that a store asks for and that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownFeature {
    /// A line names a feature.
    #[error("it names the feature {}, which this version does not know; get {}", shown(name), version(min_version.as_deref()))]
    Named {
        /// The feature.
        name: String,
        /// The first version that knows it, as the line says.
        min_version: Option<String>,
    },
    /// Git left both sides of a conflict in the file.
    #[error("line {line} is a conflict marker of git; take one side of the file as it was")]
    ConflictMarker {
        /// The line, counted from 1.
        line: usize,
    },
    /// The bytes are no text.
    #[error("it is not UTF-8; bring it back as it was committed")]
    NotText,
    /// The file is longer than any that is known.
    #[error("it has more than {MAX_REQUIRES_BYTES} bytes; get a newer version")]
    TooLarge,
    /// A link, a directory or the like stands in its place.
    #[error("it is {found}, not a regular file; bring it back as it was committed")]
    NotAFile {
        /// What stands there.
        found: String,
    },
}

/// Checks that every feature that a file `requires` names is known to this version.
///
/// # Errors
/// The first that is not.
pub fn check_requires(bytes: &[u8]) -> Result<(), UnknownFeature> {
    let text = std::str::from_utf8(bytes).map_err(|_| UnknownFeature::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.split('\n').enumerate() {
        let mut words = line.split_ascii_whitespace();
        let Some(name) = words.next().filter(|name| !name.starts_with('#')) else {
            continue;
        };
        if is_conflict_marker(name) {
            return Err(UnknownFeature::ConflictMarker { line: number + 1 });
        }
        if !KNOWN_FEATURES.contains(&name) {
            return Err(UnknownFeature::Named {
                name: name.to_owned(),
                min_version: words.next().map(str::to_owned),
            });
        }
    }
    Ok(())
}

fn is_conflict_marker(word: &str) -> bool {
    ['<', '=', '>', '|']
        .iter()
        .any(|marker| word.len() >= 7 && word.chars().all(|c| c == *marker))
}

/// Returns a word of the file so that it can be printed.
fn shown(word: &str) -> impl fmt::Display {
    let mut start: String = word.chars().take(SHOWN_CHARS).collect();
    if start.len() < word.len() {
        start.push('…');
    }
    format!("`{}`", start.escape_debug())
}

fn version(min_version: Option<&str>) -> String {
    match min_version {
        Some(version) => format!("version {} or a later one", shown(version)),
        None => "a version that does".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, min_version: Option<&str>) -> Result<(), UnknownFeature> {
        Err(UnknownFeature::Named {
            name: name.to_owned(),
            min_version: min_version.map(str::to_owned),
        })
    }

    #[test]
    fn what_says_nothing_is_passed_over() {
        for text in [
            "",
            "\u{feff}",
            "\r\n\n \t\r\n",
            "\u{feff}# packs 2\r\n  # more\n#",
        ] {
            assert_eq!(check_requires(text.as_bytes()), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn a_name_decides_and_its_version_is_told() {
        for (text, name, version) in [
            ("tomorrow", "tomorrow", None),
            ("\u{feff}tomorrow\r\n", "tomorrow", None),
            ("# why\n\n  tomorrow\t9.1  a b\n", "tomorrow", Some("9.1")),
            ("tomorrow 2\nanother 3\n", "tomorrow", Some("2")),
            ("\0", "\0", None),
        ] {
            assert_eq!(
                check_requires(text.as_bytes()),
                named(name, version),
                "{text:?}"
            );
        }
        let message = check_requires(b"packs 0.3 x").unwrap_err().to_string();
        assert!(
            message.contains("`packs`") && message.contains("version `0.3` or a later one"),
            "the feature and what to get: {message}"
        );
    }

    #[test]
    fn what_cannot_be_told_is_not_known() {
        for marker in ["<<<<<<< HEAD", "=======", ">>>>>>> other", "|||||||| base"] {
            let text = format!("# fine\n{marker}\n");
            assert_eq!(
                check_requires(text.as_bytes()),
                Err(UnknownFeature::ConflictMarker { line: 2 }),
                "{marker:?}"
            );
        }
        for bytes in [&b"\xff\xfep\0"[..], b"# \xe4\n", b"\xed\xa0\x80"] {
            assert_eq!(
                check_requires(bytes),
                Err(UnknownFeature::NotText),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_message_holds_nothing_that_deceives_a_terminal() {
        let name = format!("\u{202e}\u{1b}[2J{}", "x".repeat(10_000));
        let message = check_requires(name.as_bytes()).unwrap_err().to_string();
        assert!(message.len() < 400, "it is short: {message:?}");
        assert!(!message.contains(['\u{202e}', '\u{1b}']), "{message:?}");
    }
}
