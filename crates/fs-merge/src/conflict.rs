//! Unsettled conflicts.
//!
//! Two concurrent transactions conflict on a stream if both write it, or if both settle it and at least one of the two
//! writes it. A settler that descends from both settles the conflict. A settler's ancestors are among those of a
//! settler above it, so only the maximal settlers count.

use std::collections::BTreeSet;

use fs_dag::{Dag, TxIx};
use fs_index::History;

use crate::participants::Participants;

/// Returns the unsettled conflicts on one stream, each pair in canonical order.
///
/// # Complexity
/// O(w) for a stream of w writers none of which is concurrent; else O(w (s c log w) + k) for s maximal settlers,
/// c chains and k conflicts.
pub(crate) fn conflicts(history: &History, stream: &Participants) -> BTreeSet<(TxIx, TxIx)> {
    let dag = history.dag();
    if is_sequence(dag, &stream.writers) && is_sequence(dag, &stream.settlers) {
        return BTreeSet::new();
    }
    let maximal = dag.maximal(&stream.settlers);
    let (writers, settlers) = (stream.writer_chains(dag), stream.settler_chains(dag));
    let wrote: BTreeSet<_> = stream.writers.iter().copied().collect();
    let mut found = BTreeSet::new();
    let mut enter = |a: TxIx, b: TxIx| {
        found.insert(if dag.rank(a) < dag.rank(b) {
            (a, b)
        } else {
            (b, a)
        })
    };
    for ix in &stream.writers {
        let above = above(dag, *ix, &maximal);
        for other in writers.concurrent_with(dag, *ix, &above) {
            enter(*ix, other);
        }
    }
    for ix in &stream.settlers {
        let above = above(dag, *ix, &maximal);
        for other in settlers.concurrent_with(dag, *ix, &above) {
            if wrote.contains(ix) || wrote.contains(&other) {
                enter(*ix, other);
            }
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
