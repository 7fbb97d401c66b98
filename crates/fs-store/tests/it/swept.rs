//! What killed processes, and commands that were printed, leave in `local/` does not stay for ever.

use std::path::Path;

use fs_io::sim::Simulation;
use fs_io::{Disk, SyncPolicy};
use fs_store::{Durability, FileEventStore, StoreOptions};

use crate::support::{count, numbers};

const DAY_NANOS: i64 = 86_400_000_000_000;

fn left(machine: &Simulation, directory: &str) -> Vec<String> {
    let names = machine.disk.list(Path::new(directory)).unwrap();
    names
        .into_iter()
        .map(|entry| entry.name.into_string().unwrap())
        .collect()
}

fn leave(machine: &Simulation, name: &str) {
    let path = Path::new("/store/local").join(name);
    let mut file = machine.disk.create_new(&path).unwrap();
    file.append(b"half a transac").unwrap();
}

/// Leaves files of different age, and does `work`, which is to sweep them.
fn check(durability: Durability, what: &str, work: impl FnOnce(&FileEventStore)) {
    let machine = Simulation::new(1);
    let options = StoreOptions::default().durability(durability);
    let store = options.system(machine.system()).create("/store").unwrap();
    count(&store, "s", 1);
    leave(&machine, "tmp/of a process that was killed");
    leave(&machine, "to-commit-0123456789abcdef");
    leave(&machine, "of another program");
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
    leave(&machine, "tmp/being written");
    leave(&machine, "to-commit-fedcba9876543210");
    work(&store);
    assert_eq!(
        left(&machine, "/store/local/tmp"),
        ["being written", "kept"],
        "{what}: only what nobody can be writing goes, and no directory"
    );
    let lists: Vec<_> = left(&machine, "/store/local")
        .into_iter()
        .filter(|name| name.starts_with("to-") || name.starts_with("of "))
        .collect();
    assert_eq!(
        lists,
        ["of another program", "to-commit-fedcba9876543210"],
        "{what}: a list of paths goes once nobody types the command any more"
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
