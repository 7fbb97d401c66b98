//! Several covers at once: which of them hold a transaction.
//!
//! What all of them hold is told by one comparison. Only what some have beyond that is listed by chain, so covers that have most in common cost little.

use std::collections::HashMap;

use crate::clock::Cover;
use crate::dag::Dag;
use crate::node::TxIx;

/// Covers by number, from 0.
#[derive(Clone, Debug, Default)]
pub struct Covers {
    covers: Vec<Cover>,
    common: Cover,
    /// By chain, those that hold more of it than all do, ascending by how much, each with its number.
    beyond: HashMap<u32, Vec<(u32, usize)>>,
}

/// Which of some covers hold a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// All of them.
    All,
    /// Those of these numbers, in no order.
    Some(Vec<usize>),
}

impl Covers {
    /// Returns covers to be asked together.
    ///
    /// # Complexity
    /// O(n log n) for the n chains in all of them of which one has more than all have.
    pub fn new(covers: Vec<Cover>) -> Self {
        let first = covers.first().cloned().unwrap_or_default();
        let others = covers.iter().skip(1);
        let common = others.fold(first, |common, cover| common.common(cover));
        let mut beyond: HashMap<u32, Vec<(u32, usize)>> = HashMap::new();
        for (number, cover) in covers.iter().enumerate() {
            for (chain, length) in cover.beyond(&common) {
                beyond.entry(chain).or_default().push((length, number));
            }
        }
        beyond.values_mut().for_each(|chain| chain.sort_unstable());
        Self {
            covers,
            common,
            beyond,
        }
    }

    /// Returns them by number.
    pub fn as_slice(&self) -> &[Cover] {
        &self.covers
    }

    /// Returns which of them hold a transaction.
    ///
    /// # Complexity
    /// O(log n) for n of them, beside the result.
    pub fn holding(&self, dag: &Dag, ix: TxIx) -> Holding {
        if dag.is_covered(&self.common, ix) {
            return Holding::All;
        }
        let holding = self.beyond_common(dag, ix).iter();
        Holding::Some(holding.map(|(_, number)| *number).collect())
    }

    /// Returns how many of them hold a transaction.
    ///
    /// # Complexity
    /// O(log n) for n of them.
    pub fn count_holding(&self, dag: &Dag, ix: TxIx) -> usize {
        match dag.is_covered(&self.common, ix) {
            true => self.covers.len(),
            false => self.beyond_common(dag, ix).len(),
        }
    }

    fn beyond_common(&self, dag: &Dag, ix: TxIx) -> &[(u32, usize)] {
        let at = dag.chain(ix);
        let on_chain = at.and_then(|at| Some((at, self.beyond.get(&at.chain)?)));
        on_chain.map_or(&[], |(at, on_chain)| {
            let from = on_chain.partition_point(|(length, _)| *length <= at.position);
            &on_chain[from..]
        })
    }
}
