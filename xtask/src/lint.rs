//! Formatting, clippy and the documentation; any warning is an error.

use anyhow::Result;

use crate::run::{cargo, run as run_command};
use crate::workspace::Workspace;

/// Checks formatting, clippy and the documentation, in this order.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    format(workspace)?;
    clippy(workspace)?;
    docs(workspace)
}

/// Checks that every file is formatted.
pub(crate) fn format(workspace: &Workspace) -> Result<()> {
    run_command(&mut cargo(workspace.root(), ["fmt", "--all", "--check"]))
}

/// Runs clippy over every target of every member, and over the store as a program has it that appends and reads alone.
pub(crate) fn clippy(workspace: &Workspace) -> Result<()> {
    let alone = ["clippy", "-p", "fs-store", "--", "-D", "warnings"];
    run_command(&mut cargo(workspace.root(), alone))?;
    run_command(&mut cargo(
        workspace.root(),
        [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ))
}

/// Builds the documentation of every member, with all features.
pub(crate) fn docs(workspace: &Workspace) -> Result<()> {
    run_command(
        cargo(
            workspace.root(),
            ["doc", "--workspace", "--no-deps", "--all-features"],
        )
        .env("RUSTDOCFLAGS", "-Dwarnings"),
    )
}
