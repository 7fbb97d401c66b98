//! Opening stores, and places that are none.

use std::fs;

use fs_index::Layout;
use fs_store::{FileEventStore, NoStore, OpenError, RefreshError};

use crate::support::{count, new_store, numbers};

#[test]
fn a_store_that_is_not_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for root in [dir.path().join("nowhere"), dir.path().to_owned()] {
        let refused = FileEventStore::open(&root);
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
    let before = fs::read(Layout::new(store.root()).journal()).unwrap();
    let again = FileEventStore::open(store.root()).unwrap();
    assert_eq!(numbers(&again, "s"), [1]);
    assert_eq!(
        fs::read(Layout::new(store.root()).journal()).unwrap(),
        before,
        "the journal is as it was"
    );
    let attributes = fs::read_to_string(store.root().join("events/.gitattributes")).unwrap();
    assert_eq!(attributes, fs_format::GIT_ATTRIBUTES);
    let ignored = fs::read_to_string(store.root().join(".gitignore")).unwrap();
    assert!(ignored.contains("index/") && ignored.contains("local/"));
}

#[test]
fn a_file_where_the_store_should_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("file");
    fs::write(&root, "").unwrap();
    let refused = FileEventStore::create(&root);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("file"), "the error names it: {message}");
}

#[test]
fn missing_directories_above_the_store_are_created() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileEventStore::create(dir.path().join("a/b/.tributary")).unwrap();
    count(&store, "s", 1);
    assert_eq!(numbers(&store, "s"), [1]);
}

#[test]
fn a_store_is_discovered_from_below_and_none_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("project/src/deep");
    fs::create_dir_all(&below).unwrap();
    let refused = FileEventStore::discover(&below);
    assert!(
        matches!(&refused, Err(OpenError::NoneAbove { from }) if *from == below),
        "where the search began is named: {refused:?}"
    );
    let root = dir.path().join("project").join(fs_store::STORE_DIR);
    count(&FileEventStore::create(&root).unwrap(), "s", 1);
    for from in [&below, &dir.path().join("project")] {
        let found = FileEventStore::discover(from).unwrap();
        assert_eq!(found.root(), root, "the nearest above is opened");
        assert_eq!(numbers(&found, "s"), [1]);
    }
    assert!(
        fs::read_dir(&below).unwrap().next().is_none(),
        "nothing was written where the search began"
    );
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

#[test]
fn what_is_there_instead_of_a_store_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let odd = dir.path().join("odd");
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("events"), "").unwrap();
    let cases = [
        (
            dir.path().join("nowhere"),
            NoStore::Nothing,
            "nothing is there",
        ),
        (dir.path().to_owned(), NoStore::NoEvents, "no events/"),
        (
            file,
            NoStore::Other(fs_io::FileKind::File),
            "a regular file is there",
        ),
        (
            odd,
            NoStore::OtherEvents(fs_io::FileKind::File),
            "events/ is a regular file",
        ),
    ];
    for (root, expected, text) in cases {
        let refused = FileEventStore::open(&root).unwrap_err();
        let message = refused.to_string();
        assert!(
            matches!(refused, OpenError::NotAStore { found, .. } if found == expected)
                && message.contains(text)
                && message.contains(root.to_str().unwrap()),
            "the place and what is there are named: {message}"
        );
        assert!(
            !message.contains("::"),
            "no function is named to who types commands: {message}"
        );
        assert!(FileEventStore::look_for(&root).is_err(), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_root_that_cannot_be_looked_into_is_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("loop");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let root = link.join(".tributary");
    let refused = FileEventStore::open(&root).unwrap_err();
    assert!(
        matches!(refused, OpenError::Unreadable { .. }),
        "whether there is a store is not known: {refused:?}"
    );
    let cause = std::error::Error::source(&refused);
    assert!(cause.is_some(), "the cause is told: {refused:?}");
}

#[test]
fn what_belongs_to_somebody_else_is_not_taken_over() {
    for of_somebody in ["readme", "events/clicks.jsonl", "local/mine", "index/mine"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(of_somebody);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let refused = FileEventStore::create(dir.path()).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Occupied { found, .. } if found == of_somebody),
            "what is there is named: {refused:?}"
        );
        let refused = FileEventStore::open(dir.path()).unwrap_err();
        assert!(
            matches!(refused, OpenError::NotAStore { .. }),
            "nor is it read as a store: {refused:?}"
        );
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing was made beside {of_somebody}");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("events")).unwrap();
    fs::write(dir.path().join(".gitignore"), "notes\n").unwrap();
    count(&FileEventStore::create(dir.path()).unwrap(), "s", 1);
    fs::remove_dir_all(dir.path().join("local")).unwrap();
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let cloned = FileEventStore::open(dir.path()).unwrap();
    assert_eq!(numbers(&cloned, "s"), [1], "what git carries is a store");
}

#[test]
fn a_directory_in_the_place_of_a_file_of_the_index_is_named() {
    for name in ["journal", "manifest"] {
        let store = new_store();
        count(&store, "s", 1);
        let root = store.root().to_owned();
        drop(store);
        let path = Layout::new(&root).index().join(name);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let refused = FileEventStore::create(&root).unwrap_err();
        let message = refused.to_string();
        assert!(
            matches!(
                refused,
                OpenError::Refresh(RefreshError::Index(fs_index::IndexError::InTheWay { .. }))
            ),
            "{refused:?}"
        );
        assert!(
            message.contains(path.to_str().unwrap()) && message.contains("move it away"),
            "which it is, and what to do: {message}"
        );
        fs::rename(&path, root.join("away")).unwrap();
        let store = FileEventStore::create(&root).unwrap();
        assert_eq!(numbers(&store, "s"), [1], "the index is made anew");
    }
}
