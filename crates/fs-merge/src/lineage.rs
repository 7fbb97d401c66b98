//! What fork detection needs to know of a history.

use fs_dag::{Dag, TxIx};
use fs_format::Header;
use fs_index::{Epoch, History};

/// Who descends from whom, and who did what: all that forks follow from.
///
/// A [`History`] is one; so is anything else that holds headers beside a [`Dag`], such as a simulated replica.
pub trait Lineage {
    /// Returns the DAG of the transactions.
    fn dag(&self) -> &Dag;

    /// Returns the header of a transaction of that DAG.
    fn header(&self, ix: TxIx) -> &Header;

    /// Returns the epoch: as long as it is the same, a transaction says what it said.
    ///
    /// Where transactions never change there is no need of one.
    fn epoch(&self) -> Option<Epoch> {
        None
    }
}

impl Lineage for History {
    fn dag(&self) -> &Dag {
        History::dag(self)
    }

    fn header(&self, ix: TxIx) -> &Header {
        self.get(ix).header()
    }

    fn epoch(&self) -> Option<Epoch> {
        History::epoch(self)
    }
}
