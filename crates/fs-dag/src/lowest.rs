//! Does a transaction descend from one of some?

use std::collections::HashMap;

use crate::dag::Dag;
use crate::node::TxIx;

/// Of some transactions the first on each chain: whatever descends from one of them descends from one of these.
#[derive(Clone, Debug, Default)]
pub struct Lowest {
    /// In canonical order.
    in_order: Vec<TxIx>,
    /// By chain, the place in that.
    by_chain: HashMap<u32, usize>,
}

impl Lowest {
    /// Returns those of some transactions, which come in canonical order.
    pub fn new(dag: &Dag, those: impl IntoIterator<Item = TxIx>) -> Self {
        let mut lowest = Self::default();
        those.into_iter().for_each(|ix| lowest.push(dag, ix));
        lowest
    }

    /// Adds a transaction that stands behind all that are here in canonical order.
    pub fn push(&mut self, dag: &Dag, ix: TxIx) {
        if let Some(at) = dag.chain(ix)
            && !self.by_chain.contains_key(&at.chain)
        {
            self.by_chain.insert(at.chain, self.in_order.len());
            self.in_order.push(ix);
        }
    }

    /// Returns the first in canonical order that `ix` descends from.
    ///
    /// # Complexity
    /// O(c log c) for the chains that these stand on, or those that `ix` has seen of, whichever are fewer; less where one of the first is found.
    pub fn first_below(&self, dag: &Dag, ix: TxIx) -> Option<TxIx> {
        let is_below = |first: &TxIx| dag.is_ancestor(*first, ix);
        let mut in_order = self.in_order.iter();
        let mut first_place: Option<usize> = None;
        // Both ways lead to the same answer, and one of them may be very long.
        for (chain, _) in dag.seen_chains(ix) {
            match in_order.next() {
                None => return None,
                Some(first) if is_below(first) => return Some(*first),
                Some(_) => {}
            }
            let place = self.by_chain.get(&chain).copied();
            let place = place.filter(|place| is_below(&self.in_order[*place]));
            first_place = first_place.into_iter().chain(place).min();
        }
        first_place.map(|place| self.in_order[place])
    }
}
