//! A dry run says exactly what a run then does.

use std::collections::BTreeSet;

use fs_merge::{ForkContext, Outcome, Reconcile, Resolution};
use proptest::prelude::*;

use crate::disk::Place;
use crate::model::stream;
use crate::random::histories;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_dry_run_writes_nothing_and_tells_all(model in histories(), declined: u8, elsewhere: bool) {
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
            prop_assert_eq!(planned.events.len() as u64, planned.header.stream_bases.values().map(|it| it.writes).sum::<u64>());
        }
        prop_assert_eq!(&dry.declined, &real.declined);
        prop_assert_eq!(&dry.changed, &real.changed, "and what is left to the next call");
        let written: BTreeSet<_> = place.files().into_keys().filter(|path| !before.contains_key(path)).collect();
        let told: BTreeSet<_> = dry.planned.into_iter().map(|planned| planned.path).collect();
        prop_assert_eq!(written, told, "nothing else is written");
    }
}
