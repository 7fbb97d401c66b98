//! Files that are missing while version control is at work.
//!
//! ```text
//!   lock ── remove 1 2 3 ── [a poll] ── write 1 2 3 ── unlock      nothing has happened
//!   lock ── remove 1 2 3 ── [a poll] ── write 1     ── unlock      2 and 3 are gone, once it is over
//! ```

use std::path::Path;
use std::time::Duration;

use fs_format::Encoded;
use fs_index::{Activity, Index, PollOutcome, Scan};
use fs_io::Disk;

use crate::build::{id, tx};
use crate::world::{Shown, World, epoch, ingested, load, rejected_files};

const DEPTHS: [Scan; 3] = [Scan::Throttled, Scan::Names, Scan::Contents];

/// A store of three transactions that an open handle knows, in a repository that git locked.
fn locked(transactions: &[Encoded]) -> (World, Index) {
    let world = World::new();
    transactions.iter().for_each(|it| world.put(it));
    let index = world.open();
    world.pass();
    let _ = world.sim.disk.create_dir(Path::new("/.git")).unwrap();
    lock(&world);
    (world, index)
}

fn lock(world: &World) {
    let lock = Path::new("/.git/index.lock");
    drop(world.sim.disk.create_new(lock).unwrap());
}

fn unlock(world: &World) {
    world
        .sim
        .disk
        .remove_file(Path::new("/.git/index.lock"))
        .unwrap();
}

/// Looks, and takes in what can be, as a reader does that does not wait.
fn look(world: &World, index: &mut Index, scan: Scan) {
    if index.poll(scan).unwrap() == PollOutcome::Changed {
        index.ingest(scan, &world.lock()).unwrap();
    }
    load(index);
}

fn chain() -> Vec<Encoded> {
    let one = tx(1).encode();
    let two = tx(2).on(&[&one]).encode();
    let three = tx(3).on(&[&two]).encode();
    vec![one, two, three]
}

/// One whose keys descend along an edge, so that every change is judged with a view to all files.
fn irregular() -> Vec<Encoded> {
    let one = tx(1).at(9).encode();
    let two = tx(2).at(5).on(&[&one]).encode();
    vec![one, two, tx(3).encode()]
}

#[test]
fn what_git_takes_away_for_a_moment_was_never_gone() {
    for transactions in [chain(), irregular()] {
        for scan in DEPTHS {
            let (world, mut index) = locked(&transactions);
            let (before, journal) = (epoch(&index), world.journal());
            let order = ingested(&index.shown());
            transactions
                .iter()
                .for_each(|it| world.remove(it.transaction_id));
            for _ in 0..3 {
                look(&world, &mut index, scan);
                world.sim.clock.advance(Duration::from_secs(5));
                let unconfirmed = index.snapshot().unconfirmed().expect("they are missing");
                assert_eq!(unconfirmed.files.count, 3, "{scan:?}: all are named");
                assert_eq!(
                    unconfirmed.files.paths[0],
                    id(1).relative_path(),
                    "{scan:?}: by their paths"
                );
                assert!(
                    matches!(&unconfirmed.activity, Activity::Locked { path } if path.ends_with("index.lock")),
                    "{scan:?}: and by what is at work: {unconfirmed:?}"
                );
                assert_eq!(ingested(&index.shown()), order, "answers are of before");
            }
            assert_eq!(world.journal(), journal, "nothing is written meanwhile");
            let mut opened = world.open();
            assert_eq!(epoch(&opened), before, "nor by a process that comes now");
            transactions.iter().for_each(|it| world.put(it));
            unlock(&world);
            world.pass();
            for index in [&mut index, &mut opened] {
                world.refresh_to(index, scan);
                assert_eq!(epoch(index), before, "{scan:?}: no epoch was made");
                assert_eq!(index.snapshot().unconfirmed(), None, "{scan:?}: it is over");
                assert_eq!(ingested(&index.shown()), order, "all are there");
            }
        }
    }
}

#[test]
fn what_git_has_taken_away_is_gone_when_it_is_done() {
    for scan in DEPTHS {
        let transactions = chain();
        let (world, mut index) = locked(&transactions);
        let before = epoch(&index);
        world.remove(id(2));
        world.remove(id(3));
        look(&world, &mut index, scan);
        assert_eq!(epoch(&index), before, "{scan:?}: not yet");
        unlock(&world);
        world.refresh_to(&mut index, scan);
        assert_ne!(epoch(&index), before, "{scan:?}: now");
        assert_eq!(ingested(&index.shown()), [id(1)], "{scan:?}: one is left");
        assert_eq!(world.vanished().len(), 2, "{scan:?}: their bytes are kept");
    }
}

#[test]
fn who_locks_nothing_is_given_a_moment() {
    for scan in DEPTHS {
        let transactions = chain();
        let world = World::new();
        transactions.iter().for_each(|it| world.put(it));
        let mut index = world.open();
        let before = epoch(&index);
        // Off the whole second, where a stamp says little.
        world
            .sim
            .clock
            .advance(Duration::from_nanos(10_000_000_001));
        world.remove(id(1));
        look(&world, &mut index, scan);
        let rest = index.snapshot().unconfirmed().and_then(|it| it.rest());
        let rest = rest.expect("the directory has just changed");
        assert!(rest <= Duration::from_millis(250), "{scan:?}: {rest:?}");
        world.sim.clock.advance(rest / 2);
        world.remove(id(2));
        world.sim.clock.advance(rest / 2);
        look(&world, &mut index, scan);
        assert_eq!(epoch(&index), before, "{scan:?}: it changes still");
        transactions[..2].iter().for_each(|it| world.put(it));
        world.pass();
        look(&world, &mut index, scan);
        assert_eq!(epoch(&index), before, "{scan:?}: they are back");
        world.remove(id(1));
        world.pass();
        look(&world, &mut index, scan);
        assert_ne!(epoch(&index), before, "{scan:?}: it stays away");
    }
}

#[test]
fn a_lock_that_nobody_holds_counts_for_a_minute() {
    let (world, mut index) = locked(&chain());
    let before = epoch(&index);
    world.remove(id(3));
    world.sim.clock.advance(Duration::from_secs(50));
    look(&world, &mut index, Scan::Names);
    assert_eq!(epoch(&index), before, "it may still be held");
    world.remove(id(2));
    world.sim.clock.advance(Duration::from_secs(50));
    look(&world, &mut index, Scan::Names);
    assert_eq!(epoch(&index), before, "something moved since");
    world.sim.clock.advance(Duration::from_secs(20));
    look(&world, &mut index, Scan::Names);
    assert_ne!(epoch(&index), before, "for a minute nothing moved");
}

#[test]
fn a_lock_keeps_nobody_from_what_arrives() {
    let (world, mut index) = locked(&chain());
    let before = epoch(&index);
    world.put(&tx(4).encode());
    look(&world, &mut index, Scan::Names);
    assert!(ingested(&index.shown()).contains(&id(4)), "it is there");
    assert_eq!(epoch(&index), before, "and nothing else has changed");
    assert_eq!(index.snapshot().unconfirmed(), None, "nothing is missing");
}

#[test]
fn a_file_that_git_is_about_to_write_is_neither_empty_nor_rewritten_yet() {
    for bytes in [&b""[..], &tx(3).saying("another").encode().bytes] {
        let (world, mut index) = locked(&[tx(1).encode(), tx(2).encode(), tx(3).encode()]);
        let before = epoch(&index);
        world.remove(id(3));
        world.put_at(&id(3).relative_path(), bytes);
        for scan in DEPTHS {
            look(&world, &mut index, scan);
            assert_eq!(epoch(&index), before, "{scan:?}: it is not believed");
            assert_eq!(ingested(&index.shown()).len(), 3, "{scan:?}: nor taken out");
        }
        unlock(&world);
        world.refresh(&mut index);
        assert_ne!(epoch(&index), before, "what was read is not there any more");
        let is_left_out = rejected_files(&index).contains_key(&id(3).relative_path());
        assert_eq!(
            is_left_out,
            bytes.is_empty(),
            "as a new clone would have it"
        );
    }
}

#[test]
fn a_directory_that_goes_and_comes_back_was_never_gone() {
    let (world, mut index) = locked(&chain());
    let before = epoch(&index);
    let path = id(1).relative_path();
    let (directory, _) = path.rsplit_once('/').unwrap();
    let directory = world.layout.event_file(directory);
    for it in chain() {
        world.remove(it.transaction_id);
    }
    world.sim.disk.remove_dir(&directory).unwrap();
    look(&world, &mut index, Scan::Names);
    assert_eq!(
        index.snapshot().unconfirmed().map(|it| it.files.count),
        Some(3),
        "all in it"
    );
    let _ = world.sim.disk.create_dir(&directory).unwrap();
    chain().iter().for_each(|it| world.put(it));
    unlock(&world);
    world.refresh(&mut index);
    assert_eq!(epoch(&index), before, "they are back");
    world.pass();
    chain()
        .iter()
        .for_each(|it| world.remove(it.transaction_id));
    world.sim.disk.remove_dir(&directory).unwrap();
    world.refresh(&mut index);
    assert_ne!(epoch(&index), before, "the directory is rejected as before");
}
