//! Has who comes next all of them before it?
//!
//! Transactions are taken in one after the other, in an order that keeps ancestry or turns it around. Those that have another in front of them
//! tell nothing that the other does not tell, so only the outermost ones are asked.

use fs_dag::TxIx;

/// Some transactions, taken in so that none comes before an earlier one; what *before* means is the same in each call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frontier {
    /// Some of them, among them all that come before no other.
    outermost: Vec<TxIx>,
    /// One that was asked about, and from which place on the outermost all come before it.
    seen: Option<(TxIx, usize)>,
}

impl Frontier {
    /// Drops what comes before `ix`, which is pushed next; returns whether all of them do.
    ///
    /// # Complexity
    /// O(1), taken over all that are ever pushed.
    pub(crate) fn pass(&mut self, ix: TxIx, is_before: impl Fn(TxIx, TxIx) -> bool) -> bool {
        while self.outermost.last().is_some_and(|it| is_before(*it, ix)) {
            self.outermost.pop();
        }
        self.seen = None;
        self.outermost.is_empty()
    }

    /// Returns whether all come before `ix`, which is not one of them and comes before none.
    ///
    /// # Complexity
    /// O(n) for the n outermost that come before it, less those that come before the last one asked about when that comes before `ix`.
    pub(crate) fn is_all_before(
        &mut self,
        ix: TxIx,
        is_before: impl Fn(TxIx, TxIx) -> bool,
    ) -> bool {
        let seen = self.seen.filter(|(by, _)| is_before(*by, ix));
        let end = seen.map_or(self.outermost.len(), |(_, from)| from);
        let unseen = self.outermost[..end]
            .iter()
            .rposition(|it| !is_before(*it, ix));
        self.seen = Some((ix, unseen.map_or(0, |unseen| unseen + 1)));
        unseen.is_none()
    }

    pub(crate) fn push(&mut self, ix: TxIx) {
        self.outermost.push(ix);
        self.seen = None;
    }
}
