//! What killed processes leave in `local/tmp/` does not stay for ever.

use std::path::Path;

use fs_io::sim::Simulation;
use fs_io::{Disk, SyncPolicy};
use fs_store::{Durability, FileEventStore, StoreOptions};

use crate::support::{count, numbers};

const DAY_NANOS: i64 = 86_400_000_000_000;

fn left(machine: &Simulation) -> Vec<String> {
    let names = machine.disk.list(Path::new("/store/local/tmp")).unwrap();
    names
        .into_iter()
        .map(|entry| entry.name.into_string().unwrap())
        .collect()
}

fn leave(machine: &Simulation, name: &str) {
    let path = Path::new("/store/local/tmp").join(name);
    let mut file = machine.disk.create_new(&path).unwrap();
    file.append(b"half a transac").unwrap();
}

/// Leaves files of different age, and does `work`, which is to sweep them.
fn check(durability: Durability, what: &str, work: impl FnOnce(&FileEventStore)) {
    let machine = Simulation::new(1);
    let options = StoreOptions::default().durability(durability);
    let store = options.system(machine.system()).create("/store").unwrap();
    count(&store, "s", 1);
    leave(&machine, "of a process that was killed");
    let directory = Path::new("/store/local");
    fs_io::create_dirs(
        &machine.disk,
        directory,
        Path::new("tmp/kept"),
        SyncPolicy::None,
    )
    .unwrap();
    machine
        .clock
        .set(fs_io::Clock::now_unix_nanos(&machine.clock) + DAY_NANOS + 1);
    leave(&machine, "being written");
    work(&store);
    assert_eq!(
        left(&machine),
        ["being written", "kept"],
        "{what}: only what nobody can be writing goes, and no directory"
    );
    assert_eq!(numbers(&store, "s")[0], 1, "{what}: nothing else goes");
}

#[test]
fn a_flush_clears_away_what_killed_processes_left() {
    check(Durability::Log, "a flush", |store| {
        store.flush().unwrap();
    });
}

#[test]
fn a_checkpoint_of_the_log_does_so_by_itself() {
    check(Durability::Log, "the next append", |store| {
        count(store, "s", 2);
    });
}

#[test]
fn a_new_segment_does_so_where_there_is_no_log() {
    check(Durability::Files, "many appends", |store| {
        for n in 2..100 {
            count(store, "s", n);
        }
    });
}
