//! The canonical order, computed from nothing.
//!
//! Kahn's algorithm (A. B. Kahn, *Topological sorting of large networks*, 1962) with the least key first among the
//! ready. Where every key is greater than its parents', that is the sort by key, and nothing else is done.
//!
//! Otherwise the sort is walked, and no general queue is needed: a transaction that is ready when the walk reaches it is
//! the least; one that is not is passed by, and as soon as it is ready it is less than anything ahead. So only those
//! that were passed by and are ready now wait in a heap, and it is emptied before the walk goes on.
//!
//! ```text
//!  edges  R -> A, R -> C, A -> B      by key  A C R B      walked: A and C are passed by; R, A, C; B
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::dag::Dag;
use crate::node::TxIx;
use crate::sort::sort_by_key;

/// Returns the canonical order of `dag`, computed without regard to the one it keeps.
///
/// Members of cycles and their descendants are left out.
///
/// # Complexity
/// O(|V| log |V| + |E|) for |V| transactions and |E| edges; O(|V| + |E|) when keys ascend along all edges and times are
/// spread evenly.
pub fn linearize(dag: &Dag) -> Vec<TxIx> {
    let sorted = sort_by_key(dag);
    if keys_ascend_along_edges(dag) {
        sorted
    } else {
        kahn(dag, &sorted)
    }
}

fn keys_ascend_along_edges(dag: &Dag) -> bool {
    dag.graph.raw_edges().iter().all(|edge| {
        dag.cmp_keys(edge.source().into(), edge.target().into())
            .is_lt()
    })
}

/// What the walk knows of a transaction.
#[derive(Clone, Copy, Default)]
struct State {
    /// How many of its parents have no place yet.
    open: u32,
    /// Where it stands in the sort.
    at: u32,
}

fn kahn(dag: &Dag, sorted: &[TxIx]) -> Vec<TxIx> {
    let mut states = vec![State::default(); sorted.len()];
    for (at, ix) in (0..).zip(sorted) {
        states[ix.as_usize()].at = at;
    }
    for edge in dag.graph.raw_edges() {
        states[edge.target().index()].open += 1;
    }
    let mut passed_by = BinaryHeap::new();
    let mut order = Vec::with_capacity(sorted.len());
    for (reached, first) in (0u32..).zip(sorted) {
        if states[first.as_usize()].open > 0 {
            continue;
        }
        let mut next = Some(*first);
        while let Some(ix) = next {
            order.push(ix);
            for child in dag.graph.neighbors(ix.node()) {
                let child = &mut states[child.index()];
                child.open -= 1;
                if child.open == 0 && child.at < reached {
                    passed_by.push(Reverse(child.at));
                }
            }
            next = passed_by.pop().map(|Reverse(at)| sorted[at as usize]);
        }
    }
    order
}
