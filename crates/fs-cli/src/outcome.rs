//! Exit codes, and how failures are told.

use std::process::ExitCode;

use fs_merge::ReconcileError;
use fs_store::{AppendError, OpenError};

use crate::output::{NotPrinted, Output};

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Fine,
    /// `status --check` found something, `merge-check` a fork, `resolve --all` one that it could not settle, or `schema-check` an event that
    /// does not decode or is of an unknown type.
    NotClean,
    /// `verify` found something, or `forks` one that damage blocks.
    Damaged,
    /// Something is known to be missing from the answer, and it was asked for `--strict`.
    Incomplete,
}

impl Ending {
    /// Returns how a command ended whose answer was printed, or not: a verdict stands also when who reads the answer has gone away.
    ///
    /// # Errors
    /// That of printing, where there is no verdict, something else is wrong than that nobody reads, or something was done.
    pub(crate) fn once_printed(
        self,
        printed: anyhow::Result<()>,
        output: &Output,
    ) -> anyhow::Result<Self> {
        match printed {
            Err(error)
                if self != Self::Fine && output.what_changed().is_none() && is_unwanted(&error) =>
            {
                Ok(self)
            }
            printed => printed.map(|()| self),
        }
    }
}

/// Returns whether an answer could not be printed since who reads it has gone away.
fn is_unwanted(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| cause.downcast_ref().is_some_and(NotPrinted::is_unwanted))
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Fine => ExitCode::SUCCESS,
            Ending::NotClean => ExitCode::from(4),
            Ending::Damaged | Ending::Incomplete => ExitCode::from(5),
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
pub(crate) fn report(error: anyhow::Error, output: &Output) -> ExitCode {
    let mut chain = error.chain();
    if chain.any(|cause| cause.is::<NotPrinted>()) {
        if let Some(changed) = output.what_changed() {
            output.failure(&error.context(changed.to_owned()));
            return ExitCode::from(6);
        }
        if is_unwanted(&error) {
            return ExitCode::SUCCESS;
        }
    }
    let error = &error;
    output.failure(error);
    if error.chain().any(is_decided_on_something_else) {
        ExitCode::from(3)
    } else if error.chain().any(is_incomplete) {
        ExitCode::from(5)
    } else if error.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::from(1)
    }
}

/// Returns whether something is not as the caller took it to be when it decided: a version, or the use of a command id.
fn is_decided_on_something_else(cause: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(ReconcileError::VersionConflict { .. }) = cause.downcast_ref() {
        return true;
    }
    matches!(
        append_error(cause),
        Some(
            AppendError::VersionConflict { .. }
                | AppendError::ForkedStream { .. }
                | AppendError::CommandIdReused { .. }
        )
    )
}

/// Returns whether something is known to be missing, and nothing was done for that.
fn is_incomplete(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(
        append_error(cause),
        Some(AppendError::Hole { .. } | AppendError::CommandMissing { .. })
    ) || matches!(cause.downcast_ref(), Some(ReconcileError::Unsure { .. }))
        || matches!(cause.downcast_ref(), Some(OpenError::Incomplete { .. }))
}

/// Returns what an append said; a settlement says it in its own words, so it is not among its causes.
fn append_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a AppendError> {
    match cause.downcast_ref() {
        Some(ReconcileError::Append(append)) => Some(append),
        _ => cause.downcast_ref(),
    }
}
