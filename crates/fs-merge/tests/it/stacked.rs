//! Conflicts of one stream that lie above each other or side by side.

use std::collections::BTreeSet;

use fs_format::FormatVersion;
use fs_merge::{ForkContext, Outcome, Resolution, reconcile};

use crate::disk::Place;
use crate::model::{Draft, Model, stream};

fn keep_the_first(fork: &ForkContext) -> Resolution {
    let first = fork.branches.iter().map(|branch| branch.head).min();
    match first.and_then(|head| Outcome::keep(fork, head)) {
        Some(outcome) => Resolution::Resolve(outcome),
        None => Resolution::Unresolvable("no branch".to_owned()),
    }
}

/// ```text
///   A ---.   .--- C        A and B were merged, and nobody settled them; on top of both, C and D were written
///         >-<              apart. Who settles C and D descends from A and B and settles them too.
///   B ---'   `--- D
/// ```
#[test]
fn conflicts_above_each_other_are_one_fork() {
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let b = model.write(1, &[], &["s"]);
    let c = model.write(0, &[a, b], &["s"]);
    let d = model.write(1, &[a, b], &["s"]);
    let place = Place::of(&model);

    let forks = place.forks();
    assert_eq!(forks.len(), 1, "what is settled together is one fork");
    let common: Vec<_> = forks[0]
        .common
        .iter()
        .map(|transaction| transaction.transaction_id)
        .collect();
    assert_eq!(
        common,
        model.ids(&[a, b]),
        "the older conflict is shown as what lies below both branches"
    );
    assert_eq!(forks[0].branches.len(), 2);
    for head in model.ids(&[c, d]) {
        assert!(forks[0].branch(head).is_some(), "{head} heads a branch");
    }
    let report = reconcile(&place.store, &keep_the_first).unwrap();
    assert_eq!(report.settled.len(), 1, "one decision settles it");
    assert_eq!(place.forks(), [], "and nothing is left");
}

/// ```text
///   A   B   C   D      every pair across, A/C, A/D, B/C and B/D, is settled by a transaction that adds nothing;
///   |\ /|\ /|\ /|      A/B and C/D are not
/// ```
#[test]
fn conflicts_side_by_side_are_one_fork() {
    let mut model = Model::default();
    let [a, b, c, d] = [0, 1, 2, 3].map(|replica| model.write(replica, &[], &["s"]));
    for (replica, pair) in [(0, [a, c]), (1, [b, c]), (2, [a, d]), (3, [b, d])] {
        model.accept(replica, &pair, &["s"]);
    }
    let place = Place::of(&model);

    let forks = place.forks();
    assert_eq!(forks.len(), 1, "what is settled together is one fork");
    assert_eq!(
        forks[0].branches.len(),
        4,
        "four writers stand side by side"
    );
    let report = reconcile(&place.store, &keep_the_first).unwrap();
    assert!(report.is_complete());
    assert_eq!(place.forks(), [], "one decision settles it");
}

/// Forks on different streams have nothing to do with each other, wherever they lie.
#[test]
fn forks_of_different_streams_are_settled_one_by_one() {
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let b = model.write(1, &[], &["s"]);
    model.write(0, &[a, b], &["t"]);
    model.write(1, &[a, b], &["t"]);
    let place = Place::of(&model);

    let forks = place.forks();
    assert_eq!(forks.len(), 2, "two streams, two forks");
    let report = reconcile(&place.store, &|fork: &ForkContext| {
        if fork.involves(&stream("t")) {
            Resolution::Unresolvable("not yet".to_owned())
        } else {
            keep_the_first(fork)
        }
    })
    .unwrap();
    assert_eq!((report.settled.len(), report.declined.len()), (1, 1));
    assert_eq!(
        place.forks()[0].id,
        forks[1].id,
        "the fork that was declined is still open, and the same"
    );
}

/// ```text
///   A {b}   B {c}   C {c, settles b}   D {b}
/// ```
/// A/D on b and B/C on c are two forks. A decision on b that writes conflicts with C, which settles b too, and so
/// makes another fork of the second.
#[test]
fn a_fork_that_another_decision_changed_is_left_to_the_next_call() {
    let mut model = Model::default();
    model.write(0, &[], &["b"]);
    model.write(1, &[], &["c"]);
    model.add(Draft {
        replica: 2,
        parents: BTreeSet::new(),
        streams: [(stream("b"), 0), (stream("c"), 1)].into(),
        resolves: [stream("b")].into(),
        listed: None,
        format_version: FormatVersion::V3,
        ahead: 0,
    });
    model.write(3, &[], &["b"]);
    let place = Place::of(&model);

    assert_eq!(place.forks().len(), 2);
    let first = reconcile(&place.store, &keep_the_first).unwrap();
    assert_eq!(first.settled.len(), 1, "the second is another one by now");
    assert_eq!(place.forks().len(), 1, "and is still open");
    let second = reconcile(&place.store, &keep_the_first).unwrap();
    assert_eq!(second.settled.len(), 1);
    assert_eq!(place.forks(), [], "until it is decided as it is");
}
