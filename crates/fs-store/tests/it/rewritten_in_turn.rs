//! A file that holds one content after the other: what was seen first stays first, whatever comes between and whoever looks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_format::{ContentHash, TransactionId};
use fs_io::Disk as _;
use fs_io::sim::{Fault, SimRandom, Simulation};
use fs_store::{FileEventStore, Rewritten, StoreOptions};

use crate::support::{count, numbers};

const ROOT: &str = "/store";

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Original,
    /// Another number, sealed anew.
    Says(u64),
    Cut,
    Nothing,
}

use Content::{Cut, Nothing, Original, Says};

/// What happens between two looks.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Restart,
    /// Somebody deletes `index/`.
    IndexDeleted,
    /// The log is emptied into the files.
    Checkpoint,
}

/// A store with two events, of which the file of the second changes.
struct Case {
    machine: Simulation,
    store: FileEventStore,
    id: TransactionId,
    original: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        let machine = Simulation::new(1);
        let store = open(&machine);
        count(&store, "s", 1);
        let id = count(&store, "s", 2).transaction_id;
        let original = machine.disk.read(&path_of(id), 1 << 20).unwrap();
        Self {
            machine,
            store,
            id,
            original,
        }
    }

    /// Appends a third, which records what the file of the second holds.
    fn with_child(self) -> Self {
        count(&self.store, "s", 3);
        self
    }

    fn bytes(&self, content: Content) -> Vec<u8> {
        match content {
            Original => self.original.clone(),
            Cut => self.original[..self.original.len() / 2].to_vec(),
            Nothing => Vec::new(),
            Says(number) => {
                let transaction = fs_format::decode(&self.original).unwrap();
                let mut events = transaction.events.clone();
                let text = number.to_string();
                events[0].event_data = fs_format::Json::compact(&text).unwrap();
                let sealed = fs_format::encode(&transaction.header, &events);
                sealed.unwrap().bytes
            }
        }
    }

    fn hash(&self, content: Content) -> ContentHash {
        let bytes = self.bytes(content);
        fs_format::decode(&bytes).unwrap().content_hash
    }

    /// Replaces the file, as git and editors do, or removes it.
    fn put(&self, content: Content) {
        self.machine.clock.advance(Duration::from_secs(5));
        let (disk, path) = (&self.machine.disk, path_of(self.id));
        if content == Nothing {
            let _ = disk.remove_file(&path);
            return;
        }
        let temp = Path::new(ROOT).join("local/tmp/other");
        let bytes = self.bytes(content);
        fs_io::replace(disk, &temp, &path, &bytes, fs_io::SyncPolicy::Durable).unwrap();
    }

    fn pass(&mut self, between: Between) {
        match between {
            Between::Nothing => {}
            Between::Restart => self.store = open(&self.machine),
            Between::IndexDeleted => {
                let index = fs_index::Layout::new(ROOT).index();
                for entry in self.machine.disk.list(&index).unwrap() {
                    let _ = self.machine.disk.remove_file(&index.join(entry.name));
                }
                self.store = open(&self.machine);
            }
            Between::Checkpoint => self.store.flush().unwrap(),
        }
    }

    fn rewritten(&self) -> Vec<Rewritten> {
        self.store.status().unwrap().rewritten
    }

    fn assert_told(&self, content: Content, what: &str) {
        let status = self.store.status().unwrap();
        let told: Vec<_> = status
            .rewritten
            .iter()
            .map(|it| (it.old_hash, it.new_hash))
            .collect();
        let right = match content {
            Says(_) => vec![(self.hash(Original), self.hash(content))],
            Original | Cut | Nothing => Vec::new(),
        };
        assert_eq!(told, right, "{what}: what was seen first, and what is now");
        if content == Original {
            assert!(status.is_clean(), "{what}: it is as it was: {status:?}");
            assert_eq!(numbers(&self.store, "s"), [1, 2], "{what}");
        }
    }
}

fn open(machine: &Simulation) -> FileEventStore {
    let options = StoreOptions::default().system(machine.system());
    options.create(Path::new(ROOT)).unwrap()
}

fn path_of(id: TransactionId) -> PathBuf {
    Path::new(ROOT).join("events").join(id.relative_path())
}

#[test]
fn what_was_seen_first_stays_first_in_every_order() {
    let contents = [Original, Says(8), Says(9), Cut, Nothing];
    let betweens = [
        Between::Nothing,
        Between::Restart,
        Between::IndexDeleted,
        Between::Checkpoint,
    ];
    for between in betweens {
        for first in contents {
            for second in contents {
                let order = [first, second, Original, Says(8)];
                let mut case = Case::new();
                for (nth, content) in order.into_iter().enumerate() {
                    case.put(content);
                    let what = format!("{between:?}, {nth} of {order:?}");
                    case.assert_told(content, &what);
                    case.pass(between);
                    // A checkpoint writes what is cut again.
                    if !matches!(between, Between::Checkpoint) || content != Cut {
                        case.assert_told(content, &format!("{what}, again"));
                    }
                }
            }
        }
    }
}

#[test]
fn what_was_deleted_with_the_index_before_a_look_is_no_other_first() {
    for between in [Original, Says(8)] {
        let mut case = Case::new();
        case.put(Says(9));
        case.assert_told(Says(9), "seen");
        case.put(between);
        case.pass(Between::IndexDeleted);
        case.assert_told(between, "the index that knew the other is gone");
    }
}

#[test]
fn what_the_file_held_in_between_is_kept_until_it_is_let_go_of() {
    let case = Case::new();
    case.put(Says(9));
    let verified = case.store.verify().unwrap();
    assert_eq!(verified.rewritten, case.rewritten(), "they say the same");
    case.put(Original);
    case.assert_told(Original, "put back");
    assert!(case.store.verify().unwrap().is_ok(), "verification as well");
    let kept = case.store.vanished().unwrap();
    let obstacle = kept[0].obstacle.as_ref().map(ToString::to_string);
    assert!(
        kept.len() == 1 && obstacle.is_some_and(|it| it.contains("another content")),
        "what somebody wrote is not thrown away: {kept:?}"
    );
    case.store.forget(&[case.id]).unwrap();
    assert!(case.store.vanished().unwrap().is_empty(), "it is let go of");
    case.put(Says(9));
    case.assert_told(Says(9), "it comes again");
}

#[test]
fn what_was_taken_as_it_is_stays_taken() {
    for between in [Between::Restart, Between::IndexDeleted, Between::Checkpoint] {
        let mut case = Case::new();
        case.put(Says(9));
        case.rewritten();
        case.store.forget(&[case.id]).unwrap();
        case.pass(between);
        case.store.flush().unwrap();
        assert_eq!(
            case.rewritten(),
            [],
            "{between:?}: the log lets go of it too"
        );
        case.put(Original);
        let told = case.rewritten();
        assert_eq!(
            (told[0].old_hash, told[0].new_hash),
            (case.hash(Says(9)), case.hash(Original)),
            "{between:?}: what was taken is the first from then on"
        );
    }
}

#[test]
fn what_a_child_confirms_stays_and_is_restored_in_the_place_of_what_it_contradicts() {
    let mut case = Case::new().with_child();
    for _ in 0..2 {
        case.put(Says(9));
        let status = case.store.status().unwrap();
        assert_eq!(status.rewritten, [], "a child contradicts it");
        assert_eq!(status.quarantined.len(), 1, "{status:?}");
        case.pass(Between::Restart);
        assert_eq!(case.store.restore(&[case.id]).unwrap(), [case.id]);
        assert_eq!(numbers(&case.store, "s"), [1, 2, 3]);
        assert!(case.store.status().unwrap().is_clean());
    }
}

#[test]
fn what_a_power_cut_tore_of_the_first_is_kept_again() {
    let case = Case::new();
    let first = fs_index::Layout::new(ROOT).vanished_first(case.id);
    let temp = Path::new(ROOT).join("local/tmp/torn");
    let sync = fs_io::SyncPolicy::Durable;
    let torn = case.bytes(Cut);
    fs_io::replace(&case.machine.disk, &temp, &first, &torn, sync).unwrap();
    case.put(Says(9));
    case.assert_told(Says(9), "what is kept of the first is whole");
    case.put(Original);
    case.assert_told(Original, "put back");
}

#[test]
fn no_power_cut_while_somebody_looks_changes_what_was_seen_first() {
    for (before, after) in [(Original, Says(9)), (Says(8), Says(9)), (Says(9), Original)] {
        for is_flushed in [true, false] {
            let case = Case::new();
            case.put(before);
            case.assert_told(before, "before");
            // Of what nobody has rewritten yet, the index alone knows that it was there once the log is empty, and it is not synced.
            if is_flushed && before != Original {
                case.store.flush().unwrap();
            }
            case.put(after);
            for at in 1..60 {
                let index = [Between::Restart, Between::IndexDeleted][at as usize % 2];
                let machine = case.machine.copy(at);
                let store = open(&machine);
                machine.disk.fail_at(at, Fault::PowerCut);
                let looked = store.status().is_ok();
                let choices = SimRandom::new(at);
                machine.disk.crash(&mut |options| choices.choose(options));
                let mut cut = Case {
                    store: open(&machine),
                    machine,
                    id: case.id,
                    original: case.original.clone(),
                };
                cut.assert_told(
                    after,
                    &format!("{before:?}, {after:?}, {at}, {is_flushed}, {looked}"),
                );
                cut.pass(index);
                cut.assert_told(after, &format!("{before:?}, {after:?}, {at}, {index:?}"));
            }
        }
    }
}
