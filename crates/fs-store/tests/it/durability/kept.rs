//! Records whose files somebody has spoiled: none is dropped while its bytes stand nowhere else.

use std::path::{Path, PathBuf};

use fs_format::TransactionId;
use fs_io::Disk as _;
use fs_io::sim::{SimRandom, Simulation};
use fs_store::{AppendError, Durability, ExpectedVersion, FileEventStore, StoreOptions};

use crate::support::{counted, numbers, stream};

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

/// What becomes of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Anybody may delete it at any moment.
    Deleted,
    /// Nothing in it can be read.
    Garbage,
}

impl Loss {
    fn happen(self, machine: &Simulation) {
        machine.clock.advance(std::time::Duration::from_secs(5));
        let index = fs_index::Layout::new(STORE).index();
        for entry in machine.disk.list(&index).unwrap() {
            let path = index.join(entry.name);
            machine.disk.remove_file(&path).unwrap();
            if self == Loss::Garbage {
                put(machine, &path, b"garbage");
            }
        }
    }
}

#[test]
fn what_only_the_log_has_is_kept_before_a_new_index_looks() {
    for (is_open, loss) in [
        (true, Loss::Deleted),
        (false, Loss::Deleted),
        (false, Loss::Garbage),
    ] {
        for what in [
            "missing",
            "empty",
            "cut",
            "damaged",
            "marked",
            "newer",
            "a directory",
        ] {
            let machine = Simulation::new(1);
            let mut store = open(&machine);
            store.append(counted("s", 0)).unwrap();
            let id = store.append(counted("s", 1)).unwrap().transaction_id;
            store.append(counted("u", 2)).unwrap();
            let path = path_of(id);
            let bytes = machine.disk.read(&path, 1 << 20).unwrap();
            let text = String::from_utf8(bytes.clone()).unwrap();
            match what {
                "missing" => machine.disk.remove_file(&path).unwrap(),
                "empty" => put(&machine, &path, b""),
                "cut" => put(&machine, &path, &bytes[..bytes.len() / 2]),
                "damaged" => put(
                    &machine,
                    &path,
                    text.replace("Counted", "Kounted").as_bytes(),
                ),
                "marked" => put(&machine, &path, format!("<<<<<<< HEAD\n{text}").as_bytes()),
                "newer" => {
                    let newer = text.replace("\"format_version\":3", "\"format_version\":4");
                    put(&machine, &path, newer.as_bytes());
                }
                _ => {
                    machine.disk.remove_file(&path).unwrap();
                    machine.disk.create_dir(&path).unwrap();
                }
            }
            loss.happen(&machine);
            let what = format!("{what}, {loss:?}, {is_open}");
            if !is_open {
                store = open(&machine);
            }
            let checked = counted("s", 9).expect(stream("s"), ExpectedVersion::Exact(1));
            let refused = store.append(checked);
            assert!(
                matches!(refused, Err(AppendError::Hole { missing, .. }) if missing == id),
                "{what}: it is known what is missing: {refused:?}"
            );
            let kept = store.vanished().unwrap();
            assert_eq!(kept.len(), 1, "{what}: {kept:?}");
            assert_eq!(kept[0].transaction_id, id, "{what}");
            let is_newer = what.starts_with("newer");
            let is_in_the_way = is_newer || what.starts_with("a directory");
            let obstacle = &kept[0].obstacle;
            assert_eq!(obstacle.is_some(), is_in_the_way, "{what}: {obstacle:?}");
            match is_in_the_way {
                true if is_newer => machine.disk.remove_file(&path).unwrap(),
                true => machine.disk.remove_dir(&path).unwrap(),
                false => {}
            }
            assert_eq!(store.restore(&[id]).unwrap(), [id], "{what}");
            store.flush().unwrap();
            assert_eq!(numbers(&store, "s"), [0, 1], "{what}");
            let status = store.status().unwrap();
            assert!(
                status.is_clean() && store.vanished().unwrap().is_empty(),
                "{what}: {status:?}"
            );
        }
    }
}

#[test]
fn what_was_removed_with_the_index_stays_removed_and_can_be_brought_back() {
    for loss in [Loss::Deleted, Loss::Garbage] {
        let machine = Simulation::new(1);
        let store = open(&machine);
        store.append(counted("s", 0)).unwrap();
        let id = store.append(counted("s", 1)).unwrap().transaction_id;
        machine.disk.remove_file(&path_of(id)).unwrap();
        loss.happen(&machine);
        let store = open(&machine);
        let status = store.status().unwrap();
        assert_eq!(
            (status.is_clean(), status.vanished),
            (true, 1),
            "nobody names it, and its bytes are kept: {status:?}"
        );
        let checked = counted("s", 9).expect(stream("s"), ExpectedVersion::Exact(1));
        store.append(checked).unwrap();
        store.flush().unwrap();
        machine.disk.crash(&mut |options| options - 1);
        let store = open(&machine);
        assert_eq!(numbers(&store, "s"), [0, 9], "no power cut brings it back");
        store.restore(&[id]).unwrap();
        assert_eq!(numbers(&store, "s").len(), 3, "who asked for it has it");
    }
}
