//! Recordings: every item that was sent is in the stream once, or in a gap that names it.

mod draining;
mod failures;
mod following;
mod laws;
mod merged;
mod refused;

use fs_feed::{Feed as _, Gap, Recorded, Recorder};
use fs_format::StreamId;
use fs_store::{Durability, FileEventStore, StoreOptions};
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::support::{new_store, stream};

/// A line of a recording: the number of an item and its value, or the ends of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Item(u64, u64),
    Gap(u64, u64),
}

fn talk() -> StreamId {
    stream("talk")
}

/// A new store whose appends need not survive a power cut.
fn quick_store() -> FileEventStore {
    let options = StoreOptions::default().durability(Durability::None);
    options.create(new_store().root()).unwrap()
}

fn recorder(store: &FileEventStore, capacity: usize) -> (Sender<u64>, Recorder<u64>) {
    let (sender, receiver) = broadcast::channel(capacity);
    (sender, recording(store, receiver))
}

fn recording(store: &FileEventStore, receiver: Receiver<u64>) -> Recorder<u64> {
    Recorder::new(store, talk(), receiver, |_| "Said").unwrap()
}

fn send(sender: &Sender<u64>, values: impl IntoIterator<Item = u64>) {
    for value in values {
        sender.send(value).unwrap();
    }
}

fn line(recorded: &Recorded<u64>) -> Line {
    match recorded {
        Recorded::Item { number, value, .. } => Line::Item(*number, *value),
        Recorded::Gap {
            gap: Gap { from, to },
            ..
        } => Line::Gap(*from, *to),
        Recorded::Other { event } => panic!("a recorder wrote everything: {event:?}"),
    }
}

fn lines(store: &FileEventStore) -> Vec<Line> {
    let recording = store.recording::<u64>(&talk()).unwrap();
    recording.map(|recorded| line(&recorded.unwrap())).collect()
}

/// Items that carry their own number.
fn items(numbers: impl IntoIterator<Item = u64>) -> Vec<Line> {
    numbers.into_iter().map(|n| Line::Item(n, n)).collect()
}

/// Checks that the numbers follow one another from 1; returns the last.
fn covered(lines: &[Line]) -> u64 {
    let mut last = 0;
    for line in lines {
        let (from, to) = match *line {
            Line::Item(number, _) => (number, number),
            Line::Gap(from, to) => (from, to),
        };
        assert_eq!(
            from,
            last + 1,
            "no number is left out or there twice: {lines:?}"
        );
        last = to;
    }
    last
}
