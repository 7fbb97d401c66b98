//! Forks that may be none for what is missing.

use std::collections::BTreeSet;

use fs_format::FormatVersion;
use fs_merge::policy::AcceptAll;
use fs_merge::{
    ForkContext, Outcome, Raw, Reconcile, ReconcileError, Resolution, plan, reconcile, settle,
};
use fs_store::{AppendError, ExpectedVersion};
use proptest::prelude::*;

use crate::disk::Place;
use crate::model::{Draft, Model, stream};
use crate::oracle::Oracle;
use crate::random::histories;

/// Opens a store without some files of a history, and with some that are empty.
fn without(model: &Model, gone: &[usize], emptied: &[usize]) -> Place {
    let mut there = model.clone();
    gone.iter()
        .for_each(|index| there.transactions[*index].lost = true);
    for index in emptied {
        there.transactions[*index].lost = false;
        there.transactions[*index].bytes.clear();
    }
    Place::of(&there)
}

/// Returns what makes each fork unsure, by index.
fn unsure(model: &Model, place: &Place) -> Vec<Vec<usize>> {
    let index_of = |id| {
        model
            .transactions
            .iter()
            .position(|tx| tx.id == id)
            .unwrap()
    };
    let of_fork = |fork: ForkContext| {
        let missing = fork.unsure.iter();
        missing
            .map(|gap| index_of(gap.transaction_id.unwrap()))
            .collect()
    };
    place.forks().into_iter().map(of_fork).collect()
}

/// A file away, and the same file empty, are one thing to a fork.
fn unsure_without(model: &Model, missing: usize) -> Vec<Vec<usize>> {
    let found = unsure(model, &without(model, &[missing], &[]));
    assert_eq!(
        found,
        unsure(model, &without(model, &[], &[missing])),
        "away or empty"
    );
    found
}

/// ```text
///   A -- (B) -- C      one writer; B is missing, so A and C seem concurrent
/// ```
#[test]
fn a_line_with_a_hole_is_no_fork_to_be_settled() {
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let b = model.write(0, &[a], &["other"]);
    let c = model.write(0, &[b], &["s"]);
    assert_eq!(unsure_without(&model, b), [vec![b]]);
    assert_eq!(unsure(&model, &Place::of(&model)), Vec::<Vec<usize>>::new());

    let place = without(&model, &[], &[b]);
    let fork = place.forks().remove(0);
    let path = &model.transactions[b].path;
    let declined = |error: ReconcileError| {
        assert!(
            matches!(&error, ReconcileError::Unsure { missing, .. } if missing[0].path == *path)
        );
        assert!(
            error.to_string().contains(path),
            "the file is named: {error}"
        );
    };
    declined(settle(&place.store, &fork, &Outcome::new()).unwrap_err());
    declined(plan(&place.store, &fork, &Outcome::new()).unwrap_err());
    let mut report = reconcile::<Raw>(&place.store, &AcceptAll).unwrap();
    declined(report.failed.remove(0).error);
    let report = Reconcile::new(&place.store)
        .dry_run()
        .run::<Raw>(&AcceptAll)
        .unwrap();
    assert!(report.into_result().is_err(), "what failed is no success");
    assert_eq!(place.files().len(), 3, "nothing was written");

    let fork = place.forks().remove(0).anyway();
    let planned = plan(&place.store, &fork, &Outcome::new()).unwrap();
    let report = Reconcile::new(&place.store)
        .anyway()
        .run::<Raw>(&AcceptAll)
        .unwrap();
    let settled = report.into_result().unwrap().settled;
    assert_eq!(
        settled[0].transaction_id, planned.transaction_id,
        "the same either way"
    );
    assert_eq!(place.forks(), [], "who says anyway settles");
    let _ = (a, c);
}

/// ```text
///        .-- A      the missing P is below both sides: it can neither stand on one of them nor settle them
///   (P) -- Q
///        '-- B
/// ```
#[test]
fn what_is_missing_below_both_sides_leaves_a_fork_sure() {
    for format_version in [FormatVersion::V2, FormatVersion::V3] {
        let mut model = Model::default();
        let mut add = |replica, parents: &[usize], name: &str| {
            model.add(Draft {
                replica,
                parents: parents.iter().copied().collect(),
                streams: [(stream(name), 1)].into(),
                resolves: BTreeSet::new(),
                listed: None,
                format_version,
                ahead: 5_000_000,
            })
        };
        let p = add(0, &[], "s");
        let q = add(0, &[p], "s");
        add(1, &[q], "s");
        add(2, &[q], "s");
        assert_eq!(
            unsure_without(&model, p),
            [Vec::<usize>::new()],
            "format {format_version}"
        );
    }
}

/// ```text
///   A, B {s}      (P) -- Q {other}      P is missing and has nothing to do with A and B: written before them it can
///                                       neither lie above one of them nor settle them, written after them it may
/// ```
#[test]
fn what_is_missing_elsewhere_may_settle_what_is_older() {
    for (ahead, is_unsure) in [(0, false), (60_000_000_000, true)] {
        let mut model = Model::default();
        let mut add = |replica, parents: &[usize], name: &str, ahead| {
            model.add(Draft {
                replica,
                parents: parents.iter().copied().collect(),
                streams: [(stream(name), 1)].into(),
                resolves: BTreeSet::new(),
                listed: None,
                format_version: FormatVersion::V3,
                ahead,
            })
        };
        add(0, &[], "s", 10_000_000_000);
        add(1, &[], "s", 20_000_000_000);
        let p = add(2, &[], "other", ahead);
        add(2, &[p], "other", 100_000_000_000);
        let expected = if is_unsure { vec![p] } else { vec![] };
        assert_eq!(unsure_without(&model, p), [expected], "{ahead}");
    }
}

/// ```text
///   A {s} -- (P) -- C {s}      C is of format 2 and dated before A, since its writer's clock ran backwards
/// ```
#[test]
fn who_names_what_is_missing_may_be_dated_before_what_is_below_it() {
    let mut model = Model::default();
    let mut add = |parents: &[usize], name: &str, format_version, ahead| {
        model.add(Draft {
            replica: 0,
            parents: parents.iter().copied().collect(),
            streams: [(stream(name), 1)].into(),
            resolves: BTreeSet::new(),
            listed: None,
            format_version,
            ahead,
        })
    };
    let a = add(&[], "s", FormatVersion::V3, 60_000_000_000);
    let p = add(&[a], "other", FormatVersion::V3, 0);
    add(&[p], "s", FormatVersion::V2, -40_000_000_000);
    assert_eq!(unsure_without(&model, p), [vec![p]]);
}

/// ```text
///   A {s} -- (P)              M lists P and B and settles A/B, if P stands on A
///              `-- M {s}
///   B {s} -----'
/// ```
#[test]
fn a_settlement_above_a_hole_may_settle_more_than_is_seen() {
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let p = model.write(0, &[a], &["other"]);
    let b = model.write(1, &[], &["s"]);
    model.accept(2, &[p, b], &["s"]);
    assert_eq!(unsure_without(&model, p), [vec![p]]);
}

/// ```text
///   A1 {s} -- A2 {s} <- (P)      A2 stands on a missing P too, and B was written after A2: P is no child of B
///   B {s}
/// ```
#[test]
fn a_side_that_is_newer_than_who_names_what_is_missing_is_not_below_it() {
    let mut model = Model::default();
    let p = model.write(5, &[], &["other"]);
    let a1 = model.write(0, &[], &["s"]);
    model.write(0, &[a1, p], &["s"]);
    model.add(Draft {
        replica: 1,
        parents: BTreeSet::new(),
        streams: [(stream("s"), 1)].into(),
        resolves: BTreeSet::new(),
        listed: None,
        format_version: FormatVersion::V3,
        ahead: 60_000_000_000,
    });
    // P and A1 are dated in one millisecond; P itself would settle A1/B only if it were as new as B.
    assert_eq!(unsure_without(&model, p), [Vec::<usize>::new()]);
}

/// What a history would be if whatever is known to be missing were there.
fn completed(whole: &Model, present: &BTreeSet<usize>, emptied: &[usize]) -> Model {
    let mut model = whole.clone();
    let mut known = BTreeSet::new();
    let mut waiting: Vec<_> = present.iter().chain(emptied).copied().collect();
    while let Some(index) = waiting.pop() {
        if known.insert(index) {
            waiting.extend(&whole.transactions[index].parents);
        }
    }
    for (index, tx) in model.transactions.iter_mut().enumerate() {
        tx.lost = !known.contains(&index);
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_missing_no_fork_is_sure_that_is_none(
        mut whole in histories(),
        chosen in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        whole.transactions.iter_mut().for_each(|tx| tx.lost = false);
        let count = whole.transactions.len();
        prop_assume!(count > 0);
        let (mut gone, mut emptied) = (Vec::new(), Vec::new());
        let mut removed = BTreeSet::new();
        for (index, is_emptied) in chosen {
            let index = index.index(count);
            if removed.insert(index) {
                if is_emptied { emptied.push(index) } else { gone.push(index) }
            }
        }
        let mut seen = whole.clone();
        removed.iter().for_each(|index| seen.transactions[*index].lost = true);
        let present: BTreeSet<_> = seen.present().map(|(index, _)| index).collect();
        let place = without(&whole, &gone, &emptied);
        let forks = place.forks();
        let (here, there) = (Oracle::new(&seen), completed(&whole, &present, &emptied));
        let true_conflicts = Oracle::new(&there).open_conflicts();
        let named = |index: &usize| present.iter().any(|it| whole.transactions[*it].parents.contains(index));
        let known: BTreeSet<_> = emptied.iter().chain(gone.iter().filter(|index| named(index))).copied().collect();
        for fork in &forks {
            let members: BTreeSet<_> = fork.members().iter().map(|it| it.transaction_id).collect();
            let is_member = |index: usize| members.contains(&whole.transactions[index].id);
            let conflicts = here.open_conflicts();
            let mut own = conflicts.iter().filter(|it| fork.involves(&it.stream_id) && is_member(it.a));
            if let Some(none) = own.find(|it| !true_conflicts.contains(it)) {
                prop_assert!(!fork.unsure.is_empty(), "{none:?} is no conflict where nothing is missing");
            }
            let is_all_3 = (0..count).filter(|index| is_member(*index))
                .all(|index| whole.transactions[index].format_version == FormatVersion::V3);
            let newest_missing = known.iter().map(|index| whole.transactions[*index].created_at).max();
            let oldest = (0..count).filter(|index| is_member(*index)).map(|index| whole.transactions[index].created_at).min();
            let is_earlier = newest_missing.is_none_or(|newest| oldest.is_some_and(|oldest| newest.unix_millis() < oldest.unix_millis()));
            // Who names it may be dated much later, or not at all; then it is taken for later itself.
            let names_later = present.iter().any(|it| {
                let tx = &whole.transactions[*it];
                tx.parents.iter().any(|parent| removed.contains(parent)) && (tx.format_version != FormatVersion::V3 || oldest.is_some_and(|oldest| tx.created_at >= oldest))
            });
            if is_all_3 && is_earlier && !names_later {
                prop_assert_eq!(&fork.unsure, &[], "all that is missing was written before all of the fork");
            }
        }
        if removed.is_empty() {
            prop_assert!(forks.iter().all(|fork| fork.unsure.is_empty()));
        }
    }
}

/// ```text
///                  .-- A      the missing M makes no fork of s unsure, but is a part of u
///   P -- (M) -- Q -
///                  '-- B
/// ```
#[test]
fn a_version_that_counts_on_what_is_missing_settles_nothing() {
    let mut model = Model::default();
    let p = model.write(0, &[], &["u"]);
    let m = model.write(0, &[p], &["u"]);
    let q = model.write(0, &[m], &["s", "u"]);
    model.write(1, &[q], &["s"]);
    model.write(2, &[q], &["s"]);
    for place in [without(&model, &[m], &[]), without(&model, &[], &[m])] {
        let mut forks = place.forks().into_iter();
        let fork = forks.rfind(|fork| fork.involves(&stream("s")));
        let fork = fork.unwrap();
        assert_eq!(fork.unsure, [], "the fork itself is sure");
        let files = place.files();
        let expecting = |version| Outcome::new().expect(stream("u"), version);
        let refused = |error: ReconcileError| {
            let ReconcileError::Append(AppendError::Hole {
                stream_id, path, ..
            }) = &error
            else {
                panic!("the version of u proves nothing: {error:?}");
            };
            let named = (stream_id, path);
            assert_eq!(named, (&stream("u"), &model.transactions[m].path));
            assert!(error.is_of_what_is_missing());
        };
        for version in [ExpectedVersion::Exact(1), ExpectedVersion::New] {
            let outcome = expecting(version);
            refused(settle(&place.store, &fork, &outcome).unwrap_err());
            refused(plan(&place.store, &fork, &outcome).unwrap_err());
            let mut report = Reconcile::new(&place.store)
                .fork(fork.id.clone())
                .run::<Raw>(&|_: &ForkContext| Resolution::Resolve(outcome.clone()))
                .unwrap();
            refused(report.failed.remove(0).error);
        }
        assert_eq!(place.files(), files, "nothing was written");
        plan(&place.store, &fork, &expecting(ExpectedVersion::Any)).unwrap();
        let fork = fork.anyway();
        let conflict = settle(&place.store, &fork, &expecting(ExpectedVersion::Exact(2)));
        assert!(
            matches!(conflict, Err(ReconcileError::VersionConflict { .. })),
            "what is there is checked all the same: {conflict:?}"
        );
        settle(&place.store, &fork, &expecting(ExpectedVersion::Exact(1))).unwrap();
    }
}
