//! Settling: the same file everywhere, and nothing else is touched.

use std::collections::BTreeSet;

use fs_format::{FormatVersion, TransactionId};
use fs_merge::{ForkContext, Outcome, Reconcile, Resolution, settle};
use proptest::prelude::*;

use crate::clones::append_raw;
use crate::disk::{Place, seen};
use crate::model::{Model, Tx, stream};
use crate::oracle::Oracle;
use crate::random::histories;

/// How a fork is decided.
#[derive(Clone, Debug)]
enum Decision {
    LetStand,
    Keep(prop::sample::Index),
    Write,
    /// An event on each stream that there is.
    WriteEverywhere,
}

/// Returns decisions that write streams of the fork only.
fn decisions() -> impl Strategy<Value = Decision> {
    prop_oneof![
        Just(Decision::LetStand),
        any::<prop::sample::Index>().prop_map(Decision::Keep),
        Just(Decision::Write),
    ]
}

fn any_decisions() -> impl Strategy<Value = Decision> {
    prop_oneof![3 => decisions(), 2 => Just(Decision::WriteEverywhere)]
}

impl Decision {
    fn outcome(&self, fork: &ForkContext) -> Outcome {
        match self {
            Self::LetStand => Outcome::new(),
            Self::Keep(which) => {
                let mut heads: Vec<_> = fork.branches.iter().map(|branch| branch.head).collect();
                heads.sort();
                let kept = heads[which.index(heads.len())];
                Outcome::keep(fork, kept).expect("the branch is one of the fork's")
            }
            Self::Write => fork
                .streams
                .iter()
                .fold(Outcome::new(), |outcome, of| {
                    outcome
                        .event(of.stream_id.clone(), "Decided", r#"{ "by": "rule" }"#)
                        .unwrap()
                })
                .reason("the rule says so"),
            Self::WriteEverywhere => ["a", "b", "c"]
                .iter()
                .fold(Outcome::new(), |outcome, name| {
                    outcome.event(stream(name), "Decided", "1").unwrap()
                }),
        }
    }
}

fn members(fork: &ForkContext) -> BTreeSet<TransactionId> {
    let in_branches = fork.branches.iter().flat_map(|branch| &branch.transactions);
    in_branches
        .chain(&fork.common)
        .map(|transaction| transaction.transaction_id)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_settlement_is_the_same_everywhere_and_settles_this_fork_alone(
        model in histories(),
        which: prop::sample::Index,
        decision in any_decisions(),
        early: u64,
    ) {
        let place = Place::of(&model);
        let other = Place::in_two_batches(&model, |index| early >> (index % 64) & 1 == 1);
        let before = place.forks();
        prop_assume!(!before.is_empty());
        // Files may be missing.
        let fork = &before[which.index(before.len())].clone().anyway();
        let outcome = decision.outcome(fork);

        let settled = settle(&place.store, fork, &outcome).unwrap();
        // Whatever else a clone knows makes no difference.
        append_raw(&other, "elsewhere", "T", "1");
        let elsewhere = other.forks();
        let same = elsewhere.iter().find(|other| other.id == fork.id).unwrap();
        let same = &same.clone().anyway();
        let again = settle(&other.store, same, &decision.outcome(same)).unwrap();
        prop_assert_eq!(&settled, &again, "clones that decide alike settle alike");
        let path = settled.transaction_id.relative_path();
        let bytes = place.file(&path);
        prop_assert_eq!(&bytes, &other.file(&path), "and write the same bytes");

        let mut after = model.clone();
        let merge = after.take_in(path, bytes);
        let (were, are) = (Oracle::new(&model), Oracle::new(&after));
        let (were_open, are_open) = (were.open_conflicts(), are.open_conflicts());
        for conflict in &were_open {
            prop_assert_eq!(
                are_open.contains(conflict),
                !fork.involves(&conflict.stream_id),
                "the conflicts of the fork's streams are settled, and no others: {:?}", conflict
            );
        }
        for conflict in are_open.difference(&were_open) {
            prop_assert!(
                conflict.a == merge || conflict.b == merge,
                "what is new concerns the merge transaction: {:?}", conflict
            );
        }
        let forks = place.forks();
        prop_assert_eq!(
            forks.iter().map(seen).collect::<Vec<_>>(),
            are.forks(),
            "forks are as the definition says afterwards too"
        );
        prop_assert!(forks.len() <= before.len(), "settling opens no further fork");
        let drawn_in: BTreeSet<_> = are_open
            .difference(&were_open)
            .flat_map(|conflict| after.ids(&[conflict.a, conflict.b]))
            .collect();
        let contested: BTreeSet<_> = are_open
            .difference(&were_open)
            .map(|conflict| conflict.stream_id.clone())
            .collect();
        let as_before = |fork: &ForkContext| {
            let mut fork = seen(fork);
            fork.on_top.retain(|id| *id != settled.transaction_id);
            fork
        };
        for other in before.iter().filter(|other| other.id != fork.id) {
            let is_contested = other.streams.iter().any(|of| contested.contains(&of.stream_id));
            prop_assert!(
                forks.iter().any(|fork| as_before(fork) == seen(other))
                    || is_contested
                    || !members(other).is_disjoint(&drawn_in),
                "fork {} is as it was but for the decision on top, unless that conflicts on a stream or with a member of it", other.id
            );
        }
    }

    #[test]
    fn asking_again_comes_to_an_end(model in histories(), decision in decisions()) {
        let place = Place::of(&model);
        let decide = |fork: &ForkContext| Resolution::Resolve(decision.outcome(fork));
        let mut rounds = 0;
        loop {
            let open = place.forks().len();
            let report = Reconcile::new(&place.store).anyway().run(&decide).unwrap();
            prop_assert!(report.declined.is_empty() && report.settled.len() <= open);
            prop_assert!(open == 0 || !report.settled.is_empty(), "each round settles something");
            if open == 0 {
                break;
            }
            rounds += 1;
            prop_assert!(rounds <= 1 + model.transactions.len(), "settling comes to an end");
        }
        let is_whole = model
            .present()
            .all(|(_, tx)| !tx.parents.iter().any(|parent| model.transactions[*parent].lost));
        let has_list = |tx: &Tx| tx.format_version == FormatVersion::V3 && !tx.resolves.is_empty();
        let lists_count = model
            .present()
            .all(|(ix, tx)| !has_list(tx) || tx.listed.is_subset(&model.below(ix)));
        prop_assert_eq!(
            place.store.verify().unwrap().is_ok(),
            is_whole && lists_count,
            "what was written verifies; only lost parents are missed, and ids that are not below who lists them"
        );
    }
}

/// ```text
///        A {s,t}         one fork over s and t, by A/B on both; C joins on u by B/C
///   R -- B {s,t,u}
///        C {u}
/// ```
#[test]
fn a_fork_over_several_streams_is_settled_by_one_transaction() {
    let mut model = Model::default();
    let r = model.write(0, &[], &["s", "t", "u"]);
    model.write(0, &[r], &["s", "t"]);
    model.write(1, &[r], &["s", "t", "u"]);
    model.write(2, &[r], &["u"]);
    let place = Place::of(&model);

    let forks = place.forks();
    assert_eq!(forks.len(), 1, "the conflicts hang together");
    let streams: Vec<_> = forks[0]
        .streams
        .iter()
        .map(|of| (of.stream_id.as_str(), of.base_version))
        .collect();
    assert_eq!(streams, [("s", 1), ("t", 1), ("u", 1)]);
    let outcome = Outcome::new()
        .event(stream("t"), "Decided", "1")
        .unwrap()
        .event(stream("s"), "Decided", "2")
        .unwrap();
    let settled = settle(&place.store, &forks[0], &outcome).unwrap();

    assert_eq!(settled.resolved, ["s", "t", "u"].map(stream));
    assert_eq!(place.forks(), [], "one transaction settles all three");
    assert_eq!(
        place.store.status().unwrap().transactions,
        model.transactions.len() as u64 + 1
    );
    let written = place.file(&settled.transaction_id.relative_path());
    let written = fs_format::decode(&written).unwrap();
    assert!(written.header.replica_id.is_nil(), "it is nobody's own");
    let versions: Vec<_> = written
        .events
        .iter()
        .map(|event| (event.stream_id.as_str(), event.stream_version))
        .collect();
    assert_eq!(
        versions,
        [("t", 4), ("s", 4)],
        "events keep the order of the outcome and count on from all that lies below"
    );
}

#[test]
fn settling_again_with_the_same_outcome_finds_the_fork_gone() {
    let mut model = Model::default();
    model.write(0, &[], &["s"]);
    model.write(1, &[], &["s"]);
    let place = Place::of(&model);
    let fork = place.forks().remove(0);
    settle(&place.store, &fork, &Outcome::new()).unwrap();
    let refused = settle(&place.store, &fork, &Outcome::new()).unwrap_err();
    assert!(
        matches!(&refused, fs_merge::ReconcileError::ForkChanged { fork_id } if *fork_id == fork.id),
        "got {refused:?}"
    );
}

/// ```text
///        A {s}
///   R --<           R arrives when the fork was looked at, and changes the state that A and B started from
///        B {s}
/// ```
#[test]
fn a_fork_with_something_new_below_it_is_looked_at_again() {
    let mut model = Model::default();
    let r = model.write(0, &[], &["s"]);
    let a = model.write(0, &[r], &["s"]);
    let b = model.write(1, &[r], &["s"]);
    let place = Place::with_some(&model, &[a, b]);
    let fork = place.forks().remove(0);
    place.pull(&Place::of(&model));
    assert_eq!(place.forks()[0].id, fork.id, "the fork has the same heads");
    let refused = settle(&place.store, &fork, &Outcome::new()).unwrap_err();
    assert!(
        matches!(refused, fs_merge::ReconcileError::ForkChanged { .. }),
        "got {refused:?}"
    );
    settle(&place.store, &place.forks()[0], &Outcome::new()).unwrap();
    assert_eq!(place.forks(), []);
}

#[test]
fn only_a_head_can_be_kept() {
    let mut model = Model::default();
    let below = model.write(0, &[], &["s"]);
    model.write(0, &[below], &["s"]);
    model.write(1, &[], &["s"]);
    let place = Place::of(&model);
    let fork = place.forks().remove(0);
    let first = model.ids(&[below])[0];
    assert_eq!(
        Outcome::keep(&fork, first),
        None,
        "{first} is in a branch and heads none"
    );
}
