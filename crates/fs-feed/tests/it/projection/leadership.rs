//! One runner of a projection at a time.

use std::fs;
use std::time::Duration;

use fs_feed::Feed as _;
use fs_feed::projection::{Phase, ProjectionError, Snapshot};
use fs_store::LeaseError;
use tokio_util::sync::CancellationToken;

use super::{Ledger, note};
use crate::support::new_store;

#[test]
fn a_second_runner_is_told_who_leads() {
    let store = new_store();
    let lease = store.lease("ledger").unwrap();
    let mut runner = store.project(Ledger::default(), Snapshot::in_memory());
    match runner.catch_up() {
        Err(ProjectionError::Lease(LeaseError::Held { name, .. })) => assert_eq!(name, "ledger"),
        other => panic!("the lease is held: {other:?}"),
    }
    let mut waiting = store
        .project(Ledger::default(), Snapshot::in_memory())
        .lease_timeout(Duration::from_millis(1));
    assert!(waiting.catch_up().is_err(), "also who waits in vain");
    assert_eq!(
        waiting.status().borrow().phase,
        Phase::Stopped,
        "and then waits no more"
    );
    drop(lease);
    runner.catch_up().unwrap();
}

#[test]
fn a_second_runner_may_wait_its_turn() {
    let store = new_store();
    note(&store, "a", 1);
    let lease = store.lease("ledger").unwrap();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_memory())
        .lease_timeout(Duration::from_secs(60));
    let mut status = runner.status();
    let waiting = std::thread::spawn(move || runner.catch_up().unwrap());
    let is_waiting = |status: &fs_feed::projection::Status| status.phase == Phase::Waiting;
    futures::executor::block_on(status.wait_for(is_waiting)).unwrap();
    drop(lease);
    assert_eq!(waiting.join().unwrap().applied, 1, "its turn comes");
}

#[test]
fn a_runner_that_waits_for_its_turn_can_be_told_to_stop() {
    let store = new_store();
    note(&store, "a", 1);
    let _lease = store.lease("ledger").unwrap();
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_memory())
        .lease_timeout(Duration::from_secs(3600))
        .stop_on(stop.clone());
    stop.cancel();
    assert_eq!(runner.catch_up().unwrap().applied, 0, "nothing was applied");
}

#[test]
fn projections_of_other_names_do_not_wait_for_each_other() {
    let store = new_store();
    let _lease = store.lease("another").unwrap();
    let mut runner = store.project(Ledger::default(), Snapshot::in_memory());
    runner.catch_up().unwrap();
}

#[test]
fn a_lease_whose_file_went_away_ends_the_runner() {
    let store = new_store();
    note(&store, "a", 1);
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_memory())
        .stop_on(stop);
    let mut status = runner.status();
    let following = std::thread::spawn(move || runner.follow());
    let is_following = |status: &fs_feed::projection::Status| status.phase == Phase::Following;
    futures::executor::block_on(status.wait_for(is_following)).unwrap();
    fs::remove_dir_all(store.root().join("local/leases")).unwrap();
    note(&store, "a", 2);
    let ended = following.join().unwrap();
    match ended {
        Err(ProjectionError::LeaseLost { name }) => assert_eq!(name, "ledger"),
        other => panic!("another may lead by now: {other:?}"),
    }
}
