//! Finding the store.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use fs_store::{FileEventStore, NoStore, OpenError, STORE_DIR, StoreOptions};

use crate::{git, progress};

/// Opens the store that is meant: the one given, else the nearest upwards.
pub(crate) fn open(given: Option<&Path>, options: StoreOptions) -> anyhow::Result<FileEventStore> {
    let options = options.progress(progress::bar());
    options.open(root(given)?).map_err(not_opened)
}

/// Says how a store is created or named on the command line, where there is none.
pub(crate) fn not_opened(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::NotAStore { root, found } => {
            let left_out = left_out(&root, None);
            let root = root.display();
            let create = match found {
                NoStore::Nothing | NoStore::NoEvents if left_out.is_some() => {
                    left_out.unwrap_or_default()
                }
                NoStore::Nothing | NoStore::NoEvents => {
                    format!("create one with `trib init {root}`")
                }
                _ => "move that away".to_owned(),
            };
            anyhow!(
                "there is no event store at {root}: {found}; {create}, or name another with --store DIR"
            )
        }
        OpenError::NoneAbove { from } => {
            let create = left_out(&from, Some(STORE_DIR));
            let create = create.unwrap_or_else(|| "run `trib init` to create one".to_owned());
            anyhow!(
                "there is no {STORE_DIR} store in {} or above; {create}, or name one with --store DIR",
                from.display()
            )
        }
        error => error.into(),
    }
}

/// Says how to get a store that git has and a sparse checkout leaves out.
fn left_out(root: &Path, name: Option<&str>) -> Option<String> {
    git::left_out_store(root, name).map(|fault| fault.to_string())
}

/// Returns the root of the store that is meant, without opening it; one that was given need not be there.
pub(crate) fn root(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(root) = given {
        return Ok(root.to_owned());
    }
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    StoreOptions::default().nearest(here).map_err(not_opened)
}
