//! Names that systems leave in any directory.
//!
//! **Invariant**: no name here is that of a transaction, a pack or a file of a store. What editors leave beside a file that somebody
//! opened is not here: files of a store are not to be edited, so it is worth knowing.

/// Whole names; systems write some of them in either case.
const NAMES: [&str; 21] = [
    ".appledouble",
    ".directory",
    ".documentrevisions-v100",
    ".ds_store",
    ".fseventsd",
    ".gitattributes",
    ".gitkeep",
    ".localized",
    ".spotlight-v100",
    ".stfolder",
    ".stignore",
    ".stversions",
    ".sync",
    ".temporaryitems",
    ".trashes",
    "$recycle.bin",
    "@eadir",
    "desktop.ini",
    "ehthumbs.db",
    "system volume information",
    "thumbs.db",
];

/// What names of files begin with that file systems and synchronising programs make for a time.
const BEGINNINGS: [&str; 7] = [
    "._",
    ".fuse_hidden",
    ".nfs",
    ".smbdelete",
    ".syncthing.",
    ".trash-",
    "~syncthing~",
];

/// Returns whether a name, without directories, is passed over wherever it stands in a store, a directory of this name
/// with all that is in it.
pub fn is_litter(name: &str) -> bool {
    // As those of transactions do, of which there are many.
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str())
        || BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systems_leave_is_litter_and_what_people_leave_is_not() {
        for name in [
            "._01a1fd21-d4f8-70bd-9977-306ff692b65f.jsonl",
            ".nfs000000000001",
            ".DS_Store",
            "Desktop.ini",
            ".Trash-1000",
            ".syncthing.01a1fd21-d4f8-70bd-9977-306ff692b65f.jsonl.tmp",
            ".gitattributes",
        ] {
            assert!(is_litter(name), "{name}");
        }
        for name in [
            "",
            "01a1",
            "01a1fd21-d4f8-70bd-9977-306ff692b65f.jsonl",
            "01a1fd21-d4f8-70bd-9977-306ff692b65f.jsonl~",
            ".01a1fd21.swp",
            ".gitignore",
            "notes.txt",
            "DS_Store",
        ] {
            assert!(!is_litter(name), "{name} is worth knowing");
        }
    }
}
