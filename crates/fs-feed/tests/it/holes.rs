//! What follows a store of which something is missing, or that may not be read, says so.

use std::fs;

use fs_feed::projection::Snapshot;
use fs_feed::{Feed as _, SubscribeError};
use fs_store::{ReadError, RefreshError};

use crate::projection::{Ledger, note};
use crate::support::{count, new_store, stream};

#[test]
fn what_is_read_from_a_store_with_a_hole_carries_what_it_lacks() {
    let store = new_store();
    count(&store, "s", 1);
    let lost = count(&store, "s", 2).transaction_id;
    count(&store, "s", 3);
    let consumer = store.consumer("c").unwrap();
    let whole = consumer.fetch(9).unwrap();
    assert!(whole.completeness().is_complete(), "nothing is missing");
    fs::remove_file(store.root().join("events").join(lost.relative_path())).unwrap();
    store.refresh().unwrap();
    consumer.reset().unwrap();
    let batch = consumer.fetch(9).unwrap();
    let recording = store.recording::<u64>(&stream("s")).unwrap();
    for found in [batch.completeness(), recording.completeness()] {
        assert_eq!(found.missing.paths, [lost.relative_path()], "{found}");
    }
}

#[test]
fn subscriptions_and_projections_tell_what_is_missing() {
    let store = new_store();
    note(&store, "a", 1);
    note(&store, "a", 2);
    let lost = store.transactions().unwrap()[1].transaction_id;
    note(&store, "a", 3);
    let mut runner = store.project(Ledger::default(), Snapshot::in_memory());
    let before = runner.catch_up().unwrap();
    assert!(before.completeness.is_complete(), "nothing is missing");
    fs::remove_file(store.root().join("events").join(lost.relative_path())).unwrap();
    store.refresh().unwrap();
    let after = runner.catch_up().unwrap();
    let mut subscription = store.subscribe(None);
    subscription.recv().unwrap();
    for found in [after.completeness, subscription.completeness().unwrap()] {
        assert_eq!(found.missing.paths, [lost.relative_path()], "{found}");
    }
}

#[test]
fn a_subscription_stops_where_the_store_asks_for_what_this_version_does_not_know() {
    let store = new_store();
    count(&store, "s", 1);
    let mut subscription = store.subscribe(None);
    subscription.recv().unwrap();
    let requires = store.root().join("requires");
    fs::write(&requires, "tomorrow 9.0").unwrap();
    let received = subscription.recv();
    assert!(
        matches!(
            &received,
            Err(SubscribeError::Read(ReadError::Refresh(
                RefreshError::Requires(_)
            )))
        ),
        "{received:?}"
    );
    fs::remove_file(&requires).unwrap();
    count(&store, "s", 2);
    subscription.recv().unwrap();
}
