//! The part of a history that transactions which come do not all descend from.
//!
//! ```text
//!   R -- S -- T -- U      here                 the window is T and U: all that comes descends from R and S
//!         \
//!          x -- y         what comes
//! ```
//!
//! Whatever is above a transaction of the window is in it too, so who descends from whom in it, and who settles what, can
//! be told from it alone.
//!
//! **Invariant**: what is left out is an ancestor of all that comes. Found by the descent from the heads, newest first.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::TransactionId;

use crate::error::IndexError;
use crate::snapshot::Snapshot;
use crate::stored::Stored;
use crate::table::segment::{GraphRow, Key};

/// More beginnings of what comes are not told apart.
const MAX_ROOTS: usize = 64;

/// Above this, loading the whole history is cheaper.
const MAX_SUBGRAPH_TRANSACTIONS: usize = 8192;

impl Snapshot {
    /// Loads what is here and not below all that comes, which is plain; `None` when that is too much, or cannot be told.
    pub(crate) fn divergent_subgraph(
        &self,
        incoming: &BTreeMap<TransactionId, Stored>,
    ) -> Result<Option<Vec<GraphRow>>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        if incoming
            .keys()
            .any(|id| state.missing_parents.contains_key(id))
        {
            return Ok(None);
        }
        let roots: BTreeSet<BTreeSet<TransactionId>> = incoming
            .values()
            .map(|stored| stored.header.parents.iter().map(|it| it.transaction_id))
            .map(Iterator::collect::<BTreeSet<_>>)
            .filter(|parents| parents.iter().all(|parent| !incoming.contains_key(parent)))
            .collect();
        if roots.is_empty() || roots.len() > MAX_ROOTS {
            return Ok(None);
        }
        let all = u64::MAX >> (64 - roots.len());
        let mut descent = Descent::of(self, all);
        for (nth, parents) in roots.iter().enumerate() {
            for parent in parents {
                descent.reach(*parent, 1 << nth)?;
            }
        }
        for head in state.heads.keys() {
            descent.reach(*head, 0)?;
        }
        descent.run()
    }
}

/// A transaction that was reached, and which of the roots descend from it.
struct Reached {
    row: GraphRow,
    below: u64,
}

struct Descent<'a> {
    snapshot: &'a Snapshot,
    all: u64,
    waiting: BTreeMap<Key, Reached>,
    keys: BTreeMap<TransactionId, Key>,
    /// How many of the waiting are not below all.
    open: usize,
}

impl<'a> Descent<'a> {
    fn of(snapshot: &'a Snapshot, all: u64) -> Self {
        Self {
            snapshot,
            all,
            waiting: BTreeMap::new(),
            keys: BTreeMap::new(),
            open: 0,
        }
    }

    /// Takes note that the roots `below` descend from a transaction.
    fn reach(&mut self, id: TransactionId, below: u64) -> Result<(), IndexError> {
        if let Some(reached) = self.keys.get(&id).and_then(|key| self.waiting.get_mut(key)) {
            let was_open = reached.below != self.all;
            reached.below |= below;
            self.open -= usize::from(was_open && reached.below == self.all);
            return Ok(());
        }
        let Some(number) = self.snapshot.number_of(id)? else {
            return Ok(());
        };
        let row = self.snapshot.catalog.graph(number)?;
        let row = row.ok_or_else(|| self.snapshot.damaged())?;
        let key = (row.row.created_at, row.row.replica_id, id);
        self.keys.insert(id, key);
        self.open += usize::from(below != self.all);
        self.waiting.insert(key, Reached { row, below });
        Ok(())
    }

    /// Returns those that not all roots descend from, by number.
    ///
    /// Keys ascend along edges, so all that descends from a transaction is taken before it.
    fn run(mut self) -> Result<Option<Vec<GraphRow>>, IndexError> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        while self.open > 0 {
            let Some((_, reached)) = self.waiting.pop_last() else {
                break;
            };
            looked_at += 1;
            if looked_at > MAX_SUBGRAPH_TRANSACTIONS {
                return Ok(None);
            }
            for parent in &reached.row.links.parents {
                self.reach(*parent, reached.below)?;
            }
            if reached.below != self.all {
                self.open -= 1;
                found.push(reached.row);
            }
        }
        found.sort_unstable_by_key(|it| it.row.number);
        Ok(Some(found))
    }
}
