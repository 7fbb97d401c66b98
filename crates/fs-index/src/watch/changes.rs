//! What a poll found to have come, gone or changed.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::TransactionId;

use crate::position::JournalId;
use crate::watch::scan::Stamp;

/// What is to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Paths below `events/` of what is new there, or was rejected and looks otherwise or is gone.
    pub(crate) paths: BTreeSet<String>,
    /// Transactions whose files are not there.
    pub(crate) gone: BTreeSet<TransactionId>,
    /// Transactions whose files hold something else than what is known.
    pub(crate) rewritten: BTreeSet<TransactionId>,
    /// Whether the stamps of files are others than recorded, for instance of those that were replaced by the same content.
    pub(crate) has_restamped: bool,
    /// When a directory that is there changed last.
    pub(crate) moved_nanos: i64,
    /// The directories that were listed; `None` for those that are gone.
    pub(crate) stamps: BTreeMap<String, Option<Stamp>>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.takes_away() && !self.has_restamped
    }

    /// Returns whether something that is known would not be any more.
    pub(crate) fn takes_away(&self) -> bool {
        !self.gone.is_empty() || !self.rewritten.is_empty()
    }
}

/// What came and went, with what was known when that was found.
#[derive(Debug)]
pub(crate) struct FoundChanges {
    pub(crate) changes: Changes,
    pub(crate) journal_id: Option<JournalId>,
    pub(crate) journal_end: u64,
    pub(crate) polled_nanos: i64,
}
