//! Records whose files somebody has spoiled: none is dropped while its bytes stand nowhere else.

use std::path::{Path, PathBuf};

use fs_format::TransactionId;
use fs_io::Disk as _;
use fs_io::sim::{SimRandom, Simulation};
use fs_store::{Durability, FileEventStore, StoreOptions};

use crate::support::{counted, numbers};

const STORE: &str = "/store";

fn open(machine: &Simulation) -> FileEventStore {
    let options = StoreOptions::default().durability(Durability::Log);
    let options = options.system(machine.system());
    options.create(Path::new(STORE)).unwrap()
}

fn path_of(id: TransactionId) -> PathBuf {
    Path::new(STORE).join("events").join(id.relative_path())
}

/// Puts another file in the place of one, durably, as an editor does.
fn put(machine: &Simulation, path: &Path, bytes: &[u8]) {
    let temp = Path::new(STORE).join("local/tmp/spoiled");
    machine.clock.advance(std::time::Duration::from_secs(5));
    fs_io::replace(
        &machine.disk,
        &temp,
        path,
        bytes,
        fs_io::SyncPolicy::Durable,
    )
    .unwrap();
}

/// Returns whether the bytes stand in `events/` or are kept.
fn is_somewhere(machine: &Simulation, id: TransactionId, bytes: &[u8]) -> bool {
    let directory = Path::new(STORE).join("local/vanished");
    let kept = machine.disk.list(&directory).unwrap().into_iter();
    let mut paths: Vec<_> = kept.map(|entry| directory.join(entry.name)).collect();
    paths.push(path_of(id));
    let read = |path: &PathBuf| machine.disk.read(path, 1 << 20);
    paths
        .iter()
        .any(|path| read(path).is_ok_and(|it| it == bytes))
}

#[test]
fn a_checkpoint_keeps_the_bytes_of_files_that_are_not_what_was_appended() {
    for durability in [Durability::Log, Durability::Files] {
        let machine = Simulation::new(1);
        let store = open(&machine);
        store.append(counted("s", 0)).unwrap();
        let appended = store.append(counted("s", 1)).unwrap();
        let (id, path) = (appended.transaction_id, path_of(appended.transaction_id));
        let bytes = machine.disk.read(&path, 1 << 20).unwrap();
        let other = Simulation::new(2);
        let another = open(&other).append(counted("s", 7)).unwrap();
        let another = other
            .disk
            .read(&path_of(another.transaction_id), 1 << 20)
            .unwrap();
        let middle = bytes.len() / 2;
        let mut damaged = bytes.clone();
        damaged[middle] = b'#';
        for (what, spoiled, is_mended) in [
            ("empty", &b""[..], true),
            ("cut", &bytes[..middle], true),
            ("of NUL", &vec![0; bytes.len()], true),
            ("damaged", &damaged, false),
            ("another one", &another, false),
        ] {
            let machine = machine.copy(3);
            put(&machine, &path, spoiled);
            // Another handle, so that it is the log that knows the bytes.
            let options = StoreOptions::default().durability(durability);
            let options = options.system(machine.system());
            let store = options.create(Path::new(STORE)).unwrap();
            store.append(counted("other", 1)).unwrap();
            store.flush().unwrap();
            let random = SimRandom::new(4);
            machine.disk.crash(&mut |options| random.choose(options));
            assert!(
                is_somewhere(&machine, id, &bytes),
                "{what}, {durability:?}: the log was emptied and the bytes are nowhere"
            );
            if is_mended {
                let reopened = open(&machine);
                assert_eq!(numbers(&reopened, "s"), [0, 1], "{what}: written again");
            }
        }
    }
}

#[test]
fn a_whole_file_is_not_replaced_by_a_record_after_a_restart() {
    let machine = Simulation::new(1);
    let store = open(&machine);
    let appended = store.append(counted("s", 1)).unwrap();
    let (id, path) = (appended.transaction_id, path_of(appended.transaction_id));
    let bytes = machine.disk.read(&path, 1 << 20).unwrap();
    // Git made CR LF of its ends of lines: the same transaction.
    let text = String::from_utf8(bytes.clone())
        .unwrap()
        .replace('\n', "\r\n");
    put(&machine, &path, text.as_bytes());
    machine.disk.crash(&mut |options| options - 1);
    let reopened = open(&machine);
    assert_eq!(numbers(&reopened, "s"), [1]);
    assert_eq!(
        machine.disk.read(&path, 1 << 20).unwrap(),
        text.as_bytes(),
        "it is left as it is"
    );
    assert!(reopened.recovered().is_empty());
    let _ = id;
}
