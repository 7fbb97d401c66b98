//! Histories as stores on a real disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fs_merge::ForkContext;
use fs_store::{Durability, FileEventStore, StoreOptions};
use tempfile::TempDir;

use crate::model::{Model, Tx};
use crate::oracle::Expected;

/// A store that goes away with it.
pub(crate) struct Place {
    _dir: TempDir,
    pub(crate) store: FileEventStore,
}

impl Place {
    /// Writes the files of a history and opens the store then.
    pub(crate) fn of(model: &Model) -> Self {
        Self::in_two_batches(model, |_| true)
    }

    /// Opens a store without any transaction.
    pub(crate) fn empty() -> Self {
        Self::of(&Model::default())
    }

    /// Opens a store with some of the files of a history.
    pub(crate) fn with_some(model: &Model, some: &[usize]) -> Self {
        let mut of_some = Model::default();
        let chosen = some.iter().map(|index| model.transactions[*index].clone());
        of_some.transactions.extend(chosen);
        Self::of(&of_some)
    }

    /// Takes over the files that another store has, as `git merge` does.
    pub(crate) fn pull(&self, from: &Self) {
        let own = self.files();
        for (path, bytes) in from.files() {
            match own.get(&path) {
                Some(there) => assert_eq!(*there, bytes, "{path} is the same file everywhere"),
                None => put_file(self.store.root(), &path, &bytes),
            }
        }
        self.store.refresh().unwrap();
    }

    /// Returns the transaction files, each by its path below `events/`.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let events = self.store.root().join("events");
        let mut files = BTreeMap::new();
        let mut waiting = vec![events.clone()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else if path.extension().is_some_and(|it| it == "jsonl") {
                    let name = path.strip_prefix(&events).unwrap().to_str().unwrap();
                    files.insert(name.to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// Opens the store with the files that `first` selects; the others arrive afterwards.
    pub(crate) fn in_two_batches(model: &Model, first: impl Fn(usize) -> bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        // What opening would create and sync.
        for below in ["events", "index", "local/tmp", "local/vanished"] {
            fs::create_dir_all(root.join(below)).unwrap();
        }
        fs::write(root.join(".gitignore"), "").unwrap();
        fs::write(root.join("events/.gitattributes"), "").unwrap();
        let files: Vec<_> = model.present().collect();
        for (_, tx) in files.iter().filter(|(index, _)| first(*index)) {
            put(&root, tx);
        }
        let options = StoreOptions::default().durability(Durability::None);
        let store = options.create(&root).unwrap();
        for (_, tx) in files.iter().filter(|(index, _)| !first(*index)) {
            put(&root, tx);
        }
        store.refresh().unwrap();
        Self { _dir: dir, store }
    }

    /// Returns the bytes of a file below `events/`.
    pub(crate) fn file(&self, relative: &str) -> Vec<u8> {
        fs::read(self.store.root().join("events").join(relative)).unwrap()
    }

    /// Returns the open forks.
    pub(crate) fn forks(&self) -> Vec<ForkContext> {
        fs_merge::forks(&self.store).unwrap()
    }
}

fn put(root: &Path, tx: &Tx) {
    put_file(root, &tx.path, &tx.bytes);
}

fn put_file(root: &Path, relative: &str, bytes: &[u8]) {
    let path = root.join("events").join(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Returns what a fork says, in the words of the oracle.
pub(crate) fn seen(fork: &ForkContext) -> Expected {
    let ids = |transactions: &[fs_merge::Transaction]| {
        transactions
            .iter()
            .map(|transaction| transaction.transaction_id)
            .collect::<Vec<_>>()
    };
    Expected {
        streams: fork
            .streams
            .iter()
            .map(|stream| {
                assert_eq!(
                    stream.base_version,
                    stream.events_below.len() as u64,
                    "the base version counts the events below"
                );
                let below = stream.events_below.iter();
                (
                    stream.stream_id.clone(),
                    below.map(|event| event.transaction_id).collect(),
                )
            })
            .collect(),
        branches: fork
            .branches
            .iter()
            .map(|branch| (branch.head, ids(&branch.transactions)))
            .collect(),
        common: ids(&fork.common),
        on_top: ids(&fork.on_top),
    }
}
