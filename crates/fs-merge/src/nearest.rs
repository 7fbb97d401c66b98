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
    /// O(c log m) for m transactions of the fork that are below another, and the chains that these stand on or that `ix` has seen of, whichever are fewer,
    /// and as [`Dag::maximal`] for what is found on these.
    pub(crate) fn below(&self, ix: TxIx) -> Vec<TransactionId> {
        let dag = self.history.dag();
        let seen = dag.seen_chains(ix);
        let length = |chain: u32| dag.highest_on_chain(ix, chain).map_or(0, |it| it + 1);
        self.maximal(newest_of(&self.inner, seen, length, Some(ix)))
    }

    /// Returns the newest transactions of the fork among some and their ancestors, in canonical order.
    ///
    /// # Complexity
    /// As [`Nearest::below`].
    pub(crate) fn at_or_below(&self, heads: &[TxIx]) -> Vec<TransactionId> {
        let cover = self.history.dag().cover(heads);
        let length = |chain: u32| cover.length(chain);
        self.maximal(newest_of(&self.by_chain, cover.chains(), length, None))
    }

    fn maximal(&self, candidates: Vec<TxIx>) -> Vec<TransactionId> {
        let dag = self.history.dag();
        let nearest = dag.maximal(&candidates);
        nearest.into_iter().map(|ix| dag.id(ix)).collect()
    }
}

/// Returns the highest of each chain that lies within a prefix of it and is not `but`; `seen` are the prefixes that are not empty.
fn newest_of(
    of: &ByChain,
    seen: impl Iterator<Item = (u32, u32)>,
    length: impl Fn(u32) -> u32,
    but: Option<TxIx>,
) -> Vec<TxIx> {
    let newest = |(on_chain, length): (&Vec<(u32, TxIx)>, u32)| {
        let within = on_chain.partition_point(|(position, _)| *position < length);
        let mut newest = on_chain[..within].iter().rev().map(|(_, ix)| *ix);
        newest.find(|ix| Some(*ix) != but)
    };
    let seen: Vec<_> = seen.take(of.len() + 1).collect();
    if seen.len() > of.len() {
        let all = of.iter();
        return all
            .filter_map(|(chain, on_chain)| newest((on_chain, length(*chain))))
            .collect();
    }
    let seen = seen.into_iter();
    seen.filter_map(|(chain, length)| newest((of.get(&chain)?, length)))
        .collect()
}
