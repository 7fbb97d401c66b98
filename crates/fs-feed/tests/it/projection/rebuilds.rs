//! When the state cannot be gone on with, it is built again.

use std::fs;

use fs_feed::Feed as _;
use fs_feed::projection::{Delivered, Format, Order, Projection, Rebuild, Retry, Snapshot};
use fs_store::FileEventStore;

use super::{Books, Ledger, Noted, books, note, note_all};
use crate::support::{merge, new_store};
use fs_testing::stores::Backup;

/// Catches up as a process of its own; returns the state, and why it was built from the first event, if it was.
fn catch_up(store: &FileEventStore, ledger: Ledger) -> (Books, Option<Rebuild>) {
    let mut runner = store.project(ledger, Snapshot::in_file(store, Format::Json));
    let status = runner.catch_up().unwrap();
    (runner.into_model().into_state(), status.rebuilt)
}

fn canonical() -> Ledger {
    Ledger {
        order: Order::Canonical,
        ..Ledger::default()
    }
}

#[test]
fn another_version_builds_the_state_again() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let expected = books(&[("a", &[1, 2, 3])]);
    let first = catch_up(&store, Ledger::default());
    assert_eq!(first, (expected.clone(), Some(Rebuild::First)));
    let again = catch_up(&store, Ledger::default());
    assert_eq!(again, (expected.clone(), None), "the same version goes on");
    let second = Ledger {
        version: 2,
        ..Ledger::default()
    };
    let rebuilt = catch_up(&store, second);
    assert_eq!(rebuilt, (expected, Some(Rebuild::Version { from: 1 })));
}

#[test]
fn who_wants_it_gets_the_state_built_again_once() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut runner = store.project(Ledger::default(), Snapshot::in_memory());
    runner.catch_up().unwrap();
    let mut runner = store
        .project(Ledger::default(), runner.into_model())
        .rebuild();
    assert_eq!(runner.catch_up().unwrap().rebuilt, Some(Rebuild::Asked));
    assert_eq!(*runner.model().state(), books(&[("a", &[1, 2, 3])]));
    note(&store, "a", 4);
    runner.catch_up().unwrap();
    assert_eq!(
        *runner.model().state(),
        books(&[("a", &[1, 2, 3, 4])]),
        "after that it goes on"
    );
}

#[test]
fn events_that_went_away_are_not_in_the_state() {
    for ledger in [Ledger::default(), canonical()] {
        let store = new_store();
        note(&store, "a", 1);
        let kept = store.transactions().unwrap();
        note(&store, "a", 2);
        catch_up(&store, ledger.clone());
        let gone = store.transactions().unwrap().pop().unwrap().transaction_id;
        assert_ne!(gone, kept[0].transaction_id);
        fs::remove_file(store.root().join("events").join(gone.relative_path())).unwrap();
        store.refresh().unwrap();
        note(&store, "a", 3);
        let (state, rebuilt) = catch_up(&store, ledger.clone());
        assert_eq!(
            state,
            books(&[("a", &[1, 3])]),
            "{ledger:?}: what a reset removes is gone from the state too"
        );
        assert!(
            matches!(rebuilt, Some(Rebuild::Epoch { .. })),
            "{ledger:?}: since another epoch has begun: {rebuilt:?}"
        );
    }
}

#[test]
fn a_state_of_what_was_undone_is_built_again() {
    for ledger in [Ledger::default(), canonical()] {
        // As many, fewer and more than were undone.
        for new in [3, 1, 5] {
            let store = new_store();
            note_all(&store, "a", 1..=3);
            let backup = Backup::of(&store, &["events", "index"]);
            (14..=16).for_each(|n| note(&store, "a", n));
            catch_up(&store, ledger.clone());
            backup.put_back(&store, &["events", "index"]);
            let other = FileEventStore::open(store.root()).unwrap();
            (4..4 + new).for_each(|n| note(&other, "a", n));
            let expected: Vec<u64> = (1..4 + new).collect();
            for store in [&other, &store] {
                let (state, rebuilt) = catch_up(store, ledger.clone());
                assert_eq!(
                    state,
                    books(&[("a", &expected)]),
                    "{ledger:?}: nothing of what never happened stays, and nothing is passed over"
                );
                let expected = std::ptr::eq(store, &other);
                let is_rebuilt = matches!(rebuilt, Some(Rebuild::Epoch { .. }));
                assert_eq!(is_rebuilt, expected, "{ledger:?}: once: {rebuilt:?}");
            }
        }
    }
}

#[test]
fn a_state_in_canonical_order_that_is_half_built_proves_what_it_stands_on() {
    for new in [1, 2, 3] {
        let store = new_store();
        note(&store, "a", 1);
        let backup = Backup::of(&store, &["events", "index"]);
        note(&store, "a", 12);
        note(&store, "a", 13);
        let mut runner = store
            .project(
                Stops {
                    at: 13,
                    ledger: canonical(),
                },
                Snapshot::in_file(&store, Format::Json),
            )
            .batch(1)
            .retry(Retry::NEVER);
        runner.catch_up().unwrap_err();
        drop(runner);
        backup.put_back(&store, &["events", "index"]);
        (2..2 + new).for_each(|n| note(&store, "a", n));
        let (state, rebuilt) = catch_up(&store, canonical());
        let expected: Vec<u64> = (1..2 + new).collect();
        assert_eq!(state, books(&[("a", &expected)]), "12 never happened");
        assert!(
            matches!(rebuilt, Some(Rebuild::Epoch { .. })),
            "{rebuilt:?}"
        );
    }
}

#[test]
fn pages_that_end_inside_a_transaction_hold_each_event_once_in_either_order() {
    for ledger in [Ledger::default(), canonical()] {
        for batch in [1, 2, 3, 7, 100] {
            let store = new_store();
            note(&store, "a", 1);
            note_all(&store, "a", 2..=20);
            note_all(&store, "b", 1..=7);
            note(&store, "a", 21);
            let runner = store.project(ledger.clone(), Snapshot::in_memory());
            let mut runner = runner.batch(batch);
            runner.catch_up().unwrap();
            let numbers: Vec<u64> = (1..=21).collect();
            assert_eq!(
                *runner.model().state(),
                books(&[("a", &numbers), ("b", &numbers[..7])]),
                "{ledger:?}, {batch} at a time"
            );
        }
    }
}

/// A ledger that cannot note one number.
struct Stops {
    at: u64,
    ledger: Ledger,
}

#[derive(Debug, thiserror::Error)]
#[error("that number is not for this ledger")]
struct Stopped;

impl Projection for Stops {
    type Event = Noted;
    type State = Books;
    type Error = Stopped;

    fn name(&self) -> &str {
        self.ledger.name()
    }

    fn order(&self) -> Order {
        self.ledger.order()
    }

    fn reset(&mut self, books: &mut Books) -> Result<(), Stopped> {
        books.clear();
        Ok(())
    }

    fn apply(&mut self, books: &mut Books, noted: &Delivered<Noted>) -> Result<(), Stopped> {
        if noted.event.number == self.at {
            return Err(Stopped);
        }
        let Ok(()) = self.ledger.apply(books, noted);
        Ok(())
    }
}

#[test]
fn a_deleted_index_is_a_new_epoch() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    catch_up(&store, Ledger::default());
    fs::remove_dir_all(store.root().join("index")).unwrap();
    let store = FileEventStore::open(store.root()).unwrap();
    let (state, rebuilt) = catch_up(&store, Ledger::default());
    assert_eq!(
        state,
        books(&[("a", &[1, 2, 3])]),
        "each event is applied once"
    );
    assert!(
        matches!(rebuilt, Some(Rebuild::Epoch { .. })),
        "{rebuilt:?}"
    );
}

#[test]
fn what_a_merge_brings_behind_the_cursor_is_compensated_or_built_again_as_was_chosen() {
    // ours:    1 -- 4        appended last, after theirs
    // theirs:  1 -- 2 -- 3   arrives after 4 was applied
    let (ours, theirs) = (new_store(), new_store());
    note(&ours, "a", 1);
    merge(&ours, &theirs);
    theirs.refresh().unwrap();
    note(&theirs, "a", 2);
    note(&theirs, "a", 3);
    note(&ours, "a", 4);
    let live = Ledger {
        name: "live",
        ..Ledger::default()
    };
    catch_up(&ours, live.clone());
    catch_up(&ours, canonical());

    merge(&theirs, &ours);

    let (state, rebuilt) = catch_up(&ours, live);
    assert_eq!(
        (state, rebuilt),
        (books(&[("a", &[1, 4, 2, 3])]), None),
        "in ingestion order, what arrived comes last and once"
    );
    let (state, rebuilt) = catch_up(&ours, canonical());
    assert_eq!(
        state,
        books(&[("a", &[1, 2, 3, 4])]),
        "in canonical order, as every clone sorts it"
    );
    assert!(
        matches!(rebuilt, Some(Rebuild::Topology { .. })),
        "{rebuilt:?}"
    );

    note(&ours, "a", 5);
    let (state, rebuilt) = catch_up(&ours, canonical());
    assert_eq!(
        (state, rebuilt),
        (books(&[("a", &[1, 2, 3, 4, 5])]), None),
        "an append at the end is no reason to build it again"
    );
}

#[test]
fn the_other_order_builds_the_state_again() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    catch_up(&store, Ledger::default());
    let (state, rebuilt) = catch_up(&store, canonical());
    assert_eq!(rebuilt, Some(Rebuild::Order));
    assert_eq!(state, books(&[("a", &[1, 2, 3])]));
}

#[test]
fn canonical_order_is_built_in_batches_that_end_within_transactions() {
    let store = new_store();
    for first in [1, 8, 15] {
        note_all(&store, "a", first..first + 7);
    }
    let mut runner = store.project(canonical(), Snapshot::in_memory()).batch(4);
    runner.catch_up().unwrap();
    let all: Vec<u64> = (1..=21).collect();
    assert_eq!(*runner.model().state(), books(&[("a", &all)]));
}
