//! `trib`: the store from the command line.
//!
//! **Invariant**: every answer can be had as JSON, every failure says what, where and what to do, and its kind is in
//! the exit code.

#![forbid(unsafe_code)]

mod advice;
mod args;
mod commands;
mod git;
mod input;
mod listing;
mod locate;
mod outcome;
mod output;
mod printable;
mod progress;
mod repeated;
mod rewritten;
mod similar;
mod view;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut output = Output::new(cli.json);
    let result = commands::run(cli, &mut output).and_then(|ending| {
        let printed = output.finish();
        ending.once_printed(printed, &output)
    });
    match result {
        Ok(ending) => ending.into(),
        Err(error) => outcome::report(error, &output),
    }
}
