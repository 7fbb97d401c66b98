//! `trib init`

use std::path::{Path, PathBuf};

use anyhow::bail;
use fs_store::{FileEventStore, STORE_DIR};
use serde::Serialize;

use crate::args::STORE_VARIABLE;
use crate::git;
use crate::outcome::{Ending, Usage};
use crate::output::Output;

#[derive(Serialize)]
struct Answer {
    root: PathBuf,
    created: bool,
}

pub(crate) fn run(
    project: Option<PathBuf>,
    store: Option<PathBuf>,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let root = root(project, store)?;
    let created = FileEventStore::look_for(&root).is_err();
    if created && let Some(fault) = git::left_out_store(&root, None) {
        bail!("git has a store at {}: {fault}", root.display());
    }
    let elsewhere = git::store_elsewhere(&root, None).filter(|_| created);
    let store = FileEventStore::create(&root)?;
    if created {
        output.changed("the store is created");
    }
    let root = store.root().to_owned();
    let how = if created {
        "store ready in"
    } else {
        "there was a store already in"
    };
    output.answer(
        &Answer {
            root: root.clone(),
            created,
        },
        || {
            format!(
                "{how} {}\ncommit its events/ directory with your project",
                root.display()
            )
        },
    )?;
    output.flush()?;
    if let Some(elsewhere) = elsewhere {
        output.note(&format!(
            "this store is a new one, and {elsewhere}; a merge unites the events of both"
        ));
    }
    for fault in git::faults(store.root()) {
        output.note(&fault.to_string());
    }
    Ok(Ending::Fine)
}

/// Returns where the store is to be: in the project, or where `--store` says.
fn root(project: Option<PathBuf>, store: Option<PathBuf>) -> Result<PathBuf, Usage> {
    let Some(project) = project else {
        return Ok(store.unwrap_or_else(|| PathBuf::from(STORE_DIR)));
    };
    let from_variable = std::env::var_os(STORE_VARIABLE).map(PathBuf::from);
    if store.is_some() && store != from_variable {
        return Err(Usage(format!(
            "give the project, whose store is PROJECT/{STORE_DIR}, or --store DIR for a store elsewhere"
        )));
    }
    if project.ends_with(STORE_DIR) {
        let above = project.parent().filter(|it| *it != Path::new(""));
        return Err(Usage(format!(
            "name the project and not its store: `trib init {}`",
            above.unwrap_or(Path::new(".")).display()
        )));
    }
    Ok(project.join(STORE_DIR))
}
