//! Taking in a batch: nodes and edges first, then order, heads and clocks.

use fs_format::TransactionId;
use petgraph::Direction;

use crate::dag::{Dag, UNPLACED};
use crate::insert::insert;
use crate::linearize::linearize;
use crate::node::{Node, TxIx};

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it says whether the order changed behind something that was there"]
pub struct Arrival {
    /// The transactions that are new, in the order given.
    pub added: Vec<TxIx>,
    /// The ids that were there already or came twice, once for each repetition.
    pub duplicates: Vec<TransactionId>,
    /// Whether the former canonical order is no longer the beginning of the present one.
    pub reordered: bool,
    /// Whether what was there stands among itself as before. Then each arrival was put where it belongs.
    pub is_inserted: bool,
}

pub(crate) fn arrive(dag: &mut Dag, nodes: impl IntoIterator<Item = Node>) -> Arrival {
    let first = dag.len();
    let mut arrival = Arrival::default();
    let mut parents_of = Vec::new();
    for node in nodes {
        if dag.contains(node.id) {
            arrival.duplicates.push(node.id);
            continue;
        }
        let ix = TxIx::from(dag.graph.add_node(node.created_at));
        dag.names.push((node.replica_id, node.id));
        dag.ranks.push(UNPLACED);
        dag.by_id.insert(node.id, ix);
        arrival.added.push(ix);
        parents_of.push(node.parents);
    }
    if arrival.added.is_empty() {
        return arrival;
    }
    let was_awaited = link_awaited(dag, &arrival.added);
    for (ix, parents) in arrival.added.iter().zip(parents_of) {
        link_parents(dag, *ix, parents);
    }
    arrival.is_inserted = !was_awaited && arrival.added.len() <= dag.order.len();
    arrival.reordered = if arrival.is_inserted {
        insert(dag, first)
    } else {
        reorder(dag)
    };
    if was_awaited {
        dag.heads.clear();
        dag.clocks.rebuild(&dag.graph, &dag.order);
    } else {
        let mut placed = arrival.added.clone();
        placed.retain(|ix| dag.is_placed(*ix));
        placed.sort_unstable_by_key(|ix| dag.ranks[ix.as_usize()]);
        dag.clocks.extend(&dag.graph, &placed);
    }
    dag.note_stamp(if was_awaited { 0 } else { first });
    update_heads(dag, if was_awaited { 0 } else { first });
    arrival
}

/// Links transactions to the children that have been waiting for them since an earlier batch.
fn link_awaited(dag: &mut Dag, added: &[TxIx]) -> bool {
    let mut any = false;
    for parent in added {
        if dag.awaited.is_empty() {
            break;
        }
        for child in dag.awaited.remove(&dag.id(*parent)).unwrap_or_default() {
            link(dag, *parent, child);
            any = true;
        }
    }
    any
}

fn link_parents(dag: &mut Dag, child: TxIx, mut parents: Vec<TransactionId>) {
    parents.sort_unstable();
    parents.dedup();
    for parent in parents {
        match dag.index_of(parent) {
            Some(parent) => link(dag, parent, child),
            None => dag.awaited.entry(parent).or_default().push(child),
        }
    }
}

fn link(dag: &mut Dag, parent: TxIx, child: TxIx) {
    dag.graph.add_edge(parent.node(), child.node(), ());
    dag.has_descending_edge |= dag.cmp_keys(parent, child).is_ge();
}

/// Computes the order anew; returns whether the former one is not its beginning.
fn reorder(dag: &mut Dag) -> bool {
    let order = linearize(dag);
    let reordered = !order.starts_with(&dag.order);
    dag.ranks.fill(UNPLACED);
    dag.order = order;
    dag.number_from(0);
    reordered
}

impl Dag {
    /// Notes the ranks of the order from `start` on.
    pub(crate) fn number_from(&mut self, start: usize) {
        let first = u32::try_from(start).expect("the graph counts in 32 bits");
        for (rank, ix) in (first..).zip(&self.order[start..]) {
            self.ranks[ix.as_usize()] = rank;
        }
    }

    /// Returns the transactions from index `first` on, in the order of insertion.
    pub fn indices_from(&self, first: usize) -> impl Iterator<Item = TxIx> + use<> {
        let index = |ix: usize| u32::try_from(ix).expect("the graph counts in 32 bits");
        (index(first)..index(self.len())).map(TxIx)
    }

    fn is_placed(&self, ix: TxIx) -> bool {
        self.ranks[ix.as_usize()] != UNPLACED
    }
}

/// Adds the transactions from `first` on to the heads, and drops what has become a parent.
///
/// # Complexity
/// O((k + e) log h) for k of them with e parents, and h heads.
fn update_heads(dag: &mut Dag, first: usize) {
    let mut heads = std::mem::take(&mut dag.heads);
    let placed = || dag.indices_from(first).filter(|ix| dag.is_placed(*ix));
    heads.extend(placed());
    for ix in placed() {
        let parents = dag.graph.neighbors_directed(ix.node(), Direction::Incoming);
        for parent in parents {
            heads.remove(&parent.into());
        }
    }
    dag.heads = heads;
}
