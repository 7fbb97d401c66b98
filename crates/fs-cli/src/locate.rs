//! Finding the store.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use fs_store::{FileEventStore, NoStore, OpenError, StoreOptions};

use crate::progress;

/// The directory of a store in a project.
pub(crate) const STORE_DIR: &str = ".tributary";

/// Opens the store that is meant: the one given, else the nearest upwards.
pub(crate) fn open(given: Option<&Path>) -> anyhow::Result<FileEventStore> {
    let root = root(given)?;
    let options = StoreOptions::default().progress(progress::bar());
    FileEventStore::open_existing_with(root, options).map_err(not_opened)
}

/// Says how a store is created or named on the command line, where there is none.
pub(crate) fn not_opened(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::NotAStore { root, found } => {
            let root = root.display();
            let create = match found {
                NoStore::Nothing | NoStore::NoEvents => {
                    format!("create one with `trib init {root}`")
                }
                _ => "move that away".to_owned(),
            };
            anyhow!(
                "there is no event store at {root}: {found}; {create}, or name another with --store DIR"
            )
        }
        error => error.into(),
    }
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
    for root in here.ancestors().map(|dir| dir.join(STORE_DIR)) {
        match FileEventStore::look_for(&root) {
            Ok(()) => return Ok(root),
            Err(OpenError::NotAStore { .. }) => {}
            // What is appended does not go into another store because the nearest cannot be looked into.
            Err(error) => return Err(error.into()),
        }
    }
    bail!(
        "there is no {STORE_DIR} store in {} or above; run `trib init` to create one, or name one with --store DIR",
        here.display()
    )
}
