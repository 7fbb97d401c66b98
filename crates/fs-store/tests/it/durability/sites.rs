//! Power cuts at every operation, with somebody else looking in between: a container, the same disk elsewhere, a copy.

use std::collections::BTreeSet;
use std::path::Path;

use fs_format::ReplicaId;
use fs_io::sim::{Fault, SimRandom, Simulation};
use fs_io::{Disk as _, FileKind, System};
use fs_store::{FileEventStore, StoreOptions};

use super::places::copy;
use crate::support::{counted, numbers};

const STORE: &str = "/store";

/// Who opens the store after the appends, and before the power is cut for the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    /// A container: another machine id.
    Container,
    /// The disk was mounted again: another device number.
    Remounted,
    /// All three: a container after a reboot, or a clone of the disk.
    Elsewhere,
}

fn system(machine: &Simulation, visitor: Option<Visitor>) -> System {
    let mut system = machine.system();
    let other = Some("visitor".to_owned());
    match visitor {
        None => machine.disk.set_device(1),
        Some(Visitor::Container) => system.machine.machine_id = other,
        Some(Visitor::Remounted) => machine.disk.set_device(2),
        Some(Visitor::Elsewhere) => {
            machine.disk.set_device(2);
            system.machine.machine_id.clone_from(&other);
            system.machine.boot_id = other;
        }
    }
    system
}

fn open(system: System, root: &str) -> Result<FileEventStore, fs_store::OpenError> {
    StoreOptions::default()
        .system(system)
        .create(Path::new(root))
}

/// Appends 0, 1 and 2 to a store that was set up a while ago.
fn appended(seed: u64) -> Simulation {
    let machine = Simulation::new(seed);
    drop(open(system(&machine, None), STORE).unwrap());
    let store = open(system(&machine, None), STORE).unwrap();
    for n in 0..3 {
        store.append(counted("s", n)).unwrap();
    }
    machine
}

fn replicas(store: &FileEventStore) -> BTreeSet<ReplicaId> {
    let transactions = store.transactions().unwrap().into_iter();
    transactions.map(|header| header.replica_id).collect()
}

/// Checks that everything is there, whole, and that the store goes on. A journal that lost its end begins another replica, so there may be two.
fn assert_whole(system: System, what: &str) {
    let store = open(system, STORE).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(numbers(&store, "s"), [0, 1, 2], "{what}");
    store.append(counted("s", 3)).unwrap();
    let status = store.status().unwrap();
    assert!(status.is_clean(), "{what}: {status:?}");
}

#[test]
fn those_who_append_in_turn_are_one_replica_in_one_epoch() {
    for visitor in [Visitor::Container, Visitor::Remounted, Visitor::Elsewhere] {
        for tells_births in [true, false] {
            let machine = Simulation::new(1);
            machine.disk.set_tells_births(tells_births);
            drop(open(system(&machine, None), STORE).unwrap());
            let mut epochs = BTreeSet::new();
            for n in 0..6 {
                let visitor = (n % 2 == 1).then_some(visitor);
                let store = open(system(&machine, visitor), STORE).unwrap();
                store.append(counted("s", n)).unwrap();
                epochs.insert(store.status().unwrap().epoch);
                assert_eq!(numbers(&store, "s").len() as u64, n + 1);
            }
            let store = open(system(&machine, None), STORE).unwrap();
            let is_told_apart = visitor == Visitor::Elsewhere && !tells_births;
            assert_eq!(
                replicas(&store).len() == 1 && epochs.len() == 1,
                !is_told_apart,
                "{visitor:?}, birth times {tells_births}: only where nothing but the inode is the same, it may be a copy"
            );
        }
    }
}

#[test]
fn whoever_looks_in_between_takes_nothing_away_at_whatever_moment_the_power_goes() {
    for visitor in [Visitor::Container, Visitor::Remounted, Visitor::Elsewhere] {
        let from = appended(1);
        let look = |machine: &Simulation| -> Option<()> {
            let store = open(system(machine, Some(visitor)), STORE).ok()?;
            store.status().ok()?;
            Some(())
        };
        let operations = {
            let machine = from.copy(2);
            let before = machine.disk.operations();
            look(&machine).unwrap();
            machine.disk.operations() - before
        };
        for at in 1..=operations + 1 {
            for fate in 0..3 {
                let machine = from.copy(at);
                machine.disk.fail_at(at, Fault::PowerCut);
                let _ = look(&machine);
                let random = SimRandom::new(at * 7 + fate);
                machine.disk.crash(&mut |options| match fate {
                    0 => options - 1,
                    1 => 0,
                    _ => random.choose(options),
                });
                let what = format!("{visitor:?} looks, cut at {at} of {operations}, fate {fate}");
                assert_whole(system(&machine, None), &what);
            }
        }
    }
}

#[test]
fn a_copy_made_after_a_power_cut_has_all_of_it_at_whatever_moment_the_power_goes_again() {
    for fate in 0..12 {
        let from = appended(fate);
        let random = SimRandom::new(fate);
        from.disk.crash(&mut |options| match fate {
            0 => options - 1,
            1 => 0,
            _ => random.choose(options),
        });
        copy(&from.disk, Path::new(STORE), Path::new("/copy"));
        // What the power cut has left no name of is kept beside the copy.
        let there = files(&from, "/copy/events");
        let opened = |machine: &Simulation| open(machine.system(), "/copy");
        let operations = {
            let machine = from.copy(2);
            let before = machine.disk.operations();
            drop(opened(&machine).unwrap());
            machine.disk.operations() - before
        };
        for at in (1..=operations + 1).step_by(3) {
            let machine = from.copy(at);
            machine.disk.fail_at(at, Fault::PowerCut);
            drop(opened(&machine));
            let random = SimRandom::new(at);
            machine.disk.crash(&mut |options| random.choose(options));
            let store = opened(&machine).unwrap();
            let what = format!("fate {fate}, cut at {at} of {operations}");
            let readable = numbers(&store, "s").len();
            let kept = files(&machine, "/copy/local/vanished");
            assert!(
                readable >= there,
                "{what}: what has a file is written again"
            );
            assert!(
                readable + kept >= 3,
                "{what}: {readable} are there, {kept} are kept"
            );
            let status = store.status().unwrap();
            assert!(status.incomplete.is_empty(), "{what}: {status:?}");
        }
    }
}

/// Counts the transaction files below a directory.
fn files(machine: &Simulation, below: &str) -> usize {
    let mut waiting = vec![Path::new(below).to_owned()];
    let mut count = 0;
    while let Some(directory) = waiting.pop() {
        for entry in machine.disk.list(&directory).unwrap_or_default() {
            if entry.kind == FileKind::Directory {
                waiting.push(directory.join(entry.name));
            } else if entry.name.to_string_lossy().ends_with(".jsonl") {
                count += 1;
            }
        }
    }
    count
}

#[test]
fn a_store_that_moved_goes_on_and_says_so_until_an_identity_is_adopted() {
    let machine = appended(1);
    let here = open(system(&machine, None), STORE).unwrap();
    let epoch = here.status().unwrap().epoch;
    assert_eq!(here.status().unwrap().moved, None);
    drop(here);
    machine.clock.advance(std::time::Duration::from_secs(1));
    let moved = open(system(&machine, Some(Visitor::Elsewhere)), STORE).unwrap();
    moved.append(counted("s", 3)).unwrap();
    assert_eq!(replicas(&moved).len(), 1, "the replica goes on");
    let status = moved.status().unwrap();
    assert_eq!(status.epoch, epoch, "positions stay good");
    assert!(status.moved.is_some() && status.is_clean(), "{status:?}");
    let again = open(system(&machine, Some(Visitor::Elsewhere)), STORE).unwrap();
    assert_eq!(
        again.status().unwrap().moved,
        status.moved,
        "it is not forgotten when somebody else has seen it first"
    );
    again.adopt().unwrap();
    assert_eq!(again.status().unwrap().moved, None);
    again.append(counted("s", 4)).unwrap();
    assert_eq!(replicas(&again).len(), 2, "and goes on as another");
}

#[test]
fn a_cloned_disk_is_told_by_its_identity_conflict_and_mended() {
    let original = appended(1);
    open(system(&original, None), STORE)
        .unwrap()
        .flush()
        .unwrap();
    let clone = original.copy(9);
    let one = open(system(&original, None), STORE).unwrap();
    let other = open(system(&clone, Some(Visitor::Elsewhere)), STORE).unwrap();
    one.append(counted("left", 1)).unwrap();
    let theirs = other.append(counted("right", 1)).unwrap();
    let path = Path::new(STORE)
        .join("events")
        .join(theirs.transaction_id.relative_path());
    let bytes = clone.disk.read(&path, 1 << 20).unwrap();
    let temp = Path::new(STORE).join("local/tmp/arriving");
    let sync = fs_io::SyncPolicy::Durable;
    fs_io::publish(&original.disk, &temp, &path, &bytes, sync).unwrap();
    let status = one.status().unwrap();
    assert_eq!(status.replica_conflicts.len(), 1, "{status:?}");
    assert!(!status.is_clean());
    one.adopt().unwrap();
    assert!(one.status().unwrap().is_clean(), "adopting ends it here");
}

#[test]
fn a_machine_that_does_not_tell_its_boots_gives_back_what_a_log_holds() {
    for fate in 0..6 {
        let machine = appended(fate);
        let random = SimRandom::new(fate);
        machine.disk.crash(&mut |options| match fate {
            0 => options - 1,
            _ => random.choose(options),
        });
        let mut system = machine.system();
        system.machine.boot_id = None;
        let store = open(system.clone(), STORE).unwrap();
        assert_eq!(numbers(&store, "s"), [0, 1, 2], "fate {fate}");
        store.append(counted("s", 3)).unwrap();
        machine.disk.crash(&mut |options| options - 1);
        let store = open(system, STORE).unwrap();
        assert_eq!(numbers(&store, "s"), [0, 1, 2, 3], "fate {fate}");
    }
}
