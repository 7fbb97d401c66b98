//! The policies to choose from.

use std::borrow::Cow;
use std::collections::BTreeSet;

use fs_format::FormatVersion;
use fs_merge::policy::{AcceptAll, Commuting, Keep, KeepHead, KeepReplica, Latest};
use fs_merge::{ForkContext, ForkEvent, Raw, Resolution, Resolver, reconcile};
use proptest::prelude::*;

use crate::clones::{Issue, append, append_raw, labelled, opened, the_fork, titled, two};
use crate::disk::Place;
use crate::model::{Draft, Model, stream};
use crate::oracle::Oracle;
use crate::random::histories;

/// The data of the last event of a stream.
fn last(at: &Place, name: &str) -> String {
    let events = at.store.stream_events(&stream(name)).unwrap();
    events.last().unwrap().event_data.as_str().to_owned()
}

#[test]
fn a_branch_is_kept_by_the_rule_that_is_given() {
    let forked = || {
        let (ours, theirs) = two(|_| {});
        append_raw(&ours, "s", "T", "1");
        append_raw(&theirs, "s", "T", "2");
        ours.pull(&theirs);
        ours
    };
    let head = |fork: &ForkContext, data: &str| {
        let mut branches = fork.branches.iter();
        let of_it =
            branches.find(|branch| branch.events().any(|it| it.event_data.as_str() == data));
        of_it.unwrap().head
    };

    let place = forked();
    let kept = KeepHead(head(&place.forks()[0], "1"));
    assert!(reconcile::<Raw>(&place.store, &kept).unwrap().is_complete());
    assert_eq!(last(&place, "s"), "1");
    assert_eq!(
        place.store.stream_events(&stream("s")).unwrap().len(),
        3,
        "appended again"
    );

    let place = forked();
    let fork = place.forks().remove(0);
    let of = fork
        .branch(head(&fork, "1"))
        .unwrap()
        .newest()
        .unwrap()
        .replica_id;
    assert!(
        reconcile::<Raw>(&place.store, &KeepReplica(of))
            .unwrap()
            .is_complete()
    );
    assert_eq!(last(&place, "s"), "1");

    let place = forked();
    assert!(
        reconcile::<Raw>(&place.store, &Latest)
            .unwrap()
            .is_complete()
    );
    assert_eq!(last(&place, "s"), "2", "the one that was written last");

    let place = forked();
    let by_data = Keep(|fork: &ForkContext| Some(head(fork, "1")));
    assert!(reconcile(&place.store, &by_data).unwrap().is_complete());
    assert_eq!(last(&place, "s"), "1");

    let place = forked();
    let nobodys = KeepReplica(fs_format::ReplicaId::NIL);
    let report = reconcile::<Raw>(&place.store, &nobodys).unwrap();
    assert_eq!(report.declined.len(), 1, "no branch is of that replica");
    assert!(
        reconcile::<Raw>(&place.store, &AcceptAll)
            .unwrap()
            .is_complete()
    );
    assert_eq!(
        place.store.stream_events(&stream("s")).unwrap().len(),
        2,
        "nothing is added"
    );
}

fn labels() -> Commuting<Issue> {
    Commuting::new()
        .types("Labelled", "Labelled")
        .types("Titled", "Labelled")
        .kinds(|event: &ForkEvent<Issue>| Cow::Borrowed(event.event.kind()))
}

/// Whether the forks that come of these appends, apart, are accepted.
fn accepts(ours: &[&[Issue]], theirs: &[&[Issue]]) -> bool {
    let (at_ours, at_theirs) = two(|at| {
        append(at, &[opened("i", "one")]);
    });
    ours.iter().for_each(|events| {
        append(&at_ours, events);
    });
    theirs.iter().for_each(|events| {
        append(&at_theirs, events);
    });
    at_ours.pull(&at_theirs);
    at_theirs.pull(&at_ours);
    let [here, there] = [&at_ours, &at_theirs].map(|at| labels().accepts(&the_fork(at)));
    assert_eq!(here, there, "every clone judges alike");
    let report = reconcile(&at_ours.store, &labels()).unwrap();
    assert_eq!(report.settled.len(), usize::from(here));
    if here {
        let events = at_ours.store.stream_events(&stream("i")).unwrap().len();
        let appended: usize = ours.iter().chain(theirs).map(|of_it| of_it.len()).sum();
        assert_eq!(events, 1 + appended, "accepted as it stands");
    }
    here
}

#[test]
fn forks_of_pairs_that_commute_are_accepted_and_no_others() {
    let (label, title) = (labelled("i", "l"), titled("i", "t"));
    let [label, title] = [label, title].map(|event| vec![event]);
    let both: Vec<_> = title.iter().chain(&label).cloned().collect();
    assert!(accepts(&[&label, &label], &[&label]), "labels commute");
    assert!(accepts(&[&title], &[&label]), "in either order");
    assert!(accepts(&[&label], &[&title]));
    assert!(
        accepts(&[&title, &title, &label], &[&label]),
        "titles of one branch are in order"
    );
    assert!(!accepts(&[&title], &[&title]), "two titles conflict");
    assert!(
        !accepts(&[&label, &title], &[&label, &title]),
        "also among others"
    );
    assert!(!accepts(&[&both], &[&title]), "also in one transaction");
}

#[test]
fn streams_that_match_a_pattern_commute_and_the_rest_goes_to_the_fallback() {
    let (ours, theirs) = two(|_| {});
    for (at, data) in [(&ours, "1"), (&theirs, "2")] {
        append_raw(at, "log-1", "T", data);
        append_raw(at, "s", "T", data);
    }
    ours.pull(&theirs);
    let rule = Commuting::new().stream_pattern("log-*").unwrap();
    let report = reconcile::<Raw>(&ours.store, &rule).unwrap();
    assert_eq!(report.settled[0].resolved, [stream("log-1")]);
    assert!(
        report.declined[0].reason.contains("commute"),
        "{:?}",
        report.declined
    );
    let report = reconcile::<Raw>(&ours.store, &rule.otherwise(Latest)).unwrap();
    assert_eq!(report.settled[0].resolved, [stream("s")]);
    assert_eq!(last(&ours, "s"), "2");
    assert!(Commuting::<Raw>::new().stream_pattern("[").is_err());
}

/// ```text
///   A {s} ---.      .--- C {s}     A and B were merged and not settled: they conflict below both branches,
///             >----<               and no pair of branches has both of them
///   B {s} ---'      '--- D {s}
/// ```
#[test]
fn conflicts_below_every_branch_are_judged_too() {
    let kinds = |place: &Place| {
        let fork = &place.forks()[0];
        let data = |event: &ForkEvent| event.event_data.as_str().to_owned();
        let all = fork
            .members()
            .into_iter()
            .flat_map(|it| &it.events)
            .map(data);
        all.collect::<Vec<_>>()
    };
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let b = model.write(1, &[], &["s"]);
    model.write(0, &[a, b], &["s"]);
    model.write(1, &[a, b], &["s"]);
    let place = Place::of(&model);
    let [a, b, c, d] = <[String; 4]>::try_from(kinds(&place)).unwrap();
    let by_data = |pairs: &[(&String, &String)]| {
        let rule = Commuting::<Raw>::new().kinds(|event| Cow::Borrowed(event.event_data.as_str()));
        pairs.iter().fold(rule, |rule, (a, b)| rule.types(*a, *b))
    };
    let fork = &place.forks()[0];
    assert!(!by_data(&[(&c, &d)]).accepts(fork));
    assert!(by_data(&[(&d, &c), (&b, &a)]).accepts(fork));
}

/// ```text
///   A {s}   B {s}      both settled apart: once with an event and once as they stand
///   |  \   /  |
///   M {s}     N {}
/// ```
#[test]
fn two_decisions_do_not_commute_by_the_types_of_their_events() {
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let b = model.write(1, &[], &["s"]);
    model.add(Draft {
        replica: 2,
        parents: [a, b].into(),
        streams: [(stream("s"), 1)].into(),
        resolves: [stream("s")].into(),
        listed: None,
        format_version: FormatVersion::V3,
        ahead: 0,
    });
    model.accept(3, &[a, b], &["s"]);
    let place = Place::of(&model);
    let fork = &place.forks()[0];
    let by_type = Commuting::<Raw>::new().types("Counted", "Counted");
    assert!(
        !by_type.accepts(fork),
        "nothing was declared about a decision without events"
    );
    assert!(by_type.stream_pattern("s").unwrap().accepts(fork));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each event is a kind of its own, so that exactly the pairs of the definition have to be declared.
    #[test]
    fn what_is_judged_are_the_open_conflicts_of_the_definition(model in histories(), left_out: prop::sample::Index) {
        let place = Place::of(&model);
        let oracle = Oracle::new(&model);
        let written = |index: usize, name: &fs_format::StreamId| -> Vec<String> {
            let decoded = fs_format::decode(&model.transactions[index].bytes).unwrap();
            let of_it = decoded.events.iter().filter(|event| event.stream_id == *name);
            of_it.map(|event| event.event_data.as_str().to_owned()).collect()
        };
        for fork in place.forks() {
            let conflicts: Vec<_> = oracle
                .open_conflicts()
                .into_iter()
                .filter(|conflict| fork.involves(&conflict.stream_id))
                .collect();
            let mut pairs = BTreeSet::new();
            let mut decisions = false;
            for conflict in &conflicts {
                let (a, b) = (written(conflict.a, &conflict.stream_id), written(conflict.b, &conflict.stream_id));
                decisions |= a.is_empty() || b.is_empty();
                pairs.extend(a.iter().flat_map(|a| b.iter().map(|b| (a.clone(), b.clone()))));
            }
            let rule = |without: Option<usize>| {
                let rule = Commuting::<Raw>::new().kinds(|event| Cow::Borrowed(event.event_data.as_str()));
                let pairs = pairs.iter().enumerate().filter(|(nth, _)| Some(*nth) != without);
                pairs.fold(rule, |rule, (_, (a, b))| rule.types(a, b))
            };
            prop_assert_eq!(rule(None).accepts(&fork), !decisions, "every pair is declared");
            if !pairs.is_empty() {
                let missing = left_out.index(pairs.len());
                prop_assert!(!rule(Some(missing)).accepts(&fork), "one pair is not");
            }
        }
    }

    #[test]
    fn policies_answer_alike_in_every_order_of_the_branches(model in histories()) {
        let place = Place::of(&model);
        let before = place.forks();
        let same = |first: Resolution, second: Resolution| first == second;
        for fork in &before {
            let mut turned = fork.clone();
            turned.branches.reverse();
            prop_assert!(same(Latest.resolve(fork), Latest.resolve(&turned)));
            let head = Keep(|fork: &ForkContext| fork.branches.iter().map(|branch| branch.head).min());
            prop_assert!(same(head.resolve(fork), head.resolve(&turned)));
            let newest = fork.branches.last().unwrap().head;
            prop_assert_eq!(fork.latest().unwrap().head, newest);
            prop_assert_eq!(turned.latest().unwrap().head, newest, "wherever it stands");
        }
    }
}
