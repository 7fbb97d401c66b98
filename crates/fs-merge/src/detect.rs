//! Forks: connected sets of unsettled conflicts, over all the streams they touch together.
//!
//! Two conflicts are connected when they share a transaction or a stream. Who settles one conflict of a stream settles
//! what lies below it on that stream too, so the conflicts of a stream are decided together or not at all.
//!
//! ```text
//!       A1 -- A2            conflicts: A1/B1, A2/B1. One fork, heads A2 and B1, branches [A1 A2] and [B1].
//!      /        \           N is an ordinary append after the git merge: it conflicts with nothing and settles
//!  R --           N         nothing, so the fork stays, with N on top.
//!      \-- B1 --/
//! ```
//!
//! **Invariant**: the answer depends on the set of transactions only.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::{Dag, TxIx};
use fs_format::{StreamId, TransactionId};
use fs_index::History;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::chains::Chains;
use crate::open::OpenForks;

/// The name of a fork: 16 hexadecimal digits that follow from its heads, the same in every clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ForkId(String);

impl ForkId {
    pub(crate) fn of_heads(heads: &[TransactionId]) -> Self {
        let mut sorted = heads.to_vec();
        sorted.sort_unstable();
        let hash = sorted.iter().fold(Sha256::new(), |hash, id| {
            hash.chain_update(id.as_uuid().as_bytes())
        });
        let hash: [u8; 32] = hash.finalize().into();
        Self(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ForkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An open fork as a shape in the DAG; [`ForkContext`](crate::ForkContext) has the events too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub id: ForkId,
    /// The streams in conflict, each with who is in conflict on it.
    pub streams: BTreeMap<StreamId, BTreeSet<TxIx>>,
    /// The transactions in conflict, in canonical order.
    pub members: Vec<TxIx>,
    /// Members that no other descends from, in canonical order.
    pub heads: Vec<TxIx>,
    /// Others that write or settle one of the streams and descend from a member, in canonical order.
    pub on_top: Vec<TxIx>,
}

impl Shape {
    /// Returns the branch of each head: the members up to it that are not below every other head, in canonical order.
    ///
    /// # Complexity
    /// O(n log n) for n members, and for each head the chains that it has seen of and O(k log k) for the k of its branch.
    pub(crate) fn branches(&self, dag: &Dag) -> Vec<Vec<TxIx>> {
        let in_one = Chains::new(dag, self.in_branches(dag));
        let branch = |head: &TxIx| {
            let mut branch = in_one.seen_by(dag, *head);
            branch.push(*head);
            branch
        };
        self.heads.iter().map(branch).collect()
    }

    /// Returns of the branch of each head how many transactions it has, and how many of these are `wanted`.
    ///
    /// # Complexity
    /// O(n log n) for n members, and for each head the chains that it has seen of.
    pub(crate) fn branch_counts(
        &self,
        dag: &Dag,
        wanted: impl Fn(TxIx) -> bool,
    ) -> Vec<(u64, u64)> {
        let in_one: Vec<TxIx> = self.in_branches(dag).collect();
        let wanted_ones = in_one.iter().copied().filter(|ix| wanted(*ix));
        let wanted_ones = Chains::new(dag, wanted_ones);
        let all = Chains::new(dag, in_one.iter().copied());
        let counts = |head: &TxIx| {
            let counted = wanted_ones.count_seen_by(dag, *head) + u64::from(wanted(*head));
            (all.count_seen_by(dag, *head) + 1, counted)
        };
        self.heads.iter().map(counts).collect()
    }

    /// Returns the members that are no heads and not below every head.
    fn in_branches(&self, dag: &Dag) -> impl Iterator<Item = TxIx> {
        let heads: BTreeSet<TxIx> = self.heads.iter().copied().collect();
        // Whoever is below a head and below every other is below all; no head is below another.
        let below_all = dag.common(&self.heads);
        let members = self.members.iter().copied();
        members.filter(move |ix| !heads.contains(ix) && !dag.is_covered(&below_all, *ix))
    }

    /// Returns the newest participants of the fork's streams: its heads, or what lies on top of them.
    pub(crate) fn newest(&self, dag: &Dag) -> Vec<TxIx> {
        let all: Vec<_> = self.heads.iter().chain(&self.on_top).copied().collect();
        dag.maximal(&all)
    }
}

/// Returns the open forks, in canonical order of their first members.
///
/// # Complexity
/// As [`OpenForks::extend`] from what the history was at the last call.
pub(crate) fn shapes(history: &History) -> Vec<Shape> {
    with_open_forks(history, |open| {
        let shapes = open.shapes(history.dag());
        shapes.into_iter().cloned().collect()
    })
}

/// Calls `look` with the open forks of a history.
///
/// # Complexity
/// As [`shapes`], and nothing for the forks that did not change.
pub(crate) fn with_open_forks<T>(history: &History, look: impl FnOnce(&OpenForks) -> T) -> T {
    history.derived(|open: &mut OpenForks| {
        open.extend(history);
        look(open)
    })
}
