//! One rule for the status and for what is told by replica.

use std::collections::BTreeSet;

use fs_format::{ContentHash, Parent, TransactionId};
use fs_store::{FileEventStore, ReplicaItem};
use proptest::prelude::*;

use crate::forged::{Forged, id};
use crate::support::new_store;

/// A transaction of a small history: its number, those below it by place, and whether something is missing there.
type Shape = (u64, Vec<usize>, bool);

fn put(store: &FileEventStore, history: &[Shape]) {
    let mut put: Vec<Parent> = Vec::new();
    for (place, (sequence, below, has_gap)) in (1u64..).zip(history) {
        let mut forged = Forged::new(place);
        forged.sequence = *sequence;
        forged.parents = below.iter().map(|place| put[*place]).collect();
        if *has_gap {
            forged.parents.push(Parent {
                transaction_id: id(1000 + place),
                content_hash: Some(ContentHash::of_lines(["missing"])),
            });
        }
        put.push(forged.put(store));
    }
}

/// Returns who is in a conflict, from the rule as `docs/format.md` has it.
fn expected(history: &[Shape]) -> BTreeSet<TransactionId> {
    let mut below: Vec<BTreeSet<usize>> = Vec::new();
    let mut is_complete: Vec<bool> = Vec::new();
    for (_, parents, has_gap) in history {
        let all = parents.iter().flat_map(|it| below[*it].iter().chain([it]));
        let all = all.copied().collect();
        is_complete.push(!has_gap && parents.iter().all(|it| is_complete[*it]));
        below.push(all);
    }
    let mut found = BTreeSet::new();
    for later in 0..history.len() {
        for earlier in 0..later {
            let is_one_number = history[earlier].0 == history[later].0;
            let is_apart = is_complete[later] && !below[later].contains(&earlier);
            if is_one_number || is_apart {
                let ids = [earlier, later].map(|place| id(place as u64 + 1));
                found.extend(ids);
            }
        }
    }
    found
}

/// Returns who is in a conflict as the status and the feeds tell.
fn told(store: &FileEventStore) -> (BTreeSet<TransactionId>, BTreeSet<TransactionId>) {
    let by_status = store.status().unwrap().replica_conflicts;
    let by_status = by_status.iter().flat_map(|it| it.transactions).collect();
    let feeds = store.read_by_replica().unwrap();
    let items = feeds.iter().flat_map(|feed| feed.items());
    let by_replica = items.filter_map(|item| match item.unwrap() {
        ReplicaItem::Conflict { transactions, .. } => Some(transactions),
        _ => None,
    });
    (by_status, by_replica.flatten().collect())
}

#[test]
fn both_tell_the_same_above_a_gap() {
    for (numbers, in_conflict) in [
        (vec![5, 5], vec![1, 2]),
        (vec![5, 3, 5], vec![1, 3]),
        (vec![3, 4, 5, 4, 5], vec![2, 3, 4, 5]),
        (vec![5, 6], vec![]),
        (vec![6, 5], vec![]),
    ] {
        let store = new_store();
        let history: Vec<Shape> = numbers.iter().map(|n| (*n, Vec::new(), true)).collect();
        put(&store, &history);
        let (by_status, by_replica) = told(&store);
        assert_eq!(
            by_replica,
            in_conflict.into_iter().map(id).collect(),
            "{numbers:?}: one number is one transaction"
        );
        assert_eq!(by_status.is_empty(), by_replica.is_empty(), "{numbers:?}");
    }
}

#[test]
fn other_numbers_are_in_conflict_where_nothing_is_missing() {
    let store = new_store();
    put(
        &store,
        &[(1, vec![], false), (2, vec![0], false), (3, vec![0], false)],
    );
    let (by_status, by_replica) = told(&store);
    assert_eq!(by_replica, [id(2), id(3)].into(), "3 does not follow 2");
    assert_eq!(by_status, by_replica);
}

fn history() -> impl Strategy<Value = Vec<Shape>> {
    let transaction = (
        1..5u64,
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        prop::bool::weighted(0.2),
    );
    prop::collection::vec(transaction, 1..8).prop_map(|transactions| {
        let shapes = transactions.into_iter().enumerate();
        let shapes = shapes.map(|(place, (number, below, has_gap))| {
            let below: BTreeSet<_> = below
                .iter()
                .filter(|_| place > 0)
                .map(|it| it.index(place))
                .collect();
            (number, below.into_iter().collect(), has_gap)
        });
        shapes.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn who_is_told_to_be_in_conflict_is(history in history()) {
        let store = new_store();
        put(&store, &history);
        let expected = expected(&history);
        let (by_status, by_replica) = told(&store);
        prop_assert!(by_replica.is_subset(&expected), "{by_replica:?} and not {expected:?}");
        prop_assert!(by_status.is_subset(&by_replica), "the status tells of one of them");
        prop_assert_eq!(by_replica.is_empty(), expected.is_empty());
        prop_assert_eq!(by_status.is_empty(), expected.is_empty());
        std::fs::remove_dir_all(store.root()).unwrap();
    }
}
