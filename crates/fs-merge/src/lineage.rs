//! What fork detection needs to know of a history.

use fs_dag::{Dag, TxIx};
use fs_index::{Declared, History, Position};

/// Who descends from whom, and who did what: all that forks follow from.
///
/// A [`History`] is one; so is anything else that holds [links](fs_index::Links) beside a [`Dag`], such as a simulated replica.
pub trait Lineage {
    /// Returns the DAG of the transactions.
    fn dag(&self) -> &Dag;

    /// Returns what a transaction of that DAG declares of streams.
    fn declared(&self, ix: TxIx) -> Declared<'_>;

    /// Returns the place behind everything: as long as it holds, the transactions up to there say what they said.
    ///
    /// Where transactions never change there is no need of one.
    fn ingestion_end(&self) -> Option<Position> {
        None
    }

    /// Returns whether a place that was the end once still holds.
    fn holds(&self, _end: Position) -> bool {
        true
    }
}

impl Lineage for History {
    fn dag(&self) -> &Dag {
        History::dag(self)
    }

    fn declared(&self, ix: TxIx) -> Declared<'_> {
        self.get(ix).declared()
    }

    fn ingestion_end(&self) -> Option<Position> {
        History::ingestion_end(self)
    }

    fn holds(&self, end: Position) -> bool {
        History::holds(self, end)
    }
}
