//! A store that is put back to an earlier state, and goes on otherwise: each subscriber and consumer is told.

use std::time::Duration;

use fs_feed::{ConsumerError, Feed as _, Item, SubscribeError, SubscribeOptions};
use fs_store::FileEventStore;

use crate::support::{count, new_store};
use fs_testing::stores::Backup;

const HISTORY: &[&str] = &["events", "index"];
const ALL: &[&str] = &["events", "index", "local"];

fn begun() -> FileEventStore {
    let store = new_store();
    (1..=3).for_each(|n| _ = count(&store, "counter", n));
    store
}

#[test]
fn a_consumer_that_is_younger_than_the_store_is_told() {
    let store = begun();
    let backup = Backup::of(&store, HISTORY);
    (14..=16).for_each(|n| _ = count(&store, "counter", n));
    let consumer = store.consumer("agent").unwrap();
    let read = consumer.fetch_and_advance(9).unwrap();
    let end = read.position().unwrap();
    backup.put_back(&store, HISTORY);
    let other = FileEventStore::open(store.root()).unwrap();
    (4..=9).for_each(|n| _ = count(&other, "counter", n));
    for store in [&other, &store] {
        let consumer = store.consumer("agent").unwrap();
        for refused in [
            consumer.fetch(9).map(drop),
            consumer.fetch_and_advance(9).map(drop),
            consumer.ack_through(end),
        ] {
            assert!(
                matches!(refused, Err(ConsumerError::NewEpoch { .. })),
                "what comes next would be passed over: {refused:?}"
            );
        }
    }
    let consumer = other.consumer("agent").unwrap();
    consumer.reset().unwrap();
    assert_eq!(consumer.fetch(99).unwrap().events.len(), 9);
}

#[test]
fn a_subscriber_is_told_whether_it_has_caught_up_or_not() {
    for caught_up in [false, true] {
        // As many as were lost, fewer, and more.
        for new in [3, 1, 6] {
            let store = begun();
            let backup = Backup::of(&store, ALL);
            (14..=16).for_each(|n| _ = count(&store, "counter", n));
            let options = SubscribeOptions::default().poll_interval(Duration::from_millis(5));
            let mut subscription = store.subscribe_with(None, options);
            for _ in 1..=6 {
                assert!(matches!(subscription.recv().unwrap(), Item::Event(_)));
            }
            if caught_up {
                assert_eq!(
                    subscription.try_recv().unwrap(),
                    None,
                    "nothing more is there"
                );
            }
            backup.put_back(&store, ALL);
            let other = FileEventStore::open(store.root()).unwrap();
            (4..4 + new).for_each(|n| _ = count(&other, "counter", n));
            let told = subscription.recv();
            assert!(
                matches!(told, Err(SubscribeError::StalePosition(_))),
                "what it has read was undone: {told:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_waits_for_changes_is_told_of_as_many_others() {
    let store = begun();
    let backup = Backup::of(&store, ALL);
    (14..=16).for_each(|n| _ = count(&store, "counter", n));
    let mut changes = store.changes().unwrap();
    backup.put_back(&store, ALL);
    let other = FileEventStore::open(store.root()).unwrap();
    (4..=6).for_each(|n| _ = count(&other, "counter", n));
    changes.next().await.unwrap();
}
