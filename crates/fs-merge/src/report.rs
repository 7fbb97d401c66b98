//! What a reconciliation did, and what it could not do.

use fs_format::{EncodeError, Encoded, Event, Header, JsonError, StreamId, TransactionId};
use fs_index::Omission;
use fs_store::{AppendError, RefreshError};

use crate::detect::ForkId;
use crate::event::BlockedFork;
use crate::resolver::Resolution;

/// What a reconciliation did, fork by fork; each fork that was asked for is in one of the lists.
#[derive(Debug, Default)]
#[must_use = "what was not settled is in here only"]
pub struct Report {
    /// Forks that were settled.
    pub settled: Vec<Settled>,
    /// Of a dry run: what would have been written.
    pub planned: Vec<Planned>,
    /// Forks that the resolver left open, each with its reason.
    pub declined: Vec<Declined>,
    /// Forks that stay open since something is wrong with them, or with what was decided about them.
    pub failed: Vec<Failed>,
    /// Forks that are not any more as they were when they were looked at: settled or added to by another process, or
    /// drawn into another conflict by a settlement of this very call. The next call looks again.
    pub changed: Vec<ForkId>,
}

impl Report {
    /// Returns whether no fork was found.
    pub fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.planned.is_empty() && self.is_complete()
    }

    /// Returns the report if every fork that was found was settled, or is planned to be.
    ///
    /// # Errors
    /// [`NotSettled`], which has the report, when some were declined, failed or changed meanwhile.
    pub fn into_result(self) -> Result<Self, NotSettled> {
        if self.is_complete() {
            Ok(self)
        } else {
            Err(NotSettled(Box::new(self)))
        }
    }

    /// Returns whether every fork that was found was settled, or is planned to be.
    pub fn is_complete(&self) -> bool {
        self.declined.is_empty() && self.failed.is_empty() && self.changed.is_empty()
    }
}

/// Some forks are open still: the resolver declined them, something is wrong with them, or they changed meanwhile.
#[derive(Debug)]
pub struct NotSettled(pub Box<Report>);

impl std::fmt::Display for NotSettled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Report {
            declined,
            failed,
            changed,
            ..
        } = &*self.0;
        write!(
            f,
            "forks are left open: {} declined, {} failed, {} changed meanwhile",
            declined.len(),
            failed.len(),
            changed.len()
        )?;
        if let Some(first) = failed.first() {
            write!(f, "; the first that failed: {}", first.error)
        } else if let Some(first) = declined.first() {
            write!(
                f,
                "; the first that was declined, {}: {}",
                first.fork_id, first.reason
            )
        } else if let Some(first) = changed.first() {
            write!(f, "; look again at {first}")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for NotSettled {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.failed.first()?.error)
    }
}

/// A fork that was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// The fork.
    pub fork_id: ForkId,
    /// The merge transaction.
    pub transaction_id: TransactionId,
    /// The merge transactions before it that join branches, where the fork has more than a transaction may have parents.
    pub steps: Vec<TransactionId>,
    /// The streams that are settled by it.
    pub resolved: Vec<StreamId>,
}

/// A merge transaction that was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Planned {
    /// The fork.
    pub fork_id: ForkId,
    /// The merge transaction.
    pub transaction_id: TransactionId,
    /// The streams that it would settle.
    pub resolved: Vec<StreamId>,
    /// Its file, relative to `events/`.
    pub path: String,
    /// Its header: parents, streams, metadata.
    pub header: Header,
    /// Its events.
    pub events: Vec<Event<'static>>,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// The merge transactions before it that join branches, where the fork has more than a transaction may have parents.
    pub steps: Vec<PlannedStep>,
}

/// A merge transaction without events that was not written and would join branches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The merge transaction.
    pub transaction_id: TransactionId,
    /// Its file, relative to `events/`.
    pub path: String,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
}

impl From<Encoded> for PlannedStep {
    fn from(encoded: Encoded) -> Self {
        Self {
            transaction_id: encoded.transaction_id,
            path: encoded.transaction_id.relative_path(),
            bytes: encoded.bytes,
        }
    }
}

/// A fork that was left open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declined {
    /// The fork.
    pub fork_id: ForkId,
    /// Why.
    pub reason: String,
}

/// A fork that could not be settled.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failed {
    /// The fork.
    pub fork_id: ForkId,
    /// What is wrong.
    pub error: ReconcileError,
}

/// Which of its answers a resolver contradicted itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// It was asked again with the same context.
    AskedAgain,
    /// It was asked with the branches in the opposite order.
    BranchesReversed,
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AskedAgain => "when it was asked again",
            Self::BranchesReversed => "when the branches stood in the opposite order",
        })
    }
}

/// A fork that was not settled. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The forks could not be read.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The fork cannot be shown to the resolver.
    #[error(transparent)]
    Blocked(#[from] BlockedFork),
    /// The resolver does not decide by the fork alone, so that other clones would decide otherwise.
    #[error("the resolver answered otherwise about fork {fork_id} {how}")]
    NonDeterministicResolver {
        /// The fork.
        fork_id: ForkId,
        /// What it was asked for the second answer.
        how: Contradiction,
        /// The first answer.
        first: Box<Resolution>,
        /// The other.
        second: Box<Resolution>,
    },
    /// The fork may be none: what is missing could relate its branches, or settle them.
    #[error(
        "fork {fork_id} is unsure, since {} is missing or cannot be used; bring it back, or settle the fork anyway",
        omissions_text(missing)
    )]
    Unsure {
        /// The fork.
        fork_id: ForkId,
        /// What is missing.
        missing: Vec<Omission>,
    },
    /// The fork is not as it was when it was decided upon.
    #[error("fork {fork_id} changed while it was decided upon; look at the forks again")]
    ForkChanged {
        /// The fork.
        fork_id: ForkId,
    },
    /// A stream has another version below the merge transaction than the outcome expects.
    #[error(
        "stream {stream_id} is at version {actual} below the decision on fork {fork_id}, not at {expected} as expected"
    )]
    VersionConflict {
        /// The fork.
        fork_id: ForkId,
        /// The stream.
        stream_id: StreamId,
        /// The version that the outcome expects.
        expected: u64,
        /// The version that it has.
        actual: u64,
    },
    /// The author, reason or metadata of the outcome cannot be written.
    #[error("the metadata of the outcome for fork {fork_id} cannot be written: {source}")]
    Metadata {
        /// The fork.
        fork_id: ForkId,
        /// What is wrong with it.
        source: JsonError,
    },
    /// The merge transaction breaks a rule of the format: it is too large, say, or the fork has too many heads.
    #[error("the outcome for fork {fork_id} cannot be written: {source}")]
    Outcome {
        /// The fork.
        fork_id: ForkId,
        /// What is wrong with it.
        source: EncodeError,
    },
    /// The merge transaction could not be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl ReconcileError {
    /// Returns whether the store failed, so that no other fork can be settled either.
    pub(crate) fn is_of_store(&self) -> bool {
        matches!(self, Self::Refresh(_) | Self::Append(_)) && !self.is_of_what_is_missing()
    }

    /// Returns whether the fork was left open for what is known to be missing: bring that back, forget it, or settle anyway.
    pub fn is_of_what_is_missing(&self) -> bool {
        matches!(
            self,
            Self::Unsure { .. } | Self::Append(AppendError::Hole { .. })
        )
    }
}

/// Names the first of what is missing, and says how much more there is.
fn omissions_text(omissions: &[Omission]) -> String {
    let first = omissions
        .first()
        .map(|omission| format!("events/{}", omission.path));
    match omissions.len() {
        0 | 1 => first.unwrap_or_default(),
        count => format!("{} (with {} more)", first.unwrap_or_default(), count - 1),
    }
}
