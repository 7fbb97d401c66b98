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

#[tokio::test]
async fn a_snapshot_of_which_a_bit_is_flipped_is_not_served() {
    let store = new_store();
    count(&store, "counter", 1);
    store
        .save_command_state_snapshot(id(), snapshot(1))
        .await
        .unwrap();
    let directory = store.root().join("local/snapshots");
    let files = std::fs::read_dir(directory).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let is_lock = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "lock");
    let path = files.find(|path| !is_lock(path)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(&path, flipped).unwrap();
            let served = store.load_command_state_snapshot(id()).await;
            assert!(
                matches!(served, Ok(None)),
                "bit {bit} of byte {at} is flipped, and the state is worked out anew: {served:?}"
            );
        }
    }
    std::fs::write(&path, &whole).unwrap();
    let served = store.load_command_state_snapshot(id()).await.unwrap();
    assert_eq!(served.expect("it is whole").state, serde_json::json!(1));
}
