//! Development tasks of this workspace, run as `cargo xtask <task>`.
//!
//! Everything CI does is one of these tasks, so that a person can run it too. A task prints every command before it
//! runs it and fails with the name of what failed.
//!
//! **Invariant**: nothing depends on this crate, and no task changes a tracked file, but for `bench rivals`, which writes
//! `docs/benchmarks.md`.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "reads sources and takes times, in no store"
)]

mod bench;
mod ci;
mod demo;
mod deny;
mod fence;
mod inheritance;
mod layers;
mod lint;
mod readme;
mod run;
mod targets;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Development tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run everything CI runs, and list what failed
    Ci,
    /// Check that the README names the two commands, and run its test command
    Test,
    /// Check formatting, clippy and the documentation
    Lint,
    /// Check dependencies: duplicate versions, inheritance, licences, sources
    Deny {
        /// Also look up security advisories (needs a network)
        #[arg(long)]
        advisories: bool,
    },
    /// Check that no crate depends on a layer above it, and that only fs-io touches files
    Layers,
    /// Type-check the libraries and `trib` for Windows and macOS
    Targets,
    /// Try the fence against older versions of eventcore-fs
    Fence,
    /// Run the benchmarks
    Bench {
        /// One topic only: a name in `benches/benches`, without `.rs`
        topic: Option<String>,
        #[command(flatten)]
        rivals: bench::Rivals,
    },
    /// Run the README's demo command in an empty directory
    Demo,
}

fn main() -> ExitCode {
    match run_task(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_task(task: Task) -> Result<()> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Ci => ci::run(&workspace),
        Task::Test => test::run(&workspace),
        Task::Lint => lint::run(&workspace),
        Task::Deny { advisories: false } => deny::run(&workspace),
        Task::Deny { advisories: true } => deny::run_with_advisories(&workspace),
        Task::Layers => layers::run(&workspace),
        Task::Targets => targets::run(&workspace),
        Task::Fence => fence::run(&workspace),
        Task::Bench { topic, rivals } => bench::run(&workspace, topic.as_deref(), &rivals),
        Task::Demo => demo::run(&workspace),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
