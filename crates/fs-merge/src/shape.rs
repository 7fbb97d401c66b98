//! The shape of one fork, made of who is in conflict on its streams.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::{Dag, Lowest, TxIx};
use fs_format::StreamId;

use crate::chains::Chains;
use crate::detect::{ForkId, Shape};

/// Makes a fork of streams, each with who is in conflict on it; `participants` are those who write or settle one.
///
/// # Complexity
/// With k members on c chains and participants on d chains: O(k log k), and for each of the d chains O(log w) times as many as are fewer, c or the chains
/// that one of its w participants has seen of.
pub(crate) fn shape<'a>(
    dag: &Dag,
    streams: BTreeMap<StreamId, BTreeSet<TxIx>>,
    participants: impl Iterator<Item = &'a Chains>,
) -> Shape {
    let members: BTreeSet<TxIx> = streams.values().flatten().copied().collect();
    let mut sorted: Vec<TxIx> = members.iter().copied().collect();
    sorted.sort_unstable_by_key(|ix| dag.rank(*ix));
    let heads = dag.maximal(&sorted);
    let lowest = Lowest::new(dag, sorted.iter().copied());
    let mut on_top = Vec::new();
    for (_, on_chain) in participants.flat_map(Chains::iter) {
        let last = on_chain
            .iter()
            .rposition(|other| !members.contains(&other.ix));
        let on_chain = last.map_or(&[][..], |last| &on_chain[..=last]);
        let is_on_top = |ix: TxIx| lowest.first_below(dag, ix).is_some();
        let from = on_chain.partition_point(|other| !is_on_top(other.ix));
        let above = on_chain[from..].iter().map(|other| other.ix);
        on_top.extend(above.filter(|ix| !members.contains(ix)));
    }
    on_top.sort_unstable_by_key(|ix| dag.rank(*ix));
    on_top.dedup();
    let ids: Vec<_> = heads.iter().map(|ix| dag.id(*ix)).collect();
    Shape {
        id: ForkId::of_heads(&ids),
        streams,
        members: sorted,
        heads,
        on_top,
    }
}

/// Adds a transaction that descends from a member, unless it is one or is there already.
pub(crate) fn put_on_top(dag: &Dag, shape: &mut Shape, ix: TxIx) {
    let rank = dag.rank(ix);
    let find = |those: &[TxIx]| those.binary_search_by_key(&rank, |other| dag.rank(*other));
    if find(&shape.members).is_ok() {
        return;
    }
    if let Err(place) = find(&shape.on_top) {
        shape.on_top.insert(place, ix);
    }
}
