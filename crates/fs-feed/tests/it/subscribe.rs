//! Subscriptions: what is there, then what comes, with every hole named.

use std::fs;
use std::process::Command;
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use fs_feed::{Feed as _, Item, SubscribeError, SubscribeOptions, Subscription};
use fs_format::{FormatVersion, Header, Json, Parent, ReplicaId, StreamBase, TransactionId};
use fs_io::sim::{Fault, Simulation};
use fs_store::{All, Durability, FileEventStore, MergeDraft, Select, StoreOptions, StoredEvent};
use futures::FutureExt;
use futures::executor::block_on;

use crate::support::{count, counted, merge, new_store, stream};

/// How long an event may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks so rarely that only a hint can be in time.
fn by_hint() -> SubscribeOptions {
    SubscribeOptions::default().poll_interval(Duration::from_secs(3600))
}

/// A new store whose appends need not survive a power cut.
fn quick_store() -> FileEventStore {
    let options = StoreOptions::default().durability(Durability::None);
    options.create(new_store().root()).unwrap()
}

fn item(subscription: &mut Subscription) -> Item {
    let item = subscription.recv_timeout(PATIENCE).unwrap();
    item.expect("what happened is delivered")
}

fn event(subscription: &mut Subscription) -> StoredEvent {
    match item(subscription) {
        Item::Event(event) => event,
        lagged => panic!("nothing was slow: {lagged:?}"),
    }
}

fn number(event: &StoredEvent) -> u64 {
    event.event_data.decode().unwrap()
}

/// Receives so many events and returns their data.
fn numbers(subscription: &mut Subscription, events: usize) -> Vec<u64> {
    (0..events).map(|_| number(&event(subscription))).collect()
}

/// Receives what there is until the follower has taken the subscription in, which takes two events of the stream `marker`.
fn go_live(store: &FileEventStore, subscription: &mut Subscription) {
    let mut pass_marker = || {
        let marker = count(store, "marker", 0).transaction_id;
        while event(subscription).transaction_id != marker {}
        // A history is at its end when a read finds nothing more.
        let more = subscription.try_recv().unwrap();
        assert_eq!(more, None, "the marker was the last event");
    };
    pass_marker();
    pass_marker();
}

fn end(subscription: &mut Subscription) -> SubscribeError {
    loop {
        match subscription.recv_timeout(PATIENCE) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a new epoch ends the subscription"),
            Err(error) => return error,
        }
    }
}

fn is_stale(error: &SubscribeError) -> bool {
    matches!(error, SubscribeError::StalePosition(_))
}

struct Only(&'static str);

impl Select for Only {
    fn stream(&self, stream_id: &str) -> bool {
        stream_id == self.0
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }
}

#[test]
fn what_is_there_comes_first_and_then_what_is_appended_and_what_arrives() {
    let (store, elsewhere) = (new_store(), new_store());
    for n in 0..5 {
        count(&store, "s", n);
    }
    let mut subscription = store.subscribe_with(None, by_hint());
    assert_eq!(subscription.position(), None);
    assert_eq!(numbers(&mut subscription, 5), [0, 1, 2, 3, 4]);
    assert_eq!(subscription.try_recv().unwrap(), None, "that was all");

    count(&store, "s", 5);
    assert_eq!(
        numbers(&mut subscription, 1),
        [5],
        "appended by this handle"
    );
    let other = FileEventStore::open(store.root()).unwrap();
    count(&other, "s", 6);
    let last = event(&mut subscription);
    assert_eq!(number(&last), 6, "appended by another handle");
    assert_eq!(subscription.position(), Some(last.position));

    count(&elsewhere, "t", 7);
    merge(&elsewhere, &store);
    let mut patient = store.subscribe(Some(last.position));
    assert_eq!(numbers(&mut patient, 1), [7], "arrived as a file");

    let read = store.ingested_events(None, &All, usize::MAX).unwrap();
    let again: Vec<_> = (0..8).map(|_| event(&mut store.subscribe(None))).collect();
    assert!(again.iter().all(|event| *event == read[0]));
    let mut again = store.subscribe(None);
    let again: Vec<_> = (0..8).map(|_| event(&mut again)).collect();
    assert_eq!(
        again, *read,
        "the order and the places are those of the journal"
    );
}

#[test]
fn an_arrival_in_a_new_directory_is_noticed_without_a_reader() {
    let (store, elsewhere) = (new_store(), new_store());
    let mut subscription = store.subscribe(None);
    assert_eq!(subscription.try_recv().unwrap(), None);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| number(&event(&mut subscription)));
        count(&elsewhere, "s", 1);
        merge(&elsewhere, &store);
        assert_eq!(waiting.join().unwrap(), 1);
    });
}

#[test]
fn a_long_history_is_read_at_the_pace_of_its_reader() {
    let store = quick_store();
    let events = 700;
    for n in 0..events {
        let append = counted("s", n).event(crate::support::stream("t"), "Counted", "1");
        store.append(append.unwrap()).unwrap();
    }
    let options = SubscribeOptions::default().capacity(1).select(Only("s"));
    let mut subscription = store.subscribe_with(None, options);
    assert_eq!(
        numbers(&mut subscription, events as usize),
        (0..events).collect::<Vec<_>>(),
        "only live events can be dropped"
    );
    assert_eq!(subscription.try_recv().unwrap(), None);
    count(&store, "t", 0);
    count(&store, "s", events);
    assert_eq!(
        numbers(&mut subscription, 1),
        [events],
        "the filter holds for live events too"
    );
}

#[test]
fn a_slow_subscriber_is_told_exactly_what_it_missed() {
    let store = new_store();
    let options = SubscribeOptions::default().capacity(4);
    let mut slow = store.subscribe_with(None, options.clone());
    let mut choosy = store.subscribe_with(None, options.select(Only("s")));
    go_live(&store, &mut slow);
    count(&store, "s", 100);
    assert_eq!(number(&event(&mut choosy)), 100);
    assert_eq!(choosy.try_recv().unwrap(), None);
    count(&store, "s", 101);
    assert_eq!(number(&event(&mut choosy)), 101);
    assert_eq!(numbers(&mut slow, 2), [100, 101]);
    // Members are served in the order in which they joined, so what this one has, the others were given.
    let mut quick = store.subscribe(slow.position());
    go_live(&store, &mut quick);
    assert_eq!(event(&mut slow).stream_id.as_str(), "marker");
    assert_eq!(event(&mut slow).stream_id.as_str(), "marker");

    for n in 0..10 {
        count(&store, "s", n);
        count(&store, "t", n);
    }
    let all: Vec<_> = (0..20).map(|_| event(&mut quick)).collect();
    for (subscription, wanted) in [
        (&mut slow, all.iter().collect::<Vec<_>>()),
        (
            &mut choosy,
            all.iter()
                .filter(|event| event.stream_id.as_str() == "s")
                .collect(),
        ),
    ] {
        let Item::Lagged { from, to } = item(subscription) else {
            panic!("the hole stands where the events were")
        };
        let missed: Vec<_> = subscription
            .missed(from, to)
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(
            (missed[0].position, missed[missed.len() - 1].position),
            (from, to),
            "the hole is named by its first and last event"
        );
        let left: Vec<_> = (0..4).map(|_| event(subscription)).collect();
        assert_eq!(
            missed.iter().chain(&left).collect::<Vec<_>>(),
            wanted,
            "what was missed and what was kept are everything, in order"
        );
    }
    count(&store, "s", 11);
    assert_eq!(numbers(&mut slow, 1), [11], "it goes on after that");
    assert_eq!(numbers(&mut choosy, 1), [11]);
}

#[test]
fn subscribers_that_join_while_others_append_miss_and_repeat_nothing() {
    let store = new_store();
    let (writers, each) = (4, 40);
    let total = writers * each as usize;
    let (sender, received) = mpsc::channel();
    let start = Barrier::new(writers + 1);
    thread::scope(|scope| {
        for writer in 0..writers {
            let (own, start) = (FileEventStore::open(store.root()).unwrap(), &start);
            let store = if writer % 2 == 0 { own } else { store.clone() };
            scope.spawn(move || {
                start.wait();
                for n in 0..each {
                    count(&store, &format!("s{}", writer % 3), n);
                }
            });
        }
        start.wait();
        for _ in 0..6 {
            let (mut subscription, sender) = (store.subscribe(None), sender.clone());
            let first = event(&mut subscription);
            scope.spawn(move || {
                let rest = (1..total).map(|_| event(&mut subscription));
                let events: Vec<_> = [first].into_iter().chain(rest).collect();
                sender.send(events).unwrap();
            });
        }
    });
    drop(sender);
    let journal = store.ingested_events(None, &All, usize::MAX).unwrap();
    assert_eq!(journal.len(), total);
    for events in received {
        let positions = |events: &[StoredEvent]| -> Vec<_> {
            events.iter().map(|event| event.position).collect()
        };
        assert_eq!(
            positions(&events),
            positions(&journal),
            "each subscriber receives the journal"
        );
    }
}

#[test]
fn a_new_epoch_ends_a_subscription_that_has_delivered_something() {
    let store = new_store();
    count(&store, "s", 1);
    let second = count(&store, "s", 2);
    let mut subscription = store.subscribe(None);
    let mut late = store.subscribe(None);
    let mut idle = store.subscribe_with(None, SubscribeOptions::default().select(Only("t")));
    assert_eq!(numbers(&mut subscription, 2), [1, 2]);
    go_live(&store, &mut subscription);
    assert_eq!(idle.try_recv().unwrap(), None);
    let from_before = subscription.position();

    let file = store
        .root()
        .join("events")
        .join(second.transaction_id.relative_path());
    fs::remove_file(file).unwrap();
    let error = end(&mut subscription);
    assert!(is_stale(&error), "{error:?}");
    let again = subscription.recv().unwrap_err();
    assert!(is_stale(&again), "the end stays the end: {again:?}");
    assert_eq!(subscription.into_iter().count(), 0, "iteration is over");

    let stale = store.subscribe(from_before).recv().unwrap_err();
    assert!(is_stale(&stale), "an old position is refused: {stale:?}");
    assert_eq!(
        number(&event(&mut late)),
        1,
        "who has received nothing has nothing that could be stale"
    );
    count(&store, "t", 3);
    assert_eq!(
        number(&event(&mut idle)),
        3,
        "nor has one that was live and never heard anything"
    );
}

#[test]
fn deleting_the_index_ends_a_live_subscription() {
    let store = new_store();
    let mut subscription = store.subscribe(None);
    go_live(&store, &mut subscription);
    for entry in fs::read_dir(fs_index::Layout::new(store.root()).index()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let error = end(&mut subscription);
    assert!(is_stale(&error), "{error:?}");
    let mut again = store.subscribe_with(None, by_hint());
    go_live(&store, &mut again);
}

#[test]
fn the_same_in_async_code_and_nothing_is_lost_by_cancelling() {
    let store = quick_store();
    for n in 0..300 {
        count(&store, "s", n);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let appending = store.clone();
    runtime.block_on(async move {
        let mut subscription = store.subscribe(None);
        let mut received = Vec::new();
        let appending = tokio::task::spawn_blocking(move || {
            for n in 300..400 {
                count(&appending, "s", n);
            }
        });
        while received.len() < 400 {
            // Asked once and dropped, wherever it is by then.
            let now = subscription.next().now_or_never();
            let item = match now {
                Some(item) => item,
                None => tokio::time::timeout(PATIENCE, subscription.next())
                    .await
                    .expect("what was appended is delivered"),
            };
            match item.unwrap() {
                Item::Event(event) => received.push(number(&event)),
                lagged => panic!("nobody was slow: {lagged:?}"),
            }
        }
        appending.await.unwrap();
        assert_eq!(received, (0..400).collect::<Vec<_>>());
    });
}

#[test]
fn async_code_needs_no_runtime() {
    let store = new_store();
    let mut subscription = store.subscribe(None);
    let other = FileEventStore::open(store.root()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| (0..50).for_each(|n| drop(count(&other, "s", n))));
        let received = futures::executor::block_on(async {
            let mut received = Vec::new();
            while received.len() < 50 {
                match subscription.next().await.unwrap() {
                    Item::Event(event) => received.push(number(&event)),
                    lagged => panic!("nobody was slow: {lagged:?}"),
                }
            }
            received
        });
        assert_eq!(received, (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn without_file_events_looking_is_enough() {
    let machine = Simulation::new(1);
    let open = || {
        StoreOptions::default()
            .system(machine.system())
            .create("/store")
            .unwrap()
    };
    let (store, other) = (open(), open());
    let mut polling = store.subscribe_with(
        None,
        SubscribeOptions::default().poll_interval(Duration::from_millis(5)),
    );
    go_live(&store, &mut polling);
    count(&other, "s", 1);
    assert_eq!(
        numbers(&mut polling, 1),
        [1],
        "a look at intervals finds it"
    );
    drop(polling);

    let mut waiting = store.subscribe_with(None, by_hint());
    go_live(&store, &mut waiting);
    assert_eq!(numbers(&mut store.subscribe(None), 3), [0, 0, 1]);
    count(&store, "s", 2);
    let delivered = number(&event(&mut waiting));
    assert_eq!(delivered, 2, "an append of this handle wakes at once");
}

#[test]
fn a_store_that_cannot_be_read_is_an_error_and_no_end() {
    let machine = Simulation::new(2);
    let store = StoreOptions::default()
        .system(machine.system())
        .create("/store")
        .unwrap();
    let options = SubscribeOptions::default().poll_interval(Duration::from_millis(5));
    let mut subscription = store.subscribe_with(None, options.clone());
    let mut history = store.subscribe_with(None, options);
    go_live(&store, &mut subscription);

    machine.disk.fail_at(1, Fault::PowerCut);
    assert!(store.append(counted("s", 1)).is_err(), "the power is off");
    for subscription in [&mut subscription, &mut history] {
        for _ in 0..2 {
            let error = end(subscription);
            let is_read = matches!(error, SubscribeError::Read(_));
            assert!(is_read, "said again each time it is asked: {error:?}");
        }
    }
    machine.disk.crash(&mut |_| 0);
    let store = StoreOptions::default()
        .system(machine.system())
        .create("/store")
        .unwrap();
    match store.subscribe(None).recv() {
        Ok(Item::Event(event)) => assert_eq!(event.stream_id.as_str(), "marker"),
        other => panic!("the disk is back: {other:?}"),
    }
}

#[test]
fn a_filter_that_panics_is_its_own_subscribers_trouble() {
    struct Bomb;
    impl Select for Bomb {
        fn stream(&self, stream_id: &str) -> bool {
            assert_ne!(stream_id, "bomb", "boom");
            true
        }

        fn event_type(&self, _: &str) -> bool {
            true
        }
    }
    let store = new_store();
    let mut bombed = store.subscribe_with(None, SubscribeOptions::default().select(Bomb));
    let mut other = store.subscribe(None);
    go_live(&store, &mut bombed);
    go_live(&store, &mut other);
    count(&store, "bomb", 1);
    assert_eq!(number(&event(&mut other)), 1, "the others go on");
    let panicked =
        thread::spawn(move || while event(&mut bombed).stream_id.as_str() == "marker" {}).join();
    assert!(panicked.is_err(), "the panic reaches its own thread");
    count(&store, "s", 2);
    assert_eq!(number(&event(&mut other)), 2);
}

/// Runs by itself: the threads of other tests would count.
#[test]
fn with_the_last_subscription_ends_every_thread() {
    const ALONE: &str = "TRIBUTARY_TEST_ALONE";
    if !cfg!(target_os = "linux") {
        return println!("skipped: threads are counted through /proc");
    }
    if std::env::var_os(ALONE).is_none() {
        let name = "subscribe::with_the_last_subscription_ends_every_thread";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads=1"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}");
        assert!(said.contains("1 passed"), "the test is found: {said}");
        return;
    }
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let store = new_store();
    let before = threads();
    for _ in 0..20 {
        let mut subscriptions: Vec<_> = (0..3).map(|_| store.subscribe(None)).collect();
        let reading = threads();
        assert_eq!(reading, before, "who only reads needs no thread");
        for subscription in &mut subscriptions {
            go_live(&store, subscription);
        }
        assert!(threads() > before, "somebody follows");
        assert!(threads() <= before + 2, "one thread, and one that watches");
        drop(subscriptions);
        let deadline = fs_io::Deadline::after(PATIENCE);
        // The system takes a moment to forget a thread that has ended.
        while threads() > before && !deadline.is_over() {
            thread::yield_now();
        }
        assert_eq!(threads(), before, "no thread outlives what it is for");
    }
}

/// Settles the fork of a stream without any event.
fn settle(store: &FileEventStore, name: &str) {
    let settled = store.settle(|history, _| {
        let newest = history.canonical().map(|(_, member)| member.created_at());
        let created_at = newest.max().unwrap().successor().unwrap();
        let heads = history.dag().heads().into_iter();
        let mut parents: Vec<_> = heads
            .map(|head| Parent {
                transaction_id: history.get(head).id(),
                content_hash: Some(history.get(head).content_hash()),
            })
            .collect();
        parents.sort_by_key(|parent| parent.transaction_id);
        let heads = parents.iter().map(|parent| parent.transaction_id).collect();
        let version = history.len() as u64;
        let header = Header {
            format_version: FormatVersion::V3,
            transaction_id: TransactionId::from_parts(created_at.unix_millis(), [0; 10]),
            replica_id: ReplicaId::NIL,
            replica_seq: Some(0),
            created_at,
            recorded_at: None,
            parents,
            stream_bases: [(stream(name), StreamBase { version, writes: 0 })].into(),
            command_id: None,
            resolves: [(stream(name), heads)].into(),
            metadata: Json::empty_object(),
        };
        let events = Vec::new();
        Ok::<_, std::convert::Infallible>(vec![MergeDraft { header, events }])
    });
    settled.unwrap();
}

#[test]
fn who_waits_for_a_change_of_the_history_is_told_whatever_it_is_and_once() {
    let (store, clone) = (new_store(), new_store());
    let another = FileEventStore::open(store.root()).unwrap();
    count(&clone, "s", 3);
    let mut changes = store.changes().unwrap();
    let (sender, told) = mpsc::channel();
    let waiting = thread::spawn(move || {
        while sender.send(()).is_ok() {
            block_on(changes.next()).unwrap();
        }
    });
    let is_told = |of: &str| told.recv_timeout(PATIENCE).expect(of);
    is_told("it waits");
    for _ in 0..20 {
        count(&store, "s", 1);
        is_told("an append");
        count(&another, "s", 2);
        is_told("an append of others");
    }
    merge(&clone, &store);
    is_told("an arrival");
    let events = || store.ingested_events(None, &All, 100).unwrap();
    let before = events();
    settle(&another, "s");
    is_told("a settlement without events");
    assert_eq!(*before, *events(), "there is no event that could be told");
    let gone = store.transactions().unwrap().pop().unwrap().transaction_id;
    let file = gone.relative_path();
    fs::remove_file(store.root().join("events").join(file)).unwrap();
    is_told("something that went away");
    assert!(told.try_recv().is_err(), "each is told once");
    drop(told);
    count(&store, "s", 4);
    waiting.join().unwrap();
}
