//! Named consumers see each event, and say where they are.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use fs_feed::{Batch, ConsumerError, ConsumerOptions, Feed as _};
use fs_format::EventId;
use fs_index::Position;
use fs_io::sim::Simulation;
use fs_store::{All, CursorError, Durability, FileEventStore, Reads, Select, StoreOptions};
use proptest::prelude::*;

use crate::support::{count, merge, new_store};

/// Events of one stream.
struct Stream(&'static str);

impl Select for Stream {
    fn stream(&self, stream_id: &str) -> bool {
        stream_id == self.0
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }
}

fn numbers(batch: &Batch) -> Vec<u64> {
    let data = batch.events.iter().map(|event| &event.event_data);
    data.map(|data| data.decode().unwrap()).collect()
}

fn counted(numbers: impl IntoIterator<Item = u64>) -> FileEventStore {
    let store = new_store();
    for n in numbers {
        count(&store, "counter", n);
    }
    store
}

/// Takes the last transaction away, as `git reset` does.
fn reset(store: &FileEventStore) {
    let last = store.transactions().unwrap().pop().unwrap();
    let path = last.transaction_id.relative_path();
    fs::remove_file(store.root().join("events").join(path)).unwrap();
    store.refresh().unwrap();
}

#[test]
fn what_is_acknowledged_is_not_fetched_again_nor_after_a_restart() {
    let store = counted(1..=5);
    let consumer = store.consumer("agent").unwrap();
    let batch = consumer.fetch(2).unwrap();
    assert_eq!(numbers(&batch), [1, 2]);
    assert_eq!(
        numbers(&consumer.fetch(3).unwrap()),
        [1, 2, 3],
        "to fetch moves nothing"
    );
    consumer.ack(&batch).unwrap();
    assert_eq!(consumer.position().unwrap(), batch.position());
    let reopened = FileEventStore::open(store.root()).unwrap();
    let consumer = reopened.consumer("agent").unwrap();
    let rest = consumer.fetch(100).unwrap();
    assert_eq!(numbers(&rest), [3, 4, 5], "the cursor is kept");
    consumer.ack(&rest).unwrap();
    let none = consumer.fetch(100).unwrap();
    assert!(none.events.is_empty() && !none.started_over);
    consumer.ack(&none).unwrap();
    count(&store, "counter", 6);
    assert_eq!(numbers(&consumer.fetch(100).unwrap()), [6]);
    assert_eq!(
        numbers(&store.consumer("other").unwrap().fetch(1).unwrap()),
        [1],
        "each name has a cursor of its own"
    );
}

#[test]
fn a_batch_that_another_was_faster_with_is_refused_and_nothing_moves() {
    let store = counted(1..=4);
    let other = FileEventStore::open(store.root()).unwrap();
    let (ours, theirs) = (
        store.consumer("agent").unwrap(),
        other.consumer("agent").unwrap(),
    );
    let (small, large) = (ours.fetch(1).unwrap(), theirs.fetch(3).unwrap());
    theirs.ack(&large).unwrap();
    for late in [&small, &large] {
        let refused = ours.ack(late).unwrap_err();
        assert!(
            matches!(refused, ConsumerError::Moved { .. }),
            "neither back nor twice: {refused:?}"
        );
    }
    assert_eq!(numbers(&ours.fetch(9).unwrap()), [4]);
    let stale = ours.fetch(9).unwrap();
    assert_eq!(numbers(&theirs.fetch_and_advance(9).unwrap()), [4]);
    assert!(matches!(ours.ack(&stale), Err(ConsumerError::Moved { .. })));

    ours.reset().unwrap();
    let first = ours.fetch(2).unwrap();
    theirs.reset().unwrap();
    assert!(
        matches!(ours.ack(&first), Err(ConsumerError::Moved { .. })),
        "a reset in between withdraws a batch, though the cursor is where it was"
    );
    assert_eq!(numbers(&ours.fetch(9).unwrap()), [1, 2, 3, 4]);
}

#[test]
fn a_position_is_acknowledged_forwards_only() {
    let store = counted(1..=4);
    let consumer = store.consumer("agent").unwrap();
    let at: Vec<Position> = consumer
        .fetch(9)
        .unwrap()
        .events
        .iter()
        .map(|event| event.position)
        .collect();
    consumer.ack_through(at[2]).unwrap();
    consumer.ack_through(at[2]).unwrap();
    assert_eq!(
        numbers(&consumer.fetch(9).unwrap()),
        [4],
        "a part of a batch"
    );
    let back = consumer.ack_through(at[0]).unwrap_err();
    assert!(
        matches!(back, ConsumerError::Behind { reached, .. } if reached == at[2]),
        "never back: {back:?}"
    );
    let nowhere = Position {
        proof: at[2].proof,
        ..at[3]
    };
    let refused = consumer.ack_through(nowhere).unwrap_err();
    assert!(
        matches!(&refused, ConsumerError::UnknownPosition { position, .. } if *position == nowhere),
        "the cursor is as it should be, so a reset is not what helps: {refused:?}"
    );
    assert_eq!(consumer.position().unwrap(), Some(at[2]), "nothing moved");
    reset(&store);
    let refused = consumer.ack_through(at[3]).unwrap_err();
    assert!(
        matches!(refused, ConsumerError::NewEpoch { .. }),
        "the cursor comes first: {refused:?}"
    );
}

#[test]
fn a_consumer_of_few_events_passes_over_the_others() {
    let store = counted(1..=3);
    let options = ConsumerOptions::default().select(Stream("rare"));
    let consumer = store.consumer_with("rare", options).unwrap();
    let none = consumer.fetch_and_advance(10).unwrap();
    assert!(none.events.is_empty());
    assert!(
        consumer.position().unwrap().is_some(),
        "what is not selected is not looked at again"
    );
    for n in [7, 8, 9] {
        count(&store, "rare", n);
        count(&store, "counter", n);
    }
    assert_eq!(numbers(&consumer.fetch_and_advance(2).unwrap()), [7, 8]);
    assert_eq!(numbers(&consumer.fetch_and_advance(2).unwrap()), [9]);
}

#[test]
fn a_consumer_from_now_sees_what_comes() {
    let store = counted(1..=3);
    let from_now = || ConsumerOptions::default().from_now();
    let consumer = store.consumer_with("notifier", from_now()).unwrap();
    count(&store, "counter", 4);
    let reopened = store.consumer_with("notifier", from_now()).unwrap();
    assert_eq!(
        numbers(&reopened.fetch(10).unwrap()),
        [4],
        "now is when it was created, not when it is asked"
    );
    consumer.reset().unwrap();
    assert!(consumer.fetch(10).unwrap().events.is_empty());
}

#[test]
fn a_new_epoch_is_told_until_the_consumer_is_reset() {
    let store = counted(1..=3);
    let consumer = store.consumer("agent").unwrap();
    consumer.fetch_and_advance(3).unwrap();
    reset(&store);
    for _ in 0..2 {
        let told = consumer.fetch(9).unwrap_err();
        assert!(
            matches!(told, ConsumerError::NewEpoch { .. }) && told.to_string().contains("reset"),
            "it says what to do: {told}"
        );
        assert!(consumer.fetch_and_advance(9).is_err());
    }
    consumer.reset().unwrap();
    assert_eq!(numbers(&consumer.fetch(9).unwrap()), [1, 2]);
}

#[test]
fn a_handle_that_knows_less_than_who_moved_the_cursor_sees_no_new_epoch() {
    let store = counted(1..=3);
    let options = StoreOptions::default().reads(Reads::AsRefreshed);
    let late = options.create(store.root()).unwrap();
    let starts_over = || ConsumerOptions::default().start_over_on_new_epoch();
    let (strict, lenient) = (
        late.consumer("agent").unwrap(),
        late.consumer_with("agent", starts_over()).unwrap(),
    );
    let mut expected = vec![1, 2, 3];
    for n in 4..=6 {
        let before = numbers(&strict.fetch(9).unwrap());
        assert_eq!(before, expected, "as of the last refresh");
        count(&store, "counter", n);
        let ours = store.consumer("agent").unwrap();
        let taken = ours.fetch_and_advance(9).unwrap();
        count(&store, "counter", 10 * n);
        match n {
            4 => strict.ack_through(taken.position().unwrap()).unwrap(),
            5 => drop(strict.fetch(9).unwrap()),
            _ => drop(lenient.fetch(9).unwrap()),
        }
        let batch = lenient.fetch(9).unwrap();
        assert!(!batch.started_over, "nothing went away");
        assert_eq!(numbers(&batch), [10 * n], "and nothing is seen twice");
        expected = vec![10 * n];
    }
}

#[test]
fn by_choice_it_starts_over_and_says_so() {
    let store = counted(1..=3);
    let options = ConsumerOptions::default().start_over_on_new_epoch();
    let consumer = store.consumer_with("agent", options).unwrap();
    consumer.fetch_and_advance(2).unwrap();
    reset(&store);
    for _ in 0..2 {
        let batch = consumer.fetch(1).unwrap();
        assert!(batch.started_over, "until it is acknowledged");
        assert_eq!(numbers(&batch), [1]);
    }
    let batch = consumer.fetch_and_advance(1).unwrap();
    assert!(batch.started_over);
    let next = consumer.fetch_and_advance(9).unwrap();
    assert!(!next.started_over, "it is said once");
    assert_eq!(numbers(&next), [2]);
}

#[test]
fn one_from_now_that_starts_over_sees_what_comes_after_that() {
    let store = counted(1..=3);
    let options = ConsumerOptions::default().from_now();
    let consumer = store
        .consumer_with("notifier", options.start_over_on_new_epoch())
        .unwrap();
    reset(&store);
    let batch = consumer.fetch_and_advance(9).unwrap();
    assert_eq!(
        (batch.started_over, numbers(&batch)),
        (true, vec![]),
        "nobody is told again of what is old"
    );
    count(&store, "counter", 4);
    assert_eq!(numbers(&consumer.fetch(9).unwrap()), [4]);
}

#[test]
fn a_cursor_moves_under_its_lock_only_and_who_reads_does_not_wait() {
    let store = counted(1..=3);
    let options = StoreOptions::default().lock_timeout(Duration::ZERO);
    let hasty = options.create(store.root()).unwrap();
    let consumer = hasty.consumer("agent").unwrap();
    let batch = consumer.fetch(2).unwrap();
    let files = fs::read_dir(store.root().join("local/consumers")).unwrap();
    let mut locks = files.map(|file| file.unwrap().path());
    let lock = locks.find(|path| path.extension().is_some_and(|it| it == "lock"));
    let held = fs_io::System::real()
        .disk
        .lock(&lock.unwrap(), fs_io::Wait::Never)
        .unwrap();
    let position = batch.position().unwrap();
    for refused in [
        consumer.ack(&batch),
        consumer.ack_through(position),
        consumer.fetch_and_advance(1).map(drop),
        consumer.reset(),
        consumer.clone().remove(),
    ] {
        assert!(
            matches!(refused, Err(ConsumerError::Cursor(CursorError::Busy(_)))),
            "another is about to move it: {refused:?}"
        );
    }
    assert_eq!(consumer.position().unwrap(), None, "nothing moved");
    assert_eq!(numbers(&consumer.fetch(9).unwrap()), [1, 2, 3]);
    drop(held);
    consumer.ack(&batch).unwrap();
}

#[test]
fn what_is_acknowledged_or_saved_outlives_a_power_cut() {
    for durability in [Durability::Log, Durability::Files] {
        let machine = Simulation::new(1);
        let open = || {
            let options = StoreOptions::default().durability(durability);
            options.system(machine.system()).create("/store").unwrap()
        };
        let store = open();
        for n in 1..=3 {
            count(&store, "counter", n);
        }
        let agent = store.consumer("agent").unwrap();
        let taken = agent.fetch_and_advance(1).unwrap();
        store
            .save_checkpoint("search", taken.events[0].position)
            .unwrap();
        let taken = agent.fetch_and_advance(1).unwrap();
        let last = taken.events[0].position;
        store.save_checkpoint("search", last).unwrap();
        machine.disk.crash(&mut |_| 0);
        let store = open();
        let agent = store.consumer("agent").unwrap();
        assert_eq!(
            (
                agent.position().unwrap(),
                store.checkpoint("search").unwrap()
            ),
            (Some(last), Some(last)),
            "{durability:?}: what was taken is not given to another"
        );
    }
}

#[test]
fn consumers_are_listed_and_removed() {
    let store = counted(1..=2);
    assert_eq!(store.consumers().unwrap(), []);
    let consumer = store.consumer("b/../c").unwrap();
    store.consumer("a\n").unwrap().fetch_and_advance(1).unwrap();
    let listed = store.consumers().unwrap();
    let names: Vec<_> = listed.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a\n", "b/../c"], "any name will do");
    assert!(listed[0].position.is_some() && listed[1].position.is_none());
    let handle = consumer.clone();
    consumer.remove().unwrap();
    assert!(matches!(
        handle.fetch(1),
        Err(ConsumerError::Removed { .. })
    ));
    assert_eq!(store.consumers().unwrap().len(), 1);
}

#[test]
fn of_many_at_once_each_event_goes_to_one() {
    const EVENTS: u64 = 60;
    let store = counted(0..EVENTS);
    let taken: Vec<EventId> = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let store = FileEventStore::open(store.root()).unwrap();
                scope.spawn(move || {
                    let consumer = store.consumer("shared").unwrap();
                    let mut taken = Vec::new();
                    loop {
                        let batch = consumer.fetch_and_advance(3).unwrap();
                        if batch.events.is_empty() {
                            return taken;
                        }
                        taken.extend(batch.events.iter().map(|event| event.event_id));
                    }
                })
            })
            .collect();
        let taken = takers.into_iter().map(|taker| taker.join().unwrap());
        taken.flatten().collect()
    });
    let distinct: BTreeSet<_> = taken.iter().collect();
    assert_eq!(
        (taken.len() as u64, distinct.len() as u64),
        (EVENTS, EVENTS),
        "each of them, and none twice"
    );
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Append,
    Arrive,
    Vanish,
    /// Fetches, and acknowledges or dies before.
    Fetch(usize, bool),
    Advance(usize),
    Reopen,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => Just(Turn::Append),
        2 => Just(Turn::Arrive),
        1 => Just(Turn::Vanish),
        4 => (1usize..4, any::<bool>()).prop_map(|(limit, acks)| Turn::Fetch(limit, acks)),
        3 => (1usize..4).prop_map(Turn::Advance),
        1 => Just(Turn::Reopen),
    ]
}

/// Takes over a batch that counts as seen.
fn see(seen: &mut Vec<EventId>, batch: &Batch) {
    if batch.started_over {
        seen.clear();
    }
    seen.extend(batch.events.iter().map(|event| event.event_id));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_and_goes_each_event_is_seen_once(turns in prop::collection::vec(turn(), 1..24)) {
        let (mut store, other) = (counted([0]), new_store());
        let options = || ConsumerOptions::default().start_over_on_new_epoch();
        let mut seen = Vec::new();
        for (nth, turn) in (1..).zip(turns) {
            let consumer = store.consumer_with("all", options()).unwrap();
            match turn {
                Turn::Append => drop(count(&store, "a", nth)),
                Turn::Arrive => {
                    count(&other, "b", nth);
                    merge(&other, &store);
                }
                Turn::Vanish if store.transactions().unwrap().is_empty() => {}
                Turn::Vanish => reset(&store),
                Turn::Fetch(limit, acks) => {
                    let batch = consumer.fetch(limit).unwrap();
                    if acks {
                        consumer.ack(&batch).unwrap();
                        see(&mut seen, &batch);
                    }
                }
                Turn::Advance(limit) => see(&mut seen, &consumer.fetch_and_advance(limit).unwrap()),
                Turn::Reopen => store = FileEventStore::open(store.root()).unwrap(),
            }
        }
        let consumer = store.consumer_with("all", options()).unwrap();
        loop {
            let batch = consumer.fetch_and_advance(5).unwrap();
            see(&mut seen, &batch);
            if batch.events.is_empty() {
                break;
            }
        }
        let stored = store.ingested_events(None, &All, usize::MAX).unwrap();
        let stored: Vec<_> = stored.iter().map(|event| event.event_id).collect();
        prop_assert_eq!(seen, stored, "each event that is there was seen once, in order");
    }
}
