//! Files of a store, kept and put back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fs_store::FileEventStore;

/// The files below some directories of a store.
pub(crate) struct Backup(BTreeMap<PathBuf, Vec<u8>>);

fn files(below: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

impl Backup {
    pub(crate) fn of(store: &FileEventStore, directories: &[&str]) -> Self {
        let mut found = BTreeMap::new();
        for directory in directories {
            files(&store.root().join(directory), &mut found);
        }
        Self(found)
    }

    /// Writes the files over those that are there, which stay the same files, and removes the others.
    pub(crate) fn put_back(&self, store: &FileEventStore, directories: &[&str]) {
        let now = Self::of(store, directories);
        for path in now.0.keys().filter(|path| !self.0.contains_key(*path)) {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &self.0 {
            fs::write(path, bytes).unwrap();
        }
    }
}
