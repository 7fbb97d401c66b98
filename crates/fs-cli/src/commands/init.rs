//! `trib init`

use std::path::PathBuf;

use anyhow::bail;
use fs_store::{FileEventStore, STORE_DIR};
use serde::Serialize;

use crate::git;
use crate::outcome::Ending;
use crate::output::Output;

#[derive(Serialize)]
struct Answer {
    root: PathBuf,
}

pub(crate) fn run(dir: Option<PathBuf>, output: &mut Output) -> anyhow::Result<Ending> {
    let root = dir.unwrap_or_else(|| PathBuf::from(STORE_DIR));
    if FileEventStore::look_for(&root).is_err()
        && let Some(fault) = git::left_out_store(&root, None)
    {
        bail!("git has a store at {}: {fault}", root.display());
    }
    let store = FileEventStore::create(&root)?;
    let root = store.root().to_owned();
    output.answer(&Answer { root: root.clone() }, || {
        format!(
            "store ready in {}\ncommit its events/ directory with your project",
            root.display()
        )
    })?;
    output.flush()?;
    for fault in git::faults(store.root()) {
        output.note(&fault.to_string());
    }
    Ok(Ending::Fine)
}
