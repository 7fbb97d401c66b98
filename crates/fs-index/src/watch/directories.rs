//! What the directories below `events/` looked like when they were listed.
//!
//! It is the handle's own: readers look at no directory.
//!
//! **Invariant**: every directory that a known transaction lies in is here, so it is noticed when one goes away with all that is in it.

use std::collections::BTreeMap;

use crate::codec::{Fields, Writer};
use crate::watch::file_stamp::{FileStamp, StampSum};
use crate::watch::scan::{self, Stamp};

/// By path below `events/`: all that transactions lie in, and others that were listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directories(pub(crate) BTreeMap<String, Stamp>);

impl Directories {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, directory: &str) -> Option<&Stamp> {
        self.0.get(directory)
    }

    /// Takes over stamps of directories; `None` of those that are gone.
    pub(crate) fn update(&mut self, stamps: impl IntoIterator<Item = (String, Option<Stamp>)>) {
        for (directory, stamp) in stamps {
            match stamp {
                Some(stamp) => _ = self.0.insert(directory, stamp),
                None => _ = self.0.remove(&directory),
            }
        }
    }

    /// Adds the file of a transaction, with the directories above it.
    pub(crate) fn add_file(&mut self, path: &str, stamp: FileStamp) {
        let mut inner = path;
        while let Some((directory, _)) = inner.rsplit_once('/') {
            if !self.0.contains_key(directory) {
                self.0.insert(directory.to_owned(), Stamp::NOT_LISTED);
            }
            inner = directory;
        }
        if let Some(files) = self.files_beside(path) {
            files.add(stamp);
        }
    }

    /// Takes out the file of a transaction that is gone.
    pub(crate) fn remove_file(&mut self, path: &str, stamp: FileStamp) {
        if let Some(files) = self.files_beside(path) {
            files.subtract(stamp);
        }
    }

    /// Returns the sum of the stamps of the files in the directory of a file.
    pub(crate) fn files_beside(&mut self, path: &str) -> Option<&mut StampSum> {
        let (directory, _) = scan::split(path);
        let stamp = self.0.get_mut(directory)?;
        Some(&mut stamp.files)
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.list(self.0.iter(), |to, (path, stamp)| {
            to.text(path);
            stamp.write(to);
        });
    }

    pub(crate) fn read(from: &mut Fields<'_>) -> Option<Self> {
        let read = |from: &mut Fields<'_>| Some((from.text()?.to_owned(), Stamp::read(from)?));
        from.list(read).map(Self)
    }
}
