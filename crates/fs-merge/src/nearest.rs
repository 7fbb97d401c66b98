//! A fork's transactions as a graph of their own.
//!
//! **Invariant**: who descends from whom among a fork's transactions follows from the edges given here.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::{Dag, TxIx};
use fs_format::TransactionId;
use fs_index::History;

use crate::detect::Shape;

/// Finds the nearest transactions of a fork below one of them.
pub(crate) struct Nearest<'a> {
    history: &'a History,
    /// By chain: the fork's transactions, in the order of the chain.
    by_chain: ByChain,
    /// Of these, those that are below another.
    inner: ByChain,
}

type ByChain = BTreeMap<u32, Vec<(u32, TxIx)>>;

/// Divides transactions among their chains.
fn by_chain(dag: &Dag, of: impl Iterator<Item = TxIx>) -> ByChain {
    let mut by_chain = ByChain::new();
    for ix in of {
        if let Some(at) = dag.chain(ix) {
            let chain = by_chain.entry(at.chain).or_default();
            chain.push((at.position, ix));
        }
    }
    by_chain
        .values_mut()
        .for_each(|chain| chain.sort_unstable());
    by_chain
}

impl<'a> Nearest<'a> {
    pub(crate) fn new(history: &'a History, shape: &Shape) -> Self {
        let dag = history.dag();
        let newest: BTreeSet<_> = shape.newest(dag).into_iter().collect();
        let all = || shape.members.iter().chain(&shape.on_top).copied();
        Self {
            history,
            by_chain: by_chain(dag, all()),
            inner: by_chain(dag, all().filter(|ix| !newest.contains(ix))),
        }
    }

    /// Returns the newest transactions of the fork that `ix`, one of them, descends from, in canonical order.
    ///
    /// # Complexity
    /// O(c log m + k c) for m transactions of the fork that are below another, on c chains, k of them nearest.
    pub(crate) fn below(&self, ix: TxIx) -> Vec<TransactionId> {
        let dag = self.history.dag();
        let newest_of = |(chain, members): (&u32, &Vec<(u32, TxIx)>)| {
            let highest = dag.highest_on_chain(ix, *chain)?;
            let known = members.partition_point(|(position, _)| *position <= highest);
            let below = members
                .get(..known)?
                .iter()
                .rev()
                .map(|(_, member)| *member);
            below.into_iter().find(|member| *member != ix)
        };
        self.maximal(self.inner.iter().filter_map(newest_of).collect())
    }

    /// Returns the newest transactions of the fork among some and their ancestors, in canonical order.
    ///
    /// # Complexity
    /// O(h c) for h of them, and as [`Nearest::below`].
    pub(crate) fn at_or_below(&self, heads: &[TxIx]) -> Vec<TransactionId> {
        let cover = self.history.dag().cover(heads);
        let newest_of = |(chain, members): (&u32, &Vec<(u32, TxIx)>)| {
            let length = cover.length(*chain);
            let covered = members.partition_point(|(position, _)| *position < length);
            members
                .get(covered.checked_sub(1)?)
                .map(|(_, member)| *member)
        };
        self.maximal(self.by_chain.iter().filter_map(newest_of).collect())
    }

    fn maximal(&self, candidates: Vec<TxIx>) -> Vec<TransactionId> {
        let dag = self.history.dag();
        let nearest = dag.maximal(&candidates);
        nearest.into_iter().map(|ix| dag.id(ix)).collect()
    }
}
