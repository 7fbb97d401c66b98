//! The canonical order, computed from nothing.
//!
//! Kahn's algorithm (A. B. Kahn, *Topological sorting of large networks*, 1962) with the least key first among the
//! ready. Where every key is greater than its parents', which is checked once for each edge when it is linked, that is
//! the sort by key, and nothing else is done.
//!
//! Otherwise the sort is walked, and no general queue is needed: a transaction whose parents all have their places when
//! the walk reaches it is the least of the ready. One that lacks a parent is passed by and waits for that parent, and as
//! soon as it is ready it is less than anything ahead. So only those that were passed by and are ready now stand in a
//! heap, and it is emptied before the walk goes on. Where few edges descend, that costs one look at each edge.
//!
//! ```text
//!  edges  R -> A, R -> C, A -> B      by key  A C R B      walked: A and C are passed by; R, A, C; B
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;

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
    if dag.has_descending_edge {
        walk(dag, &sorted)
    } else {
        sorted
    }
}

/// The transactions that were passed by, each in a list of those that wait for the same parent.
///
/// Places are counted from 1 here, so that 0 ends a list.
struct Waiting {
    /// By transaction: the last that waits for it, or [`PLACED`].
    last: Vec<u32>,
    /// By place: the one before it in its list.
    before: Vec<u32>,
}

const PLACED: u32 = u32::MAX;

impl Waiting {
    fn new(count: usize) -> Self {
        Self {
            last: vec![0; count],
            before: vec![0; count + 1],
        }
    }

    /// Makes `ix` wait when a parent of it has no place; returns whether one has none.
    fn waits(&mut self, dag: &Dag, ix: TxIx, place: u32) -> bool {
        let mut parents = dag.graph.neighbors_directed(ix.node(), Direction::Incoming);
        let Some(parent) = parents.find(|parent| self.last[parent.index()] != PLACED) else {
            return false;
        };
        self.before[place as usize] = std::mem::replace(&mut self.last[parent.index()], place);
        true
    }

    /// Notes that `ix` has its place; returns the last that waited for it.
    fn placed(&mut self, ix: TxIx) -> u32 {
        std::mem::replace(&mut self.last[ix.as_usize()], PLACED)
    }
}

fn walk(dag: &Dag, sorted: &[TxIx]) -> Vec<TxIx> {
    let at = |place: u32| sorted[place as usize - 1];
    let mut waiting = Waiting::new(sorted.len());
    let mut ready = BinaryHeap::new();
    let mut order = Vec::with_capacity(sorted.len());
    for (place, reached) in (1..).zip(sorted) {
        if waiting.waits(dag, *reached, place) {
            continue;
        }
        let mut next = Some(*reached);
        while let Some(ix) = next {
            order.push(ix);
            let mut waiter = waiting.placed(ix);
            while waiter != 0 {
                let before = waiting.before[waiter as usize];
                if !waiting.waits(dag, at(waiter), waiter) {
                    ready.push(Reverse(waiter));
                }
                waiter = before;
            }
            next = ready.pop().map(|Reverse(place)| at(place));
        }
    }
    order
}
