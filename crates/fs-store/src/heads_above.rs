//! Which heads of the history descend from a transaction.

use fs_dag::{Covers, Dag, Holding, TxIx};

/// The heads of a history, to be asked about many transactions.
pub(crate) struct HeadsAbove<'a> {
    dag: &'a Dag,
    heads: Vec<TxIx>,
    covers: Covers,
}

impl<'a> HeadsAbove<'a> {
    /// # Complexity
    /// O(h log h) for h heads, and what these do not have in common.
    pub(crate) fn new(dag: &'a Dag) -> Self {
        let heads = dag.heads();
        let covers = heads.iter().map(|head| dag.cover(&[*head])).collect();
        let covers = Covers::new(covers);
        Self { dag, heads, covers }
    }

    /// Returns the heads that are the transaction or descend from it.
    ///
    /// # Complexity
    /// O(log h) for h heads, beside the result.
    pub(crate) fn at_or_above(&self, ix: TxIx) -> Vec<TxIx> {
        match self.covers.holding(self.dag, ix) {
            Holding::All => self.heads.clone(),
            Holding::Some(numbers) => numbers.iter().map(|nth| self.heads[*nth]).collect(),
        }
    }

    /// Returns whether a head descends from both of two transactions.
    ///
    /// # Complexity
    /// O(log h) for h heads, and those above the one that fewer are above, up to the first that is above the other.
    pub(crate) fn any_above(&self, pair: [TxIx; 2]) -> bool {
        let is_above = |head: &TxIx| pair.iter().all(|ix| self.dag.is_ancestor(*ix, *head));
        let count = |ix: &TxIx| self.covers.count_holding(self.dag, *ix);
        let fewest = pair.into_iter().min_by_key(count);
        fewest.is_some_and(|fewest| match self.covers.holding(self.dag, fewest) {
            Holding::All => self.heads.iter().any(is_above),
            Holding::Some(numbers) => {
                let mut heads = numbers.iter().map(|nth| &self.heads[*nth]);
                heads.any(is_above)
            }
        })
    }
}
