//! A store that is put back to an earlier state, and goes on otherwise: whoever has read further is told.

use fs_store::{All, FileEventStore, ReadError};

use crate::support::{count, new_store, numbers};
use fs_testing::stores::Backup;

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
fn a_checkpoint_that_is_younger_than_the_store_is_told() {
    let store = begun();
    let backup = Backup::of(&store, HISTORY);
    (14..=16).for_each(|n| _ = count(&store, "counter", n));
    let read = store.ingested_events(None, &All, 9).unwrap();
    let end = read.last().unwrap().position;
    store.save_checkpoint("board", end).unwrap();
    backup.put_back(&store, HISTORY);
    let other = FileEventStore::open(store.root()).unwrap();
    (4..=9).for_each(|n| _ = count(&other, "counter", n));
    for store in [&other, &store] {
        let checkpoint = store.checkpoint("board").unwrap();
        let refused = store.ingested_events(checkpoint, &All, 9);
        assert!(
            matches!(refused, Err(ReadError::StalePosition(_))),
            "{refused:?}"
        );
    }
}
