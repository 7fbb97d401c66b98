//! Following: woken by what comes, until told to stop.

use std::convert::Infallible;
use std::time::Duration;

use fs_feed::Feed as _;
use fs_io::Deadline;
use fs_store::FileEventStore;
use std::sync::Arc;

use fs_feed::projection::{
    Delivered, Format, Order, Phase, Projection, ReadModel, Rebuild, Snapshot, Status,
};
use fs_store::Select;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Books, Ledger, Noted, Shelf, books, note, note_all};
use crate::support::{merge, new_store};

/// A shelf in canonical order.
struct Sorted(Shelf);

impl Projection for Sorted {
    type Event = Noted;
    type State = Books;
    type Error = Infallible;

    fn name(&self) -> &str {
        "sorted"
    }

    fn order(&self) -> Order {
        Order::Canonical
    }

    fn select(&self) -> Arc<dyn Select + Send + Sync> {
        self.0.select()
    }

    fn reset(&mut self, books: &mut Books) -> Result<(), Infallible> {
        self.0.reset(books)
    }

    fn apply(&mut self, books: &mut Books, noted: &Delivered<Noted>) -> Result<(), Infallible> {
        self.0.apply(books, noted)
    }
}

fn wait_for(status: &mut watch::Receiver<Status>, is_so: impl FnMut(&Status) -> bool) -> Status {
    let status = futures::executor::block_on(status.wait_for(is_so));
    status.unwrap().clone()
}

fn applied(count: u64) -> impl FnMut(&Status) -> bool {
    move |status| status.applied == count && status.phase == Phase::Following
}

#[test]
fn appends_of_this_and_other_handles_and_arrivals_are_applied_as_they_come() {
    let (store, clone) = (new_store(), new_store());
    note(&store, "a", 1);
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_memory())
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || {
        let outcome = runner.follow();
        (runner.into_model().into_state(), outcome)
    });
    wait_for(&mut status, applied(1));
    note(&store, "a", 2);
    wait_for(&mut status, applied(2));
    note(&FileEventStore::open(store.root()).unwrap(), "a", 3);
    wait_for(&mut status, applied(3));
    note(&clone, "b", 4);
    merge(&clone, &store);
    let last = wait_for(&mut status, applied(4));
    assert_eq!(last.lag, 0, "nothing is left");
    stop.cancel();
    let (state, outcome) = following.join().unwrap();
    assert_eq!(state, books(&[("a", &[1, 2, 3]), ("b", &[4])]));
    assert_eq!(outcome.unwrap().phase, Phase::Stopped);
}

#[test]
fn what_others_append_is_noticed_long_before_the_store_is_looked_at_anyway() {
    let store = new_store();
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_memory())
        .poll_interval(Duration::from_secs(3600))
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || runner.follow().unwrap().applied);
    let other = FileEventStore::open(store.root()).unwrap();
    for number in 1..=5 {
        wait_for(&mut status, applied(number - 1));
        note(&other, "a", number);
    }
    wait_for(&mut status, applied(5));
    stop.cancel();
    assert_eq!(following.join().unwrap(), 5);
}

#[test]
fn who_builds_in_canonical_order_hears_of_arrivals_that_it_does_not_select() {
    let (store, theirs) = (new_store(), new_store());
    note(&store, "attic", 1);
    merge(&store, &theirs);
    theirs.refresh().unwrap();
    note(&theirs, "cellar", 2);
    note(&store, "attic", 3);
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Sorted(Shelf("attic")), Snapshot::in_memory())
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || {
        runner.follow().unwrap();
        runner.into_model().into_state()
    });
    wait_for(&mut status, applied(2));
    merge(&theirs, &store);
    let is_rebuilt = |status: &Status| matches!(status.rebuilt, Some(Rebuild::Topology { .. }));
    wait_for(&mut status, is_rebuilt);
    wait_for(&mut status, applied(2));
    stop.cancel();
    assert_eq!(following.join().unwrap(), books(&[("attic", &[1, 3])]));
}

#[test]
fn a_flood_is_applied_once_although_hints_are_lost() {
    let store = new_store();
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_memory())
        .batch(7)
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || {
        runner.follow().unwrap();
        runner.into_model().into_state()
    });
    for first in (1..=500).step_by(5) {
        note_all(&store, "a", first..first + 5);
    }
    wait_for(&mut status, applied(500));
    stop.cancel();
    let all: Vec<u64> = (1..=500).collect();
    assert_eq!(following.join().unwrap(), books(&[("a", &all)]));
}

#[test]
fn a_new_epoch_while_following_builds_the_state_again() {
    let store = new_store();
    note_all(&store, "a", [1]);
    note_all(&store, "a", [2]);
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_memory())
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || {
        runner.follow().unwrap();
        runner.into_model().into_state()
    });
    wait_for(&mut status, applied(2));
    let gone = store.transactions().unwrap().pop().unwrap().transaction_id;
    std::fs::remove_file(store.root().join("events").join(gone.relative_path())).unwrap();
    note(&store, "b", 3);
    let is_rebuilt = |status: &Status| {
        status.applied == 2 && status.phase == Phase::Following && status.rebuilt.is_some()
    };
    wait_for(&mut status, |status| {
        is_rebuilt(status) && status.rebuilt != Some(fs_feed::projection::Rebuild::First)
    });
    stop.cancel();
    assert_eq!(
        following.join().unwrap(),
        books(&[("a", &[1]), ("b", &[3])]),
        "what went away is gone, and nothing is applied twice"
    );
}

#[test]
fn a_file_is_written_soon_after_the_last_event_and_not_for_each() {
    let store = new_store();
    let stop = CancellationToken::new();
    let mut runner = store
        .project(Ledger::default(), Snapshot::in_file(&store, Format::Json))
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || runner.follow().unwrap());
    note(&store, "a", 1);
    wait_for(&mut status, applied(1));
    let written = || {
        let mut file: Snapshot<Books> = Snapshot::in_file(&store, Format::Json);
        let progress = file.progress("ledger").unwrap();
        progress.map_or(0, |progress| progress.applied())
    };
    let patience = Deadline::after(Duration::from_secs(20));
    while written() == 0 {
        assert!(!patience.is_over(), "it is written while nothing comes");
        std::thread::yield_now();
    }
    stop.cancel();
    following.join().unwrap();
    let mut next = store.project(Ledger::default(), Snapshot::in_file(&store, Format::Json));
    let status = next.catch_up().unwrap();
    assert_eq!(
        (status.applied, status.rebuilt),
        (1, None),
        "who stops leaves everything to the next"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_stops_the_runner() {
    let store = new_store();
    note(&store, "a", 1);
    let runner = store.project(Ledger::default(), Snapshot::in_memory());
    let mut status = runner.status();
    let following = tokio::spawn(runner.follow_async());
    status.wait_for(applied(1)).await.unwrap();
    following.abort();
    assert!(following.await.unwrap_err().is_cancelled());
    let next = store
        .project(Ledger::default(), Snapshot::in_memory())
        .lease_timeout(Duration::from_secs(60));
    let (_, outcome) = next.catch_up_async().await;
    assert_eq!(outcome.unwrap().applied, 1, "the leadership is free again");
}
