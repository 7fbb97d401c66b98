//! The benchmarks, which have a crate of their own.
//!
//! The topic `rivals` is more than criterion's figures: it needs the real `trib`, makes large stores, and writes
//! `docs/benchmarks.md` when all of it was measured at full size.

use anyhow::{Result, bail};
use clap::Args;

use crate::run::{cargo, run as run_command};
use crate::workspace::Workspace;

/// The topic that has options.
const RIVALS: &str = "rivals";

/// How to measure against rivals.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rivals {
    /// With `rivals`: measure this row alone; may be given several times
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,

    /// With `rivals`: how many rounds the medians are of
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,

    /// With `rivals`: measure a store of 1,000,000 transactions too; making it takes minutes, once
    #[arg(long, conflicts_with = "quick")]
    large: bool,

    /// With `rivals`: small stores and two rounds, to see that all of it works
    #[arg(long)]
    quick: bool,
}

impl Rivals {
    /// Returns the options as the benchmark takes them.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for row in &self.only {
            words.extend(["--only".to_owned(), row.clone()]);
        }
        if let Some(rounds) = self.rounds {
            words.extend(["--rounds".to_owned(), rounds.to_string()]);
        }
        if self.large {
            words.push("--large".to_owned());
        }
        if self.quick {
            words.push("--quick".to_owned());
        }
        words
    }

    /// Returns whether the whole table will be measured, at full size.
    fn is_complete(&self) -> bool {
        self.only.is_empty() && !self.quick
    }
}

/// Runs all benchmarks, or those of one topic.
///
/// # Errors
/// A benchmark cannot be built or fails, or `options` were given for another topic than `rivals`.
pub(crate) fn run(workspace: &Workspace, topic: Option<&str>, options: &Rivals) -> Result<()> {
    if topic == Some(RIVALS) {
        return rivals(workspace, options);
    }
    if *options != Rivals::default() {
        bail!("--only, --rounds, --large and --quick belong to `cargo xtask bench {RIVALS}`");
    }
    let mut bench = cargo(workspace.root(), ["bench", "-p", "tributary-benches"]);
    if let Some(topic) = topic {
        bench.args(["--bench", topic]);
    }
    run_command(&mut bench)
}

/// Builds `trib` and measures everything against rivals.
fn rivals(workspace: &Workspace, options: &Rivals) -> Result<()> {
    let root = workspace.root();
    let build = ["build", "--release", "-p", "fs-cli", "--bin", "trib"];
    run_command(&mut cargo(root, build))?;
    let mut bench = cargo(
        root,
        ["bench", "-p", "tributary-benches", "--bench", RIVALS, "--"],
    );
    let trib = format!("release/trib{}", std::env::consts::EXE_SUFFIX);
    bench.arg("--trib").arg(workspace.target().join(trib));
    bench
        .arg("--scratch")
        .arg(workspace.target().join("bench-rivals"));
    bench.args(options.words());
    if options.is_complete() {
        bench.arg("--write").arg(root.join("docs/benchmarks.md"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_table_is_never_written_as_the_whole() {
        let full = Rivals::default();
        assert!(full.is_complete(), "nothing was left out");
        let quick = Rivals {
            quick: true,
            ..Rivals::default()
        };
        assert!(!quick.is_complete(), "small stores prove no figure");
        let only = Rivals {
            only: vec!["scan".to_owned()],
            ..Rivals::default()
        };
        assert!(!only.is_complete(), "other rows are missing");
        assert_eq!(only.words(), ["--only", "scan"]);
    }
}
