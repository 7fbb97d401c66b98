//! Stores on a real disk: what is appended to them, read from them, carried between them, and kept of them.
//!
//! Everything panics with what failed: it is for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use fs_format::StreamId;
use fs_io::{Disk, FileKind, System};
use fs_store::{Append, Appended, FileEventStore, StoredEvent};

/// Longer than any file.
const NO_LIMIT: u64 = u64::MAX >> 1;

/// Creates a store in a directory for the files of tests, where it stays.
pub fn new_store_in(directory: impl AsRef<Path>) -> FileEventStore {
    static RUN: LazyLock<u64> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        let drawn = System::real().random.fill(&mut bytes);
        drawn.expect("the system has randomness");
        u64::from_le_bytes(bytes)
    });
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("store-{:016x}-{nth}", *RUN);
    FileEventStore::create(directory.as_ref().join(name)).expect("the store is created")
}

/// Returns a stream id.
pub fn stream_id(name: &str) -> StreamId {
    StreamId::new(name).expect("a name without wildcards")
}

/// Returns one event of the type `Counted` with the data `n`, to be appended.
pub fn counted(stream: &str, n: u64) -> Append {
    let append = Append::new().event(stream_id(stream), "Counted", &n.to_string());
    append.expect("a number is JSON")
}

/// Appends what [`counted`] returns.
pub fn count(store: &FileEventStore, stream: &str, n: u64) -> Appended {
    store.append(counted(stream, n)).expect("it is appended")
}

/// Returns the data of an event that is a number.
pub fn number(event: &StoredEvent) -> u64 {
    event.event_data.decode().expect("the data is a number")
}

/// Returns the data of a stream's events, which are numbers.
pub fn numbers(store: &FileEventStore, stream: &str) -> Vec<u64> {
    let events = store.stream_events(&stream_id(stream));
    let events = events.expect("the stream can be read");
    events.iter().map(number).collect()
}

/// Copies every transaction file that `to` lacks, as a git merge does.
pub fn merge(from: &FileEventStore, to: &FileEventStore) {
    let disk = System::real().disk;
    for header in from.transactions().expect("the store can be read") {
        let path = header.transaction_id.relative_path();
        let target = to.root().join("events").join(&path);
        if matches!(disk.stat(&target), Ok(Some(_))) {
            continue;
        }
        let events = to.root().join("events");
        for (end, _) in path.match_indices('/') {
            let created = disk.create_dir(&events.join(&path[..end]));
            created.expect("there is room for a directory");
        }
        let bytes = disk.read(&from.root().join("events").join(&path), NO_LIMIT);
        write(disk.as_ref(), &target, &bytes.expect("the file is there"));
    }
}

/// The files below some directories of a store.
#[derive(Debug)]
pub struct Backup(BTreeMap<PathBuf, Vec<u8>>);

impl Backup {
    /// Reads the files.
    pub fn of(store: &FileEventStore, directories: &[&str]) -> Self {
        let disk = System::real().disk;
        let mut found = BTreeMap::new();
        let directories = directories.iter().map(|it| store.root().join(it));
        let mut waiting: Vec<PathBuf> = directories.collect();
        while let Some(directory) = waiting.pop() {
            for entry in disk.list(&directory).expect("the directory is there") {
                let path = directory.join(entry.name);
                if entry.kind == FileKind::Directory {
                    waiting.push(path);
                } else {
                    let bytes = disk.read(&path, NO_LIMIT).expect("the file is there");
                    found.insert(path, bytes);
                }
            }
        }
        Self(found)
    }

    /// Writes the files over those that are there, which stay the same files, and removes the others.
    pub fn put_back(&self, store: &FileEventStore, directories: &[&str]) {
        let disk = System::real().disk;
        let now = Self::of(store, directories);
        for path in now.0.keys().filter(|path| !self.0.contains_key(*path)) {
            disk.remove_file(path).expect("the file is there");
        }
        for (path, bytes) in &self.0 {
            write(disk.as_ref(), path, bytes);
        }
    }
}

/// Gives a file this content, in its place.
fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
    let written = disk.open_log(path).and_then(|mut file| {
        file.truncate(0)?;
        file.append(bytes)
    });
    written.expect("the file can be written");
}
