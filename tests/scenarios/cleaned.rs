//! `git clean` under running processes: it deletes `local/` and `index/`, the lock among them.

use std::path::Path;

use fs_feed::Feed as _;
use fs_store::{All, FileEventStore, ReadError};
use scenarios::answers::{Ingestion, assert_true_to_its_files};
use scenarios::worker::Worker;
use scenarios::{Repository, World, append, ingested, numbers};

use crate::WORKER;
use crate::killed::assert_acknowledged;

const WRITERS: usize = 4;
const CLEANINGS: u64 = 8;
/// How many appends each writer acknowledges from one cleaning to the next.
const BETWEEN: u64 = 4;

#[test]
fn git_clean_under_appending_processes_costs_nothing_but_an_epoch() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1, 2]);
    let open = clone.store();
    let before = Ingestion::of(&open).unwrap();
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|writer| Worker::start(WORKER, clone.root(), &format!("w{writer}"), "none"))
        .collect();
    for writer in &mut writers {
        writer.order(&format!("append {}", (CLEANINGS + 2) * BETWEEN));
    }
    let mut acks = Vec::new();
    for _ in 0..CLEANINGS {
        for writer in &mut writers {
            acks.extend(writer.acks(BETWEEN));
        }
        // Of what git does not carry only: transactions that are not committed yet are the writers' own.
        clean(&clone, "-fdX");
        // A reader may be told that it failed while directories come and go; it is not told anything wrong.
        if let Ok(seen) = numbers_of(&open) {
            assert_eq!(seen, [1, 2], "what was committed is there at any time");
        }
    }
    for writer in &mut writers {
        let (rest, _) = writer.until_done();
        acks.extend(rest);
    }
    drop(writers);

    assert_eq!(
        acks.len() as u64,
        WRITERS as u64 * (CLEANINGS + 2) * BETWEEN,
        "appends go on"
    );
    for store in [open, clone.store()] {
        let (answers, ingestion) = assert_true_to_its_files(&store);
        assert_acknowledged(&acks, &answers);
        assert_eq!(
            answers.digest.heads.len(),
            1,
            "no writer slipped in beside another: all appends form one line"
        );
        assert_ne!(
            ingestion.epoch(),
            before.epoch(),
            "what was ingested is not known any more, so a new epoch begins"
        );
        assert!(store.verify().unwrap().is_ok());
    }
}

#[test]
fn git_clean_under_open_handles_gives_a_new_identity_and_epoch() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1, 2]);
    let (one, other) = (clone.store(), clone.store());
    append(&one, "issue", 3);
    append(&other, "issue", 4);
    clone.commit("work");
    let replica_before = last_replica(&one);
    let position = ingested(&one, None).last().unwrap().position;
    let epoch_before = one.status().unwrap().epoch;

    clone.git(&["clean", "--quiet", "-fdx"]);
    assert!(!clone.root().join("local").exists());

    let fresh = clone.store();
    append(&fresh, "issue", 5);
    assert_ne!(
        last_replica(&fresh),
        replica_before,
        "who does not know who it was is somebody else"
    );
    assert_ne!(fresh.status().unwrap().epoch, epoch_before);
    for (store, n) in [(&one, 6), (&other, 7), (&fresh, 8), (&one, 9)] {
        append(store, "issue", n);
        assert_eq!(
            store.status().unwrap().replica_conflicts,
            [],
            "one replica's transactions form a chain"
        );
    }
    for store in [one, other, fresh, clone.store()] {
        let refused = store.ingested_events(Some(position), &All, 1);
        let Err(ReadError::StalePosition(_)) = refused else {
            panic!("a position of before is refused, got {refused:?}")
        };
        assert_eq!(
            numbers(&store, "issue"),
            [1, 2, 3, 4, 5, 6, 7, 8, 9],
            "nothing of events/ is lost"
        );
        assert_true_to_its_files(&store);
        assert!(store.status().unwrap().is_clean());
    }
}

#[test]
fn a_lone_handle_goes_on_after_git_clean() {
    type Use = fn(&FileEventStore);
    let uses: [(&str, Use); 7] = [
        ("append", |store| _ = append(store, "issue", 3)),
        ("read", |store| assert_eq!(numbers(store, "issue"), [1, 2])),
        ("status", |store| {
            assert!(store.status().unwrap().is_clean())
        }),
        ("refresh", |store| store.refresh().unwrap()),
        ("lease", |store| drop(store.lease("board").unwrap())),
        ("consumer", |store| {
            let consumer = store.consumer("agent").unwrap();
            assert_eq!(consumer.fetch_and_advance(9).unwrap().events.len(), 2);
        }),
        ("checkpoint", |store| {
            let last = ingested(store, None).last().unwrap().position;
            store.save_checkpoint("board", last).unwrap();
        }),
    ];
    for (what, first) in uses {
        let world = World::new();
        let clone = world.init("clone");
        clone.work("issue", &[1, 2]);
        let store = clone.store();
        assert_eq!(numbers(&store, "issue"), [1, 2]);
        clean(&clone, "-fdX");
        assert!(!clone.root().join("local").exists(), "{what}");
        first(&store);
        append(&store, "issue", 4);
        assert!(store.status().unwrap().is_clean(), "{what}");
        assert_true_to_its_files(&store);
    }
}

#[test]
fn a_store_that_is_deleted_as_a_whole_is_not_made_anew() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1]);
    let store = clone.store();
    let position = ingested(&store, None)[0].position;
    std::fs::remove_dir_all(clone.root()).unwrap();
    let one = fs_store::Append::new().event(scenarios::stream_id("issue"), "Counted", "2");
    assert!(store.append(one.unwrap()).is_err(), "there is no store");
    assert!(store.save_checkpoint("board", position).is_err());
    assert!(!clone.root().exists(), "and none comes into being");
}

#[test]
fn who_waits_for_a_lock_that_is_deleted_takes_the_new_one() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1]);
    let root = clone.root();
    let mut holder = Worker::start(WORKER, &root, "holder", "none");
    let mut waiters: Vec<_> = (0..3)
        .map(|n| Worker::start(WORKER, &root, &format!("waiter-{n}"), "none"))
        .collect();
    for _ in 0..4 {
        holder.order("lock");
        let _ = holder.until_done();
        for waiter in &mut waiters {
            waiter.order("append 5");
        }
        clean(&clone, "-fdX");
        holder.order("unlock");
        let _ = holder.until_done();
        for waiter in &mut waiters {
            let (acks, _) = waiter.until_done();
            assert_eq!(acks.len(), 5, "appends go on");
        }
    }
    drop((holder, waiters));
    let (answers, _) = assert_true_to_its_files(&clone.store());
    assert_eq!(
        answers.digest.heads.len(),
        1,
        "no two of them held a lock at the same time"
    );
}

fn numbers_of(store: &FileEventStore) -> Result<Vec<u64>, ReadError> {
    let events = store.stream_events(&scenarios::stream_id("issue"))?;
    Ok(events.iter().map(scenarios::number).collect())
}

fn last_replica(store: &FileEventStore) -> fs_format::ReplicaId {
    store.transactions().unwrap().last().unwrap().replica_id
}

/// Runs `git clean`, which gives up a directory that somebody puts a file into meanwhile, until it got the lock.
fn clean(clone: &Repository, what: &str) {
    let inode = |path: &Path| same_place(path);
    let lock = clone.root().join("local/lock");
    let before = inode(&lock);
    for _ in 0..50 {
        clone.try_git(&["clean", "--quiet", what]);
        if before.is_none() || inode(&lock) != before {
            return;
        }
    }
    panic!("git clean does not get rid of {}", lock.display());
}

/// Tells one file from another that has its name later.
#[cfg(unix)]
fn same_place(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

#[cfg(not(unix))]
fn same_place(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path)
        .ok()
        .and_then(|metadata| metadata.created().ok())
}
