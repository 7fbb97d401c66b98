//! A store that is put back to an earlier state, and goes on otherwise: whoever has read further is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_store::{
    All, ConsumerError, FileEventStore, Item, ReadError, SubscribeError, SubscribeOptions,
};

use crate::support::{count, new_store, numbers};

/// The files below some directories of a store.
pub(crate) struct Backup(BTreeMap<PathBuf, Vec<u8>>);

fn files(below: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

impl Backup {
    pub(crate) fn of(store: &FileEventStore, directories: &[&str]) -> Self {
        let mut found = BTreeMap::new();
        for directory in directories {
            files(&store.root().join(directory), &mut found);
        }
        Self(found)
    }

    /// Writes the files over those that are there, which stay the same files, and removes the others.
    pub(crate) fn put_back(&self, store: &FileEventStore, directories: &[&str]) {
        let now = Self::of(store, directories);
        for path in now.0.keys().filter(|path| !self.0.contains_key(*path)) {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &self.0 {
            fs::write(path, bytes).unwrap();
        }
    }
}

const HISTORY: &[&str] = &["events", "index"];
const ALL: &[&str] = &["events", "index", "local"];

fn begun() -> FileEventStore {
    let store = new_store();
    (1..=3).for_each(|n| _ = count(&store, "counter", n));
    store
}

#[test]
fn a_position_of_what_was_undone_is_refused_by_whoever_is_asked() {
    for directories in [HISTORY, ALL] {
        let store = begun();
        let backup = Backup::of(&store, directories);
        let kept = store.ingested_events(None, &All, 9).unwrap()[2].position;
        (14..=16).for_each(|n| _ = count(&store, "counter", n));
        let lost = store.ingested_events(Some(kept), &All, 9).unwrap();
        backup.put_back(&store, directories);
        let other = FileEventStore::open(store.root()).unwrap();
        (4..=9).for_each(|n| _ = count(&other, "counter", n));
        for (who, store) in [("a new handle", &other), ("one that had read on", &store)] {
            for event in &lost {
                let refused = store.ingested_events(Some(event.position), &All, 9);
                assert!(
                    matches!(refused, Err(ReadError::StalePosition(stale)) if stale.position == event.position),
                    "{who} is asked for what was undone: {refused:?}"
                );
            }
            let after = store.ingested_events(Some(kept), &All, 9).unwrap();
            assert_eq!(after.len(), 6, "{who} goes on from before");
            assert_eq!(numbers(store, "counter"), (1..=9).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_consumer_and_a_checkpoint_that_are_younger_than_the_store_are_told() {
    let store = begun();
    let backup = Backup::of(&store, HISTORY);
    (14..=16).for_each(|n| _ = count(&store, "counter", n));
    let consumer = store.consumer("agent").unwrap();
    let read = consumer.fetch_and_advance(9).unwrap();
    let end = read.position().unwrap();
    store.save_checkpoint("board", end).unwrap();
    backup.put_back(&store, HISTORY);
    let other = FileEventStore::open(store.root()).unwrap();
    (4..=9).for_each(|n| _ = count(&other, "counter", n));
    for store in [&other, &store] {
        let consumer = store.consumer("agent").unwrap();
        for refused in [
            consumer.fetch(9).map(drop),
            consumer.fetch_and_advance(9).map(drop),
            consumer.ack_through(end),
        ] {
            assert!(
                matches!(refused, Err(ConsumerError::NewEpoch { .. })),
                "what comes next would be passed over: {refused:?}"
            );
        }
        let checkpoint = store.checkpoint("board").unwrap();
        let refused = store.ingested_events(checkpoint, &All, 9);
        assert!(
            matches!(refused, Err(ReadError::StalePosition(_))),
            "{refused:?}"
        );
    }
    let consumer = other.consumer("agent").unwrap();
    consumer.reset().unwrap();
    assert_eq!(consumer.fetch(99).unwrap().events.len(), 9);
}

#[test]
fn a_subscriber_is_told_whether_it_has_caught_up_or_not() {
    for caught_up in [false, true] {
        // As many as were lost, fewer, and more.
        for new in [3, 1, 6] {
            let store = begun();
            let backup = Backup::of(&store, ALL);
            (14..=16).for_each(|n| _ = count(&store, "counter", n));
            let options = SubscribeOptions::default().poll_interval(Duration::from_millis(5));
            let mut subscription = store.subscribe_with(None, options);
            for _ in 1..=6 {
                assert!(matches!(subscription.recv().unwrap(), Item::Event(_)));
            }
            if caught_up {
                assert_eq!(
                    subscription.try_recv().unwrap(),
                    None,
                    "nothing more is there"
                );
            }
            backup.put_back(&store, ALL);
            let other = FileEventStore::open(store.root()).unwrap();
            (4..4 + new).for_each(|n| _ = count(&other, "counter", n));
            let told = subscription.recv();
            assert!(
                matches!(told, Err(SubscribeError::StalePosition(_))),
                "what it has read was undone: {told:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_waits_for_changes_is_told_of_as_many_others() {
    let store = begun();
    let backup = Backup::of(&store, ALL);
    (14..=16).for_each(|n| _ = count(&store, "counter", n));
    let mut changes = store.changes().unwrap();
    backup.put_back(&store, ALL);
    let other = FileEventStore::open(store.root()).unwrap();
    (4..=6).for_each(|n| _ = count(&other, "counter", n));
    changes.next().await.unwrap();
}
