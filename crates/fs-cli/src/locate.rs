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
            let inner = root.join(STORE_DIR);
            let what_to_do = if FileEventStore::look_for(&inner).is_ok() {
                format!("the store of this project is {}", inner.display())
            } else {
                match found {
                    NoStore::Nothing | NoStore::NoEvents => {
                        in_git(&root, None).unwrap_or_else(|| create(&root))
                    }
                    _ => "move that away".to_owned(),
                }
            };
            let root = root.display();
            anyhow!(
                "there is no event store at {root}: {found}; {what_to_do}, or name another with --store DIR"
            )
        }
        OpenError::NoneAbove { from } => {
            let create = in_git(&from, Some(STORE_DIR));
            let create = create.unwrap_or_else(|| "run `trib init` to create one".to_owned());
            anyhow!(
                "there is no {STORE_DIR} store in {} or above; {create}, or name one with --store DIR",
                from.display()
            )
        }
        error => error.into(),
    }
}

/// Says how to get a store that git has, which a sparse checkout leaves out or another branch has.
fn in_git(root: &Path, name: Option<&str>) -> Option<String> {
    let left_out = git::left_out_store(root, name).map(|fault| fault.to_string());
    left_out.or_else(|| git::store_elsewhere(root, name).map(|found| found.to_string()))
}

/// Says how a store is created at a root.
fn create(root: &Path) -> String {
    match root.parent().filter(|_| root.ends_with(STORE_DIR)) {
        Some(project) if project == Path::new("") => "create one with `trib init`".to_owned(),
        Some(project) => format!("create one with `trib init {}`", project.display()),
        None => format!("create one with `trib --store {} init`", root.display()),
    }
}

/// Returns the root of the store that is meant, without opening it; one that was given need not be there.
pub(crate) fn root(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(root) = given {
        return Ok(root.to_owned());
    }
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    StoreOptions::default().nearest(here).map_err(not_opened)
}
