//! What each replica wrote, by its own count.

use std::collections::BTreeMap;
use std::fs;

use fs_format::{FormatVersion, ReplicaId};
use fs_merge::{Outcome, settle};
use fs_store::{FileEventStore, ReplicaItem, StoreOptions, StoredEvent};
use scenarios::{Repository, World, append};

/// A transaction of eventcore-fs, which has no count.
const OLD: &str = include_str!("../../crates/fs-format/tests/golden/v1/minimal.jsonl");

fn items(store: &FileEventStore) -> BTreeMap<ReplicaId, Vec<ReplicaItem>> {
    let feeds = store.read_by_replica().unwrap();
    let feeds = feeds.iter().map(|feed| {
        let items = feed.items().map(Result::unwrap);
        (feed.replica_id(), items.collect())
    });
    feeds.collect()
}

/// Tells items by their numbers: `2`, `-3..4` a gap, `!2` a conflict, `old` without a number.
fn told(items: &[ReplicaItem]) -> Vec<String> {
    let tell = |item: &ReplicaItem| match item {
        ReplicaItem::Transaction { header, .. } => match header.replica_seq {
            Some(sequence) => sequence.to_string(),
            None => "old".to_owned(),
        },
        ReplicaItem::Gap { first, last, .. } => format!("-{first}..{last}"),
        ReplicaItem::Conflict { sequence, .. } => format!("!{sequence}"),
        other => panic!("there is no other item: {other:?}"),
    };
    items.iter().map(tell).collect()
}

/// Leaves out what is each working copy's own.
fn unplaced(items: BTreeMap<ReplicaId, Vec<ReplicaItem>>) -> BTreeMap<ReplicaId, Vec<ReplicaItem>> {
    let nowhere = fs_index::Position::from_uuid(Default::default());
    let unplaced = |event: StoredEvent| StoredEvent {
        position: nowhere,
        ..event
    };
    let without = |item| match item {
        ReplicaItem::Transaction { header, events } => ReplicaItem::Transaction {
            header,
            events: events.into_iter().map(unplaced).collect(),
        },
        other => other,
    };
    let of_all = items.into_iter().map(|(replica_id, items)| {
        let items = items.into_iter().map(without).collect();
        (replica_id, items)
    });
    of_all.collect()
}

fn replica_of_first(clone: &Repository) -> ReplicaId {
    clone.store().transactions().unwrap()[0].replica_id
}

fn remove(clone: &Repository, sequences: std::ops::RangeInclusive<u64>, replica_id: ReplicaId) {
    for header in clone.store().transactions().unwrap() {
        let is_counted = header.replica_seq.is_some_and(|it| sequences.contains(&it));
        if header.replica_id == replica_id && is_counted {
            let path = header.transaction_id.relative_path();
            fs::remove_file(clone.event_file(&path)).unwrap();
        }
    }
}

#[test]
fn every_clone_has_the_same_feeds_with_merges_apart() {
    let world = World::new();
    let alice = world.init("alice");
    alice.work("issue", &[0]);
    let replica = replica_of_first(&alice);
    let bob = world.clone(&alice, "bob");
    for round in 0..2 {
        alice.work("issue", &[1, 2]);
        bob.work("issue", &[11]);
        alice.merge(&bob);
        let fork = &alice.forks()[0];
        let kept = Outcome::keep(fork, fork.latest().unwrap().head).unwrap();
        settle(&alice.store(), fork, &kept).unwrap();
        alice.commit(&format!("settle {round}"));
        bob.merge(&alice);
    }
    let feeds = items(&alice.store());
    assert_eq!(
        unplaced(feeds.clone()),
        unplaced(items(&bob.store())),
        "a function of the files"
    );
    assert_eq!(told(&feeds[&replica]), ["1", "2", "3", "4", "5"]);
    assert_eq!(
        told(&feeds[&ReplicaId::NIL]),
        ["0", "0"],
        "merges are neither a gap nor a conflict"
    );
    assert_eq!(feeds.len(), 3);
    let events: usize = feeds
        .values()
        .flatten()
        .map(|item| match item {
            ReplicaItem::Transaction { events, .. } => events.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(
        events,
        alice.store().canonical_events().unwrap().len(),
        "every event is in one feed"
    );
}

#[test]
fn what_is_missing_is_a_gap_and_the_end_is_not() {
    let world = World::new();
    let clone = world.init("clone");
    for n in 1..=7 {
        clone.append("issue", n);
    }
    let replica = replica_of_first(&clone);
    remove(&clone, 1..=1, replica);
    remove(&clone, 3..=4, replica);
    remove(&clone, 7..=7, replica);
    let store = clone.store();
    assert_eq!(
        told(&items(&store)[&replica]),
        ["-1..1", "2", "-3..4", "5", "6"],
        "what is behind the last, nobody can tell"
    );
}

#[test]
fn two_transactions_of_one_number_are_shown_as_a_conflict() {
    let world = World::new();
    let alice = world.init("alice");
    alice.work("issue", &[1]);
    let replica = replica_of_first(&alice);
    let bob = world.clone(&alice, "bob");
    for (clone, n) in [(&alice, 2), (&bob, 12)] {
        let options = StoreOptions::default().replica_id(replica);
        let store = options.create(clone.root()).unwrap();
        append(&store, "issue", n);
        clone.commit("as one");
    }
    alice.merge(&bob);
    let feed = &items(&alice.store())[&replica];
    assert_eq!(told(feed), ["1", "!2", "2", "2"], "and neither is left out");
    let ids = |item: &ReplicaItem| match item {
        ReplicaItem::Transaction { header, .. } => header.transaction_id,
        _ => panic!("it is a transaction"),
    };
    let ReplicaItem::Conflict { transactions, .. } = &feed[1] else {
        panic!("it is a conflict");
    };
    assert_eq!(*transactions, [ids(&feed[2]), ids(&feed[3])]);
}

#[test]
fn old_formats_have_no_count() {
    let world = World::new();
    let clone = world.init("clone");
    clone.append("issue", 1);
    let header = fs_format::decode(OLD.as_bytes()).unwrap().header;
    assert_eq!(header.format_version, FormatVersion::V1);
    let name = header.transaction_id.file_name();
    fs::write(clone.event_file(&name), OLD).unwrap();
    let feeds = items(&clone.store());
    assert_eq!(told(&feeds[&header.replica_id]), ["old"], "and no gap");
}
