//! `issue-tracker`: the issues of a project, from the command line.
//!
//! **Invariant**: whatever it does is one transaction in the project's store, for git to carry. It never runs `git commit` or
//! `git merge`: when that happens is up to the people.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::main().await
}
