//! Programs built on EventCore run on the store unchanged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventcore::{
    Command, CommandError, CommandLogic, NewEvents, ProjectionConfig, Projector, RetryPolicy,
    StreamId, StreamPosition, execute, run_projection,
};
use eventcore_types::{BatchSize, EventFilter, EventPage, EventReader, EventStore, collect_events};

use crate::support::{Banked, account, count, counted, merge, new_store};

#[derive(Clone, Command)]
struct Deposit {
    #[stream]
    account: StreamId,
    cents: u64,
}

impl CommandLogic for Deposit {
    type Event = Banked;
    type State = u64;

    fn apply(&self, balance: u64, _: &Banked) -> u64 {
        balance
    }

    fn handle(&self, _: u64) -> Result<NewEvents<Banked>, CommandError> {
        let deposited = Banked::Deposited {
            account: self.account.clone(),
            cents: self.cents,
        };
        Ok(vec![deposited].into())
    }
}

#[derive(Clone, Command)]
struct Transfer {
    #[stream]
    from: StreamId,
    #[stream]
    to: StreamId,
    cents: u64,
}

impl CommandLogic for Transfer {
    type Event = Banked;
    type State = i64;

    fn apply(&self, balance: i64, event: &Banked) -> i64 {
        match event {
            Banked::Deposited { account, cents } if *account == self.from => {
                balance + *cents as i64
            }
            Banked::Withdrawn { account, cents } if *account == self.from => {
                balance - *cents as i64
            }
            _ => balance,
        }
    }

    fn handle(&self, balance: i64) -> Result<NewEvents<Banked>, CommandError> {
        if balance < self.cents as i64 {
            return Err("not enough".into());
        }
        let (from, to, cents) = (self.from.clone(), self.to.clone(), self.cents);
        Ok(vec![
            Banked::Withdrawn {
                account: from,
                cents,
            },
            Banked::Deposited { account: to, cents },
        ]
        .into())
    }
}

struct Collect {
    seen: Arc<Mutex<Vec<(Banked, StreamPosition)>>>,
}

impl Projector for Collect {
    type Event = Banked;
    type Error = std::convert::Infallible;
    type Context = ();

    fn apply(
        &mut self,
        event: Banked,
        position: StreamPosition,
        (): &mut (),
    ) -> Result<(), Self::Error> {
        self.seen.lock().unwrap().push((event, position));
        Ok(())
    }

    fn name(&self) -> &str {
        "collect"
    }
}

async fn deposit(store: &fs_store::FileEventStore, name: &str, cents: u64) {
    let command = Deposit {
        account: account(name),
        cents,
    };
    execute(store, command, RetryPolicy::new()).await.unwrap();
}

#[tokio::test]
async fn commands_execute_over_several_streams() {
    let store = new_store();
    deposit(&store, "alice", 500).await;
    let transfer = |cents| Transfer {
        from: account("alice"),
        to: account("bob"),
        cents,
    };
    execute(&store, transfer(300), RetryPolicy::new())
        .await
        .unwrap();
    let refused = execute(&store, transfer(300), RetryPolicy::new()).await;
    assert!(
        matches!(refused, Err(CommandError::BusinessRuleViolation(_))),
        "the second transfer sees the first: {:?}",
        refused.err()
    );
    let read = store.read_stream::<Banked>(account("bob")).await.unwrap();
    let bob = collect_events(read).await.unwrap();
    assert_eq!(
        bob,
        [Banked::Deposited {
            account: account("bob"),
            cents: 300
        }]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_race_for_a_stream_are_retried_until_all_are_there() {
    let store = new_store();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    let command = Deposit {
                        account: account("alice"),
                        cents: 1,
                    };
                    let policy = RetryPolicy::new().max_retries(1000);
                    execute(&store, command, policy).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let versions = store.streams().unwrap();
    assert_eq!(versions[0].1, 40, "no deposit is lost and none is doubled");
}

#[tokio::test]
async fn a_projection_runs_in_batches_and_goes_on_where_it_stopped() {
    let store = new_store();
    let other = new_store();
    for cents in 1..=3 {
        deposit(&store, "alice", cents).await;
    }
    deposit(&other, "bob", 9).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let run = || {
        let projector = Collect {
            seen: Arc::clone(&seen),
        };
        run_projection(projector, &store, ProjectionConfig::default())
    };
    run().await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 3);
    merge(&other, &store);
    run().await.unwrap();
    run().await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 4, "what the merge brought is delivered once");
    assert!(
        seen.is_sorted_by(|a, b| a.1 < b.1),
        "after everything already read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_continuous_projection_follows_appends_of_other_handles() {
    let store = new_store();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let projector = Collect {
        seen: Arc::clone(&seen),
    };
    let follower = store.clone();
    let task = tokio::spawn(async move {
        let config = ProjectionConfig::default()
            .continuous()
            .poll_interval(Duration::from_millis(1));
        run_projection(projector, &follower, config).await
    });
    let other = fs_store::FileEventStore::open(store.root()).unwrap();
    for cents in 1..=5 {
        deposit(&other, "alice", cents).await;
    }
    let all_seen = async {
        while seen.lock().unwrap().len() < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_seen)
        .await
        .expect("the projection sees what another handle appends");
    task.abort();
}

#[tokio::test]
async fn a_second_runner_of_a_projection_is_refused() {
    let store = new_store();
    let _lease = store.lease("collect").unwrap();
    let projector = Collect {
        seen: Arc::default(),
    };
    let refused = run_projection(projector, &store, ProjectionConfig::default()).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("collect"), "the error names it: {message}");
}

#[tokio::test]
async fn an_event_that_does_not_decode_is_named_and_never_left_out() {
    let store = new_store();
    deposit(&store, "alice", 1).await;
    let broken = fs_store::Append::new().event(
        crate::support::stream("alice"),
        "Banked",
        r#"{"Renamed":{}}"#,
    );
    let appended = store.append(broken.unwrap()).unwrap();

    let page = EventPage::first(BatchSize::new(10));
    let read = store
        .read_events::<Banked>(EventFilter::all(), page)
        .await
        .unwrap_err();
    let message = read.to_string();
    assert!(
        message.contains("alice") && message.contains(&appended.transaction_id.to_string()),
        "the error names stream and transaction: {message}"
    );

    let stream = store.read_stream::<Banked>(account("alice")).await.unwrap();
    assert!(
        collect_events(stream).await.is_err(),
        "a stream is not read past it"
    );

    let projector = Collect {
        seen: Arc::default(),
    };
    let config = ProjectionConfig::default().poll_failure_backoff(Duration::ZERO);
    let stopped = run_projection(projector, &store, config).await;
    assert!(stopped.is_err(), "a projection does not skip it");
}

#[tokio::test]
async fn a_page_of_events_of_other_types_is_not_the_end() {
    let store = new_store();
    for n in 0..20 {
        count(&store, "counter", n);
    }
    deposit(&store, "alice", 1).await;
    for limit in [1, 3, 100] {
        let page = EventPage::first(BatchSize::new(limit));
        let read = store
            .read_events::<Banked>(EventFilter::all(), page)
            .await
            .unwrap();
        assert_eq!(read.len(), 1, "a page of {limit}");
    }
}

/// Without a runtime, the same methods work in place.
#[test]
fn no_runtime_is_needed() {
    let store = new_store();
    store.append(counted("counter", 1)).unwrap();
    let read = futures::executor::block_on(store.read_stream::<Banked>(account("counter")));
    assert!(read.is_ok());
}

#[tokio::test]
async fn the_cause_of_a_store_failure_is_kept() {
    let options = fs_store::StoreOptions::default().lock_timeout(Duration::from_millis(1));
    let store = options.open(new_store().root()).unwrap();
    assert!(store.last_failure().is_none(), "nothing has failed");
    let lock = store.root().join("local/lock");
    let disk = fs_io::System::real().disk;
    let held = disk.lock(&lock, fs_io::Wait::Never).unwrap();
    let deposit = Deposit {
        account: account("a"),
        cents: 1,
    };
    let refused = execute(&store, deposit.clone(), RetryPolicy::new()).await;
    assert!(refused.is_err(), "the store is busy");
    let failure = store.clone().last_failure().unwrap();
    assert!(
        matches!(failure.downcast_ref(), Some(fs_store::AppendError::Busy(_))),
        "a clone of the handle has the typed cause: {failure:?}"
    );
    assert!(
        fs_store::report(failure.as_ref()).contains(lock.to_str().unwrap()),
        "and its text names the lock"
    );
    drop(held);
    execute(&store, deposit, RetryPolicy::new()).await.unwrap();
}
