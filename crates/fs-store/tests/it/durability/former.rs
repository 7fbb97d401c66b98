//! Stores whose `local/` a version before has written: `fixtures/local-1` holds what it left after three appends, with the zeros at the end of the
//! log left out.

use std::path::{Path, PathBuf};

use fs_format::{ReplicaId, TransactionId};
use fs_io::sim::{Fault, SimRandom, Simulation};
use fs_io::{Disk as _, SyncPolicy};
use fs_store::{FileEventStore, OpenError, StoreOptions};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{counted, numbers};

const STORE: &str = "/store";
const LOG: &[u8] = include_bytes!("../../fixtures/local-1/wal");
const IDENTITY: &str = include_str!("../../fixtures/local-1/identity");
const FILES: [&[u8]; 3] = [
    include_bytes!("../../fixtures/local-1/1.jsonl"),
    include_bytes!("../../fixtures/local-1/2.jsonl"),
    include_bytes!("../../fixtures/local-1/3.jsonl"),
];

/// What the power left of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Whole,
    Cut,
    Empty,
    Missing,
}

fn id_of(nth: usize) -> TransactionId {
    fs_format::decode(FILES[nth]).unwrap().header.transaction_id
}

fn replica() -> ReplicaId {
    fs_format::decode(FILES[0]).unwrap().header.replica_id
}

fn path_of(nth: usize) -> PathBuf {
    Path::new(STORE)
        .join("events")
        .join(id_of(nth).relative_path())
}

fn put(machine: &Simulation, path: &Path, bytes: &[u8]) {
    let mut directory = PathBuf::from("/");
    for part in path.parent().unwrap().components().skip(1) {
        let above = directory.clone();
        directory.push(part);
        let _ = machine.disk.create_dir(&directory).unwrap();
        machine.disk.sync_dir(&above).unwrap();
    }
    let temp = Path::new("/fixture");
    fs_io::replace(&machine.disk, temp, path, bytes, SyncPolicy::Durable).unwrap();
}

fn mark(text: &str) -> [u8; 16] {
    Sha256::digest(text.as_bytes())[..16].try_into().unwrap()
}

/// Sets up what a former version left, in the boot `boot` and, unless it `is_copy`, at this place.
fn former(left: Left, boot: &str, is_copy: bool) -> Simulation {
    let machine = Simulation::new(1);
    for (nth, file) in FILES.iter().enumerate() {
        let bytes = match left {
            Left::Whole => file,
            Left::Cut => &file[..file.len() / 2],
            Left::Empty => &[],
            Left::Missing => continue,
        };
        put(&machine, &path_of(nth), bytes);
    }
    let local = Path::new(STORE).join("local");
    for directory in ["", "tmp", "vanished"] {
        put(&machine, &local.join(directory).join(".gitkeep"), b"");
    }
    let _ = machine.disk.create_dir(&Path::new(STORE).join("events"));
    let log = local.join("wal");
    put(&machine, &log, LOG);
    let inode = |path: &Path| {
        let stat = machine.disk.stat(path).unwrap().unwrap();
        stat.file_id.unwrap().inode
    };
    let mut identity: Value = serde_json::from_str(IDENTITY).unwrap();
    if !is_copy {
        let mut bytes = LOG.to_vec();
        bytes.resize(16 * 4096, 0);
        // The head that was written stands in the second slot; the frames bear the boot as well.
        let head = &mut bytes[4096..4096 + 64];
        head[28..44].copy_from_slice(&mark(boot));
        head[44..60].copy_from_slice(&mark(&format!("{} simulated", inode(&log))));
        let sum = crc32fast::hash(&head[..60]).to_le_bytes();
        head[60..].copy_from_slice(&sum);
        for slot in [3, 4, 5] {
            let frame = &mut bytes[slot * 4096..];
            frame[32..48].copy_from_slice(&mark(boot));
            let len = u32::from_le_bytes(frame[28..32].try_into().unwrap()) as usize;
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&frame[..60]);
            hasher.update(&frame[64..64 + len]);
            frame[60..64].copy_from_slice(&hasher.finalize().to_le_bytes());
        }
        let mut file = machine.disk.open_log(&log).unwrap();
        file.write_at(0, &bytes).unwrap();
        file.sync().unwrap();
        let binding = &mut identity["binding"];
        binding["device"] = 1.into();
        binding["inode"] = inode(Path::new(STORE)).into();
        binding["machine_id"] = "simulated".into();
    }
    put(
        &machine,
        &local.join("identity"),
        identity.to_string().as_bytes(),
    );
    machine
}

fn open(machine: &Simulation) -> Result<FileEventStore, OpenError> {
    let options = StoreOptions::default().system(machine.system());
    options.create(Path::new(STORE))
}

fn former_identity(machine: &Simulation) -> Value {
    let path = Path::new(STORE).join("local/identity");
    serde_json::from_slice(&machine.disk.read(&path, 1 << 20).unwrap()).unwrap()
}

/// Returns whether a former version would find no record in its log.
fn is_emptied(machine: &Simulation) -> bool {
    let bytes = machine
        .disk
        .read(&Path::new(STORE).join("local/wal"), 1 << 20);
    let bytes = bytes.unwrap();
    let heads = [0, 4096].map(|at| bytes[at..at + 64].to_vec());
    let heads = heads.into_iter().filter(|head| {
        head.starts_with(b"triblog\x01") && head[60..] == crc32fast::hash(&head[..60]).to_le_bytes()
    });
    let generation = |bytes: &[u8]| u64::from_le_bytes(bytes[8..16].try_into().unwrap());
    let newest = heads.map(|head| generation(&head)).max().unwrap();
    let frames = (3..bytes.len() / 4096).map(|slot| &bytes[slot * 4096..]);
    let mut frames = frames.filter(|frame| frame.starts_with(b"tribfrm\x01"));
    frames.all(|frame| generation(frame) < newest)
}

#[test]
fn what_a_former_log_holds_is_there_and_the_replica_goes_on() {
    for left in [Left::Whole, Left::Cut, Left::Empty, Left::Missing] {
        let machine = former(left, "before", false);
        let store = open(&machine).unwrap();
        assert_eq!(numbers(&store, "s"), [1, 2, 3], "{left:?}");
        assert!(is_emptied(&machine), "{left:?}");
        let lost = if left == Left::Whole { 0 } else { 3 };
        assert_eq!(store.recovered().len(), lost, "{left:?}");
        store.append(counted("s", 4)).unwrap();
        let last = store.transactions().unwrap().pop().unwrap();
        assert_eq!(
            (last.replica_id, last.replica_seq),
            (replica(), Some(4)),
            "{left:?}: one working copy stays one replica"
        );
        let former = former_identity(&machine);
        assert_eq!(former["replicas"], Value::Array(Vec::new()));
        assert_eq!(
            former["retired"][0],
            replica().to_string(),
            "a former version that still runs takes another replica"
        );
        let again = open(&machine).unwrap();
        again.append(counted("s", 5)).unwrap();
        assert_eq!(
            again.transactions().unwrap().pop().unwrap().replica_seq,
            Some(5)
        );
    }
}

#[test]
fn in_the_same_boot_what_was_removed_from_a_former_store_stays_away() {
    let machine = former(Left::Missing, "boot-0", false);
    let store = open(&machine).unwrap();
    assert_eq!(numbers(&store, "s"), [] as [u64; 0]);
    assert!(is_emptied(&machine));
}

#[test]
fn a_copied_former_log_writes_incomplete_files_again_and_keeps_the_rest() {
    for left in [Left::Cut, Left::Empty, Left::Missing] {
        let machine = former(left, "before", true);
        let store = open(&machine).unwrap();
        let (there, kept) = if left == Left::Missing {
            (0, 3)
        } else {
            (3, 0)
        };
        assert_eq!(numbers(&store, "s").len(), there, "{left:?}");
        assert_eq!(store.vanished().unwrap().len(), kept, "{left:?}");
        store.append(counted("t", 1)).unwrap();
        let replicas = store.transactions().unwrap().into_iter();
        let own = replicas.filter(|header| header.replica_id != replica());
        assert_eq!(own.count(), 1, "a copy is another replica");
    }
}

#[test]
fn a_former_replica_whose_last_transaction_went_away_does_not_go_on() {
    let machine = former(Left::Whole, "boot-0", false);
    machine.disk.remove_file(&path_of(2)).unwrap();
    let name = id_of(2).file_name();
    let kept = Path::new(STORE).join("local/vanished").join(name);
    put(&machine, &kept, FILES[2]);
    let store = open(&machine).unwrap();
    store.append(counted("s", 9)).unwrap();
    let last = store.transactions().unwrap().pop().unwrap();
    assert_ne!(
        last.replica_id,
        replica(),
        "two transactions would claim one place in its chain"
    );
}

#[test]
fn the_power_may_go_at_any_moment_of_taking_a_former_store_over() {
    for left in [Left::Cut, Left::Missing] {
        let from = former(left, "before", false);
        let go_on = |machine: &Simulation| -> Option<()> {
            open(machine).ok()?.append(counted("s", 4)).ok()?;
            Some(())
        };
        let operations = {
            let machine = from.copy(2);
            let before = machine.disk.operations();
            go_on(&machine).unwrap();
            machine.disk.operations() - before
        };
        for at in 1..=operations {
            let machine = from.copy(at);
            machine.disk.fail_at(at, Fault::PowerCut);
            let answered = go_on(&machine);
            let random = SimRandom::new(at);
            machine.disk.crash(&mut |options| random.choose(options));
            let store = open(&machine).unwrap();
            let what = format!("{left:?}, cut at {at} of {operations}");
            let found = numbers(&store, "s");
            assert!(found.starts_with(&[1, 2, 3]), "{what}: {found:?}");
            assert!(answered.is_none() || found.len() == 4, "{what}: {found:?}");
            store.append(counted("s", 5)).unwrap();
            let status = store.status().unwrap();
            assert!(
                status.is_clean() && status.replica_conflicts.is_empty(),
                "{what}: {status:?}"
            );
            let former = former_identity(&machine);
            assert_eq!(former["replicas"], Value::Array(Vec::new()), "{what}");
        }
    }
}

#[test]
fn what_a_former_version_appends_afterwards_is_taken_over_by_the_next_turn() {
    let machine = former(Left::Whole, "boot-0", false);
    let store = open(&machine).unwrap();
    store.append(counted("s", 4)).unwrap();
    let emptied = machine
        .disk
        .read(&Path::new(STORE).join("local/wal"), 1 << 20)
        .unwrap();
    // It writes a frame of the generation that it finds, publishes the file, and the power goes.
    let head = if emptied[..8] == *b"triblog\x01" {
        0
    } else {
        4096
    };
    let mut frame = LOG[3 * 4096..4 * 4096].to_vec();
    frame[8..24].copy_from_slice(&emptied[head + 8..head + 24]);
    frame[32..48].copy_from_slice(&mark("boot-0"));
    let len = u32::from_le_bytes(frame[28..32].try_into().unwrap()) as usize;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..60]);
    hasher.update(&frame[64..64 + len]);
    frame[60..64].copy_from_slice(&hasher.finalize().to_le_bytes());
    let mut file = machine
        .disk
        .open_log(&Path::new(STORE).join("local/wal"))
        .unwrap();
    file.write_at(3 * 4096, &frame).unwrap();
    file.sync().unwrap();
    put(&machine, &path_of(0), b"");
    machine.clock.advance(std::time::Duration::from_secs(1));
    machine.disk.crash(&mut |options| options - 1);
    let reopened = open(&machine).unwrap();
    assert_eq!(numbers(&reopened, "s"), [1, 2, 3, 4], "it was acknowledged");
    assert!(is_emptied(&machine));
}
