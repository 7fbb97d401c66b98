//! Stores on a real disk, and the events of a small bank.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use eventcore::{Event, StreamId};
use fs_store::{Append, Appended, FileEventStore};
use serde::{Deserialize, Serialize};

/// What happens to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Banked {
    Deposited { account: StreamId, cents: u64 },
    Withdrawn { account: StreamId, cents: u64 },
}

impl Event for Banked {
    fn stream_id(&self) -> &StreamId {
        match self {
            Self::Deposited { account, .. } | Self::Withdrawn { account, .. } => account,
        }
    }

    fn event_type_name() -> &'static str {
        "Banked"
    }
}

/// Opens a new store in the directory that cargo keeps for the files of tests.
pub(crate) fn new_store() -> FileEventStore {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let run = uuid_of_this_run();
    let name = format!("store-{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    FileEventStore::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap()
}

fn uuid_of_this_run() -> String {
    static RUN: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let mut bytes = [0; 16];
        fs_io::System::real().random.fill(&mut bytes).unwrap();
        uuid::Uuid::from_bytes(bytes).to_string()
    });
    RUN.clone()
}

pub(crate) fn account(name: &str) -> StreamId {
    StreamId::try_new(name).unwrap()
}

pub(crate) fn stream(name: &str) -> fs_format::StreamId {
    fs_format::StreamId::new(name).unwrap()
}

/// Appends one event with the data `n`.
pub(crate) fn count(store: &FileEventStore, name: &str, n: u64) -> Appended {
    store.append(counted(name, n)).unwrap()
}

pub(crate) fn counted(name: &str, n: u64) -> Append {
    Append::new()
        .event(stream(name), "Counted", &n.to_string())
        .unwrap()
}

pub(crate) fn numbers(store: &FileEventStore, name: &str) -> Vec<u64> {
    let events = store.stream_events(&stream(name)).unwrap();
    events
        .iter()
        .map(|event| event.event_data.decode().unwrap())
        .collect()
}

/// Copies every transaction file that `to` lacks, as a git merge does.
pub(crate) fn merge(from: &FileEventStore, to: &FileEventStore) {
    for header in from.transactions().unwrap() {
        let path = header.transaction_id.relative_path();
        let target = to.root().join("events").join(&path);
        if !target.exists() {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(from.root().join("events").join(&path), target).unwrap();
        }
    }
}
