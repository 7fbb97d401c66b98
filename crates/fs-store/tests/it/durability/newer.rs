//! A `local/` that a newer version of the program has written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fs_io::System;
use fs_store::{
    AppendError, CursorError, Durability, FileEventStore, RefreshError, StateError, StoreOptions,
};

use crate::support::{count, counted, new_store, numbers, stream};

/// Reads every file below a directory.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Adds the transactions of a store to another.
fn copy_events(from: &Path, to: &Path) {
    for (path, bytes) in contents(&from.join("events")) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

/// Makes files of a newer version of those of a store.
fn make_newer(root: &Path, name: &str) {
    let path = root.join("local").join(name);
    let mut bytes = fs::read(&path).unwrap();
    if name == "log" {
        for head in [0, 4096] {
            if bytes[head..].starts_with(b"triblog") {
                bytes[head + 7] = 9;
            }
        }
    } else {
        let text = String::from_utf8(bytes).unwrap();
        // Without the lines of the checksum, as an earlier version left it.
        let text = text.splitn(3, '\n').nth(2).unwrap();
        bytes = text.replace("\"version\":2", "\"version\":9").into_bytes();
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_newer_version_is_left_alone_and_named_and_reading_goes_on() {
    for name in ["log", "replicas"] {
        let open = new_store();
        count(&open, "s", 1);
        let root = open.root().to_owned();
        make_newer(&root, name);
        let before = contents(&root.join("local"));
        let store = FileEventStore::open(&root).unwrap();
        assert_eq!(numbers(&store, "s"), [1], "{name}: reading goes on");
        let refused = store.append(counted("s", 2)).unwrap_err();
        let message = refused.to_string();
        assert!(
            matches!(&refused, AppendError::NewerVersion(newer)
                if newer.path == root.join("local").join(name) && newer.format == 9 && newer.known == 2),
            "{name}: {refused:?}"
        );
        assert!(
            message.contains(name) && message.contains("written by a newer version"),
            "{message}"
        );
        assert!(store.adopt().is_err());
        let created = FileEventStore::create(&root).unwrap();
        assert!(created.append(counted("s", 2)).is_err());
        assert_eq!(
            contents(&root.join("local")),
            before,
            "{name}: nothing in local/ is changed"
        );
        // A handle from before meets it at its next turn.
        let refused = open.append(counted("s", 2)).unwrap_err();
        let is_named = matches!(
            &refused,
            AppendError::NewerVersion(_) | AppendError::Refresh(RefreshError::NewerVersion(_))
        );
        assert!(is_named, "{name}: {refused:?}");
        assert_eq!(numbers(&open, "s"), [1], "{name}: and reads on");
        let other = new_store();
        count(&other, "t", 7);
        copy_events(other.root(), &root);
        let before = contents(&root.join("local"));
        assert_eq!(
            numbers(&open, "t"),
            [7],
            "{name}: what the newer version appends is seen"
        );
        open.status().unwrap();
        let changed = contents(&root.join("local"));
        let lock = root.join("local/lock");
        assert!(
            changed
                .iter()
                .all(|(path, bytes)| *path == lock || before.get(path) == Some(bytes)),
            "{name}: reading changes nothing in local/ but the name in the lock"
        );
    }
}

#[test]
fn an_index_of_another_format_is_left_alone() {
    let store = new_store();
    count(&store, "s", 1);
    let root = store.root().to_owned();
    let epoch = store.status().unwrap().epoch;
    drop(store);
    // One of before, in the directory itself, and one of a version to come.
    let others = ["journal", "manifest", "1f.segment", "99/journal"];
    for other in others {
        let path = root.join("index").join(other);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"of another format").unwrap();
    }
    let store = FileEventStore::open(&root).unwrap();
    count(&store, "s", 2);
    assert_eq!(numbers(&store, "s"), [1, 2]);
    assert_eq!(
        store.status().unwrap().epoch,
        epoch,
        "no epoch is made for it"
    );
    for other in others {
        let bytes = fs::read(root.join("index").join(other)).unwrap();
        assert_eq!(bytes, b"of another format", "{other} is left alone");
    }
}

#[test]
fn a_cursor_of_a_newer_version_is_left_alone_and_nothing_is_appended() {
    let store = new_store();
    count(&store, "s", 1);
    let position = store.ingested_events(None, &fs_store::All, 1).unwrap()[0].position;
    store.save_checkpoint("mirror", position).unwrap();
    let root = store.root().to_owned();
    drop(store);
    let directory = root.join("local/checkpoints");
    let path = fs::read_dir(&directory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = fs::read_to_string(&path).unwrap();
    let body = text.split_once('\n').unwrap().1;
    let before = "tributary checkpoint 9 ";
    let sum = crc32fast::hash(format!("{before}\n{body}").as_bytes());
    let newer = format!("{before}{sum:08x}\n{body}");
    fs::write(&path, &newer).unwrap();
    let store = FileEventStore::open(&root).unwrap();
    let refused = store.append(counted("s", 2));
    assert!(
        matches!(&refused, Err(AppendError::NewerVersion(it)) if it.path == path && it.format == 9),
        "{refused:?}"
    );
    assert_eq!(numbers(&store, "s"), [1], "reading goes on");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    // A number that is only a flipped bit is damage of this one file.
    fs::write(&path, newer.replace(" 9 ", " 8 ")).unwrap();
    let store = FileEventStore::open(&root).unwrap();
    count(&store, "s", 2);
}

#[test]
fn a_former_log_of_a_newer_format_is_left_alone() {
    let store = new_store();
    count(&store, "s", 1);
    let path = store.root().join("local/wal");
    let mut newer = include_bytes!("../../fixtures/local-1/wal").to_vec();
    newer[4096 + 7] = 9;
    fs::write(&path, &newer).unwrap();
    let root = store.root().to_owned();
    drop(store);
    let store = FileEventStore::open(&root).unwrap();
    assert_eq!(numbers(&store, "s"), [1], "reading goes on");
    let refused = store.append(counted("s", 2));
    assert!(
        matches!(&refused, Err(AppendError::NewerVersion(newer)) if newer.path == path),
        "{refused:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), newer);
}

#[test]
fn what_a_newer_version_has_accepted_is_left_alone() {
    let store = new_store();
    count(&store, "s", 1);
    let root = store.root().to_owned();
    drop(store);
    let path = root.join("local/accepted");
    let before = "tributary accepted 9 ";
    let body = "\n\"\"\n{}";
    let sum = crc32fast::hash(format!("{before}{body}").as_bytes());
    fs::write(&path, format!("{before}{sum:08x}{body}")).unwrap();
    let before = contents(&root.join("local"));
    let store = FileEventStore::open(&root).unwrap();
    assert_eq!(numbers(&store, "s"), [1], "reading goes on");
    let newer = store
        .newer_version()
        .expect("a handle tells why it only reads");
    assert_eq!((&newer.path, newer.format), (&path, 9));
    let refused = store.append(counted("s", 2));
    assert!(
        matches!(&refused, Err(AppendError::NewerVersion(it)) if it.path == path),
        "{refused:?}"
    );
    let refused = store.lock_cursor("c").map(drop);
    assert!(
        matches!(&refused, Err(CursorError::NewerVersion(it)) if it.path == path),
        "a cursor would lie elsewhere and be lost: {refused:?}"
    );
    let position = store.ingested_events(None, &fs_store::All, 1).unwrap()[0].position;
    let refused = store.save_checkpoint("mirror", position);
    assert!(
        matches!(&refused, Err(StateError::NewerVersion(it)) if it.path == path),
        "a checkpoint too: {refused:?}"
    );
    assert_eq!(contents(&root.join("local")), before);
}

#[test]
fn a_log_of_which_a_newer_version_has_written_one_head_is_left_alone() {
    let store = new_store();
    count(&store, "s", 1);
    let path = store.root().join("local/log");
    let mut bytes = fs::read(&path).unwrap();
    let (of, other) = if bytes.starts_with(b"triblog") {
        (0, 4096)
    } else {
        (4096, 0)
    };
    let mut head = bytes[of..of + 508].to_vec();
    head[7] = 9;
    bytes[other..other + 508].copy_from_slice(&head);
    bytes[other + 508..other + 512].copy_from_slice(&crc32fast::hash(&head).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = store.append(counted("s", 2));
    assert!(
        matches!(&refused, Err(AppendError::Refresh(RefreshError::NewerVersion(it))) if it.format == 9)
            || matches!(&refused, Err(AppendError::NewerVersion(it)) if it.format == 9),
        "an open handle meets it at its next turn: {refused:?}"
    );
    let store = FileEventStore::open(store.root()).unwrap();
    let refused = store.append(counted("s", 2));
    assert!(
        matches!(&refused, Err(AppendError::NewerVersion(it)) if it.path == path),
        "{refused:?}"
    );
    assert_eq!(
        fs::read(&path).unwrap(),
        bytes,
        "its frames are not written over"
    );
}

/// A newer version has written the identity, and a power cut has taken what this one appended: it may not bring that back.
#[test]
fn what_only_the_log_has_is_missed_where_it_cannot_be_written_again() {
    let new = new_store();
    let root = new.root().to_owned();
    drop(new);
    let open = |boot: &str| {
        let mut system = System::real();
        system.machine.boot_id = Some(boot.to_owned());
        let options = StoreOptions::default().durability(Durability::Log);
        options.system(system).open(&root).unwrap()
    };
    let store = open("before");
    let appended = store.append(counted("s", 1)).unwrap();
    drop(store);
    let identity = fs::read(root.join("local/replicas")).unwrap();
    make_newer(&root, "replicas");
    let file = appended.transaction_id.relative_path();
    let lost = root.join("events").join(&file);
    let bytes = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let removed = open("before").stream_events(&stream("s")).unwrap();
    assert!(
        removed.is_complete() && removed.is_empty(),
        "where the machine has run on, it was removed on purpose"
    );
    let reading = open("after");
    let lacking = reading.stream_events(&stream("s")).unwrap();
    assert_eq!(lacking.completeness().missing.paths, [file]);
    let status = reading.status().unwrap();
    assert_eq!(status.unrecovered, [appended.transaction_id]);
    assert!(!status.is_clean(), "somebody has to open it for writing");
    fs::write(&lost, bytes).unwrap();
    let whole = reading.stream_events(&stream("s")).unwrap();
    assert!(whole.is_complete() && whole.len() == 1, "it is back");
    drop(reading);
    fs::remove_file(&lost).unwrap();
    fs::write(root.join("local/replicas"), identity).unwrap();
    let store = open("after");
    assert_eq!(store.recovered(), [appended.transaction_id]);
    assert!(store.stream_events(&stream("s")).unwrap().is_complete());
}

/// Makes a file that keeps a place one of a newer version.
fn newer_place(word: &str) -> Vec<u8> {
    let (before, body) = (format!("tributary {word} 9 "), "\n\"\"\n{}");
    let sum = crc32fast::hash(format!("{before}{body}").as_bytes());
    format!("{before}{sum:08x}{body}").into_bytes()
}

#[test]
fn what_a_newer_version_writes_beside_an_open_store_is_met_by_the_next_append() {
    for (directory, word) in [
        ("consumers", "consumer"),
        ("checkpoints", "checkpoint"),
        ("projections", "projection"),
        ("", "accepted"),
    ] {
        let store = new_store();
        count(&store, "s", 1);
        let position = store.ingested_events(None, &fs_store::All, 1).unwrap()[0].position;
        store.save_checkpoint("mirror", position).unwrap();
        drop(store.lock_cursor("c").unwrap());
        count(&store, "s", 2);
        let name = if directory.is_empty() { word } else { "0123" };
        let path = store.root().join("local").join(directory).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, newer_place(word)).unwrap();
        let before = contents(&store.root().join("local"));
        for _ in 0..2 {
            let refused = store.append(counted("s", 3));
            assert!(
                matches!(&refused, Err(AppendError::NewerVersion(it)) if it.path == path),
                "{word}: {refused:?}"
            );
        }
        let met = store.newer_version().expect("the handle tells why");
        assert_eq!((&met.path, met.format), (&path, 9), "{word}");
        let refused = store.save_checkpoint("mirror", position);
        assert!(
            matches!(&refused, Err(StateError::NewerVersion(it)) if it.path == path),
            "{word}: what was met changes nothing any more: {refused:?}"
        );
        assert_eq!(numbers(&store, "s"), [1, 2], "{word}: reading goes on");
        assert_eq!(
            contents(&store.root().join("local")),
            before,
            "{word}: nothing in local/ is changed"
        );
        fs::remove_file(&path).unwrap();
        count(&store, "s", 3);
        assert_eq!(store.newer_version(), None, "{word}: it is gone");
    }
}
