//! Commands that were carried out again by somebody who had the first time before them.
//!
//! A store writes no second transaction under a command id that it knows. One that descends from another of the same id was written by
//! another program, by hand, or where the first was missing. Two of which neither descends from the other are no such case: clones
//! that do not know of each other may use one id, and a fork that this makes names it.
//!
//! ```text
//!   A (k) -- B -- C (k)      C repeats A. D does not know of C; it repeats A too.
//!             \
//!              D (k)
//! ```
//!
//! **Invariant**: a function of the files alone.

use std::collections::{BTreeMap, HashMap};

use fs_dag::{Dag, TxIx};
use fs_format::{CommandId, TransactionId};
use fs_index::History;

/// A command that a transaction carried out though one below it had done so already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedCommand {
    /// The command.
    pub command_id: CommandId,
    /// The first transaction in canonical order, of those below the other, that carried it out, and the other.
    pub transactions: [TransactionId; 2],
    /// The paths of their files below `events/`.
    pub paths: [String; 2],
}

/// Returns each transaction that repeats a command, by the ids of the commands, then in canonical order; `shared` are the commands that
/// several name.
///
/// # Complexity
/// O(n log n) for n transactions that name a command, and for each that repeats one or may do so the chains that it has seen of, or those with a
/// first use of the id, whichever are fewer.
pub(crate) fn repeated_commands(
    history: &History,
    shared: BTreeMap<CommandId, Vec<TransactionId>>,
) -> Vec<RepeatedCommand> {
    let dag = history.dag();
    let mut found = Vec::new();
    for (command_id, uses) in shared {
        let uses = uses.into_iter().filter_map(|id| dag.index_of(id));
        let mut uses: Vec<TxIx> = uses.filter(|ix| dag.rank(*ix).is_some()).collect();
        uses.sort_unstable_by_key(|ix| dag.rank(*ix));
        let mut earlier = FirstUses::default();
        for again in uses {
            if let Some(first) = earlier.first_below(dag, again) {
                let both = [first, again].map(|ix| history.get(ix));
                found.push(RepeatedCommand {
                    command_id: command_id.clone(),
                    transactions: both.map(|it| it.id()),
                    paths: both.map(|it| it.relative_path()),
                });
            }
            earlier.add(dag, again);
        }
    }
    found
}

/// The first use of a command id on each chain.
#[derive(Default)]
struct FirstUses {
    /// In canonical order.
    in_order: Vec<TxIx>,
    /// By chain, the place in that.
    by_chain: HashMap<u32, usize>,
}

impl FirstUses {
    /// Adds a use; uses come in canonical order.
    fn add(&mut self, dag: &Dag, ix: TxIx) {
        if let Some(at) = dag.chain(ix)
            && !self.by_chain.contains_key(&at.chain)
        {
            self.by_chain.insert(at.chain, self.in_order.len());
            self.in_order.push(ix);
        }
    }

    /// Returns the first in canonical order that `ix` descends from.
    fn first_below(&self, dag: &Dag, ix: TxIx) -> Option<TxIx> {
        let is_below = |first: &TxIx| dag.is_ancestor(*first, ix);
        let mut in_order = self.in_order.iter();
        let mut first_place = None;
        // Both ways lead to the same answer, and one of them may be very long.
        for (chain, _) in dag.seen_chains(ix) {
            match in_order.next() {
                None => return None,
                Some(first) if is_below(first) => return Some(*first),
                Some(_) => {}
            }
            let place = self.by_chain.get(&chain).copied();
            let place = place.filter(|place| is_below(&self.in_order[*place]));
            first_place = first_place.into_iter().chain(place).min();
        }
        first_place.map(|place| self.in_order[place])
    }
}
