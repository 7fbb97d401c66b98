//! Sets of transactions under ancestry: their maximal members, and what two of them have in common at the top.
//!
//! A set's ancestors are a prefix of each chain, so they are one number a chain, and so is what two sets share.

use crate::clock::Cover;
use crate::dag::Dag;
use crate::node::TxIx;

impl Dag {
    /// Returns those of `set` that no other of the set descends from, in canonical order and each once.
    ///
    /// What is left out of the order is passed over.
    ///
    /// # Complexity
    /// O(k log k + m c) for k members, m of them maximal, and c chains.
    pub fn maximal(&self, set: &[TxIx]) -> Vec<TxIx> {
        let mut members: Vec<TxIx> = set
            .iter()
            .copied()
            .filter(|ix| self.rank(*ix).is_some())
            .collect();
        members.sort_unstable_by_key(|ix| self.rank(*ix));
        let mut cover = Cover::default();
        let mut found: Vec<TxIx> = members
            .into_iter()
            .rev()
            .filter(|ix| self.clocks.add_to(&mut cover, *ix))
            .collect();
        found.reverse();
        found
    }

    /// Returns the maximal common ancestors of the sets `a` and `b`, in canonical order.
    ///
    /// As in `git merge-base`, a transaction counts as its own ancestor here.
    ///
    /// # Complexity
    /// O((|a| + |b| + m) c) for c chains and m results.
    pub fn merge_bases(&self, a: &[TxIx], b: &[TxIx]) -> Vec<TxIx> {
        self.maximal(&self.clocks.tops_of_both(&self.cover(a), &self.cover(b)))
    }

    /// Returns what the transactions of `set` and their ancestors are.
    ///
    /// # Complexity
    /// O(m c) for c chains and m of the set that are not below those before them.
    pub fn cover(&self, set: &[TxIx]) -> Cover {
        let mut cover = Cover::default();
        for ix in set {
            self.clocks.add_to(&mut cover, *ix);
        }
        cover
    }

    /// Returns what every one of `set` is or descends from.
    ///
    /// # Complexity
    /// O(c) for the chains of the first of the set, and for each other the chains that those before it have in common.
    pub fn common(&self, set: &[TxIx]) -> Cover {
        self.clocks.common(set)
    }

    /// Returns whether a transaction is among what a [`Dag::cover`] holds.
    ///
    /// # Complexity
    /// O(1).
    pub fn is_covered(&self, cover: &Cover, ix: TxIx) -> bool {
        self.chain(ix).is_some_and(|at| cover.holds(at))
    }
}
