//! A recorder that is killed again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fs_feed::{Feed as _, Recorded};
use fs_store::FileEventStore;
use scenarios::dice::Dice;
use scenarios::stream_id;
use scenarios::worker::{Line, Worker};

use crate::WORKER;

const LIVES: u64 = 24;
/// How many times a recorder has said that it stored something at most when it is killed.
const LIFE: u64 = 6;
/// How long after that at most, so that the kill hits any moment.
const DYING_MICROS: u64 = 4_000;

#[test]
fn a_recorder_that_is_killed_anywhere_repeats_no_number_and_leaves_no_unnamed_hole() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(5);
    let mut told = 0;
    for life in 0..LIVES {
        let durability = ["files", "none", "log"][(life % 3) as usize];
        let mut worker = Worker::start(WORKER, dir.path(), &format!("life-{life}"), durability);
        let mut listen = |line| match line {
            Line::Recorded(number) => {
                assert!(number > told, "numbers go on, over lives too");
                told = number;
            }
            other => panic!("a recorder does nothing else: {other:?}"),
        };
        worker.order("record 1000000");
        for _ in 0..dice.below(LIFE) {
            listen(worker.next_line().expect("it records until it is killed"));
        }
        let end = Instant::now() + Duration::from_micros(dice.below(DYING_MICROS));
        while Instant::now() < end {
            std::thread::yield_now();
        }
        worker.last_words().into_iter().for_each(listen);
    }
    let mut worker = Worker::start(WORKER, dir.path(), "last", "log");
    worker.order("record 100");
    let (_, errors) = worker.until_done();
    assert_eq!(errors, Vec::<String>::new());

    let store = FileEventStore::create(dir.path()).unwrap();
    let (mut last, mut gaps) = (0, 0);
    // Where the numbers of a life begin: an item's number less its place among what the life has sent.
    let mut bases: BTreeMap<String, u64> = BTreeMap::new();
    for recorded in store.recording::<String>(&stream_id("recording")).unwrap() {
        let (from, to) = match recorded.unwrap() {
            Recorded::Item { number, value, .. } => {
                let (life, nth) = value.split_once(' ').unwrap();
                let base = number - nth.parse::<u64>().unwrap();
                assert_eq!(
                    *bases.entry(life.to_owned()).or_insert(base),
                    base,
                    "a gap is as long as what was dropped: {value} is number {number}"
                );
                (number, number)
            }
            Recorded::Gap { gap, .. } => {
                gaps += 1;
                (gap.from, gap.to)
            }
            Recorded::Other { event } => panic!("nobody else writes: {event:?}"),
        };
        assert_eq!(
            from,
            last + 1,
            "no number is there twice, and no hole is unnamed"
        );
        last = to;
    }
    assert!(
        last >= told + 100,
        "what was said to be stored is: {last} of {told}"
    );
    assert!(gaps > 0, "there were bursts that did not fit");
    let status = store.status().unwrap();
    assert!(
        status.is_clean(),
        "a killed recorder leaves nothing behind: {status:?}"
    );
}
