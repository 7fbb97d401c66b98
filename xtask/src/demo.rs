//! The README's demo command, run as a newcomer would run it for the first time.
//!
//! It runs in an empty directory and with an empty git configuration: the demo may rely on neither what an earlier run left
//! behind nor on a name that the user told git.

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;
use crate::{readme, run};

/// Checks that the README names the demo command, and runs it in an empty directory that is removed afterwards.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    readme::check(workspace, readme::DEMO_COMMAND)?;
    let home = tempfile::tempdir().context("cannot create a directory for the demo")?;
    let directory = home.path().join("empty");
    std::fs::create_dir(&directory).context("cannot create a directory for the demo")?;

    // `cargo run` leaves the current directory to the program, so the manifest has to be named.
    let manifest = workspace.root().join("Cargo.toml");
    let manifest = manifest
        .to_str()
        .context("the path of the workspace is no UTF-8")?;
    let mut demo = run::words(&directory, "cargo run --manifest-path")?;
    demo.arg(manifest).args(after_run(readme::DEMO_COMMAND)?);
    demo.env("GIT_CONFIG_GLOBAL", home.path().join("no-git-config"))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    run::run(&mut demo)
}

/// Returns the words of the command line `cargo run ...` after these two.
fn after_run(line: &str) -> Result<std::str::SplitAsciiWhitespace<'_>> {
    let rest = line
        .strip_prefix("cargo run ")
        .with_context(|| format!("`{line}` is not a `cargo run`"))?;
    Ok(rest.split_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_keeps_every_word_of_the_readme() {
        let words: Vec<&str> = after_run(readme::DEMO_COMMAND).unwrap().collect();
        assert_eq!(words, ["--release", "--bin", "trib", "--", "demo"]);
        assert!(after_run("trib demo").is_err());
    }
}
