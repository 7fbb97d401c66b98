//! Type-checks for the systems that CI does not run on.
//!
//! Only libraries and binaries: tests are for the systems that can run them, and a check needs no foreign linker.

use anyhow::{Context as _, Result};

use crate::layers::LAYERS;
use crate::run::{cargo, output, run as run_command, words};
use crate::workspace::Workspace;

const TARGETS: [&str; 2] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];

/// Type-checks every layer for every target, adding to the toolchain the targets it lacks.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let root = workspace.root();
    let installed = output(&mut words(root, "rustup target list --installed")?)
        .context("the targets of the toolchain are managed by rustup")?;
    for target in TARGETS {
        if !installed.lines().any(|line| line.trim() == target) {
            run_command(&mut words(root, &format!("rustup target add {target}"))?)?;
        }
    }
    for target in TARGETS {
        let mut check = cargo(root, ["check", "--target", target, "--lib", "--bins"]);
        for layer in &LAYERS {
            check.args(["-p", layer.name]);
        }
        run_command(&mut check)?;
    }
    Ok(())
}
