//! A command that was carried out again by somebody who had the first time before them.

use std::collections::BTreeSet;

use fs_format::{CommandId, Parent, TransactionId};
use fs_store::FileEventStore;
use proptest::prelude::*;

use crate::forged::{Forged, id};
use crate::support::{counted, merge, new_store, stream};

/// A transaction of a small history: its command, and those below it by place.
type Shape = (Option<u8>, Vec<usize>);

fn command(n: u8) -> CommandId {
    CommandId::new(format!("k{n}")).unwrap()
}

fn put(store: &FileEventStore, history: &[Shape]) {
    let mut put: Vec<Parent> = Vec::new();
    for (place, (command_id, below)) in (1u64..).zip(history) {
        let mut forged = Forged::new(place);
        forged.command_id = command_id.map(command);
        forged.parents = below.iter().map(|place| put[*place]).collect();
        put.push(forged.put(store));
    }
}

/// Returns by command what repeats it and what is repeated, from the rule as `docs/format.md` has it.
fn expected(history: &[Shape]) -> Vec<(CommandId, [TransactionId; 2])> {
    let mut below: Vec<BTreeSet<usize>> = Vec::new();
    for (_, parents) in history {
        let all = parents.iter().flat_map(|it| below[*it].iter().chain([it]));
        below.push(all.copied().collect());
    }
    let mut found = Vec::new();
    for (later, (command_id, _)) in history.iter().enumerate() {
        let mut first = below[later].iter().copied();
        if let Some(command_id) = command_id
            && let Some(first) = first.find(|it| history[*it].0 == Some(*command_id))
        {
            let ids = [first, later].map(|place| id(place as u64 + 1));
            found.push((command(*command_id), ids));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Returns what the status and the full check tell, which is the same.
fn told(store: &FileEventStore) -> Vec<(CommandId, [TransactionId; 2])> {
    let by_status = store.status().unwrap().repeated_commands;
    let verified = store.verify().unwrap();
    assert_eq!(by_status, verified.repeated_commands, "both tell the same");
    assert_eq!(
        verified.is_ok(),
        by_status.is_empty(),
        "what breaks the rule does not verify"
    );
    for it in &by_status {
        let paths = it.transactions.map(|id| id.relative_path());
        assert_eq!(it.paths, paths, "the files are named");
    }
    let told = by_status.into_iter();
    told.map(|it| (it.command_id, it.transactions)).collect()
}

/// ```text
///   1 (k0) -- 2 -- 3 (k0)      3 repeats 1, and so does 4; 3 and 4 do not know of each other
///              \
///               4 (k0)
/// ```
#[test]
fn who_had_the_first_time_below_repeats_it() {
    let store = new_store();
    put(
        &store,
        &[
            (Some(0), vec![]),
            (None, vec![0]),
            (Some(0), vec![1]),
            (Some(0), vec![1]),
        ],
    );
    let repeated = [[id(1), id(3)], [id(1), id(4)]];
    assert_eq!(told(&store), repeated.map(|ids| (command(0), ids)));
}

#[test]
fn a_store_with_a_repeated_command_is_clean() {
    let store = new_store();
    put(&store, &[(Some(0), vec![]), (Some(0), vec![0])]);
    assert_eq!(told(&store).len(), 1);
    assert!(
        store.status().unwrap().is_clean(),
        "it stays in the history for good, so it asks for nothing"
    );
}

#[test]
fn clones_that_used_one_id_apart_a_replay_and_their_settlement_repeat_nothing() {
    let (here, there) = (new_store(), new_store());
    let append = || counted("s", 1).command_id(command(0));
    here.append(append()).unwrap();
    there.append(append()).unwrap();
    merge(&there, &here);
    here.refresh().unwrap();
    let replayed = here.append(append()).unwrap();
    assert!(replayed.replayed, "it is known");
    here.append(counted("t", 1).expect(stream("s"), fs_store::ExpectedVersion::Any))
        .unwrap();
    assert!(here.append(append()).unwrap().replayed);
    assert_eq!(told(&here), []);
}

fn histories() -> impl Strategy<Value = Vec<Shape>> {
    let transaction = (
        prop::option::of(0..2u8),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    );
    prop::collection::vec(transaction, 1..14).prop_map(|drawn| {
        let mut history: Vec<Shape> = Vec::new();
        for (command_id, below) in drawn {
            let count = history.len();
            let places = below.iter().filter(|_| count > 0).map(|it| it.index(count));
            let places: BTreeSet<usize> = places.collect();
            history.push((command_id, places.into_iter().collect()));
        }
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_told_is_what_the_rule_says(history in histories()) {
        let store = new_store();
        put(&store, &history);
        prop_assert_eq!(told(&store), expected(&history));
    }
}
