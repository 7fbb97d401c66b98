//! A store in a repository in which git is at work, on a simulated disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_io::sim::{SimRandom, Simulation};
use fs_io::{Clock, Disk, SyncPolicy};
use fs_store::{Activity, AppendError, Appended, FileEventStore, StoreOptions};

use crate::support::{count, counted, numbers, stream};

const LOCK: &str = "/project/.git/index.lock";
const ROOT: &str = "/project/.tributary";

fn options(machine: &Simulation) -> StoreOptions {
    StoreOptions::default()
        .lock_timeout(Duration::from_secs(2))
        .system(machine.system())
}

/// A repository with a store of three events in one stream.
fn repository() -> (Simulation, FileEventStore, Vec<Appended>) {
    let machine = Simulation::new(1);
    let disk = &machine.disk;
    let (above, git) = (Path::new("/"), Path::new("project/.git"));
    fs_io::create_dirs(disk, above, git, SyncPolicy::Durable).unwrap();
    let store = options(&machine).create(ROOT).unwrap();
    let appended = (1..=3).map(|n| count(&store, "s", n)).collect();
    machine.clock.advance(Duration::from_secs(10));
    (machine, store, appended)
}

fn lock(machine: &Simulation) {
    drop(machine.disk.create_new(Path::new(LOCK)).unwrap());
}

fn unlock(machine: &Simulation) {
    machine.disk.remove_file(Path::new(LOCK)).unwrap();
}

fn file_of(appended: &Appended) -> PathBuf {
    let events = Path::new(ROOT).join("events");
    events.join(appended.transaction_id.relative_path())
}

/// Takes a file away and returns its bytes.
fn take(machine: &Simulation, appended: &Appended) -> Vec<u8> {
    let path = file_of(appended);
    let bytes = machine.disk.read(&path, 1 << 20).unwrap();
    machine.disk.remove_file(&path).unwrap();
    bytes
}

/// Writes a file as git does, which syncs nothing.
fn put(machine: &Simulation, appended: &Appended, bytes: &[u8]) {
    let mut file = machine.disk.create_new(&file_of(appended)).unwrap();
    file.append(bytes).unwrap();
}

#[test]
fn an_append_waits_for_git_no_longer_than_for_the_lock() {
    let (machine, store, appended) = repository();
    lock(&machine);
    let bytes = take(&machine, &appended[2]);
    let began = machine.clock.now_unix_nanos();
    let refused = store.append(counted("s", 4));
    let waited = machine.clock.now_unix_nanos() - began;
    match refused {
        Err(AppendError::GitBusy(busy)) => {
            assert_eq!(busy.path, file_of(&appended[2]), "the file is named");
            let message = busy.to_string();
            assert!(
                message.contains(LOCK) && message.contains("nothing was stored"),
                "so is what is at work: {message}"
            );
        }
        other => panic!("a file is missing, and git is at work: {other:?}"),
    }
    assert_eq!(waited, 2_000_000_000, "as long as for the lock");
    assert_eq!(numbers(&store, "s"), [1, 2, 3], "readers go on as before");
    let completeness = store.completeness().unwrap();
    assert_eq!(completeness.git_at_work.count, 1, "and are told so");
    let answer = store.stream_events(&stream("s")).unwrap();
    assert_eq!(*answer.completeness(), completeness, "with each answer");
    assert!(!store.status().unwrap().is_clean(), "so is who asks");
    let verified = store.verify().unwrap();
    let advice = format!("{:?}", verified.problems);
    assert!(
        verified.problems.len() == 1 && advice.contains(LOCK),
        "nobody is told to restore what git is about to write: {advice}"
    );
    put(&machine, &appended[2], &bytes);
    unlock(&machine);
    machine.clock.advance(Duration::from_secs(3));
    count(&store, "s", 4);
    assert_eq!(numbers(&store, "s"), [1, 2, 3, 4], "git is done");
    assert!(store.completeness().unwrap().is_complete(), "nothing lacks");
}

#[test]
fn a_lock_stops_nobody_while_nothing_is_missing() {
    let (machine, store, _) = repository();
    lock(&machine);
    let began = machine.clock.now_unix_nanos();
    count(&store, "s", 4);
    count(&options(&machine).open(ROOT).unwrap(), "s", 5);
    assert_eq!(numbers(&store, "s"), [1, 2, 3, 4, 5], "a hook may append");
    assert_eq!(machine.clock.now_unix_nanos(), began, "nobody waits");
}

#[test]
fn who_removes_files_without_a_lock_is_given_a_moment() {
    let (machine, store, appended) = repository();
    machine.clock.advance(Duration::from_nanos(1));
    take(&machine, &appended[2]);
    let began = machine.clock.now_unix_nanos();
    assert_eq!(numbers(&store, "s"), [1, 2], "it is gone, after a moment");
    let waited = machine.clock.now_unix_nanos() - began;
    assert!(
        (1..250_000_000).contains(&waited),
        "a short one: {waited} ns"
    );
}

#[test]
fn what_was_acknowledged_survives_a_checkout_and_a_power_cut() {
    for seed in 0..16 {
        let (machine, store, appended) = repository();
        lock(&machine);
        let bytes = take(&machine, &appended[2]);
        // As well by a process that has just come and looks for what another that died left unpublished.
        for handle in [store, options(&machine).open(ROOT).unwrap()] {
            assert_eq!(numbers(&handle, "s"), [1, 2, 3], "it is not gone");
            handle.status().unwrap();
        }
        put(&machine, &appended[2], &bytes);
        unlock(&machine);
        let choices = SimRandom::new(seed);
        machine.disk.crash(&mut |options| choices.choose(options));
        let reopened = options(&machine).open(ROOT).unwrap();
        assert_eq!(
            numbers(&reopened, "s"),
            [1, 2, 3],
            "{seed}: the log has it, since it was never gone"
        );
    }
}

#[test]
fn a_rebase_that_waits_for_somebody_counts_for_a_minute() {
    let (machine, store, appended) = repository();
    let directory = Path::new("/project/.git/rebase-merge");
    let _ = machine.disk.create_dir(directory).unwrap();
    take(&machine, &appended[2]);
    match store.append(counted("s", 4)) {
        Err(AppendError::GitBusy(busy)) => assert_eq!(
            busy.unconfirmed.activity,
            Activity::Sequence {
                path: directory.to_owned()
            },
            "it is named"
        ),
        other => panic!("the rebase may bring the file back: {other:?}"),
    }
    machine.clock.advance(Duration::from_secs(61));
    count(&store, "s", 4);
    assert_eq!(numbers(&store, "s"), [1, 2, 4], "it is gone");
}
