//! Committing what was settled: an identical settlement that is not committed makes the next `git pull` refuse.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_io::System;
use fs_merge::Settled;

use crate::cli::project::Project;

/// Commits the files of settlements, and nothing else that is staged.
///
/// They are in place whether or not this succeeds, so a failure is told and ends nothing.
pub(crate) fn settlements(project: &Project, settled: &[Settled]) {
    if settled.is_empty() {
        return;
    }
    if let Err(error) = commit(project, settled) {
        eprintln!("settled, but not committed: {error:#}");
    }
}

fn commit(project: &Project, settled: &[Settled]) -> Result<()> {
    let paths = settled.iter().map(|it| it.transaction_id.relative_path());
    let paths: Vec<_> = paths.map(|it| PathBuf::from("events").join(it)).collect();
    let git = |args: &[&str], paths: &[PathBuf]| -> Result<String> {
        let mut command = Command::new("git");
        // A hook is told of these, and they may be about another directory.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            command.env_remove(name);
        }
        command.current_dir(project.store().root()).args(args);
        let done = command.args(paths).output().context("cannot run git")?;
        if !done.status.success() {
            bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    };
    git(&["add", "--intent-to-add", "--"], &paths)?;
    if git(&["merge-base", "--is-ancestor", "MERGE_HEAD", "HEAD"], &[]).is_ok() {
        // The merge is over, but git says so only after its hook, and commits nothing apart before.
        let merge_head = git(&["rev-parse", "--git-path", "MERGE_HEAD"], &[])?;
        let path = project.store().root().join(merge_head);
        System::real().disk.remove_file(&path)?;
    }
    let message = "Settle issues";
    let commit = ["commit", "--quiet", "--only", "--message", message, "--"];
    let done = git(&commit, &paths);
    if done.is_err() {
        // The index is left as it was; the error that is told is the first.
        let _ = git(&["rm", "--cached", "--quiet", "--"], &paths);
    }
    done.map(|_| ())
}
