//! The benchmarks, which have a crate of their own.

use anyhow::Result;

use crate::run::{cargo, run as run_command};
use crate::workspace::Workspace;

/// Runs all benchmarks, or those of one topic.
pub(crate) fn run(workspace: &Workspace, topic: Option<&str>) -> Result<()> {
    let mut bench = cargo(workspace.root(), ["bench", "-p", "tributary-benches"]);
    if let Some(topic) = topic {
        bench.args(["--bench", topic]);
    }
    run_command(&mut bench)
}

/// Builds all benchmarks without running them.
pub(crate) fn compile(workspace: &Workspace) -> Result<()> {
    run_command(&mut cargo(
        workspace.root(),
        ["bench", "--workspace", "--no-run"],
    ))
}
