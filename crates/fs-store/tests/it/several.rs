//! Several handles and threads on one store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fs_store::{All, AppendError, ExpectedVersion, FileEventStore, Progress, Reads, StoreOptions};

use crate::support::{count, counted, new_store, numbers, stream};

#[test]
fn handles_and_threads_append_side_by_side() {
    let store = new_store();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = if thread % 2 == 0 {
                store.clone()
            } else {
                FileEventStore::open(store.root()).unwrap()
            };
            scope.spawn(move || {
                for n in 0..20 {
                    count(&store, "shared", n);
                    count(&store, &format!("own-{thread}"), n);
                }
            });
        }
    });
    let status = store.status().unwrap();
    assert!(status.is_clean(), "{status:?}");
    assert_eq!(
        status.heads.len(),
        1,
        "appends of one working copy form one line"
    );
    assert_eq!(numbers(&store, "shared").len(), 80);
    for thread in 0..4 {
        assert_eq!(
            numbers(&store, &format!("own-{thread}")),
            (0..20).collect::<Vec<_>>()
        );
    }
    let positions: Vec<_> = store
        .ingested_events(None, &All, usize::MAX)
        .unwrap()
        .iter()
        .map(|event| event.position)
        .collect();
    let distinct: BTreeSet<_> = positions.iter().collect();
    assert_eq!(distinct.len(), 160, "no position is given twice");
    assert!(positions.is_sorted());
}

#[test]
fn of_two_that_expect_the_same_version_one_is_refused() {
    let store = new_store();
    let other = FileEventStore::open(store.root()).unwrap();
    let append = |store: &FileEventStore, n| {
        store.append(counted("s", n).expect(stream("s"), ExpectedVersion::New))
    };
    append(&store, 1).unwrap();
    let refused = append(&other, 2);
    assert!(
        matches!(refused, Err(AppendError::VersionConflict { actual: 1, .. })),
        "another handle's append is seen: {refused:?}"
    );
}

#[test]
fn readers_never_wait_for_the_lock_and_writers_wait_so_long_only() {
    let store = new_store();
    count(&store, "s", 1);
    let options = StoreOptions::default().lock_timeout(Duration::from_millis(20));
    let other = options.create(store.root()).unwrap();
    let disk = fs_io::System::real().disk;
    let held = disk
        .lock(&store.root().join("local/lock"), fs_io::Wait::Never)
        .unwrap();

    assert_eq!(numbers(&other, "s"), [1], "a reader goes on");
    let reader = FileEventStore::open(store.root()).unwrap();
    assert_eq!(numbers(&reader, "s"), [1], "a store opens for reading too");
    let refused = other.append(counted("s", 2));
    assert!(
        matches!(refused, Err(AppendError::Busy(_))),
        "a writer is told that the store is busy: {refused:?}"
    );
    drop(held);
    count(&other, "s", 2);
    assert_eq!(numbers(&store, "s"), [1, 2]);
}

#[test]
fn a_handle_that_reads_as_refreshed_sees_nothing_new_before() {
    let store = new_store();
    count(&store, "a", 1);
    let options = StoreOptions::default().reads(Reads::AsRefreshed);
    let still = options.create(store.root()).unwrap();
    count(&store, "a", 2);
    assert_eq!(numbers(&still, "a"), [1], "nobody asked it to look");
    still.refresh().unwrap();
    assert_eq!(numbers(&still, "a"), [1, 2], "now somebody has");
    count(&store, "a", 3);
    count(&still, "a", 4);
    assert_eq!(
        numbers(&still, "a"),
        [1, 2, 3, 4],
        "an append decides on all that is there"
    );
}

#[test]
fn a_first_open_tells_how_far_it_has_come() {
    let store = new_store();
    for n in 0..300 {
        count(&store, "a", n);
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let progress = Progress::new(move |done, total| teller.lock().unwrap().push((done, total)));
    std::fs::remove_dir_all(store.root().join("index")).unwrap();
    let options = StoreOptions::default().progress(progress);
    let opened = options.create(store.root()).unwrap();
    assert_eq!(numbers(&opened, "a").len(), 300, "all is there");
    let told = told.lock().unwrap();
    assert!(told.contains(&(300, 300)), "it tells the end: {told:?}");
    assert!(told.len() > 1, "and what is before: {told:?}");
}
