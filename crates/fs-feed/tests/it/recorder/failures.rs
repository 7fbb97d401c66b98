//! Disks that fail: what is not stored stays with the recorder.

use std::collections::BTreeSet;

use fs_feed::{RecordError, Unstored};
use fs_io::sim::{Fault, Simulation};
use fs_store::{Durability, FileEventStore, StoreOptions};
use tokio::sync::broadcast::error::TryRecvError;

use super::{Line, covered, lines, recorder, send};

const ITEMS: u64 = 6;

fn options() -> StoreOptions {
    StoreOptions::default().durability(Durability::Files)
}

fn open(machine: &Simulation) -> FileEventStore {
    options().system(machine.system()).create("/store").unwrap()
}

/// What six items are after a hole of two: the channel holds four.
fn wanted() -> Vec<Line> {
    let mut wanted = vec![Line::Gap(1, 2)];
    wanted.extend(super::items(3..=ITEMS));
    wanted
}

/// Records with every operation failing in turn, until none does; returns how many runs failed.
fn fail_everywhere(fault: Fault, mut go_on: impl FnMut(&Simulation, Failed)) -> u64 {
    for at in 1.. {
        let machine = Simulation::new(at);
        let store = open(&machine);
        let (sender, mut recorder) = recorder(&store, 4);
        send(&sender, 1..=ITEMS);
        machine.disk.fail_at(at, fault);
        match recorder.finish_blocking() {
            Ok(_) => return at - 1,
            Err(RecordError::Append { items, source }) => {
                assert_eq!(items, 4, "the error counts what is not stored: {source}");
            }
            Err(other) => panic!("the append has failed: {other:?}"),
        }
        go_on(&machine, (recorder, sender));
    }
    unreachable!("an append has an end")
}

type Failed = (fs_feed::Recorder<u64>, tokio::sync::broadcast::Sender<u64>);

#[test]
fn on_a_store_opened_anew_a_recorder_stores_everything_once() {
    for fault in [Fault::SyncFails, Fault::WriteFails] {
        let runs = fail_everywhere(fault, |machine, (mut recorder, sender)| {
            // The handle goes on, or refuses to: a failed write of the transaction itself ends it.
            let _ = recorder.finish_blocking();
            let store = open(machine);
            recorder.reopen(&store).unwrap();
            send(&sender, [ITEMS + 1]);
            drop(sender);
            recorder.record_blocking().unwrap();
            let mut wanted = wanted();
            wanted.extend(super::items([ITEMS + 1]));
            assert_eq!(
                lines(&store),
                wanted,
                "{fault:?}: also where the append that failed is there all the same"
            );
        });
        assert!(runs >= 1, "{fault:?} hits");
    }
}

#[test]
fn a_recorder_outlives_a_power_cut_at_any_moment() {
    let runs = fail_everywhere(Fault::PowerCut, |machine, (mut recorder, _sender)| {
        machine.disk.crash(&mut |_| 0);
        let store = open(machine);
        recorder.reopen(&store).unwrap();
        recorder.finish_blocking().unwrap();
        assert_eq!(lines(&store), wanted(), "everything once");
    });
    assert!(runs > 3, "the power goes in many places: {runs}");
}

#[test]
fn what_is_not_stored_can_be_taken_back() {
    fail_everywhere(Fault::WriteFails, |machine, (recorder, _sender)| {
        let (unstored, mut receiver) = recorder.into_unstored();
        let mut back = Vec::new();
        for unstored in unstored {
            match unstored {
                Unstored::Dropped(count) => assert_eq!(count, 2, "the hole is not stored either"),
                Unstored::Item(value) => back.push(value),
            }
        }
        let waiting = receiver.try_recv();
        assert_eq!(waiting, Err(TryRecvError::Empty), "all was received");
        let stored: BTreeSet<_> = lines(&open(machine))
            .into_iter()
            .filter_map(|line| match line {
                Line::Item(_, value) => Some(value),
                Line::Gap(..) => None,
            })
            .collect();
        let all: BTreeSet<_> = stored.into_iter().chain(back).collect();
        assert_eq!(all, (3..=ITEMS).collect(), "stored or given back");
    });
}

#[test]
fn a_recorder_does_not_go_on_in_another_store() {
    let (one, other) = (super::quick_store(), super::quick_store());
    let (_sender, mut recorder) = recorder(&one, 4);
    let refused = recorder.reopen(&other).unwrap_err().to_string();
    assert!(
        refused.contains(&other.root().display().to_string()),
        "the other store is named: {refused}"
    );
    assert_eq!(covered(&lines(&one)), 0);
}
