//! The shape of one fork, made of who is in conflict on its streams.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::{Dag, TxIx};
use fs_format::StreamId;

use crate::chains::Chains;
use crate::detect::{ForkId, Shape};

/// Makes a fork of streams, each with who is in conflict on it; `participants` are those who write or settle one.
///
/// # Complexity
/// With k members on c chains and participants on d chains: O(k log k + c (c + d)), and O(log w) for each of the d chains
/// where w participants are searched for what lies on top.
pub(crate) fn shape<'a>(
    dag: &Dag,
    streams: BTreeMap<StreamId, BTreeSet<TxIx>>,
    participants: impl Iterator<Item = &'a Chains>,
) -> Shape {
    let members: BTreeSet<TxIx> = streams.values().flatten().copied().collect();
    let mut sorted: Vec<TxIx> = members.iter().copied().collect();
    sorted.sort_unstable_by_key(|ix| dag.rank(*ix));
    let heads = dag.maximal(&sorted);
    let lowest = first_of_each_chain(dag, &sorted);
    let mut on_top = Vec::new();
    for (_, on_chain) in participants.flat_map(Chains::iter) {
        let last = on_chain
            .iter()
            .rposition(|other| !members.contains(&other.ix));
        let on_chain = last.map_or(&[][..], |last| &on_chain[..=last]);
        let mut from = on_chain.len();
        for member in &lowest {
            let below = &on_chain[..from];
            let Some(last) = below.last() else {
                break;
            };
            if dag.is_ancestor(*member, last.ix) {
                from = below.partition_point(|other| !dag.is_ancestor(*member, other.ix));
            }
        }
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

fn first_of_each_chain(dag: &Dag, in_order: &[TxIx]) -> Vec<TxIx> {
    let mut chains = BTreeSet::new();
    let mut first = in_order.to_vec();
    first.retain(|ix| dag.chain(*ix).is_some_and(|at| chains.insert(at.chain)));
    first
}
