//! Readers beside a writer, open before or started meanwhile: they never fail, never wait, and see a prefix.

use std::sync::mpsc::channel;
use std::time::Duration;

use fs_store::{All, FileEventStore, StoreOptions};
use scenarios::answers::{Answers, Ingestion, assert_true_to_its_files, copy_dir, unsynced};
use scenarios::worker::{Line, Worker};
use scenarios::{Repository, World, append, numbers};

use crate::WORKER;
use crate::killed::assert_acknowledged;

const APPENDS: u64 = 10_000;
/// Every so many looks the reader reads everything from the beginning.
const WHOLE: u64 = 200;
/// How long a reader may take, which is less than it would wait for the lock and more than any machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_reader_during_ten_thousand_appends_sees_a_growing_prefix() {
    // A disk would be slow for minutes after the files of an earlier run were deleted.
    let world = World::in_memory();
    let store = unsynced().create(world.path()).unwrap();
    let mut writer = Worker::start(WORKER, world.path(), "writer", "none");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        writer.order(&format!("append {APPENDS}"));
        let mut acks = Vec::new();
        loop {
            match writer.next_line() {
                Some(Line::Ack(ack)) => acks.push(ack),
                Some(Line::Error(error)) => panic!("an append failed: {error}"),
                Some(Line::Done | Line::Recorded(_)) => break,
                None => panic!("the writer ended after {}", acks.len()),
            }
        }
        let _ = sender.send(acks);
    });
    let mut seen = Ingestion::default();
    let (mut looks, mut wholes) = (0_u64, 0_u64);
    let acks = loop {
        let done = receiver.try_recv();
        looks += 1;
        let after = seen.0.last().map(|(position, _)| *position);
        let page = store
            .ingested_events(after, &All, usize::MAX)
            .expect("a reader does not fail because somebody writes");
        for event in page {
            assert!(
                seen.0
                    .last()
                    .is_none_or(|(last, _)| last.sequence < event.position.sequence),
                "positions ascend"
            );
            seen.0.push((event.position, event.event_id));
        }
        if looks.is_multiple_of(WHOLE) {
            wholes += 1;
            let again = if wholes.is_multiple_of(2) {
                Ingestion::of(&FileEventStore::open(world.path()).unwrap())
            } else {
                Ingestion::of(&store)
            };
            let again = again.unwrap();
            assert!(
                again.0.starts_with(&seen.0),
                "what was read once is the beginning of what is read later"
            );
        }
        match done {
            Ok(acks) => break acks,
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
            Err(error) => panic!("the writer failed: {error}"),
        }
    };
    assert_eq!(acks.len() as u64, APPENDS);
    assert_acknowledged(&acks, &Answers::of(&store).unwrap());
    assert_eq!(
        Ingestion::of(&store).unwrap(),
        seen,
        "page by page the reader saw everything, once"
    );
    seen.assert_covers(&Answers::of(&store).unwrap());
    assert!(looks > 3, "the reader read while the writer wrote");
}

#[test]
fn an_open_handle_reads_while_another_process_holds_the_lock() {
    let (world, mut holder, clone, open) = locked();
    let handle = open.clone();
    within(PATIENCE, "an open handle reads", move || {
        let answers = Answers::of(&handle).unwrap();
        answers.assert_consistent();
        assert_eq!(numbers(&handle, "issue"), [1, 2]);
        let first = Ingestion::of(&handle).unwrap();
        assert_eq!(
            Ingestion::of(&handle).unwrap(),
            first,
            "nothing changes meanwhile"
        );
    });
    holder.order("unlock");
    let _ = holder.until_done();
    open.refresh().unwrap();
    assert_eq!(
        numbers(&open, "arrived"),
        [3],
        "what came while the lock was held is taken in when it is free"
    );
    assert_true_to_its_files(&open);
    drop((world, clone));
}

#[test]
fn a_process_that_starts_reads_while_another_holds_the_lock() {
    let (world, holder, clone, _) = locked();
    let root = clone.root();
    within(PATIENCE, "a process that starts reads", move || {
        let options = StoreOptions::default().lock_timeout(PATIENCE * 2);
        let store = options.open(&root).unwrap();
        assert_eq!(numbers(&store, "issue"), [1, 2]);
        Answers::of(&store).unwrap().assert_consistent();
    });
    drop((world, holder));
}

/// A store whose lock another process holds, with two appends by that process and a file that git has brought in the
/// meantime; and a handle that was opened before all this.
fn locked() -> (World, Worker, Repository, FileEventStore) {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1, 2]);
    let elsewhere = world.clone(&clone, "elsewhere");
    elsewhere.work("arrived", &[3]);
    let options = StoreOptions::default().lock_timeout(PATIENCE * 2);
    let open = options.create(clone.root()).unwrap();
    let mut holder = Worker::start(WORKER, clone.root(), "holder", "none");
    holder.order("append 2");
    holder.order("lock");
    assert_eq!(holder.until_done().0.len(), 2);
    let _ = holder.until_done();
    copy_dir(
        &elsewhere.root().join("events"),
        &clone.root().join("events"),
    );
    (world, holder, clone, open)
}

#[test]
fn a_store_opened_before_a_pull_sees_the_files_after_a_refresh() {
    let world = World::new();
    let one = world.init("one");
    one.work("issue", &[1]);
    let two = world.clone(&one, "two");
    let open = one.store();
    let other = one.store();
    let before = Ingestion::of(&open).unwrap();
    for round in 0..5 {
        two.work("theirs", &[10 + round, 20 + round]);
        one.merge(&two);
        open.refresh().unwrap();
        assert_eq!(
            numbers(&open, "theirs").len() as u64,
            2 * (round + 1),
            "what git brought is there after a refresh"
        );
        assert!(
            Ingestion::of(&open).unwrap().0.starts_with(&before.0),
            "and comes after what was there"
        );
        append(&other, "ours", round);
        one.commit("work");
        two.merge(&one);
    }
    let (answers, _) = assert_true_to_its_files(&open);
    answers.assert_same(&Answers::of(&other).unwrap(), "another handle");
    answers.assert_same(&Answers::of(&one.store()).unwrap(), "a handle opened later");
}

/// Runs something that must not wait; the assertions in it are made by its own thread.
fn within(patience: Duration, what: &str, run: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = channel();
    let thread = std::thread::spawn(move || {
        run();
        let _ = sender.send(());
    });
    if receiver.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        panic!("{what} without waiting for the lock");
    }
    thread.join().unwrap_or_else(|_| panic!("{what}"));
}
