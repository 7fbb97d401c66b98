//! Files that keep a place: whatever is wrong in one is told, and nothing is passed over or repeated.

use std::fs;
use std::path::{Path, PathBuf};

use fs_index::Position;
use fs_store::{CursorError, FileEventStore, StateError};
use uuid::Uuid;

use crate::support::{count, new_store};

/// The one file in a directory of `local/` that is no lock.
fn the_file(store: &FileEventStore, directory: &str) -> PathBuf {
    let files = fs::read_dir(store.root().join("local").join(directory)).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let mut paths = paths.filter(|path| path.extension().is_none());
    let path = paths.next().expect("there is a file");
    assert_eq!(paths.next(), None, "there is one file");
    path
}

/// Every way in which a bit is flipped, the end is lost, or something follows.
fn damaged(whole: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..whole.len()).map(|len| whole[..len].to_vec()).collect();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << bit;
            all.push(flipped);
        }
    }
    all.push([whole, b"\n"].concat());
    all
}

/// The file as a version with another layout would write it.
fn newer(whole: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(whole);
    let word = text.split(' ').nth(1).unwrap();
    let before = format!("tributary {word} 7 ");
    let after = "\nwhatever it is that follows";
    let checksum = crc32fast::hash([before.as_bytes(), after.as_bytes()].concat().as_slice());
    format!("{before}{checksum:08x}{after}").into_bytes()
}

fn save(store: &FileEventStore, name: &str, position: Option<Position>) -> Result<(), CursorError> {
    store.lock_cursor(name)?.save(position)
}

fn consumed() -> (FileEventStore, PathBuf) {
    let store = new_store();
    (0..6).for_each(|n| _ = count(&store, "counter", n));
    let reached = store.ingested_events(None, &fs_store::All, 4).unwrap()[3].position;
    save(&store, "agent", Some(reached)).unwrap();
    let path = the_file(&store, "consumers");
    (store, path)
}

#[test]
fn a_cursor_is_what_was_written_or_is_refused() {
    let (store, path) = consumed();
    let whole = fs::read(&path).unwrap();
    for bytes in damaged(&whole) {
        fs::write(&path, &bytes).unwrap();
        assert!(store.has_cursor("agent").unwrap(), "there is one");
        match store.cursor("agent") {
            Err(StateError::Damaged { path: named, .. }) => assert_eq!(named, path),
            other => panic!(
                "{:?} is believed: {other:?}",
                String::from_utf8_lossy(&bytes)
            ),
        }
    }
    let said = store.cursor("agent").unwrap_err().to_string();
    assert!(
        said.contains("trib consume agent --reset"),
        "it says what to do: {said}"
    );
    save(&store, "agent", None).unwrap();
    let cursor = store.cursor("agent").unwrap();
    assert_eq!(cursor.unwrap().position, None, "saving mends it");
    fs::write(&path, "").unwrap();
    store.lock_cursor("agent").unwrap().remove().unwrap();
    assert!(!store.has_cursor("agent").unwrap(), "it can be removed");
}

#[test]
fn a_cursor_in_the_place_of_another_is_refused() {
    let (store, path) = consumed();
    let bytes = fs::read(&path).unwrap();
    save(&store, "other", None).unwrap();
    for directory in ["consumers", "checkpoints"] {
        for file in fs::read_dir(store.root().join("local").join(directory))
            .into_iter()
            .flatten()
        {
            fs::write(file.unwrap().path(), &bytes).unwrap();
        }
    }
    let refused = store.cursor("other");
    assert!(
        matches!(refused, Err(StateError::Damaged { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_a_newer_version_wrote_is_left_as_it_is() {
    let (store, path) = consumed();
    let before = newer(&fs::read(&path).unwrap());
    fs::write(&path, &before).unwrap();
    let refused = store.has_cursor("agent");
    assert!(
        matches!(&refused, Err(StateError::Newer { format: 7, .. })),
        "{refused:?}"
    );
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("written by a newer version"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before, "nothing is changed");

    let position = store.ingested_events(None, &fs_store::All, 1).unwrap()[0].position;
    store.save_checkpoint("board", position).unwrap();
    let path = the_file(&store, "checkpoints");
    let before = newer(&fs::read(&path).unwrap());
    fs::write(&path, &before).unwrap();
    for refused in [
        store.checkpoint("board").map(drop),
        store.save_checkpoint("board", position),
        store.clear_checkpoint("board"),
    ] {
        assert!(
            matches!(refused, Err(StateError::Newer { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(fs::read(&path).unwrap(), before, "nothing is changed");
}

#[test]
fn a_checkpoint_is_what_was_written_or_is_refused() {
    let store = new_store();
    count(&store, "counter", 1);
    let position = store.ingested_events(None, &fs_store::All, 1).unwrap()[0].position;
    store.save_checkpoint("board", position).unwrap();
    let path = the_file(&store, "checkpoints");
    let whole = fs::read(&path).unwrap();
    for bytes in damaged(&whole) {
        fs::write(&path, &bytes).unwrap();
        let read = store.checkpoint("board");
        assert!(
            matches!(&read, Err(StateError::Damaged { path: named, .. }) if *named == path),
            "{:?} is believed: {read:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
    store.save_checkpoint("board", position).unwrap();
    assert_eq!(
        store.checkpoint("board").unwrap(),
        Some(position),
        "saving mends it"
    );
}

/// Files as they were written before they had a checksum, called by the SHA-256 of `agent`.
const AGENT: &str = "d4f0bc5a29de06b510f9aa428f1eedba926012b591fef7a518e776a7c9bd1824";

fn write_old(store: &FileEventStore, directory: &str, text: &str) {
    let directory: &Path = &store.root().join("local").join(directory);
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(AGENT), text).unwrap();
}

#[test]
fn a_cursor_from_before_there_were_checksums_says_that_it_has_read_another_history() {
    let store = new_store();
    (0..6).for_each(|n| _ = count(&store, "counter", n));
    write_old(
        &store,
        "consumers",
        r#"{"name":"agent","position":"00000000-0003-0000-7a1b-2c3d4e5f6071","mark":"6ba7b810-9dad-41d1-80b4-00c04fd430c8"}"#,
    );
    let position = store.cursor("agent").unwrap().unwrap().position;
    store
        .ingested_events(position, &fs_store::All, 1)
        .unwrap_err();
    for missing in [
        r#"{"name":"agent","mark":"6ba7b810-9dad-41d1-80b4-00c04fd430c8"}"#,
        r#"{"name":"agent","position":null}"#,
        r#"{"position":null,"mark":"6ba7b810-9dad-41d1-80b4-00c04fd430c8"}"#,
        r#"{"name":"agent","position":null,"mark":"6ba7b810-9dad-41d1-80b4-00c04fd430c8","more":1}"#,
    ] {
        write_old(&store, "consumers", missing);
        let refused = store.cursor("agent");
        assert!(
            matches!(refused, Err(StateError::Damaged { .. })),
            "fields are missing or unknown in {missing}: {refused:?}"
        );
    }
    let old = "00000000-0003-0000-7a1b-2c3d4e5f6071";
    write_old(
        &store,
        "checkpoints",
        &format!(r#"{{"name":"agent","position":"{old}"}}"#),
    );
    let position = Position::from_uuid(Uuid::parse_str(old).unwrap());
    assert_eq!(
        store.checkpoint("agent").unwrap(),
        Some(position),
        "it is read as it is"
    );
    store
        .ingested_events(Some(position), &fs_store::All, 1)
        .unwrap_err();
}

#[test]
fn a_directory_in_the_place_of_the_identity_is_named_with_what_to_do() {
    let (store, _) = consumed();
    let root = store.root().to_owned();
    drop(store);
    let path = root.join("local/replicas");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let refused = fs_store::report(&FileEventStore::open(&root).unwrap_err());
    assert!(
        refused.contains("local/replicas is a directory") && refused.contains("move it away"),
        "{refused}"
    );
    fs::remove_dir(&path).unwrap();
    count(&FileEventStore::open(&root).unwrap(), "counter", 6);
}
