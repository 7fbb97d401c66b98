//! Power cuts, full disks and failing syncs, on a simulated disk that keeps only what it must.

use std::path::Path;

use fs_format::CommandId;
use fs_io::sim::{Fault, SimRandom, Simulation};
use fs_store::{AppendError, Durability, FileEventStore, StoreOptions};

use crate::support::{counted, numbers};

fn open(machine: &Simulation) -> Result<FileEventStore, fs_store::OpenError> {
    StoreOptions::default()
        .system(machine.system())
        .create(Path::new("/store"))
}

/// Appends 1, 2, ... until one fails; returns the acknowledged ones and how many were tried.
fn work(machine: &Simulation, from: u64) -> (Vec<u64>, u64) {
    let mut acknowledged = Vec::new();
    let Ok(store) = open(machine) else {
        return (acknowledged, from);
    };
    for n in from..from + 3 {
        if store.append(counted("s", n)).is_err() {
            return (acknowledged, n + 1);
        }
        acknowledged.push(n);
    }
    (acknowledged, from + 3)
}

/// Checks that everything acknowledged is there once, in order, and nothing that was never tried.
fn check(machine: &Simulation, acknowledged: &[u64], tried: u64, what: &str) {
    let store = open(machine).expect("the store opens after a power cut");
    let found = numbers(&store, "s");
    let kept: Vec<_> = found
        .iter()
        .copied()
        .filter(|n| acknowledged.contains(n))
        .collect();
    assert_eq!(
        kept, acknowledged,
        "{what}: acknowledged is there, found {found:?}"
    );
    assert!(
        found.is_sorted_by(|a, b| a < b) && found.iter().all(|n| *n < tried),
        "{what}: none twice, none from nowhere: {found:?}"
    );
    let status = store.status().unwrap();
    assert!(
        status.quarantined.is_empty() && status.incomplete.is_empty(),
        "{what}: none half: {status:?}"
    );
}

#[test]
fn whatever_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let operations = {
        let machine = Simulation::new(0);
        let _ = work(&machine, 0);
        machine.disk.operations()
    };
    let mut cuts = 0;
    for at in 1..=operations {
        for seed in 0..8 {
            let machine = Simulation::new(seed);
            let choices = SimRandom::new(seed * 1000 + at);
            machine.disk.fail_at(at, Fault::PowerCut);
            let (mut acknowledged, tried) = work(&machine, 0);
            machine.disk.crash(&mut |options| choices.choose(options));
            let what = format!("cut at operation {at}, seed {seed}");
            check(&machine, &acknowledged, tried, &what);

            machine.disk.fail_at(1 + at % 17, Fault::PowerCut);
            let (more, tried) = work(&machine, tried);
            acknowledged.extend(more);
            machine.disk.crash(&mut |options| choices.choose(options));
            check(
                &machine,
                &acknowledged,
                tried,
                &format!("{what}, and again"),
            );
            cuts += 2;
        }
    }
    assert!(
        cuts > 500,
        "the store does many operations, so there were many cuts: {cuts}"
    );
}

#[test]
fn after_a_failed_write_or_sync_the_handle_refuses_to_append() {
    for fault in [Fault::SyncFails, Fault::WriteFails] {
        let machine = Simulation::new(3);
        let store = open(&machine).unwrap();
        store.append(counted("s", 1)).unwrap();
        machine.disk.fail_at(1, fault);
        let failed = store.append(counted("s", 2)).unwrap_err();
        assert!(
            matches!(
                failed,
                AppendError::NotApplied(_) | AppendError::Unknown { .. }
            ),
            "{fault:?}: {failed:?}"
        );
        let refused = store.append(counted("s", 3)).unwrap_err();
        assert!(
            matches!(refused, AppendError::Poisoned { .. }),
            "{fault:?}: a sync is not retried behind the caller's back: {refused:?}"
        );
        assert_eq!(numbers(&store, "s"), [1], "{fault:?}: reading goes on");
        let reopened = open(&machine).unwrap();
        reopened.append(counted("s", 4)).unwrap();
        assert_eq!(numbers(&reopened, "s"), [1, 4], "{fault:?}: reopened");
    }
}

#[test]
fn an_append_whose_fate_is_unknown_can_be_asked_for_by_its_command() {
    let (mut refused, mut unknown) = (0, 0);
    for durability in [Durability::Files, Durability::Log] {
        for fault in [Fault::SyncFails, Fault::WriteFails] {
            for at in 1.. {
                let machine = Simulation::new(at);
                let open = || {
                    let options = StoreOptions::default().durability(durability);
                    options.system(machine.system()).create("/store").unwrap()
                };
                let store = open();
                store.append(counted("s", 1)).unwrap();
                let pay = || counted("s", 2).command_id(CommandId::new("pay-7").unwrap());
                let before = machine.disk.operations();
                machine.disk.fail_at(at, fault);
                let outcome = store.append(pay());
                let what = format!("{durability:?}, {fault:?} at {at}: {outcome:?}");
                if machine.disk.operations() - before < at {
                    break;
                }
                let reopened = open();
                let there = numbers(&reopened, "s");
                match outcome {
                    Ok(_) => assert_eq!(there, [1, 2], "{what}: acknowledged"),
                    Err(AppendError::Unknown { .. }) => {
                        unknown += 1;
                        assert!(there == [1, 2] || there == [1], "{what}: {there:?}");
                    }
                    Err(_) => {
                        refused += 1;
                        assert_eq!(there, [1], "{what}: not stored behind the caller's back");
                    }
                }
                let again = reopened.append(pay()).unwrap();
                assert_eq!(
                    again.replayed,
                    there == [1, 2],
                    "{what}: the answer tells whether it was there"
                );
                assert_eq!(numbers(&reopened, "s"), [1, 2], "{what}: it is there once");
            }
        }
    }
    assert!(
        refused > 0 && unknown > 0,
        "both happen: {refused}, {unknown}"
    );
}

/// Carries a transaction file from one machine to another, as git does.
fn carry(from: &Simulation, to: &Simulation, appended: &fs_store::Appended) {
    let path = Path::new("/store/events").join(appended.transaction_id.relative_path());
    let bytes = from.system().disk.read(&path, 1 << 20).unwrap();
    let temp = Path::new("/store/local/tmp/carried");
    let sync = fs_io::SyncPolicy::Durable;
    fs_io::publish(to.system().disk.as_ref(), temp, &path, &bytes, sync).unwrap();
}

#[test]
fn positions_of_an_epoch_mean_the_same_events_after_a_power_cut() {
    let (mut kept, mut stale) = (0, 0);
    for seed in 0..60 {
        let elsewhere = Simulation::new(1000 + seed);
        let arrival = open(&elsewhere).unwrap().append(counted("s", 7)).unwrap();
        let machine = Simulation::new(seed);
        machine.clock.advance(std::time::Duration::from_secs(60));
        let choices = SimRandom::new(seed);
        let store = open(&machine).unwrap();
        for n in 0..4 {
            store.append(counted("s", n)).unwrap();
        }
        let before = store.ingested_events(None, &fs_store::All, 100).unwrap();
        machine.disk.crash(&mut |options| choices.choose(options));
        // It sorts before everything, so whoever is numbered anew comes after it.
        carry(&elsewhere, &machine, &arrival);
        let after = open(&machine).unwrap();
        for event in before {
            let rest = after.ingested_events(Some(event.position), &fs_store::All, 100);
            let Ok(rest) = rest else {
                stale += 1;
                continue;
            };
            kept += 1;
            let left: Vec<u64> = rest
                .iter()
                .map(|event| event.event_data.decode().unwrap())
                .collect();
            let n: u64 = event.event_data.decode().unwrap();
            let expected: Vec<_> = (n + 1..4).chain([7]).collect();
            assert_eq!(
                left, expected,
                "seed {seed}: after event {n} come the later ones"
            );
        }
    }
    assert!(
        kept > 0 && stale > 0,
        "some journals kept their end and some lost it: {kept}, {stale}"
    );
}

#[test]
fn a_process_that_died_before_it_journaled_leaves_no_sequence_twice() {
    let mut unjournaled = 0;
    for at in 1..40 {
        let machine = Simulation::new(5);
        let store = open(&machine).unwrap();
        store.append(counted("s", 1)).unwrap();
        machine.disk.fail_at(at, Fault::WriteFails);
        let acknowledged = store.append(counted("s", 2)).is_ok();
        let Ok(reopened) = open(&machine) else {
            continue;
        };
        let known = numbers(&reopened, "s");
        if acknowledged {
            assert_eq!(
                known,
                [1, 2],
                "operation {at}: what was acknowledged is there"
            );
        }
        if reopened.append(counted("s", 3)).is_err() {
            continue;
        }
        let headers = reopened.transactions().unwrap();
        let sequences: Vec<_> = headers
            .iter()
            .map(|header| (header.replica_id, header.replica_seq))
            .collect();
        let distinct: std::collections::BTreeSet<_> = sequences.iter().collect();
        assert_eq!(
            distinct.len(),
            sequences.len(),
            "operation {at}: each sequence stands for one transaction: {sequences:?}"
        );
        unjournaled += u32::from(acknowledged && known.len() == 2);
    }
    assert!(
        unjournaled > 0,
        "some writes failed after the transaction had its name"
    );
}

#[test]
fn who_died_before_it_journaled_is_known_by_those_who_were_open_before_it_came() {
    // `is_reader`: whether the first handle that meets the file is one that reads.
    for is_reader in [false, true] {
        let machine = Simulation::new(6);
        let elsewhere = Simulation::new(1006);
        let foreign = open(&elsewhere).unwrap().append(counted("t", 1)).unwrap();
        let before = open(&machine).unwrap();
        carry(&elsewhere, &machine, &foreign);
        before.refresh().unwrap();
        // What another process of this working copy leaves behind that makes an identity, publishes, and dies.
        let other = machine.copy(7);
        let published = open(&other).unwrap().append(counted("s", 1)).unwrap();
        carry(&other, &machine, &published);
        let replicas = Path::new("/store/local/replicas");
        let identity = other.system().disk.read(replicas, 1 << 20).unwrap();
        let temp = Path::new("/store/local/tmp/replicas");
        let disk = machine.system().disk;
        fs_io::replace(
            disk.as_ref(),
            temp,
            replicas,
            &identity,
            fs_io::SyncPolicy::Durable,
        )
        .unwrap();
        if is_reader {
            assert_eq!(numbers(&before, "s"), [1]);
        }
        for store in [before, open(&machine).unwrap()] {
            store.append(counted("s", 2)).unwrap();
            let conflicts = store.status().unwrap().replica_conflicts;
            assert_eq!(conflicts, [], "each number of a replica is given once");
        }
    }
}

#[test]
fn an_import_without_syncs_survives_once_it_is_flushed() {
    for seed in 0..40 {
        let machine = Simulation::new(seed);
        let choices = SimRandom::new(seed);
        let options = StoreOptions::default().durability(fs_store::Durability::None);
        let store = options
            .system(machine.system())
            .create(Path::new("/store"))
            .unwrap();
        for n in 0..5 {
            store.append(counted("s", n)).unwrap();
            machine
                .clock
                .advance(std::time::Duration::from_secs(9 * 3600));
        }
        store.flush().unwrap();
        machine.disk.crash(&mut |options| choices.choose(options));
        check(&machine, &[0, 1, 2, 3, 4], 5, &format!("seed {seed}"));
    }
}
