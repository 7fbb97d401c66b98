//! The transactions, their edges, and what is kept up to date about them.
//!
//! **Invariant**: after each [`Dag::extend`], order, ranks, heads and clocks are those of the whole set. A transaction
//! that is left out of the order is treated as absent by every query about the others.
//!
//! It does not remove: a smaller set is another DAG.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use fs_format::{ReplicaId, TransactionId};
use petgraph::Direction;
use petgraph::graph::DiGraph;

use crate::arrival::{Arrival, arrive};
use crate::clock::{ChainPosition, Clocks};
use crate::node::{Key, Node, TxIx};

/// The rank of a transaction that is not in the order.
pub(crate) const UNPLACED: u32 = u32::MAX;

/// A set of transactions and the order, ancestry and heads that follow from it.
///
/// It holds up to 2^32 - 1 transactions.
///
/// # Complexity
/// With |V| transactions and |E| parents: memory is O(|V| + |E|) and that of the clocks ([`Dag::clock_bytes`]).
#[derive(Clone, Debug, Default)]
pub struct Dag {
    /// Edges lead from parent to child; a weight is when the transaction was written.
    pub(crate) graph: DiGraph<fs_format::Timestamp, (), u32>,
    pub(crate) names: Vec<(ReplicaId, TransactionId)>,
    pub(crate) by_id: HashMap<TransactionId, TxIx>,
    /// Parents that are not here, each with its children.
    pub(crate) awaited: HashMap<TransactionId, Vec<TxIx>>,
    /// Whether some child's key is not greater than its parent's.
    pub(crate) has_descending_edge: bool,
    pub(crate) order: Vec<TxIx>,
    pub(crate) ranks: Vec<u32>,
    pub(crate) heads: BTreeSet<TxIx>,
    pub(crate) clocks: Clocks,
    /// The sum of what [`stamp`](crate::stamp) makes of each transaction.
    pub(crate) stamp: u64,
}

impl Dag {
    /// Returns an empty DAG.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts transactions in any order; parents may come later, even in a later call.
    ///
    /// An id that is there already is ignored, whatever else the node says, and reported.
    ///
    /// # Complexity
    /// For k new transactions with e parents that nobody had waited for: O(k log k + e) and the part of the order behind
    /// the first place where one of them may stand, so that appending on the heads costs O(k log k + e); clocks take
    /// O(chains) more for each that merges or forks. When k exceeds what was there, or an awaited parent arrives,
    /// the order is computed anew in O(|V| log |V| + |E|); in the latter case the clocks are too.
    pub fn extend(&mut self, nodes: impl IntoIterator<Item = Node>) -> Arrival {
        arrive(self, nodes)
    }

    /// Returns the number of transactions, with those that are left out of the order.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns whether the transaction is here.
    pub fn contains(&self, id: TransactionId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Returns the index of a transaction.
    pub fn index_of(&self, id: TransactionId) -> Option<TxIx> {
        self.by_id.get(&id).copied()
    }

    /// Returns the id of a transaction.
    ///
    /// # Panics
    /// As any method that takes a [`TxIx`], when it is of another, larger DAG.
    pub fn id(&self, ix: TxIx) -> TransactionId {
        self.names[ix.as_usize()].1
    }

    /// Returns the canonical sort key of a transaction.
    pub fn key(&self, ix: TxIx) -> Key {
        let (replica_id, id) = self.names[ix.as_usize()];
        Key {
            created_at: self.graph[ix.node()],
            replica_id,
            id,
        }
    }

    /// Compares keys, in most cases without looking beyond the times.
    pub(crate) fn cmp_keys(&self, a: TxIx, b: TxIx) -> Ordering {
        let by_time = self.graph[a.node()].cmp(&self.graph[b.node()]);
        by_time.then_with(|| self.names[a.as_usize()].cmp(&self.names[b.as_usize()]))
    }

    /// Returns the parents that are here, by key.
    pub fn parents(&self, ix: TxIx) -> impl Iterator<Item = TxIx> {
        self.neighbors(ix, Direction::Incoming)
    }

    /// Returns the children, by key.
    pub fn children(&self, ix: TxIx) -> impl Iterator<Item = TxIx> {
        self.neighbors(ix, Direction::Outgoing)
    }

    fn neighbors(&self, ix: TxIx, direction: Direction) -> std::vec::IntoIter<TxIx> {
        let mut found: Vec<TxIx> = self
            .graph
            .neighbors_directed(ix.node(), direction)
            .map(TxIx::from)
            .collect();
        found.sort_unstable_by(|a, b| self.cmp_keys(*a, *b));
        found.into_iter()
    }

    /// Returns the canonical order: parents first, ties among ready transactions by key.
    ///
    /// Members of cycles and their descendants are left out.
    pub fn order(&self) -> &[TxIx] {
        &self.order
    }

    /// Returns the place in [`Dag::order`]; `None` for one that is left out.
    pub fn rank(&self, ix: TxIx) -> Option<usize> {
        let rank = self.ranks[ix.as_usize()];
        (rank != UNPLACED).then_some(rank as usize)
    }

    /// Returns whether `a` comes before `b` on some path from parent to child; nothing is its own ancestor here.
    ///
    /// What is left out of the order is nobody's ancestor and has none.
    ///
    /// # Complexity
    /// O(log c) for c chains, to the base of 32.
    pub fn is_ancestor(&self, a: TxIx, b: TxIx) -> bool {
        a != b && self.clocks.covers(b, a)
    }

    /// Returns whether every key is greater than its parents': then the order is the sort by key.
    pub fn is_ascending(&self) -> bool {
        !self.has_descending_edge
    }

    /// Returns the transactions in the order that have no child in it, in canonical order.
    ///
    /// # Complexity
    /// O(h log h) for h heads.
    pub fn heads(&self) -> Vec<TxIx> {
        let mut heads: Vec<_> = self.heads.iter().copied().collect();
        heads.sort_unstable_by_key(|ix| self.ranks[ix.as_usize()]);
        heads
    }

    /// Returns the edges to parents that are not here, in canonical order of the children.
    ///
    /// Children that are left out of the order come last, by id; the parents of one child are in order of their ids.
    pub fn missing_parents(&self) -> Vec<(TxIx, TransactionId)> {
        let edges = self
            .awaited
            .iter()
            .flat_map(|(parent, children)| children.iter().map(|child| (*child, *parent)));
        let mut edges: Vec<_> = edges.collect();
        edges.sort_unstable_by_key(|(child, parent)| {
            (self.ranks[child.as_usize()], self.id(*child), *parent)
        });
        edges
    }

    /// Returns the members of cycles and their descendants, sorted by id.
    pub fn left_out(&self) -> Vec<TransactionId> {
        if self.order.len() == self.len() {
            return Vec::new();
        }
        let unplaced = self
            .names
            .iter()
            .zip(&self.ranks)
            .filter(|(_, rank)| **rank == UNPLACED);
        let mut ids: Vec<_> = unplaced.map(|((_, id), _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// Returns where a transaction stands among the chains; `None` for one that is left out of the order.
    ///
    /// The numbers hold for this value of the DAG only: they depend on the order of insertion, and an arrival that was
    /// awaited as a parent may change them all. Any other arrival leaves them as they are.
    pub fn chain(&self, ix: TxIx) -> Option<ChainPosition> {
        self.clocks.position(ix)
    }

    /// Returns the number of chains that the ordered transactions are divided into.
    pub fn chain_count(&self) -> usize {
        self.clocks.chain_count()
    }

    /// Returns the highest position on `chain` among `of` and its ancestors; `None` when there is none.
    ///
    /// All that stand lower on that chain are ancestors of `of` too.
    pub fn highest_on_chain(&self, of: TxIx, chain: u32) -> Option<u32> {
        self.clocks.highest(of, chain)
    }

    /// Returns the chains of which `of` or an ancestor of it is a member, each with how many of it are, from its beginning: that of `of` itself
    /// first, then the others, ascending.
    pub fn seen_chains(&self, of: TxIx) -> impl Iterator<Item = (u32, u32)> {
        self.clocks.seen(of)
    }

    /// Returns the bytes on the heap that the clocks take.
    pub fn clock_bytes(&self) -> usize {
        self.clocks.bytes()
    }
}
