//! Placing arrivals in an order that stands.
//!
//! Transactions that nobody had waited for never change the relative order of the others. So the standing order is
//! walked from the first place where an arrival may stand, and each arrival goes in as soon as its parents are passed
//! and the next transaction has a greater key: what Kahn's algorithm would do, without doing it for the rest.
//!
//! ```text
//!  order   R A1 A2 | B1 B2        N on A2: walked from B1 on, placed before the first of greater key
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;

use crate::dag::{Dag, UNPLACED};
use crate::node::{Key, TxIx};

/// Places the transactions from index `first` on, none of which is a parent of an earlier one; returns whether one
/// stands before an earlier one.
///
/// Those that are on or behind a cycle stay unplaced.
pub(crate) fn insert(dag: &mut Dag, first: usize) -> bool {
    let Some(start) = first_place(dag, first) else {
        return false;
    };
    let rest = dag.order.split_off(start);
    let mut arrivals = Arrivals::new(dag, first, start);
    let mut order = Vec::with_capacity(rest.len());
    let mut reordered = false;
    for old in rest {
        let key = dag.key(old);
        while let Some(new) = arrivals.next_below(key) {
            order.push(new);
            arrivals.passed(dag, new);
        }
        reordered |= arrivals.any_placed;
        order.push(old);
        arrivals.passed(dag, old);
    }
    while let Some(new) = arrivals.next() {
        order.push(new);
        arrivals.passed(dag, new);
    }
    dag.order.append(&mut order);
    dag.number_from(start);
    reordered
}

/// Returns the first rank that an arrival may take; `None` when none can be placed.
fn first_place(dag: &Dag, first: usize) -> Option<usize> {
    let place = |ix: TxIx| {
        let mut after_parents = 0;
        for parent in dag.graph.neighbors_directed(ix.node(), Direction::Incoming) {
            let parent = TxIx::from(parent);
            if parent.as_usize() >= first {
                return None;
            }
            after_parents = after_parents.max(dag.rank(parent)? + 1);
        }
        if dag.has_descending_edge {
            return Some(after_parents);
        }
        let key = dag.key(ix);
        let behind = dag.order.get(after_parents..).unwrap_or(&[]);
        Some(after_parents + behind.partition_point(|old| dag.key(*old) < key))
    };
    dag.indices_from(first).filter_map(place).min()
}

/// The arrivals that are not placed yet.
struct Arrivals {
    first: usize,
    /// How many parents each of them still waits for.
    open: Vec<u32>,
    ready: BinaryHeap<Reverse<(Key, TxIx)>>,
    any_placed: bool,
}

impl Arrivals {
    fn new(dag: &Dag, first: usize, start: usize) -> Self {
        let mut arrivals = Self {
            first,
            open: Vec::with_capacity(dag.len() - first),
            ready: BinaryHeap::new(),
            any_placed: false,
        };
        for ix in dag.indices_from(first) {
            let is_passed = |parent: TxIx| {
                let rank = dag.ranks[parent.as_usize()];
                rank != UNPLACED && (rank as usize) < start
            };
            let parents = dag
                .graph
                .neighbors_directed(ix.node(), Direction::Incoming)
                .map(TxIx::from);
            let open = (0..)
                .zip(parents.filter(|parent| !is_passed(*parent)))
                .last()
                .map_or(0, |(last, _): (u32, _)| last + 1);
            arrivals.open.push(open);
            if open == 0 {
                arrivals.ready.push(Reverse((dag.key(ix), ix)));
            }
        }
        arrivals
    }

    fn next(&mut self) -> Option<TxIx> {
        let Reverse((_, ix)) = self.ready.pop()?;
        self.any_placed = true;
        Some(ix)
    }

    fn next_below(&mut self, key: Key) -> Option<TxIx> {
        self.ready
            .peek()
            .filter(|Reverse((least, _))| *least < key)?;
        self.next()
    }

    /// Notes that `ix` has its place.
    fn passed(&mut self, dag: &Dag, ix: TxIx) {
        for child in dag.graph.neighbors(ix.node()).map(TxIx::from) {
            let Some(at) = child.as_usize().checked_sub(self.first) else {
                continue;
            };
            self.open[at] -= 1;
            if self.open[at] == 0 {
                self.ready.push(Reverse((dag.key(child), child)));
            }
        }
    }
}
