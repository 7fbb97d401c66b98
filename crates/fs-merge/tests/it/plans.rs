//! A dry run says exactly what a run then does.

use std::collections::BTreeSet;

use fs_format::FormatVersion;
use fs_merge::{ForkContext, Outcome, Reconcile, Resolution};
use proptest::prelude::*;

use crate::disk::Place;
use crate::model::{Draft, Model, stream};

const STREAMS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Returns histories with several forks, whose members settle streams of other forks.
fn scattered() -> impl Strategy<Value = Model> {
    let wrote = prop::sample::select(STREAMS.as_slice());
    let settled = prop::option::weighted(0.4, prop::sample::select(STREAMS.as_slice()));
    let parent = prop::option::weighted(0.2, any::<prop::sample::Index>());
    let transactions = prop::collection::vec((wrote, settled, parent), 4..14);
    transactions.prop_map(|transactions| {
        let mut model = Model::default();
        for (replica, (wrote, settled, parent)) in (0..).zip(transactions) {
            let known = model.transactions.len();
            let parent = parent
                .filter(|_| known > 0)
                .map(|parent| parent.index(known));
            let declared = settled.iter().map(|name| (stream(name), 0));
            let declared = declared.chain([(stream(wrote), 1)]);
            model.add(Draft {
                replica,
                parents: parent.into_iter().collect(),
                streams: declared.collect(),
                resolves: settled.iter().map(|name| stream(name)).collect(),
                listed: None,
                format_version: FormatVersion::V3,
                ahead: 0,
            });
        }
        model
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_dry_run_writes_nothing_and_tells_all(model in scattered(), declined: u8, elsewhere: bool) {
        let place = Place::of(&model);
        let before = place.files();
        let rule = |fork: &ForkContext| {
            let first = fork.id.as_str().as_bytes()[0];
            if first % 4 == declined % 8 {
                return Resolution::unresolvable("not this one");
            }
            let mut outcome = Outcome::new().author("rule");
            for of in &fork.streams {
                outcome = outcome.event(of.stream_id.clone(), "Decided", "1").unwrap();
            }
            if elsewhere {
                outcome = outcome.event(stream("b"), "Decided", "2").unwrap();
            }
            Resolution::Resolve(outcome)
        };
        let dry = Reconcile::new(&place.store).dry_run().run(&rule).unwrap();
        prop_assert_eq!(place.files(), before.clone(), "a dry run writes nothing");
        prop_assert!(dry.settled.is_empty());

        let real = Reconcile::new(&place.store).run(&rule).unwrap();
        prop_assert_eq!(dry.planned.len(), real.settled.len());
        for (planned, settled) in dry.planned.iter().zip(&real.settled) {
            prop_assert_eq!(&planned.fork_id, &settled.fork_id);
            prop_assert_eq!(planned.transaction_id, settled.transaction_id);
            prop_assert_eq!(&planned.resolved, &settled.resolved);
            prop_assert_eq!(&planned.bytes, &place.file(&planned.path), "to the byte");
            prop_assert_eq!(planned.header.transaction_id, settled.transaction_id);
            let writes = planned.header.stream_bases.values().map(|base| base.writes);
            prop_assert_eq!(planned.events.len() as u64, writes.sum::<u64>());
        }
        prop_assert_eq!(&dry.declined, &real.declined);
        prop_assert_eq!(&dry.changed, &real.changed, "and what is left to the next call");
        let written: BTreeSet<_> = place.files().into_keys().filter(|path| !before.contains_key(path)).collect();
        let told: BTreeSet<_> = dry.planned.into_iter().map(|planned| planned.path).collect();
        prop_assert_eq!(written, told, "nothing else is written");
    }
}

/// ```text
///   D {t}    A {s}   B {s}      the fork {D, C} on t is the first; its settlement lies above A and B, and an
///              \    /           event on s puts it on top of their fork
///              C {t}
/// ```
#[test]
fn a_fork_that_gets_something_on_top_is_left_to_the_next_call() {
    let mut model = Model::default();
    model.write(0, &[], &["t"]);
    let a = model.write(1, &[], &["s"]);
    let b = model.write(2, &[], &["s"]);
    model.write(3, &[a, b], &["t"]);
    let place = Place::of(&model);
    let rule = |_: &ForkContext| {
        let outcome = Outcome::new().event(stream("s"), "Decided", "1");
        Resolution::Resolve(outcome.unwrap())
    };
    let open = place.forks();
    assert!(open[0].involves(&stream("t")), "it is taken first");
    let of_s = open[1].id.clone();
    let dry = Reconcile::new(&place.store).dry_run().run(&rule).unwrap();
    assert_eq!((dry.planned.len(), &dry.changed), (1, &vec![of_s.clone()]));
    let real = Reconcile::new(&place.store).run(&rule).unwrap();
    assert_eq!((real.settled.len(), &real.changed), (1, &vec![of_s]));
    let again = Reconcile::new(&place.store).run(&rule).unwrap();
    assert!(again.is_complete() && place.forks().is_empty());
}
