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

use crate::conflict::in_conflict;
use crate::participants::{participants, settled_by};

/// The name of a fork: 16 hexadecimal digits that follow from its heads, the same in every clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ForkId(String);

impl ForkId {
    fn of_heads(heads: &[TransactionId]) -> Self {
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

/// An open fork as a shape in the DAG; [`Fork`](crate::Fork) has the events too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) id: ForkId,
    /// The streams in conflict, each with who is in conflict on it.
    pub(crate) streams: BTreeMap<StreamId, BTreeSet<TxIx>>,
    /// In canonical order.
    pub(crate) members: Vec<TxIx>,
    /// Members that no other descends from, in canonical order.
    pub(crate) heads: Vec<TxIx>,
    /// What was appended to the fork's streams on top of a member, in canonical order.
    pub(crate) on_top: Vec<TxIx>,
}

impl Shape {
    /// Returns the branch of a head: the members up to it that are not below every other head, in canonical order.
    pub(crate) fn branch(&self, dag: &Dag, head: TxIx) -> Vec<TxIx> {
        let below_all_others = |member: TxIx| {
            self.heads
                .iter()
                .filter(|other| **other != head)
                .all(|other| dag.is_ancestor(member, *other))
        };
        let up_to = self
            .members
            .iter()
            .copied()
            .filter(|member| *member == head || dag.is_ancestor(*member, head));
        up_to.filter(|member| !below_all_others(*member)).collect()
    }

    /// Returns the newest participants of the fork's streams: its heads, or what lies on top of them.
    pub(crate) fn newest(&self, dag: &Dag) -> Vec<TxIx> {
        let all: Vec<_> = self.heads.iter().chain(&self.on_top).copied().collect();
        dag.maximal(&all)
    }
}

/// Returns the open forks, in canonical order of their first members.
pub(crate) fn shapes(history: &History) -> Vec<Shape> {
    let dag = history.dag();
    let streams = participants(history);
    let mut joined = Joined::default();
    let mut found = Vec::new();
    for (stream_id, stream) in &streams {
        let members = in_conflict(history, stream);
        let Some(first) = members.first().copied() else {
            continue;
        };
        for member in &members {
            joined.join(first, *member);
        }
        found.push((*stream_id, first, members));
    }
    let mut forks: BTreeMap<TxIx, BTreeMap<StreamId, BTreeSet<TxIx>>> = BTreeMap::new();
    for (stream_id, first, members) in found {
        forks
            .entry(joined.root(first))
            .or_default()
            .insert(stream_id.clone(), members);
    }
    let mut shapes: Vec<_> = forks
        .into_values()
        .map(|streams| shape(history, streams))
        .collect();
    shapes.sort_by_key(|shape| {
        (
            shape.members.first().map(|ix| dag.rank(*ix)),
            shape.id.clone(),
        )
    });
    shapes
}

fn shape(history: &History, streams: BTreeMap<StreamId, BTreeSet<TxIx>>) -> Shape {
    let dag = history.dag();
    let members: BTreeSet<_> = streams.values().flatten().copied().collect();
    let mut sorted: Vec<_> = members.iter().copied().collect();
    sorted.sort_by_key(|ix| dag.rank(*ix));
    let heads = dag.maximal(&sorted);
    let takes_part = |ix: TxIx| {
        let header = history.get(ix).header();
        let writes = header
            .stream_bases
            .iter()
            .any(|(stream_id, base)| base.writes > 0 && streams.contains_key(stream_id));
        writes
            || settled_by(header)
                .iter()
                .any(|stream_id| streams.contains_key(*stream_id))
    };
    let first = sorted.first().and_then(|ix| dag.rank(*ix)).unwrap_or(0);
    let later = dag.order().get(first..).unwrap_or(&[]).iter().copied();
    let on_top = later
        .filter(|ix| {
            !members.contains(ix)
                && takes_part(*ix)
                && sorted.iter().any(|member| dag.is_ancestor(*member, *ix))
        })
        .collect();
    let ids: Vec<_> = heads.iter().map(|ix| dag.id(*ix)).collect();
    Shape {
        id: ForkId::of_heads(&ids),
        streams,
        members: sorted,
        heads,
        on_top,
    }
}

/// Sets that grow together (union by the smaller index, with paths halved: Tarjan and van Leeuwen, 1984).
#[derive(Debug, Default)]
struct Joined {
    parent: BTreeMap<TxIx, TxIx>,
}

impl Joined {
    fn root(&mut self, ix: TxIx) -> TxIx {
        let mut at = ix;
        while let Some(above) = self.parent.get(&at).copied() {
            if let Some(further) = self.parent.get(&above).copied() {
                self.parent.insert(at, further);
            }
            at = above;
        }
        at
    }

    fn join(&mut self, a: TxIx, b: TxIx) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.parent.insert(a.max(b), a.min(b));
        }
    }
}
