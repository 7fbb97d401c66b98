//! A project that is renamed, moved to another file system, copied, or restored from a backup: is it the same working copy?

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_format::ReplicaId;
use fs_index::Position;
use fs_io::System;
use fs_store::{All, FileEventStore, StoreOptions};
use scenarios::{World, append, numbers};

fn run(program: &str, arguments: &[&Path]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

fn copy(from: &Path, to: &Path) {
    run("cp", &[Path::new("-a"), from, to]);
}

fn open(project: &Path) -> FileEventStore {
    FileEventStore::open(project.join(".tributary")).unwrap()
}

fn replicas(store: &FileEventStore) -> BTreeSet<ReplicaId> {
    let transactions = store.transactions().unwrap().into_iter();
    transactions.map(|header| header.replica_id).collect()
}

fn last_position(store: &FileEventStore) -> Position {
    let page = store.ingested_events(None, &All, 1000).unwrap();
    page.last().unwrap().position
}

fn event_files(project: &Path) -> Vec<PathBuf> {
    let mut waiting = vec![project.join(".tributary/events")];
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|it| it == "jsonl") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_renamed_project_is_the_same_working_copy() {
    let world = World::new();
    let clone = world.init("before");
    let store = clone.store();
    append(&store, "issue", 1);
    let (position, epoch) = (last_position(&store), store.status().unwrap().epoch);
    drop(store);
    let renamed = world.path().join("after");
    fs::rename(clone.path(), &renamed).unwrap();
    let store = open(&renamed);
    append(&store, "issue", 2);
    assert_eq!(replicas(&store).len(), 1);
    let status = store.status().unwrap();
    assert_eq!((status.epoch, status.moved), (epoch, None));
    let rest = store.ingested_events(Some(position), &All, 10).unwrap();
    assert_eq!(rest.len(), 1, "a position stays good");
}

#[test]
fn a_host_and_its_container_are_one_working_copy() {
    let world = World::new();
    let clone = world.init("project");
    let open = |machine: u64| {
        let mut system = System::real();
        system.machine.machine_id = Some(format!("machine-{machine}"));
        let options = StoreOptions::default().system(system);
        options.open(clone.root()).unwrap()
    };
    let first = open(0);
    append(&first, "issue", 0);
    let position = last_position(&first);
    drop(first);
    for n in 1..6 {
        let store = open(n % 2);
        append(&store, "issue", n);
        let after = store.ingested_events(Some(position), &All, 10).unwrap();
        assert_eq!(after.len() as u64, n, "positions go on");
    }
    assert_eq!(replicas(&open(0)).len(), 1, "no switch begins a replica");
}

#[test]
fn a_copy_has_what_a_power_cut_left_of_the_original_and_is_another_replica() {
    let world = World::new();
    let clone = world.init("original");
    let store = clone.store();
    for n in 0..3 {
        append(&store, "issue", n);
    }
    drop(store);
    type Spoil = fn(&[u8]) -> Vec<u8>;
    let spoil: [Spoil; 3] = [
        |_| Vec::new(),
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |bytes| [&bytes[..bytes.len() / 2], &[0; 99]].concat(),
    ];
    for (path, spoil) in event_files(clone.path()).iter().zip(spoil) {
        fs::write(path, spoil(&fs::read(path).unwrap())).unwrap();
    }
    let copied = world.path().join("copied");
    copy(clone.path(), &copied);
    let there = open(&copied);
    assert_eq!(numbers(&there, "issue"), [0, 1, 2], "written again");
    append(&there, "there", 1);
    assert_eq!(replicas(&there).len(), 2, "a copy is another replica");
    let here = open(clone.path());
    here.flush().unwrap();
    assert_eq!(
        numbers(&here, "issue"),
        [0, 1, 2],
        "and in the original before the log is emptied"
    );
    append(&here, "here", 1);
    assert_eq!(replicas(&here).len(), 1);
}

#[test]
fn a_project_restored_from_a_backup_does_not_go_on_as_who_it_was() {
    let world = World::new();
    let clone = world.init("project");
    let store = clone.store();
    append(&store, "issue", 1);
    drop(store);
    let backup = world.path().join("backup");
    copy(clone.path(), &backup);
    let store = clone.store();
    append(&store, "issue", 2);
    let epoch = store.status().unwrap().epoch;
    drop(store);
    // Others may have pulled what the backup does not know of.
    let elsewhere = world.path().join("elsewhere");
    copy(clone.path(), &elsewhere);
    fs::remove_dir_all(clone.path()).unwrap();
    copy(&backup, clone.path());
    let restored = open(clone.path());
    append(&restored, "other", 3);
    assert_eq!(numbers(&restored, "issue"), [1]);
    assert_ne!(restored.status().unwrap().epoch, epoch);
    for file in event_files(&elsewhere) {
        let relative = file.strip_prefix(&elsewhere).unwrap();
        let target = clone.path().join(relative);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
    let status = restored.status().unwrap();
    assert!(
        status.is_clean() && status.replica_conflicts.is_empty(),
        "no two transactions claim one place in a chain: {status:?}"
    );
    assert_eq!(numbers(&restored, "issue"), [1, 2]);
}
