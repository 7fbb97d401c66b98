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

use std::collections::BTreeMap;

use fs_dag::{Lowest, TxIx};
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
        let mut earlier = Lowest::default();
        for again in uses {
            if let Some(first) = earlier.first_below(dag, again) {
                let both = [first, again].map(|ix| history.get(ix));
                found.push(RepeatedCommand {
                    command_id: command_id.clone(),
                    transactions: both.map(|it| it.id()),
                    paths: both.map(|it| it.relative_path()),
                });
            }
            earlier.push(dag, again);
        }
    }
    found
}
