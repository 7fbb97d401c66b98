//! Recordings of the same stream in two clones, after a merge.

use fs_feed::Recorder;
use fs_store::{Append, FileEventStore};

use super::{Line, lines, new_store, recorder, send, talk};
use crate::support::merge;

fn record(store: &FileEventStore, values: impl IntoIterator<Item = u64>) {
    let (sender, mut recorder) = recorder(store, 64);
    send(&sender, values);
    recorder.finish_blocking().unwrap();
}

fn number_of(line: &Line) -> u64 {
    match *line {
        Line::Item(number, _) => number,
        Line::Gap(_, to) => to,
    }
}

/// Returns the number of the item with this value.
fn numbered(store: &FileEventStore, value: u64) -> u64 {
    let of_it = lines(store).into_iter().find_map(|line| match line {
        Line::Item(number, it) if it == value => Some(number),
        _ => None,
    });
    of_it.expect("the item is stored")
}

#[test]
fn numbers_go_on_after_the_highest_of_both_whichever_comes_last() {
    for longer_is_first in [true, false] {
        let (one, two) = (new_store(), new_store());
        let lengths = if longer_is_first { [9, 2] } else { [2, 9] };
        record(&one, 100..100 + lengths[0]);
        record(&two, 200..200 + lengths[1]);
        merge(&two, &one);
        record(&one, [1]);
        assert_eq!(numbered(&one, 1), 10, "after the highest");
        record(&one, [2]);
        assert_eq!(numbered(&one, 2), 11);
        merge(&one, &two);
        record(&two, [3]);
        assert_eq!(numbered(&two, 3), 12, "in the other clone too");
        let mut numbers: Vec<_> = lines(&two).iter().map(number_of).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(
            numbers,
            (1..=12).collect::<Vec<_>>(),
            "there is no hole; what both numbered alike is there twice"
        );
    }
}

#[test]
fn numbers_go_on_after_the_highest_where_others_wrote_a_lower_one_on_top() {
    let store = new_store();
    record(&store, 1..=5);
    let again = Append::new().event_with_metadata(talk(), "Said", "2", r#"{"logical":2}"#);
    store.append(again.unwrap()).unwrap();
    record(&store, [6]);
    assert_eq!(
        numbered(&store, 6),
        6,
        "also where the items of one branch were appended again to settle a fork"
    );
}

#[test]
fn a_merge_under_a_recorder_moves_its_numbers_on() {
    let (one, two) = (new_store(), new_store());
    record(&two, 200..209);
    let (sender, mut recorder) = recorder(&one, 64);
    send(&sender, [1]);
    recorder.finish_blocking().unwrap();
    merge(&two, &one);
    send(&sender, [2, 3]);
    let drained = recorder.finish_blocking().unwrap();
    assert_eq!(
        (drained.items, drained.dropped, drained.number),
        (3, 0, 11),
        "what arrived is not taken for something that was dropped"
    );
    assert_eq!([1, 2, 3].map(|value| numbered(&one, value)), [1, 10, 11]);
    let stale: Result<Recorder<u64>, _> = Recorder::new(
        &one,
        talk(),
        tokio::sync::broadcast::channel(1).1,
        |_| "Said",
    );
    assert!(stale.is_err(), "the lease outlives the merge");
}
