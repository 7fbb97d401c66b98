//! All tests, by the very command that the README names.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{readme, run};

/// Checks that the README names the test command, and runs it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    readme::check(workspace, readme::TEST_COMMAND)?;
    run::run(&mut run::words(workspace.root(), readme::TEST_COMMAND)?)
}
