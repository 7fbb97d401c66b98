//! The members of the history that a full rebuild works out, with their bytes.
//!
//! **Invariant**: the history is that of the members, and its indexes are their places.

use std::sync::Arc;

use fs_format::TransactionId;

use crate::position::Epoch;
use crate::snapshot::history::History;
use crate::stored::Stored;

/// Transactions and the history that they make.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) history: History,
    stored: Vec<Arc<Stored>>,
}

impl Members {
    /// Builds the history of these transactions.
    pub(super) fn build(
        stored: impl IntoIterator<Item = Arc<Stored>>,
        epoch: Option<Epoch>,
        generation: u64,
    ) -> Self {
        let stored: Vec<_> = stored.into_iter().collect();
        let rows = stored.iter().map(|stored| stored.graph_row());
        Self {
            history: History::build(rows, epoch, generation),
            stored,
        }
    }

    /// Adds transactions that are not there yet; returns whether the canonical order changed behind one that was.
    pub(super) fn extend(&mut self, batch: &[Arc<Stored>]) -> bool {
        self.stored.extend_from_slice(batch);
        self.history
            .extend(batch.iter().map(|stored| stored.graph_row()))
    }

    /// Returns all of them.
    pub(crate) fn all(&self) -> &[Arc<Stored>] {
        &self.stored
    }

    /// Returns a transaction by its id.
    pub(crate) fn find(&self, id: TransactionId) -> Option<&Stored> {
        let ix = self.history.dag().index_of(id)?;
        self.stored.get(ix.as_usize()).map(Arc::as_ref)
    }
}
