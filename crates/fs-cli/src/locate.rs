//! Finding the store.

use std::path::{Path, PathBuf};

use anyhow::Context;
use fs_io::{FileKind, System};
use fs_store::{FileEventStore, StoreOptions};

use crate::progress;

/// The directory of a store in a project.
pub(crate) const STORE_DIR: &str = ".tributary";

/// Opens the store that is meant: the one given, else the nearest upwards.
pub(crate) fn open(given: Option<&Path>) -> anyhow::Result<FileEventStore> {
    let root = root(given)?;
    let options = StoreOptions::default().progress(progress::bar());
    Ok(FileEventStore::open_existing_with(root, options)?)
}

/// Returns the root of the store that is meant, without opening it; one that was given need not be there.
pub(crate) fn root(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    match given {
        Some(root) => Ok(root.to_owned()),
        None => nearest(),
    }
}

fn nearest() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    let disk = System::real().disk;
    let is_store = |root: &PathBuf| {
        disk.stat(&root.join("events"))
            .ok()
            .flatten()
            .is_some_and(|stat| stat.kind == FileKind::Directory)
    };
    let found = here
        .ancestors()
        .map(|dir| dir.join(STORE_DIR))
        .find(is_store);
    found.with_context(|| format!("there is no {STORE_DIR} store in {} or above; run `trib init` to create one, or name one with --store DIR", here.display()))
}
