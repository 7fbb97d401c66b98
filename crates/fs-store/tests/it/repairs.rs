//! Restoring and adopting on a simulated disk that loses power: nothing is lost by a repair.

use std::path::{Path, PathBuf};

use fs_format::TransactionId;
use fs_io::Disk;
use fs_io::sim::{Fault, SimRandom, Simulation};
use fs_store::{FileEventStore, StoreOptions};

use crate::support::{count, numbers};

const ROOT: &str = "/store";

fn open(machine: &Simulation) -> FileEventStore {
    StoreOptions::default()
        .system(machine.system())
        .create(Path::new(ROOT))
        .unwrap()
}

/// A machine on whose store the second of three transactions has vanished, and that transaction.
fn with_one_vanished() -> (Simulation, TransactionId) {
    let machine = Simulation::new(1);
    let store = open(&machine);
    count(&store, "s", 1);
    let id = count(&store, "s", 2).transaction_id;
    count(&store, "s", 3);
    store.flush().unwrap();
    let file = PathBuf::from(ROOT).join("events").join(id.relative_path());
    machine.disk.remove_file(&file).unwrap();
    machine.disk.sync_dir(file.parent().unwrap()).unwrap();
    assert_eq!(store.status().unwrap().vanished, 1);
    (machine, id)
}

#[test]
fn a_power_cut_while_restoring_loses_nothing() {
    let (from, id) = with_one_vanished();
    let (mut done, mut undone) = (0, 0);
    for fault in [Fault::PowerCut, Fault::SyncFails, Fault::WriteFails] {
        for at in 1..40 {
            for seed in 0..4 {
                let machine = from.copy(at * 10 + seed);
                let store = open(&machine);
                machine.disk.fail_at(at, fault);
                let restored = store.restore(&[id]);
                let choices = SimRandom::new(seed);
                machine.disk.crash(&mut |options| choices.choose(options));
                let store = open(&machine);
                let what = format!("{fault:?} at operation {at}, seed {seed}: {restored:?}");
                let is_back = numbers(&store, "s") == [1, 2, 3];
                let kept = store.vanished().unwrap();
                assert!(
                    is_back || kept.len() == 1 && kept[0].obstacle.is_none(),
                    "{what}: it is back, or can be restored: {kept:?}"
                );
                assert!(is_back || restored.is_err(), "{what}: restored is durable");
                let status = store.status().unwrap();
                assert!(status.quarantined.is_empty(), "{what}: {status:?}");
                if !is_back {
                    store.restore(&[id]).unwrap();
                    assert_eq!(
                        numbers(&store, "s"),
                        [1, 2, 3],
                        "{what}: trying again works"
                    );
                }
                if restored.is_ok() {
                    done += 1;
                } else {
                    undone += 1;
                }
            }
        }
    }
    assert!(
        done > 20 && undone > 20,
        "faults hit before and after: {done} done, {undone} not"
    );
}

#[test]
fn a_power_cut_while_adopting_leaves_one_identity_or_the_other() {
    let from = Simulation::new(2);
    let store = open(&from);
    count(&store, "s", 1);
    store.flush().unwrap();
    let before = store.transactions().unwrap()[0].replica_id;
    drop(store);
    for at in 1..30 {
        let machine = from.copy(100 + at);
        let store = open(&machine);
        machine.disk.fail_at(at, Fault::PowerCut);
        let adopted = store.adopt();
        let choices = SimRandom::new(at);
        machine.disk.crash(&mut |options| choices.choose(options));
        let store = open(&machine);
        count(&store, "s", 2);
        let status = store.status().unwrap();
        assert!(status.is_clean(), "cut at {at}: {status:?}");
        let after = store.transactions().unwrap()[1].replica_id;
        if let Ok(adopted) = &adopted {
            assert!(
                after != before && adopted.retired == [before],
                "cut at {at}: what was answered holds"
            );
        }
        assert_eq!(numbers(&store, "s"), [1, 2], "cut at {at}");
    }
}
