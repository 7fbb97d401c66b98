//! From a broadcast into a stream, and on after a restart.

use std::fs;
use std::time::Duration;

use fs_feed::{Drained, Feed as _, Gap, Recorded, Recorder, RecorderError};
use fs_store::{Append, FileEventStore};
use futures::FutureExt;
use tokio::sync::broadcast;

use super::{Line, covered, items, lines, quick_store, recorder, recording, send, talk};
use crate::support::new_store;

#[test]
fn what_is_sent_is_stored_in_order_and_a_broken_pipe_is_the_end() {
    let store = new_store();
    let (sender, mut recorder) = recorder(&store, 16);
    send(&sender, 1..=5);
    drop(sender);
    let drained = recorder.record_blocking().unwrap();
    assert_eq!(
        (drained.number, drained.items, drained.dropped),
        (5, 5, 0),
        "everything that was sent is stored when the last sender is gone"
    );
    assert_eq!(drained.transactions, 1, "what waits is stored together");
    assert_eq!(lines(&store), items(1..=5));
    assert_eq!(
        recorder.record_blocking().unwrap(),
        drained,
        "the end stays the end"
    );
}

#[test]
fn a_pipe_that_breaks_at_once_stores_nothing() {
    let store = new_store();
    let (_, mut recorder) = recorder(&store, 16);
    assert_eq!(recorder.record_blocking().unwrap(), Drained::default());
    assert!(store.streams().unwrap().is_empty(), "nothing was sent");
}

#[test]
fn the_marks_are_those_of_the_normative_text() {
    let normative = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    let normative = fs::read_to_string(normative).unwrap();
    let store = new_store();
    let (sender, receiver) = broadcast::channel(2);
    let mut recorder = Recorder::new(&store, talk(), receiver, |_| "Said").unwrap();
    for said in ["one", "two"] {
        sender.send(said).unwrap();
    }
    recorder.finish_blocking().unwrap();
    for said in ["three", "four", "five", "six", "seven"] {
        sender.send(said).unwrap();
    }
    recorder.finish_blocking().unwrap();
    let events = store.stream_events(&talk()).unwrap();
    let path = events[2].transaction_id.relative_path();
    let text = fs::read_to_string(store.root().join("events").join(path)).unwrap();
    for mark in [
        r#""event_type":"tributary.Gap","event_data":{"from":3,"to":5}"#,
        r#""event_type":"Said","event_data":"six","metadata":{"logical":6}"#,
    ] {
        assert!(text.contains(mark), "other programs read {mark}: {text}");
        assert!(
            normative.contains(mark),
            "and know it from the text: {mark}"
        );
    }
}

#[test]
fn every_hole_is_named_exactly_wherever_it_is() {
    let store = new_store();
    let (sender, mut recorder) = recorder(&store, 4);
    send(&sender, 1..=10);
    recorder.finish_blocking().unwrap();
    send(&sender, 11..=14);
    recorder.finish_blocking().unwrap();
    send(&sender, 15..=19);
    recorder.finish_blocking().unwrap();
    send(&sender, 20..=40);
    drop(sender);
    let drained = recorder.record_blocking().unwrap();

    let mut wanted = vec![Line::Gap(1, 6)];
    wanted.extend(items(7..=14));
    wanted.push(Line::Gap(15, 15));
    wanted.extend(items(16..=19));
    wanted.push(Line::Gap(20, 36));
    wanted.extend(items(37..=40));
    assert_eq!(
        lines(&store),
        wanted,
        "at the start, in the middle, at the end"
    );
    assert_eq!((drained.items, drained.dropped), (16, 24));
    let said: Vec<_> = store
        .recording::<u64>(&talk())
        .unwrap()
        .map(|recorded| recorded.unwrap().to_string())
        .collect();
    assert_eq!(said[0], "events between 1 and 6 were dropped");
    assert_eq!(said[1], "7", "an item is shown as its data");
    assert_eq!(said[9], "event 15 was dropped");
}

#[test]
fn numbers_go_on_after_a_restart() {
    let root = {
        let store = new_store();
        let (sender, mut recorder) = recorder(&store, 4);
        send(&sender, 1..=6);
        recorder.finish_blocking().unwrap();
        store.root().to_owned()
    };
    let store = FileEventStore::create(&root).unwrap();
    let (sender, receiver) = broadcast::channel(4);
    send(&sender, 7..=12);
    let mut second = recording(&store, receiver);
    assert_eq!(second.drained().number, 6, "where the first one ended");
    second.finish_blocking().unwrap();
    drop(second);
    let (sender, mut third) = recorder(&FileEventStore::create(&root).unwrap(), 4);
    send(&sender, [13]);
    third.finish_blocking().unwrap();
    let mut wanted = vec![Line::Gap(1, 2)];
    wanted.extend(items(3..=6));
    wanted.push(Line::Gap(7, 8));
    wanted.extend(items(9..=13));
    assert_eq!(lines(&store), wanted);
    let after: Vec<_> = store
        .recording::<u64>(&talk())
        .unwrap()
        .after(7)
        .map(|recorded| super::line(&recorded.unwrap()))
        .collect();
    assert_eq!(
        after[..2],
        [Line::Gap(8, 8), Line::Item(9, 9)],
        "of a gap that reaches over the start, the rest is given"
    );
}

#[test]
fn a_stream_that_ends_in_a_gap_goes_on_after_it() {
    let store = new_store();
    let gap = Append::new().event(talk(), "tributary.Gap", r#"{"from":1,"to":9}"#);
    store.append(gap.unwrap()).unwrap();
    let (sender, mut recorder) = recorder(&store, 4);
    send(&sender, [10]);
    recorder.finish_blocking().unwrap();
    assert_eq!(lines(&store), [Line::Gap(1, 9), Line::Item(10, 10)]);
}

#[test]
fn a_fast_sender_costs_few_transactions_and_large_items_still_fit() {
    let store = quick_store();
    let (sender, mut recorder) = recorder(&store, 8192);
    send(&sender, 1..=8000);
    let drained = recorder.finish_blocking().unwrap();
    assert_eq!(drained.items, 8000);
    assert!(
        drained.transactions <= 10,
        "a thousand items or so a transaction: {drained:?}"
    );
    assert_eq!(lines(&store), items(1..=8000));

    let (sender, receiver) = broadcast::channel(32);
    let mut texts =
        Recorder::new(&store, crate::support::stream("texts"), receiver, |_| "T").unwrap();
    for kib in [1, 100, 100, 8191, 1] {
        sender.send("x".repeat(kib << 10)).unwrap();
    }
    let drained = texts.finish_blocking().unwrap();
    assert_eq!(
        (drained.items, drained.dropped),
        (5, 0),
        "a transaction ends before it is too large"
    );
}

#[test]
fn a_second_recorder_of_a_stream_is_refused() {
    let store = new_store();
    let (_sender, first) = recorder(&store, 4);
    let other = FileEventStore::open(store.root()).unwrap();
    for store in [&store, &other] {
        let (_, receiver) = broadcast::channel::<u64>(4);
        let refused = Recorder::new(store, talk(), receiver, |_| "Said");
        let error = refused.expect_err("one recorder at a time");
        assert!(
            matches!(&error, RecorderError::Held { stream_id, .. } if *stream_id == talk()),
            "the error names the stream: {error:?}"
        );
    }
    let (_, receiver) = broadcast::channel::<u64>(4);
    let elsewhere = Recorder::new(&store, crate::support::stream("else"), receiver, |_| "Said");
    assert!(elsewhere.is_ok(), "another stream is free");
    assert!(
        store.lease("talk").is_ok(),
        "and so is a projection of that name"
    );
    drop(first);
    let (_, receiver) = broadcast::channel::<u64>(4);
    drop(recording(&other, receiver));
}

#[test]
fn what_others_write_into_the_stream_is_told_apart() {
    let store = new_store();
    let (sender, mut recorder) = recorder(&store, 4);
    let remark = |data: &str| Append::new().event(talk(), "Remarked", data).unwrap();
    for n in 1..=3 {
        send(&sender, [n]);
        recorder.finish_blocking().unwrap();
        store.append(remark(r#""aside""#)).unwrap();
    }
    drop(recorder);
    let (sender, mut recorder) = super::recorder(&store, 4);
    send(&sender, [4]);
    recorder.finish_blocking().unwrap();
    let kinds: Vec<_> = store
        .recording::<u64>(&talk())
        .unwrap()
        .map(|recorded| match recorded.unwrap() {
            Recorded::Item { number, .. } => number.to_string(),
            Recorded::Gap {
                gap: Gap { from, to },
                ..
            } => format!("{from}-{to}"),
            Recorded::Other { event } => event.event_type,
        })
        .collect();
    assert_eq!(
        kinds,
        ["1", "Remarked", "2", "Remarked", "3", "Remarked", "4"],
        "numbers go on around it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_async_code_while_a_task_sends() {
    let store = quick_store();
    let (sender, mut recorder) = recorder(&store, 64);
    let task = tokio::spawn(async move { recorder.record().await });
    for n in 1..=2000 {
        sender.send(n).unwrap();
        if n % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(sender);
    let drained = task.await.unwrap().unwrap();
    let lines = lines(&store);
    assert_eq!(covered(&lines), 2000, "every item is stored or named");
    assert_eq!(
        (drained.number, drained.items + drained.dropped),
        (2000, 2000)
    );
    let is_own = |line: &Line| !matches!(line, Line::Item(number, value) if number != value);
    assert!(
        lines.iter().all(is_own),
        "an item has the number it was sent as"
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_and_repeats_nothing() {
    let store = quick_store();
    let (sender, mut recorder) = recorder(&store, 4096);
    let mut ended = None;
    for n in 1..=1000 {
        sender.send(n).unwrap();
        // Asked once and dropped, wherever it is by then.
        ended = recorder.record().now_or_never();
        assert!(ended.is_none(), "a sender is left");
        if n % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(sender);
    while ended.is_none() {
        ended = recorder.record().now_or_never();
        tokio::task::yield_now().await;
    }
    let drained = ended.unwrap().unwrap();
    assert_eq!((drained.items, drained.dropped), (1000, 0));
    assert_eq!(lines(&store), items(1..=1000), "each item is there once");
}

#[tokio::test]
async fn a_recorder_that_is_dropped_carries_its_append_through_before_the_next_begins() {
    let store = quick_store();
    for n in 1..=20 {
        let (sender, receiver) = broadcast::channel(4);
        let mut recorder = loop {
            match Recorder::new(&store, talk(), receiver.resubscribe(), |_| "Said") {
                Ok(recorder) => break recorder,
                Err(RecorderError::Held { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("the lease is free in the end: {error}"),
            }
        };
        sender.send(n).unwrap();
        assert!(recorder.record().now_or_never().is_none());
    }
    while store.stream_events(&talk()).unwrap().len() < 20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(lines(&store), items(1..=20), "no number is given twice");
}

#[tokio::test]
async fn finish_stores_what_waits_and_the_recorder_can_go_on() {
    let store = new_store();
    let (sender, mut recorder) = recorder(&store, 8);
    send(&sender, 1..=3);
    assert_eq!(recorder.finish().await.unwrap().number, 3);
    assert_eq!(
        recorder.finish().await.unwrap().transactions,
        1,
        "nothing waits, so nothing is stored"
    );
    send(&sender, 4..=5);
    drop(sender);
    recorder.record().await.unwrap();
    assert_eq!(lines(&store), items(1..=5));
}

#[test]
fn a_recorder_outlives_the_runtime_that_it_is_asked_on() {
    let store = new_store();
    let (sender, mut recorder) = recorder(&store, 8);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    send(&sender, 1..=3);
    let (told, listen) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(handle.block_on(recorder.finish()).unwrap()));
    let drained = listen.recv_timeout(Duration::from_secs(30));
    let drained = drained.expect("nobody waits for a thread that never comes");
    assert_eq!(drained.number, 3, "what was received is stored");
    assert_eq!(lines(&store), items(1..=3));
}
