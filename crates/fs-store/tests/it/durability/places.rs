//! Logs that lie elsewhere than where they were made, or that go away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_io::sim::{SimRandom, Simulation};
use fs_io::{Disk, FileKind, System};
use fs_store::{Durability, FileEventStore, StoreOptions};

use crate::support::{counted, numbers};

const STORE: &str = "/store";

fn open(system: System, root: &str) -> FileEventStore {
    let options = StoreOptions::default().durability(Durability::Log);
    options.system(system).create(Path::new(root)).unwrap()
}

/// Copies a directory as `cp -r` does; the copy is durable.
pub(crate) fn copy(disk: &dyn Disk, from: &Path, to: &Path) {
    disk.create_dir(to).unwrap();
    for entry in disk.list(from).unwrap() {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        if entry.kind == FileKind::Directory {
            copy(disk, &from, &to);
        } else {
            let bytes = disk.read(&from, 1 << 24).unwrap();
            let mut file = disk.create_new(&to).unwrap();
            file.append(&bytes).unwrap();
            file.sync().unwrap();
        }
    }
    disk.sync_dir(to).unwrap();
    disk.sync_dir(to.parent().unwrap()).unwrap();
}

fn file_of(root: &str, appended: &fs_store::Appended) -> PathBuf {
    Path::new(root)
        .join("events")
        .join(appended.transaction_id.relative_path())
}

#[test]
fn a_copied_log_brings_nothing_back_into_the_copy_and_loses_nothing() {
    let machine = Simulation::new(1);
    let store = open(machine.system(), STORE);
    store.append(counted("s", 1)).unwrap();
    let second = store.append(counted("s", 2)).unwrap();
    copy(&machine.disk, Path::new(STORE), Path::new("/copy"));
    machine
        .disk
        .remove_file(&file_of("/copy", &second))
        .unwrap();
    machine
        .disk
        .sync_dir(file_of("/copy", &second).parent().unwrap())
        .unwrap();
    machine.disk.crash(&mut |_| 0);

    let copied = open(machine.system(), "/copy");
    assert_eq!(
        numbers(&copied, "s"),
        [1],
        "what was removed from the copy stays away"
    );
    assert!(copied.recovered().is_empty(), "nothing was written again");
    let kept = Path::new("/copy/local/vanished").join(second.transaction_id.file_name());
    assert!(
        machine.disk.stat(&kept).unwrap().is_some(),
        "its bytes are kept"
    );
    copied.append(counted("s", 3)).unwrap();
    assert_eq!(
        numbers(&copied, "s"),
        [1, 3],
        "the copy has a log of its own now"
    );
    let original = open(machine.system(), STORE);
    assert_eq!(numbers(&original, "s"), [1, 2], "the original recovers");
}

#[test]
fn what_was_written_again_is_reported() {
    let machine = Simulation::new(1);
    let store = open(machine.system(), STORE);
    store.append(counted("s", 0)).unwrap();
    store.flush().unwrap();
    let appended: Vec<_> = (1..4)
        .map(|n| store.append(counted("s", n)).unwrap())
        .collect();
    // Names that were not synced are lost.
    machine.disk.crash(&mut |options| options - 1);
    let reopened = open(machine.system(), STORE);
    assert_eq!(numbers(&reopened, "s"), [0, 1, 2, 3], "everything is there");
    let ids: Vec<_> = appended
        .iter()
        .map(|appended| appended.transaction_id)
        .collect();
    assert_eq!(
        reopened.recovered(),
        ids,
        "and the caller is told what came from the log"
    );
    assert!(open(machine.system(), STORE).recovered().is_empty(), "once");
}

#[test]
fn a_machine_that_does_not_tell_its_boots_appends_files() {
    let machine = Simulation::new(1);
    let mut system = machine.system();
    system.machine.boot_id = None;
    let store = open(system, STORE);
    store.append(counted("s", 1)).unwrap();
    let log = machine.disk.stat(Path::new("/store/local/log")).unwrap();
    assert_eq!(log, None, "there is no log that could be misunderstood");
    machine.disk.crash(&mut |options| options - 1);
    assert_eq!(
        numbers(&open(machine.system(), STORE), "s"),
        [1],
        "and nothing is lost"
    );
}

#[test]
fn a_handle_whose_log_was_deleted_syncs_what_it_knows_of() {
    let machine = Simulation::new(1);
    let store = open(machine.system(), STORE);
    store.append(counted("s", 1)).unwrap();
    machine
        .disk
        .remove_file(Path::new("/store/local/log"))
        .unwrap();
    machine.disk.sync_dir(Path::new("/store/local")).unwrap();
    store.append(counted("s", 2)).unwrap();
    let choices = SimRandom::new(4);
    machine.disk.crash(&mut |options| choices.choose(options));
    assert_eq!(
        numbers(&open(machine.system(), STORE), "s"),
        [1, 2],
        "both are there"
    );
}

#[test]
fn handles_share_the_log_and_a_crashed_one_leaves_no_trace() {
    let machine = Simulation::new(1);
    let (one, other) = (open(machine.system(), STORE), open(machine.system(), STORE));
    for n in 0..6 {
        let store = if n % 2 == 0 { &one } else { &other };
        store.append(counted("s", n)).unwrap();
    }
    // The publication fails after the log was synced: the first write after those of the log is that of the file.
    let disk = Arc::new(machine.disk.clone());
    let before = disk.operations();
    one.append(counted("s", 6)).unwrap();
    let each = disk.operations() - before;
    for at in 1..=each {
        let doomed = open(machine.system(), STORE);
        machine.disk.fail_at(at, fs_io::sim::Fault::WriteFails);
        let _ = doomed.append(counted("doomed", at));
        let next = open(machine.system(), STORE);
        next.append(counted("s", 6 + at)).unwrap();
    }
    let known = numbers(&other, "s");
    assert_eq!(
        known,
        (0..7 + each).collect::<Vec<_>>(),
        "everything acknowledged is there"
    );
    let doomed = numbers(&other, "doomed");
    machine.disk.crash(&mut |options| options - 1);
    let reopened = open(machine.system(), STORE);
    assert_eq!(numbers(&reopened, "s"), known, "also after a power cut");
    assert_eq!(
        numbers(&reopened, "doomed"),
        doomed,
        "what was not there before does not come from the log"
    );
}

#[test]
fn kept_bytes_that_a_power_cut_tore_are_kept_again() {
    let machine = Simulation::new(1);
    let store = open(machine.system(), STORE);
    store.append(counted("s", 1)).unwrap();
    let appended = store.append(counted("s", 2)).unwrap();
    let bytes = machine
        .disk
        .read(&file_of(STORE, &appended), 1 << 20)
        .unwrap();
    let vanished = Path::new(STORE).join("local/vanished");
    let keep = || {
        machine
            .disk
            .remove_file(&file_of(STORE, &appended))
            .unwrap();
        store.refresh().unwrap();
        let names = machine.disk.list(&vanished).unwrap();
        let read = |entry: &fs_io::DirEntry| {
            machine
                .disk
                .read(&vanished.join(&entry.name), 1 << 20)
                .unwrap()
        };
        assert!(
            names.iter().any(|entry| read(entry) == bytes),
            "its bytes are kept: {names:?}"
        );
    };
    let bring_back = || {
        let mut file = machine.disk.create_new(&file_of(STORE, &appended)).unwrap();
        file.append(&bytes).unwrap();
        drop(file);
        machine.clock.advance(std::time::Duration::from_secs(5));
    };
    keep();
    for _ in 0..2 {
        for entry in machine.disk.list(&vanished).unwrap() {
            let mut file = machine.disk.open_log(&vanished.join(&entry.name)).unwrap();
            file.truncate(10).unwrap();
        }
        bring_back();
        store.refresh().unwrap();
        keep();
    }
}
