//! The fence, tried against older versions of eventcore-fs, each in a package of its own.

use anyhow::Result;

use crate::run::{cargo, run as run_command};
use crate::workspace::Workspace;

/// The packages, by the version of eventcore-fs that they depend on. The newest is a dependency of `benches/`.
const VERSIONS: [&str; 2] = ["1.0.0", "1.0.1"];

/// Runs the test of the fence against every older version.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let target = workspace.target().join("fence");
    for version in VERSIONS {
        let manifest = format!("benches/fence/{version}/Cargo.toml");
        let arguments = ["test", "--locked", "--manifest-path", &manifest];
        let mut test = cargo(workspace.root(), arguments);
        run_command(test.arg("--target-dir").arg(&target))?;
    }
    Ok(())
}
