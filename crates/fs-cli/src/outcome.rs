//! Exit codes, and how failures are told.

use std::io;
use std::process::ExitCode;

use fs_store::AppendError;

use crate::output::Output;

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Fine,
    /// `status --check` found something, or `merge-check` a fork.
    NotClean,
    /// `verify` found something.
    Damaged,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Fine => ExitCode::SUCCESS,
            Ending::NotClean => ExitCode::from(4),
            Ending::Damaged => ExitCode::from(5),
        }
    }
}

/// A request that cannot be carried out as it was typed.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Tells what went wrong and returns the exit code for it.
pub(crate) fn report(error: &anyhow::Error, output: &Output) -> ExitCode {
    if error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    }) {
        return ExitCode::SUCCESS;
    }
    output.failure(error);
    let is_conflict = |cause: &(dyn std::error::Error + 'static)| {
        matches!(
            cause.downcast_ref(),
            Some(AppendError::VersionConflict { .. } | AppendError::ForkedStream { .. })
        )
    };
    if error.chain().any(is_conflict) {
        ExitCode::from(3)
    } else if error.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::from(1)
    }
}
