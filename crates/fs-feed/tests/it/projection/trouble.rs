//! What happens in the middle: panics, read models that fail, another history, a lease that is lost.

use std::convert::Infallible;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use fs_feed::Feed as _;
use fs_feed::projection::{
    CommitError, Delivered, Format, Order, Phase, Progress, Projection, ProjectionError, ReadModel,
    Rebuild, Retry, Snapshot,
};
use fs_store::FileEventStore;
use tokio_util::sync::CancellationToken;

use super::{Books, Ledger, Noted, books, note, note_all};
use crate::support::{merge, new_store};

/// A ledger that does something else in the middle of its work.
struct Interrupted<F> {
    ledger: Ledger,
    applied: u64,
    interrupt: F,
}

impl<F: FnMut(u64)> Interrupted<F> {
    /// Calls `interrupt` with 0 when the state was reset, and with n before the nth event is applied.
    fn new(order: Order, interrupt: F) -> Self {
        Self {
            ledger: Ledger {
                order,
                ..Ledger::default()
            },
            applied: 0,
            interrupt,
        }
    }
}

impl<F: FnMut(u64)> Projection for Interrupted<F> {
    type Event = Noted;
    type State = Books;
    type Error = Infallible;

    fn name(&self) -> &str {
        self.ledger.name()
    }

    fn order(&self) -> Order {
        self.ledger.order()
    }

    fn reset(&mut self, books: &mut Books) -> Result<(), Infallible> {
        (self.interrupt)(0);
        self.ledger.reset(books)
    }

    fn apply(&mut self, books: &mut Books, noted: &Delivered<Noted>) -> Result<(), Infallible> {
        self.applied += 1;
        let applied = self.ledger.apply(books, noted);
        (self.interrupt)(self.applied);
        applied
    }
}

/// A read model that fails now and then, before or after it has done what it should.
struct Flaky<M> {
    model: M,
    calls: u32,
    /// One call of so many fails, and which is chosen at random.
    of: u64,
    random: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("out of order")]
struct OutOfOrder;

impl<M> Flaky<M> {
    fn new(model: M, of: u64) -> Self {
        Self {
            model,
            calls: 0,
            of,
            random: 1,
        }
    }

    fn call(&mut self) -> Result<(), OutOfOrder> {
        self.calls += 1;
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        match (self.random >> 33) % self.of {
            0 => Err(OutOfOrder),
            _ => Ok(()),
        }
    }
}

impl<M: ReadModel> ReadModel for Flaky<M> {
    type State = M::State;
    type Error = OutOfOrder;

    fn progress(&mut self, name: &str) -> Result<Option<Progress>, OutOfOrder> {
        self.call()?;
        Ok(self.model.progress(name).unwrap())
    }

    fn commit<E>(
        &mut self,
        name: &str,
        expected: Option<&Progress>,
        change: impl FnOnce(&mut M::State) -> Result<Progress, E>,
    ) -> Result<Progress, CommitError<OutOfOrder, E>> {
        self.call().map_err(CommitError::Model)?;
        let committed = self.model.commit(name, expected, change);
        let committed = committed.map_err(|error| match error {
            CommitError::Change(error) => CommitError::Change(error),
            CommitError::Moved => CommitError::Moved,
            CommitError::Model(error) => panic!("the model itself does not fail: {error}"),
        })?;
        // As a database whose answer was lost.
        self.call().map_err(CommitError::Model)?;
        Ok(committed)
    }

    fn flush(&mut self) -> Result<(), OutOfOrder> {
        self.call()?;
        self.model.flush().unwrap();
        Ok(())
    }

    fn wants_flush(&self) -> bool {
        self.model.wants_flush()
    }
}

fn quick(times: u32) -> Retry {
    Retry {
        times,
        first: Duration::from_micros(10),
        longest: Duration::from_micros(100),
    }
}

fn image(store: &FileEventStore) -> Snapshot<Books> {
    Snapshot::in_file(store, Format::Json)
}

#[test]
fn a_read_model_that_fails_is_tried_again_whatever_was_asked_of_it() {
    let all: Vec<u64> = (1..=60).collect();
    for of in 2..=7 {
        let store = new_store();
        note_all(&store, "a", 1..=60);
        let model = Flaky::new(image(&store), of);
        let mut runner = store
            .project(Ledger::default(), model)
            .batch(7)
            .retry(quick(40));
        let status = runner.catch_up().unwrap();
        assert_eq!(
            (status.applied, status.phase),
            (60, Phase::Stopped),
            "one call of {of} fails"
        );
        drop(runner);
        let mut read = image(&store);
        read.progress("ledger").unwrap();
        assert_eq!(
            *read.state(),
            books(&[("a", &all)]),
            "one call of {of} fails: each event is in the file once"
        );
    }
}

#[test]
fn a_read_model_that_keeps_failing_ends_the_runner() {
    let store = new_store();
    note(&store, "a", 1);
    let mut runner = store
        .project(Ledger::default(), Flaky::new(image(&store), 1))
        .retry(quick(3));
    match runner.catch_up() {
        Err(ProjectionError::Model { name, .. }) => assert_eq!(name, "ledger"),
        other => panic!("the read model cannot be read: {other:?}"),
    }
    assert_eq!(
        runner.model().calls,
        1 + 3 + 1,
        "it was tried again three times, and once more to keep what was applied"
    );
    assert_eq!(runner.status().borrow().phase, Phase::Stopped);
}

#[test]
fn a_panic_leaves_nothing_half_applied_and_says_that_the_runner_has_ended() {
    let store = new_store();
    note_all(&store, "a", 1..=5);
    let mut panics = true;
    let interrupted = Interrupted::new(Order::Ingestion, move |nth| {
        assert!(!(nth == 3 && std::mem::take(&mut panics)), "as it should");
    });
    let mut runner = store.project(interrupted, image(&store)).batch(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| runner.catch_up().unwrap()));
    assert!(panicked.is_err(), "it is the caller's to catch");
    assert_eq!(runner.status().borrow().phase, Phase::Stopped);
    let status = runner.catch_up().unwrap();
    assert_eq!(status.applied, 5);
    assert_eq!(
        *runner.model().state(),
        books(&[("a", &[1, 2, 3, 4, 5])]),
        "the event that panicked is applied once"
    );
}

#[test]
fn nothing_is_written_once_the_lease_is_lost() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let leases = store.root().join("local/leases");
    let interrupted = Interrupted::new(Order::Ingestion, move |nth| {
        if nth == 2 {
            fs::remove_dir_all(&leases).unwrap();
        }
    });
    let mut runner = store.project(interrupted, image(&store)).batch(1);
    match runner.catch_up() {
        Err(ProjectionError::LeaseLost { .. }) => {}
        other => panic!("another may lead by now: {other:?}"),
    }
    let progress = image(&store).progress("ledger").unwrap().unwrap();
    assert_eq!(
        progress.applied(),
        0,
        "the image of whoever leads now is not replaced"
    );
}

#[test]
fn events_that_go_away_in_the_middle_of_a_build_are_not_in_the_state() {
    for order in [Order::Ingestion, Order::Canonical] {
        let store = new_store();
        for number in 1..=6 {
            note(&store, "a", number);
        }
        let (inside, mut gone) = (store.clone(), false);
        let interrupted = Interrupted::new(order, move |nth| {
            if nth == 3 && !std::mem::replace(&mut gone, true) {
                let last = inside.transactions().unwrap().pop().unwrap();
                let file = inside
                    .root()
                    .join("events")
                    .join(last.transaction_id.relative_path());
                fs::remove_file(file).unwrap();
                inside.refresh().unwrap();
            }
        });
        let mut runner = store.project(interrupted, Snapshot::in_memory()).batch(2);
        let status = runner.catch_up().unwrap();
        assert_eq!(
            *runner.model().state(),
            books(&[("a", &[1, 2, 3, 4, 5])]),
            "{order:?}: it is built of one history"
        );
        assert!(
            matches!(status.rebuilt, Some(Rebuild::Epoch { .. })),
            "{order:?}: {status:?}"
        );
    }
}

#[test]
fn events_that_arrive_in_the_middle_of_a_build_take_their_place() {
    for (order, expected) in [
        (Order::Ingestion, [1, 4, 5, 6, 2, 3]),
        (Order::Canonical, [1, 2, 3, 4, 5, 6]),
    ] {
        let (store, theirs) = (new_store(), new_store());
        note(&store, "a", 1);
        merge(&store, &theirs);
        theirs.refresh().unwrap();
        note(&theirs, "a", 2);
        note(&theirs, "a", 3);
        note(&store, "a", 4);
        note(&store, "a", 5);
        note(&store, "a", 6);
        let (inside, mut came) = (store.clone(), false);
        let interrupted = Interrupted::new(order, move |nth| {
            if nth == 3 && !std::mem::replace(&mut came, true) {
                merge(&theirs, &inside);
                inside.refresh().unwrap();
            }
        });
        let mut runner = store.project(interrupted, Snapshot::in_memory()).batch(1);
        runner.catch_up().unwrap();
        assert_eq!(
            *runner.model().state(),
            books(&[("a", &expected)]),
            "{order:?}: each once, in its order"
        );
    }
}

#[test]
fn a_store_that_gets_its_first_events_while_the_state_is_reset_is_built_once() {
    for order in [Order::Ingestion, Order::Canonical] {
        let store = new_store();
        let (inside, mut resets) = (store.clone(), 0);
        let interrupted = Interrupted::new(order, move |nth| {
            if nth == 0 {
                resets += 1;
                note(&inside, "a", resets);
                note(&inside, "a", resets + 100);
            }
        });
        let mut runner = store.project(interrupted, Snapshot::in_memory()).batch(1);
        let status = runner.catch_up().unwrap();
        assert_eq!(*runner.model().state(), books(&[("a", &[1, 101])]));
        assert_eq!(
            status.rebuilt,
            Some(Rebuild::First),
            "{order:?}: an epoch that begins is not another one"
        );
    }
}

#[test]
fn a_pause_ends_when_the_runner_is_told_to_stop() {
    let store = new_store();
    note(&store, "a", 1);
    let stop = CancellationToken::new();
    let hour = Retry {
        times: 5,
        first: Duration::from_secs(3600),
        longest: Duration::from_secs(3600),
    };
    let mut runner = store
        .project(Ledger::default(), Flaky::new(Snapshot::in_memory(), 1))
        .retry(hour)
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || runner.follow().map_err(|error| error.to_string()));
    let is_pausing =
        |status: &fs_feed::projection::Status| matches!(status.phase, Phase::Retrying { .. });
    futures::executor::block_on(status.wait_for(is_pausing)).unwrap();
    stop.cancel();
    let _ = following.join().unwrap();
    assert_eq!(status.borrow().phase, Phase::Stopped, "within the hour");
}

#[test]
fn who_dies_in_a_long_build_has_not_worked_in_vain() {
    let store = new_store();
    note_all(&store, "a", 1..=12_000);
    let file = store.clone();
    let interrupted = Interrupted::new(Order::Ingestion, move |nth| {
        if nth == 11_500 {
            let progress = image(&file).progress("ledger").unwrap().unwrap();
            assert_eq!(progress.applied(), 10_000, "so many are in the file");
        }
    });
    let mut runner = store.project(interrupted, image(&store));
    assert_eq!(runner.catch_up().unwrap().applied, 12_000);
}
