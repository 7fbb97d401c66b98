//! Unsettled conflicts.
//!
//! Two concurrent transactions conflict on a stream if both write it, or if both settle it and at least one of the two
//! writes it. A settler that descends from both settles the conflict. A settler's ancestors are among those of a
//! settler above it, so only the maximal settlers count.

use std::collections::BTreeSet;

use fs_dag::{Dag, TxIx};
use fs_index::History;

use crate::participants::{Chains, Participants};

/// Returns who is in an unsettled conflict on one stream.
///
/// The pairs are not listed: two branches of n writers each have n² of them.
///
/// # Complexity
/// O(w) for a stream of w writers none of which is concurrent; else O(w (s + c) log w) for s maximal settlers and
/// c chains.
pub(crate) fn in_conflict(history: &History, stream: &Participants) -> BTreeSet<TxIx> {
    let dag = history.dag();
    if is_sequence(dag, &stream.writers) && is_sequence(dag, &stream.settlers) {
        return BTreeSet::new();
    }
    let maximal = dag.maximal(&stream.settlers);
    let wrote: BTreeSet<_> = stream.writers.iter().copied().collect();
    let writers = Chains::new(dag, &stream.writers);
    let settlers = Chains::new(dag, &stream.settlers);
    let writing_settlers = stream.settlers.iter().filter(|ix| wrote.contains(ix));
    let writing_settlers = Chains::new(dag, writing_settlers);
    let is_in_conflict = |ix: TxIx, others: &Chains| {
        let above = above(dag, ix, &maximal);
        others.concurrent_with(dag, ix, &above).next().is_some()
    };
    let mut found = BTreeSet::new();
    for ix in &stream.writers {
        if is_in_conflict(*ix, &writers) {
            found.insert(*ix);
        }
    }
    for ix in &stream.settlers {
        let others = if wrote.contains(ix) {
            &settlers
        } else {
            &writing_settlers
        };
        if is_in_conflict(*ix, others) {
            found.insert(*ix);
        }
    }
    found
}

fn above(dag: &Dag, ix: TxIx, settlers: &[TxIx]) -> Vec<TxIx> {
    settlers
        .iter()
        .copied()
        .filter(|settler| dag.is_ancestor(ix, *settler))
        .collect()
}

/// Returns whether each descends from the one before it.
fn is_sequence(dag: &Dag, members: &[TxIx]) -> bool {
    members
        .windows(2)
        .all(|pair| dag.is_ancestor(pair[0], pair[1]))
}
