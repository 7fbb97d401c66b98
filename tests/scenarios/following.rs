//! Projections that follow while others append and git merges: they are killed again and again, and woken by hints.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fs_feed::Feed as _;
use fs_feed::projection::{Order, Phase, Progress, Snapshot, Status};
use fs_format::EventId;
use fs_store::FileEventStore;
use scenarios::answers::unsynced;
use scenarios::dice::Dice;
use scenarios::seen::{Place, Seen, SeenRows, stubborn};
use scenarios::worker::Worker;
use scenarios::{World, ingested};
use tokio_util::sync::CancellationToken;

use crate::WORKER;

/// How often the process that follows is killed.
const DEATHS: u64 = 12;
/// How many times it has told that it came further at most by then.
const LIFE: u64 = 12;
/// How long after that at most, so that the kill hits any moment.
const DYING_MICROS: u64 = 5_000;

#[test]
fn a_killed_projection_in_ingestion_order_holds_each_event_up_to_its_cursor_once() {
    kill_again_and_again("ingestion", Order::Ingestion, |store, progress, seen| {
        let reached = progress.position();
        let upto: Vec<_> = ingested(store, None)
            .into_iter()
            .filter(|event| reached.is_some_and(|reached| event.position <= reached))
            .map(|event| event.event_id)
            .collect();
        assert_eq!(
            seen, upto,
            "the state is the fold of the events up to the cursor"
        );
    });
}

#[test]
fn a_killed_projection_in_canonical_order_is_never_out_of_order() {
    kill_again_and_again("canonical", Order::Canonical, |store, _, seen| {
        // What arrived since lies between them, but they keep their order.
        let known: BTreeSet<_> = seen.iter().copied().collect();
        let mut order = canonical(store);
        order.retain(|event| known.contains(event));
        assert_eq!(seen, order, "the state is a fold in canonical order");
    });
}

fn canonical(store: &FileEventStore) -> Vec<EventId> {
    let events = store.canonical_events().unwrap();
    events.into_iter().map(|event| event.event_id).collect()
}

/// Lets a process follow and die while another appends and merges come in, and has `check` look at what it left each time.
fn kill_again_and_again(
    order: &str,
    kind: Order,
    check: impl Fn(&FileEventStore, &Progress, &[EventId]),
) {
    let world = World::in_memory();
    let clone = world.init("clone");
    clone.work("issue", &[1, 2, 3]);
    let other = world.clone(&clone, "other");
    let root = clone.root();
    let mut dice = Dice::new(3);
    let mut moved = BTreeSet::new();
    let mut appender = Worker::start(WORKER, &root, "appender", "none");
    let mut orders = 0;
    for life in 0..DEATHS {
        let mut worker = Worker::start(WORKER, &root, &format!("life-{life}"), "none");
        worker.order(&format!("follow {order} {}", 1 + dice.below(10)));
        let (lines, merged) = (dice.below(LIFE), dice.below(LIFE));
        for line in 0..lines {
            // It is carried out meanwhile, and there is something to be told after it.
            appender.order("append 3");
            orders += 1;
            if line == merged {
                other.work("issue", &[10 * life, 10 * life + 1]);
                clone.merge(&other);
            }
            let _ = worker.next_text();
        }
        let end = Instant::now() + Duration::from_micros(dice.below(DYING_MICROS));
        while Instant::now() < end {
            std::thread::yield_now();
        }
        let last_words = worker.kill_unheard();
        let is_well = |line: &String| line.starts_with("applied ");
        assert!(last_words.iter().all(is_well), "{last_words:?}");
        let store = unsynced().create(&root).unwrap();
        for place in Place::ALL {
            let (progress, seen) = place.read(&store, &Seen::new(kind, place).name);
            let Some(progress) = progress else {
                assert_eq!(seen, [], "{place:?}: without a cursor there is nothing");
                continue;
            };
            assert_eq!(
                progress.applied(),
                seen.len() as u64,
                "{place:?}: the cursor tells what the state holds"
            );
            check(&store, &progress, &seen);
            moved.insert((format!("{place:?}"), seen.len()));
        }
    }
    for _ in 0..orders {
        let (_, errors) = appender.until_done();
        assert_eq!(errors, Vec::<String>::new());
    }
    assert!(
        moved.len() > DEATHS as usize,
        "they died at different places: {moved:?}"
    );

    clone.merge(&other);
    let store = unsynced().create(&root).unwrap();
    let expected = match kind {
        Order::Ingestion => {
            let all = ingested(&store, None).into_iter();
            all.map(|event| event.event_id).collect()
        }
        Order::Canonical => canonical(&store),
    };
    for place in Place::ALL {
        let seen = Seen::new(kind, place);
        let name = seen.name.clone();
        let status = match place {
            Place::Sqlite => {
                let database = Place::database(&root);
                store.project(SeenRows(seen), database).catch_up()
            }
            Place::Json | Place::Postcard => {
                let snapshot = place.snapshot(&store);
                store.project(seen, snapshot).catch_up()
            }
        };
        let status = status.unwrap();
        if kind == Order::Ingestion {
            assert_eq!(
                status.rebuilt, None,
                "{place:?}: no death makes a state useless"
            );
        }
        let (_, seen) = place.read(&store, &name);
        assert_eq!(
            seen, expected,
            "{place:?}: all events in the end, each once"
        );
    }
}

#[test]
fn what_another_process_appends_is_applied_at_once() {
    let world = World::in_memory();
    let root = world.path().join("store");
    let store = unsynced().create(&root).unwrap();
    let stop = CancellationToken::new();
    let mut runner = store
        .project(
            Seen::new(Order::Ingestion, Place::Json),
            Snapshot::in_memory(),
        )
        .poll_interval(Duration::from_secs(3600))
        .retry(stubborn())
        .stop_on(stop.clone());
    let mut status = runner.status();
    let following = std::thread::spawn(move || {
        runner.follow().unwrap();
        runner.into_model().into_state().len()
    });
    let mut wait_for = |events: u64| {
        let has_come =
            |status: &Status| status.phase == Phase::Following && status.applied == events;
        futures::executor::block_on(status.wait_for(has_come)).unwrap();
    };
    // Another handle, so that nothing but the other process wakes the one that follows.
    let apart = unsynced().create(&root).unwrap();
    let mut appender = Worker::start(WORKER, &root, "appender", "none");
    for _ in 0..8 {
        wait_for(ingested(&apart, None).len() as u64);
        appender.order("append 1");
        let (acks, _) = appender.until_done();
        assert_eq!(acks.len(), 1);
    }
    wait_for(ingested(&apart, None).len() as u64);
    stop.cancel();
    let applied = following.join().unwrap();
    assert_eq!(
        applied,
        ingested(&store, None).len(),
        "within the hour, and each once"
    );
}
