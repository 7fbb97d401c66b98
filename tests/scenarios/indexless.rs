//! With and without an index: it may be deleted at any moment, by anybody, and every answer stays the same.

use std::collections::BTreeSet;
use std::fs;

use fs_store::{All, FileEventStore, ReadError};
use scenarios::answers::{Answers, Follower, Ingestion, assert_true_to_its_files};
use scenarios::dice::Dice;
use scenarios::worker::Worker;
use scenarios::{World, append, ingested, numbers};

use crate::WORKER;
use crate::killed::assert_acknowledged;

const ROUNDS: u64 = 10;
/// How many appends lie around each deletion.
const APPENDS: u64 = 12;

#[test]
fn an_index_emptied_by_another_process_during_appends_changes_no_answer() {
    check("empty");
}

#[test]
fn an_index_deleted_by_another_process_during_appends_changes_no_answer() {
    check("delete");
}

#[test]
fn an_index_deleted_between_two_appends_of_one_handle_is_made_anew() {
    let world = World::new();
    let clone = world.init("clone");
    let (one, other) = (clone.store(), clone.store());
    for n in 0..6 {
        append(if n % 2 == 0 { &one } else { &other }, "issue", n);
        fs::remove_dir_all(clone.root().join("index")).unwrap();
        if n % 3 == 0 {
            assert_eq!(ingested(&other, None).len() as u64, n + 1);
        }
    }
    for store in [one, other, FileEventStore::open(clone.root()).unwrap()] {
        assert_eq!(numbers(&store, "issue"), [0, 1, 2, 3, 4, 5]);
        let (answers, _) = assert_true_to_its_files(&store);
        assert_eq!(answers.digest.heads.len(), 1, "one line");
    }
}

/// Has another process get rid of the index by this order while two append and this one reads.
fn check(order: &str) {
    let world = World::new();
    let clone = forked(&world);
    let open = clone.store();
    let mut follower = Follower::default();
    let mut writers: Vec<_> = (0..2)
        .map(|n| Worker::start(WORKER, clone.root(), &format!("w{n}"), "none"))
        .collect();
    let mut deleter = Worker::start(WORKER, clone.root(), "deleter", "none");
    let mut dice = Dice::new(5);
    let mut acks = Vec::new();
    for round in 0..ROUNDS {
        let (_, before) = assert_true_to_its_files(&open);
        follower.see_no_less(&before);
        let position = before.0.last().unwrap().0;
        for writer in &mut writers {
            writer.order(&format!("append {APPENDS}"));
        }
        acks.extend(writers[0].acks(dice.below(APPENDS)));
        deleter.order(order);
        // Reads go on meanwhile.
        for _ in 0..5 {
            follower.see(&Ingestion::of(&open).unwrap());
        }
        let _ = deleter.until_done();
        for writer in &mut writers {
            let (more, errors) = writer.until_done();
            assert!(
                errors.len() <= 1,
                "round {round}: one deletion does not fail more than the append it falls into: {errors:?}"
            );
            acks.extend(more);
        }
        for (handle, store) in [("kept open", &open), ("opened anew", &clone.store())] {
            let (answers, after) = assert_true_to_its_files(store);
            follower.see_no_less(&after);
            assert_acknowledged(&acks, &answers);
            assert_ne!(
                after.epoch(),
                before.epoch(),
                "{handle}: what was known is gone, so a new epoch begins"
            );
            let refused = store.ingested_events(Some(position), &All, 1);
            let Err(ReadError::StalePosition(stale)) = refused else {
                panic!("{handle}: a position of before is refused, got {refused:?}")
            };
            assert_eq!(stale.position, position);
        }
    }
}

#[test]
fn every_answer_is_the_same_with_and_without_an_index() {
    let world = World::new();
    let clone = forked(&world);
    let open = clone.store();
    let before = Answers::of(&open).unwrap();
    let index = clone.root().join("index");
    let mut epochs = BTreeSet::new();
    for round in 0..4 {
        epochs.insert(open.status().unwrap().epoch);
        match round {
            0 => fs::remove_dir_all(&index).unwrap(),
            1 => {
                fs::remove_dir_all(&index).unwrap();
                fs::create_dir(&index).unwrap();
            }
            2 => scrap(&index),
            _ => {}
        }
        for (handle, store) in [("opened anew", &clone.store()), ("kept open", &open)] {
            Answers::of(store)
                .unwrap()
                .assert_same(&before, &format!("{handle} in round {round}"));
        }
    }
    assert_eq!(
        epochs.len(),
        4,
        "each time the index was deleted another epoch began"
    );
    append(&open, "issue", 100);
    assert_true_to_its_files(&clone.store());
}

/// A store with a fork, a stale read and a few streams.
fn forked(world: &World) -> scenarios::Repository {
    let one = world.init("one");
    one.work("issue", &[1, 2]);
    let two = world.clone(&one, "two");
    one.work("issue", &[3]);
    scenarios::decide(&two.store(), "issue", "decision", 4);
    two.commit("decide");
    two.work("issue", &[5, 6]);
    one.merge(&two);
    one
}

/// Deletes the files of the index one by one, as somebody who cleans up does.
fn scrap(index: &std::path::Path) {
    for entry in fs::read_dir(index).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        } else {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}
