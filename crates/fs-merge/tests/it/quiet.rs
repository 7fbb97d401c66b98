//! That no fork is open is kept for the next process, and believed no longer than it holds.

use std::fs;

use fs_format::StreamId;
use fs_index::Layout;
use fs_merge::forks;
use fs_store::{Append, FileEventStore};

use crate::disk::Place;

/// More than an open replays, so that the rest has to be read to be known.
const MANY: u64 = 100;

fn append(store: &FileEventStore, stream_id: &str, number: u64) {
    let stream_id = StreamId::new(stream_id).unwrap();
    let append = Append::new().event(stream_id, "Counted", &number.to_string());
    store.append(append.unwrap()).unwrap();
}

/// Returns how many forks another process finds.
fn found_anew(place: &Place) -> usize {
    let store = FileEventStore::open(place.store.root()).unwrap();
    forks(&store).unwrap().len()
}

#[test]
fn a_fork_that_comes_later_is_told_by_the_next_process() {
    let (one, other) = (Place::empty(), Place::empty());
    append(&one.store, "s", 0);
    other.pull(&one);
    assert_eq!(found_anew(&one), 0, "nobody else wrote");
    assert!(
        Layout::new(one.store.root()).index().join("forks").exists(),
        "that is kept"
    );
    append(&one.store, "s", 1);
    append(&other.store, "t", 2);
    assert_eq!(found_anew(&one), 0, "an append on top forks nothing");
    one.pull(&other);
    assert_eq!(found_anew(&one), 0, "they wrote different streams");
    append(&other.store, "s", 3);
    one.pull(&other);
    assert_eq!(found_anew(&one), 1, "both wrote one stream");
    assert_eq!(found_anew(&one), 1, "and it stays told");
}

#[test]
fn no_history_is_read_to_say_that_no_fork_is_open() {
    let place = Place::empty();
    for number in 0..MANY {
        append(&place.store, "s", number);
    }
    assert_eq!(found_anew(&place), 0, "nobody else wrote");
    let journal = Layout::new(place.store.root()).journal();
    let mut damaged = fs::read(&journal).unwrap();
    for byte in &mut damaged[1000..2000] {
        *byte ^= 0xff;
    }
    fs::write(&journal, &damaged).unwrap();
    assert_eq!(found_anew(&place), 0, "the answer is there");
    let is_damaged = || fs::read(&journal).unwrap() == damaged;
    assert!(is_damaged(), "nobody met the damage");
    fs::remove_file(Layout::new(place.store.root()).index().join("forks")).unwrap();
    assert_eq!(found_anew(&place), 0, "without it, the graph answers");
    assert!(is_damaged(), "and nothing is read that events are in");
    let events = place.store.canonical_events().unwrap().len() as u64;
    assert_eq!(events, MANY, "who reads the events");
    assert!(!is_damaged(), "meets the damage, and it is mended");
}

#[test]
fn an_answer_that_is_damaged_is_not_believed() {
    let (one, other) = (Place::empty(), Place::empty());
    append(&one.store, "s", 0);
    other.pull(&one);
    assert_eq!(found_anew(&one), 0, "nobody else wrote");
    append(&one.store, "s", 1);
    append(&other.store, "s", 2);
    one.pull(&other);
    let kept = Layout::new(one.store.root()).index().join("forks");
    let whole = fs::read(&kept).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&kept, &damaged).unwrap();
        assert_eq!(found_anew(&one), 1, "byte {at} is flipped");
    }
    fs::write(&kept, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(found_anew(&one), 1, "half of it is missing");
}
