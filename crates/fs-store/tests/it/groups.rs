//! Appends that come at the same time: committed together, answered each for itself.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use fs_format::CommandId;
use fs_store::{AppendError, Appended, Durability, ExpectedVersion, FileEventStore, StoreOptions};

use crate::support::{count, counted, new_store, numbers, stream};

const CALLERS: u64 = 12;

/// Lets every caller append at once, while the lock is still held by another.
fn at_once(
    store: &FileEventStore,
    append: impl Fn(u64) -> Result<Appended, AppendError> + Sync,
) -> Vec<Result<Appended, AppendError>> {
    let disk = fs_io::System::real().disk;
    let held = disk
        .lock(&store.root().join("local/lock"), fs_io::Wait::Never)
        .unwrap();
    let barrier = Barrier::new(usize::try_from(CALLERS).unwrap() + 1);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|n| {
                let (append, barrier) = (&append, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    append(n)
                })
            })
            .collect();
        barrier.wait();
        drop(held);
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect()
    })
}

fn with(durability: Durability) -> FileEventStore {
    let options = StoreOptions::default().durability(durability);
    options.create(new_store().root()).unwrap()
}

#[test]
fn of_those_who_come_together_one_gets_the_version_and_the_others_are_told_so() {
    for durability in [Durability::Log, Durability::Files] {
        let store = with(durability);
        count(&store, "other", 0);
        let outcomes = at_once(&store, |n| {
            let refused = counted("s", n).expect(stream("s"), ExpectedVersion::New);
            let outcome = store.append(refused);
            count(&store, "other", n);
            outcome
        });
        let applied = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(applied, 1, "{durability:?}: {outcomes:?}");
        for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(
                matches!(refused, AppendError::VersionConflict { actual: 1, .. }),
                "{durability:?}: {refused:?}"
            );
        }
        let other = numbers(&store, "other").len() as u64;
        assert_eq!(
            other,
            CALLERS + 1,
            "{durability:?}: a conflict of one is no other's"
        );
    }
}

/// Returns how many frames the log holds: each stands for one write and one sync.
fn frames_of_the_log(store: &FileEventStore) -> u64 {
    let log = std::fs::read(store.root().join("local/log")).unwrap();
    let frames = log.chunks(4096).filter(|slot| slot.starts_with(b"tribfrm"));
    frames.count() as u64
}

#[test]
fn those_who_come_together_share_a_sync() {
    let alone = with(Durability::Log);
    for n in 0..CALLERS {
        count(&alone, "s", n);
    }
    assert_eq!(
        frames_of_the_log(&alone),
        CALLERS,
        "whoever comes alone pays for a sync"
    );
    // Whoever comes before the others is a group by itself, so all may once have come one by one.
    let fewest = (0..5).map(|_| {
        let store = with(Durability::Log);
        for outcome in at_once(&store, |n| store.append(counted("s", n))) {
            outcome.unwrap();
        }
        assert_eq!(numbers(&store, "s").len() as u64, CALLERS, "all are there");
        frames_of_the_log(&store)
    });
    let fewest = fewest.min().unwrap();
    assert!(
        (1..CALLERS).contains(&fewest),
        "{CALLERS} who wait at the same time need fewer syncs: {fewest}"
    );
}

#[test]
fn a_command_that_comes_several_times_at_once_is_done_once() {
    let store = with(Durability::Log);
    let outcomes = at_once(&store, |_| {
        store.append(counted("s", 7).command_id(CommandId::new("pay-7").unwrap()))
    });
    let ids: BTreeSet<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().transaction_id)
        .collect();
    assert_eq!(ids.len(), 1, "everybody is told of the same transaction");
    let first = outcomes
        .iter()
        .filter(|outcome| !outcome.as_ref().unwrap().replayed);
    assert_eq!(first.count(), 1, "one did it");
    assert_eq!(numbers(&store, "s").len(), 1, "it is there once");
}

#[test]
fn what_is_appended_together_is_a_chain_of_one_replica() {
    let store = with(Durability::Log);
    let outcomes = at_once(&store, |n| {
        for i in 0..10 {
            store.append(counted("shared", n * 10 + i))?;
        }
        store.append(counted("shared", n))
    });
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let headers = store.transactions().unwrap();
    assert_eq!(headers.len() as u64, CALLERS * 11, "all are there");
    for (nth, header) in headers.iter().enumerate() {
        assert_eq!(
            header.replica_seq,
            Some(nth as u64 + 1),
            "each has the next sequence"
        );
        let parents: Vec<_> = header.parents.iter().map(|it| it.transaction_id).collect();
        let before: Vec<_> = nth
            .checked_sub(1)
            .map(|before| headers[before].transaction_id)
            .into_iter()
            .collect();
        assert_eq!(parents, before, "each follows the one before");
        assert_eq!(
            header.stream_bases[&stream("shared")].version,
            nth as u64,
            "and is decided on it"
        );
    }
    let reopened = FileEventStore::open(store.root()).unwrap();
    assert!(
        reopened.status().unwrap().is_clean(),
        "the files say the same"
    );
}

#[test]
fn a_busy_store_is_told_to_all_who_wait_at_the_same_time() {
    let options = StoreOptions::default().lock_timeout(Duration::from_millis(100));
    let store = options.create(new_store().root()).unwrap();
    let disk = fs_io::System::real().disk;
    let _held = disk
        .lock(&store.root().join("local/lock"), fs_io::Wait::Never)
        .unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..CALLERS {
            let store = &store;
            scope.spawn(move || match store.append(counted("s", n)) {
                Err(AppendError::Busy(busy)) => {
                    let holder = busy.holder.unwrap();
                    let pid = format!("pid {} ", std::process::id());
                    assert!(holder.starts_with(&pid), "the holder is named: {holder}");
                }
                other => panic!("a held lock makes the store busy: {other:?}"),
            });
        }
    });
    let patience = Duration::from_millis(100) * u32::try_from(CALLERS).unwrap();
    assert!(
        start.elapsed() < patience,
        "they do not wait one after the other"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_caller_goes_away_is_there_wholly_or_not_at_all() {
    use eventcore_types::{EventStore, StreamVersion, StreamWrites};

    use crate::support::{Banked, account};

    let store = with(Durability::Log);
    let writes = |n: u64| {
        let (from, to) = (account(&format!("from-{n}")), account(&format!("to-{n}")));
        let withdrawn = Banked::Withdrawn {
            account: from.clone(),
            cents: n,
        };
        let deposited = Banked::Deposited {
            account: to.clone(),
            cents: n,
        };
        StreamWrites::new()
            .register_stream(from, StreamVersion::new(0))
            .and_then(|writes| writes.register_stream(to, StreamVersion::new(0)))
            .and_then(|writes| writes.append(withdrawn))
            .and_then(|writes| writes.append(deposited))
            .unwrap()
    };
    let mut waiting = Vec::new();
    for n in 0..CALLERS {
        let (store, writes) = (store.clone(), writes(n));
        let task = tokio::spawn(async move { store.append_events(writes).await.map(|_| ()) });
        if n % 3 == 0 {
            tokio::task::yield_now().await;
            task.abort();
        } else {
            waiting.push((n, task));
        }
    }
    let mut acknowledged = Vec::new();
    for (n, task) in waiting {
        task.await.unwrap().unwrap();
        acknowledged.push(n);
    }
    // Whatever was begun for those who went away ends before this.
    store.flush().unwrap();
    for n in 0..CALLERS {
        let there = [format!("from-{n}"), format!("to-{n}")]
            .map(|name| store.stream_events(&stream(&name)).unwrap().len());
        assert!(
            there == [1, 1] || there == [0, 0],
            "transfer {n} is there in part: {there:?}"
        );
        assert!(
            there == [1, 1] || !acknowledged.contains(&n),
            "transfer {n} was acknowledged"
        );
    }
}

/// Returns the write of one event, the first of a stream of its own.
fn deposit(name: &str) -> eventcore_types::StreamWrites {
    use crate::support::{Banked, account};
    use eventcore_types::{StreamVersion, StreamWrites};

    let account = account(name);
    let deposited = Banked::Deposited {
        account: account.clone(),
        cents: 1,
    };
    StreamWrites::new()
        .register_stream(account, StreamVersion::new(0))
        .and_then(|writes| writes.append(deposited))
        .unwrap()
}

#[tokio::test]
async fn an_append_that_is_begun_and_left_alone_holds_up_no_other() {
    use eventcore_types::EventStore;

    let store = with(Durability::Log);
    let mut left_alone = Box::pin(store.append_events(deposit("first")));
    let begun = futures::poll!(&mut left_alone);
    for name in ["second", "third"] {
        store.append_events(deposit(name)).await.unwrap();
    }
    if begun.is_pending() {
        left_alone.await.unwrap();
    }
    for name in ["first", "second", "third"] {
        let there = store.stream_events(&stream(name)).unwrap();
        assert_eq!(there.len(), 1, "{name} is there once");
    }
}

#[test]
fn a_runtime_that_goes_away_while_its_tasks_wait_holds_up_no_other() {
    use eventcore_types::EventStore;

    let store = with(Durability::Log);
    let disk = fs_io::System::real().disk;
    let held = disk
        .lock(&store.root().join("local/lock"), fs_io::Wait::Never)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    for n in 0..CALLERS {
        let store = store.clone();
        runtime.spawn(async move { store.append_events(deposit(&format!("s-{n}"))).await });
    }
    std::thread::scope(|scope| {
        let outside = scope.spawn(|| store.append(counted("outside", 1)));
        runtime.shutdown_background();
        drop(held);
        outside.join().unwrap().unwrap();
    });
    count(&store, "outside", 2);
    assert_eq!(numbers(&store, "outside").len(), 2, "both were appended");
    for n in 0..CALLERS {
        let there = store.stream_events(&stream(&format!("s-{n}"))).unwrap();
        assert!(there.len() <= 1, "s-{n} is there once or not at all");
    }
}
