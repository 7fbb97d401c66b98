//! Opening stores, and places that are none.

use std::fs;

use fs_store::{FileEventStore, OpenError};

use crate::support::{count, new_store, numbers};

#[test]
fn a_store_that_is_not_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for root in [dir.path().join("nowhere"), dir.path().to_owned()] {
        let refused = FileEventStore::open_existing(&root);
        assert!(
            matches!(refused, Err(OpenError::NotAStore { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "not a byte was written"
    );
}

#[test]
fn opening_again_changes_nothing() {
    let store = new_store();
    count(&store, "s", 1);
    let before = fs::read(store.root().join("index/journal")).unwrap();
    let again = FileEventStore::open(store.root()).unwrap();
    assert_eq!(numbers(&again, "s"), [1]);
    assert_eq!(
        fs::read(store.root().join("index/journal")).unwrap(),
        before,
        "the journal is as it was"
    );
    let attributes = fs::read_to_string(store.root().join("events/.gitattributes")).unwrap();
    assert_eq!(attributes, "* -text merge=union linguist-generated=true\n");
    let ignored = fs::read_to_string(store.root().join(".gitignore")).unwrap();
    assert!(ignored.contains("index/") && ignored.contains("local/"));
}

#[test]
fn a_file_where_the_store_should_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("file");
    fs::write(&root, "").unwrap();
    let refused = FileEventStore::open(&root);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("file"), "the error names it: {message}");
}

#[test]
fn missing_directories_above_the_store_are_created() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileEventStore::open(dir.path().join("a/b/.tributary")).unwrap();
    count(&store, "s", 1);
    assert_eq!(numbers(&store, "s"), [1]);
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_text_is_reported() {
    use std::os::unix::ffi::OsStrExt;
    let store = new_store();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe.jsonl");
    fs::write(store.root().join("events").join(name), "{}").unwrap();
    let status = store.status().unwrap();
    assert_eq!(status.quarantined.len(), 1, "{status:?}");
    fs::remove_file(store.root().join("events").join(name)).unwrap();
    assert!(store.status().unwrap().is_clean());
}
