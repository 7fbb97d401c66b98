//! Snapshots of command state over merges.

use std::collections::HashMap;

use eventcore_types::{CommandStateSnapshot, CommandStateSnapshotId, EventStore, StreamVersion};

use crate::support::{account, count, merge, new_store};

fn snapshot(version: usize) -> CommandStateSnapshot {
    let versions = HashMap::from([(account("counter"), StreamVersion::new(version))]);
    CommandStateSnapshot::new(serde_json::json!(version), versions)
}

fn id() -> CommandStateSnapshotId {
    CommandStateSnapshotId::try_new("counter").unwrap()
}

#[tokio::test]
async fn a_snapshot_is_served_while_what_is_below_it_stands() {
    let store = new_store();
    count(&store, "counter", 1);
    count(&store, "counter", 2);
    store
        .save_command_state_snapshot(id(), snapshot(2))
        .await
        .unwrap();
    count(&store, "counter", 3);
    let reopened = fs_store::FileEventStore::open(store.root()).unwrap();
    let served = reopened.load_command_state_snapshot(id()).await.unwrap();
    assert_eq!(
        served
            .expect("an append on top changes nothing below")
            .state,
        serde_json::json!(2)
    );
}

#[tokio::test]
async fn a_snapshot_is_not_served_after_a_merge_changed_what_is_below_it() {
    let (store, other) = (new_store(), new_store());
    count(&other, "counter", 11);
    count(&store, "counter", 1);
    store
        .save_command_state_snapshot(id(), snapshot(1))
        .await
        .unwrap();
    merge(&other, &store);
    let served = store.load_command_state_snapshot(id()).await.unwrap();
    assert!(
        served.is_none(),
        "the first event of the stream is another one now"
    );
    store
        .save_command_state_snapshot(id(), snapshot(1))
        .await
        .unwrap();
    let served = store.load_command_state_snapshot(id()).await.unwrap();
    assert!(
        served.is_some(),
        "a new snapshot takes the place of one that does not stand, though it covers no more"
    );
}
