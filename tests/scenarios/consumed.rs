//! Consumers that are killed in the middle of what they do.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use fs_format::{EventId, StreamId};
use fs_store::Append;
use scenarios::answers::unsynced;
use scenarios::dice::Dice;
use scenarios::worker::{BATCH, Worker};

use crate::WORKER;

/// How many events there are: more than is got through before the last kill.
const EVENTS: usize = 3000;
/// How many processes take at once.
const TAKERS: u64 = 4;
/// How often each process is killed.
const DEATHS: u64 = 4;
/// How many lines it has told at most by then.
const LIFE: u64 = 8;
/// How long after that at most, so that the kill hits any moment.
const DYING_MICROS: u64 = 3_000;

fn store(root: &Path) -> BTreeSet<EventId> {
    let store = unsynced().create(root).unwrap();
    let stream = StreamId::new("s").unwrap();
    for _ in 0..EVENTS / 100 {
        let several = (0..100).fold(Append::new(), |append, n| {
            let data = n.to_string();
            append.event(stream.clone(), "Counted", &data).unwrap()
        });
        store.append(several).unwrap();
    }
    let events = store.stream_events(&stream).unwrap();
    events.iter().map(|event| event.event_id).collect()
}

/// Lets a process run until it is killed at some moment; returns the lines that it told.
fn live(root: &Path, name: &str, order: &str, dice: &mut Dice) -> Vec<String> {
    let mut worker = Worker::start(WORKER, root, name, "none");
    worker.order(order);
    let mut lines = Vec::new();
    for _ in 0..=dice.below(LIFE) {
        lines.extend(worker.next_text());
    }
    let end = Instant::now() + Duration::from_micros(dice.below(DYING_MICROS));
    while Instant::now() < end {
        std::thread::yield_now();
    }
    lines.extend(worker.kill_unheard());
    lines
}

/// Lets a process carry out an order to its end; returns the lines that it told.
fn finish(root: &Path, order: &str) -> Vec<String> {
    let mut worker = Worker::start(WORKER, root, "last", "none");
    worker.order(order);
    let lines = std::iter::from_fn(|| worker.next_text());
    lines.take_while(|line| line != "done").collect()
}

fn events<'a>(line: &'a str, verb: &str) -> impl Iterator<Item = EventId> + 'a {
    let told = line.strip_prefix(verb).unwrap_or_default();
    told.split_whitespace()
        .map(|id| EventId::parse(id).unwrap())
}

#[test]
fn of_killed_processes_that_fetch_and_advance_no_two_get_one_event() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let all = store(root);
    let mut lines: Vec<String> = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..TAKERS)
            .map(|taker| {
                scope.spawn(move || {
                    let mut dice = Dice::new(taker);
                    let name = format!("taker-{taker}");
                    let lives = (0..DEATHS).map(|_| live(root, &name, "take 1000000", &mut dice));
                    lives.flatten().collect::<Vec<_>>()
                })
            })
            .collect();
        let lines = takers.into_iter().map(|taker| taker.join().unwrap());
        lines.flatten().collect()
    });
    lines.extend(finish(root, &format!("take {}", EVENTS / BATCH + 1)));
    let mut taken = BTreeSet::new();
    for event in lines.iter().flat_map(|line| events(line, "took")) {
        assert!(taken.insert(event), "{event} was taken by one");
        assert!(all.contains(&event));
    }
    let lost = EVENTS - taken.len();
    let deaths = (TAKERS * DEATHS) as usize;
    assert!(
        lost <= deaths * BATCH,
        "only what was in the hands of a process that died is lost: {lost}"
    );
}

#[test]
fn a_killed_process_that_acknowledges_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let all = store(root);
    let mut dice = Dice::new(7);
    let mut lines = Vec::new();
    for _ in 0..DEATHS * 2 {
        lines.extend(live(root, "worker", "work 1000000", &mut dice));
    }
    lines.extend(finish(root, &format!("work {}", EVENTS / BATCH + 1)));
    let (mut seen, mut acknowledged) = (BTreeSet::new(), BTreeSet::new());
    let mut last: Vec<EventId> = Vec::new();
    for line in &lines {
        if line == "acknowledged" {
            acknowledged.extend(last.iter().copied());
            continue;
        }
        last = events(line, "saw").collect();
        for event in &last {
            assert!(
                !acknowledged.contains(event),
                "{event} was acknowledged, and is not given again"
            );
        }
        seen.extend(last.iter().copied());
    }
    assert_eq!(seen, all, "every event is seen, whenever the process died");
}
