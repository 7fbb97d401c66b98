//! What is found agrees with the definition, whatever the order in which files arrived.

use fs_merge::{ForkId, open_forks, stale_reads};
use proptest::prelude::*;

use crate::disk::{Place, seen};
use crate::model::Model;
use crate::oracle::Oracle;
use crate::random::histories;

fn check(model: &Model, place: &Place) -> Result<(), TestCaseError> {
    let status = place.store.status().unwrap();
    prop_assert_eq!(
        (status.transactions, status.quarantined.len()),
        (model.present().count() as u64, 0),
        "every file of the history is good"
    );
    let (forks, oracle) = (place.forks(), Oracle::new(model));
    let found: Vec<_> = forks.iter().map(seen).collect();
    prop_assert_eq!(found, oracle.forks(), "forks are as the definition says");
    let ids: Vec<_> = forks.iter().map(|fork| fork.id.clone()).collect();
    prop_assert_eq!(names(place), ids.clone(), "the names can be had alone");
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    prop_assert_eq!(distinct.len(), ids.len(), "no two forks share a name");
    let stale: Vec<_> = stale_reads(&place.store)
        .unwrap()
        .into_iter()
        .map(|stale| (stale.stream_id, stale.transactions, stale.written_by))
        .collect();
    prop_assert_eq!(
        stale,
        oracle.stale_reads(),
        "stale reads are as the definition says"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn forks_and_stale_reads_are_those_of_the_definition(model in histories()) {
        check(&model, &Place::of(&model))?;
    }

    #[test]
    fn the_order_of_arrival_changes_nothing(model in histories(), early: u64) {
        let at_once = Place::of(&model);
        let in_two = Place::in_two_batches(&model, |index| early >> (index % 64) & 1 == 1);
        check(&model, &in_two)?;
        prop_assert_eq!(names(&at_once), names(&in_two), "every clone gives a fork the same name");
    }
}

fn names(place: &Place) -> Vec<ForkId> {
    let open = open_forks(&place.store).unwrap().into_iter();
    open.map(|fork| fork.id).collect()
}
