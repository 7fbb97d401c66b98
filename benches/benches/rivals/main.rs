//! The figures of Tributary against eventcore-fs and eventcore-sqlite, each with the bound it has to keep.
//!
//! `cargo xtask bench rivals` builds what this needs, runs it, and writes `docs/benchmarks.md`. Rivals are timed in turn
//! within one run, a round after a round, and medians are compared, so that a slow moment of the machine hits all of
//! them alike. Stores are generated once and kept in a scratch directory; nothing large is ever deleted there, because ext4
//! creates files far slower for minutes after tens of thousands were deleted.
//!
//! **Invariant**: every measured operation checks its own result, and a figure that could not be taken is listed as such.
//! What others do at the same time is not looked at but for the load average, so run it on a quiet machine.

#![allow(
    clippy::disallowed_methods,
    reason = "measures real directories, raw file operations and time"
)]

mod arguments;
mod child;
mod generate;
mod line;
mod live;
mod machine;
mod measure;
mod report;
mod rows;
mod scratch;
mod stores;
mod workload;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, Mode};

/// A result whose error only has to be printed.
pub(crate) type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// eventcore-fs recurses over history; what would overflow an ordinary stack is measured all the same.
pub(crate) const RIVAL_STACK: usize = 64 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Fallible<()> {
    match arguments::parse(std::env::args().skip(1))? {
        Mode::Open(open) => child::run(&open),
        Mode::Append(root) => live::append(&root),
        Mode::Measure(arguments) => on_a_deep_stack(move || measure(&arguments)),
        Mode::Nothing => {
            println!("nothing to test here; `cargo xtask bench rivals` measures");
            Ok(())
        }
    }
}

/// Runs `work` in a thread whose stack is deep enough for every rival.
pub(crate) fn on_a_deep_stack<T: Send + 'static>(
    work: impl FnOnce() -> Fallible<T> + Send + 'static,
) -> Fallible<T> {
    let thread = std::thread::Builder::new()
        .stack_size(RIVAL_STACK)
        .spawn(work)?;
    thread
        .join()
        .map_err(|_| "a measurement panicked; what it said stands above")?
}

fn measure(arguments: &Arguments) -> Fallible<()> {
    let facts = machine::Facts::gather(&arguments.scratch)?;
    eprint!("{}", facts.warning());
    let scratch = scratch::Scratch::new(&arguments.scratch)?;
    let mut report = report::Report::new(arguments.clone(), facts);
    for row in rows::ALL {
        if arguments.wants(row.name) {
            eprintln!("{}: {}", row.name, row.about);
            for line in (row.measure)(arguments, &scratch)? {
                eprintln!("  {line}");
                report.add(line);
            }
        }
    }
    println!("{}", report.table());
    if let Some(path) = &arguments.write {
        std::fs::write(path, report.document())?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
