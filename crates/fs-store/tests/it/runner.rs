//! EventCore's own `run_projection` on this store: what it does, and how a user gets by with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventcore::{ProjectionConfig, Projector, StreamPosition, run_projection};
use fs_store::{Append, Durability, FileEventStore, StoreOptions};

use crate::support::{Banked, new_store, stream};

/// How many events the runner reads at a time.
const PAGE: u64 = 1000;

/// How long a runner may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Remembers what it was given; of all runs together.
#[derive(Clone, Default)]
struct Ledger {
    seen: Arc<Mutex<Vec<u64>>>,
}

impl Ledger {
    fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap().clone()
    }
}

impl Projector for Ledger {
    type Event = Banked;
    type Error = std::convert::Infallible;
    type Context = ();

    fn apply(&mut self, event: Banked, _: StreamPosition, (): &mut ()) -> Result<(), Self::Error> {
        if let Banked::Deposited { cents, .. } = event {
            self.seen.lock().unwrap().push(cents);
        }
        Ok(())
    }

    fn name(&self) -> &str {
        "ledger"
    }
}

fn open(root: &std::path::Path) -> FileEventStore {
    let options = StoreOptions::default().durability(Durability::None);
    options.create(root).unwrap()
}

/// Appends deposits of so many cents each, by one transaction.
fn deposit(store: &FileEventStore, cents: impl IntoIterator<Item = u64>) {
    let append = cents.into_iter().fold(Append::new(), |append, cents| {
        let data = format!(r#"{{"Deposited":{{"account":"alice","cents":{cents}}}}}"#);
        append.event(stream("alice"), "Banked", &data).unwrap()
    });
    store.append(append).unwrap();
}

fn numbers(to: u64) -> Vec<u64> {
    (1..=to).collect()
}

#[tokio::test]
async fn a_batch_is_one_page_and_each_run_goes_on_where_the_last_one_stopped() {
    let root = new_store().root().to_owned();
    let all = 2 * PAGE + 100;
    let ledger = Ledger::default();
    deposit(&open(&root), 1..=700);
    deposit(&open(&root), 701..=all);
    for wanted in [PAGE, 2 * PAGE, all, all] {
        // Opened anew, as by another process: the checkpoint is kept.
        let store = open(&root);
        run_projection(ledger.clone(), &store, ProjectionConfig::default())
            .await
            .unwrap();
        assert_eq!(
            ledger.seen(),
            numbers(wanted),
            "a page at a time, also from within a transaction, each event once"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_continuous_run_goes_over_pages_follows_and_leads_alone() {
    let root = new_store().root().to_owned();
    let store = open(&root);
    let ledger = Ledger::default();
    let config = ProjectionConfig::default()
        .continuous()
        .poll_interval(Duration::from_millis(1))
        .empty_poll_backoff(Duration::from_millis(1));
    let run = |store: FileEventStore| {
        let (ledger, config) = (ledger.clone(), config.clone());
        tokio::spawn(async move { run_projection(ledger, &store, config).await })
    };
    let until = async |to: u64| {
        let is_there = async {
            while (ledger.seen().len() as u64) < to {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, is_there).await;
        assert!(in_time.is_ok(), "the runner comes to {to}");
        assert_eq!(ledger.seen(), numbers(to), "each event once, in order");
    };

    deposit(&store, 1..=PAGE + 200);
    let first = run(store.clone());
    until(PAGE + 200).await;
    let other = open(&root);
    for n in 1..=50 {
        deposit(if n % 2 == 0 { &store } else { &other }, [PAGE + 200 + n]);
    }
    until(PAGE + 250).await;

    let second = run_projection(ledger.clone(), &other, ProjectionConfig::default()).await;
    let message = second.unwrap_err().to_string();
    assert!(
        message.contains("ledger"),
        "a second runner is refused: {message}"
    );

    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    deposit(&other, [PAGE + 251]);
    let second = run(other);
    until(PAGE + 251).await;
    second.abort();
}
