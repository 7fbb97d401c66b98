//! Transactions by chain.
//!
//! The ancestors of a transaction are a prefix of each chain, and so is what it has not seen a suffix: found by binary
//! search, however long the chain is.

use fs_dag::{ChainPosition, Dag, TxIx};

/// A transaction at its place on a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) position: u32,
    pub(crate) ix: TxIx,
}

/// Some transactions, those of each chain in the order of the chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chains {
    /// Sorted by the number of the chain.
    by_number: Vec<(u32, Vec<Member>)>,
}

impl Chains {
    /// Divides transactions, which come parents first, among their chains.
    pub(crate) fn new(dag: &Dag, members: impl IntoIterator<Item = TxIx>) -> Self {
        let mut chains = Self::default();
        for ix in members {
            if let Some(at) = dag.chain(ix) {
                chains.push(at, ix);
            }
        }
        chains
    }

    /// Adds a transaction that stands higher on its chain than all that are here.
    pub(crate) fn push(&mut self, at: ChainPosition, ix: TxIx) {
        let member = Member {
            position: at.position,
            ix,
        };
        match self
            .by_number
            .binary_search_by_key(&at.chain, |(number, _)| *number)
        {
            Ok(place) => self.by_number[place].1.push(member),
            Err(place) => self.by_number.insert(place, (at.chain, vec![member])),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[Member])> {
        self.by_number
            .iter()
            .map(|(number, members)| (*number, members.as_slice()))
    }

    /// Returns `ix` and its ancestors among them, in canonical order.
    ///
    /// # Complexity
    /// O(c log n + k log k) for n transactions, c chains that `ix` has seen of, and k results.
    pub(crate) fn seen_by(&self, dag: &Dag, ix: TxIx) -> Vec<TxIx> {
        let seen = self.prefixes_seen_by(dag, ix).flatten();
        let mut seen: Vec<_> = seen.map(|member| member.ix).collect();
        seen.sort_unstable_by_key(|ix| dag.rank(*ix));
        seen
    }

    /// Returns how many of them `ix` is or descends from.
    ///
    /// # Complexity
    /// O(c log n) for n transactions and c chains that `ix` has seen of.
    pub(crate) fn count_seen_by(&self, dag: &Dag, ix: TxIx) -> u64 {
        let prefixes = self.prefixes_seen_by(dag, ix);
        prefixes.map(|prefix| prefix.len() as u64).sum()
    }

    fn prefixes_seen_by(&self, dag: &Dag, ix: TxIx) -> impl Iterator<Item = &[Member]> {
        dag.seen_chains(ix).filter_map(|(chain, length)| {
            let place = self
                .by_number
                .binary_search_by_key(&chain, |it| it.0)
                .ok()?;
            let members = self.by_number[place].1.as_slice();
            Some(&members[..members.partition_point(|member| member.position < length)])
        })
    }

    /// Returns those that are neither ancestors nor descendants of `ix`.
    ///
    /// # Complexity
    /// O(c log n + k) for n transactions on c chains and k results.
    pub(crate) fn concurrent_with<'a>(
        &'a self,
        dag: &'a Dag,
        ix: TxIx,
    ) -> impl Iterator<Item = TxIx> + 'a {
        self.iter().flat_map(move |(chain, members)| {
            let seen = dag.highest_on_chain(ix, chain);
            let from =
                members.partition_point(|member| seen.is_some_and(|seen| member.position <= seen));
            let members = &members[from..];
            let to = members.partition_point(|member| !dag.is_ancestor(ix, member.ix));
            members[..to].iter().map(|member| member.ix)
        })
    }
}
