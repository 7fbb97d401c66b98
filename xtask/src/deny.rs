//! The rules of `deny.toml`, checked by cargo-deny.
//!
//! CI has no network once the dependencies are there, so the checks that need none come first and alone; advisories are
//! looked up where somebody asks for them.

use anyhow::{Context as _, Result, bail};

use crate::inheritance;
use crate::run::{cargo, output, run as run_command};
use crate::workspace::Workspace;

/// The version that `deny.toml` is written for; `.ci/run` installs the same.
const VERSION: &str = "0.20.2";

/// The series that understands `deny.toml`.
const SERIES: &str = "0.20.";

/// Checks inheritance from the workspace, duplicate versions, licences and sources.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let root = workspace.root();
    inheritance::run(workspace)?;
    require_tool(workspace)?;
    // The offline check needs every dependency, those of the other systems too.
    run_command(&mut cargo(root, ["fetch", "--locked"]))?;
    run_command(&mut cargo(
        root,
        [
            "deny",
            "--offline",
            "--locked",
            "check",
            // An exception that is no longer needed has to go.
            "--deny",
            "unmatched-skip",
            "--deny",
            "unnecessary-skip",
            "bans",
            "licenses",
            "sources",
        ],
    ))
}

/// Checks the same, and looks up security advisories.
pub(crate) fn run_with_advisories(workspace: &Workspace) -> Result<()> {
    run(workspace)?;
    run_command(&mut cargo(
        workspace.root(),
        ["deny", "--locked", "check", "advisories"],
    ))
}

fn require_tool(workspace: &Workspace) -> Result<()> {
    let install =
        format!("install it with `cargo install cargo-deny --locked --version {VERSION}`");
    let printed = output(&mut cargo(workspace.root(), ["deny", "--version"]))
        .with_context(|| format!("cargo-deny does not run; {install}"))?;
    if !is_supported(&printed) {
        bail!(
            "deny.toml is written for cargo-deny {VERSION}, not for {}; {install}",
            printed.trim()
        );
    }
    Ok(())
}

/// Returns whether the output of `cargo deny --version` names a version that understands `deny.toml`.
fn is_supported(printed: &str) -> bool {
    printed
        .split_ascii_whitespace()
        .nth(1)
        .is_some_and(|version| version.starts_with(SERIES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() {
        assert!(is_supported("cargo-deny 0.20.2\n"));
        assert!(is_supported(&format!("cargo-deny {VERSION}")));
        for other in ["", "cargo-deny", "cargo-deny 0.2.0", "cargo-deny 1.20.1"] {
            assert!(!is_supported(other), "{other:?} is another series");
        }
    }

    #[test]
    fn ci_installs_the_version_that_is_asked_for() {
        let script = include_str!("../../.ci/run");
        let line = format!("CARGO_DENY_VERSION={VERSION}");
        assert!(
            script.lines().any(|found| found == line),
            ".ci/run must say {line}"
        );
    }
}
