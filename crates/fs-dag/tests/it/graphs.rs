//! Builders and reference answers for the tests.

use std::collections::HashSet;

use fs_dag::{Dag, Node, TxIx};
use fs_format::{ReplicaId, Timestamp, TransactionId};
use uuid::Uuid;

use crate::histories;

/// A fixed sequence of numbers without pattern (the multiplier is Knuth's for MMIX).
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

pub(crate) fn shuffled(mut nodes: Vec<Node>, seed: u64) -> Vec<Node> {
    let mut random = Lcg(seed);
    for last in (1..nodes.len()).rev() {
        nodes.swap(last, random.below(last + 1));
    }
    nodes
}

pub(crate) fn at(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(nanos).unwrap()
}

/// The id of the transaction called `name`.
pub(crate) fn id(name: u64) -> TransactionId {
    histories::id(at(0), name)
}

/// A transaction that is called `name`, written by `replica` at `time`.
pub(crate) fn node(name: u64, replica: u128, time: i64, parents: &[u64]) -> Node {
    Node {
        id: id(name),
        replica_id: ReplicaId::from_uuid(Uuid::from_u128(replica)),
        created_at: at(time),
        parents: parents.iter().map(|parent| id(*parent)).collect(),
    }
}

pub(crate) fn dag_of(nodes: &[Node]) -> Dag {
    let mut dag = Dag::new();
    let _ = dag.extend(nodes.iter().cloned());
    dag
}

pub(crate) fn ids(dag: &Dag, found: impl IntoIterator<Item = TxIx>) -> Vec<TransactionId> {
    found.into_iter().map(|ix| dag.id(ix)).collect()
}

/// Returns for each transaction whether a search from `of` towards the parents meets it.
pub(crate) fn ancestors(dag: &Dag, of: TxIx) -> Vec<bool> {
    let mut met = vec![false; dag.len()];
    let mut next: Vec<TxIx> = dag.parents(of).collect();
    while let Some(ix) = next.pop() {
        if !std::mem::replace(&mut met[ix.as_usize()], true) {
            next.extend(dag.parents(ix));
        }
    }
    met
}

/// The canonical order as its definition says it, with no regard to cost: the least ready transaction, again and again.
pub(crate) fn order_by_definition(nodes: &[Node]) -> Vec<TransactionId> {
    let present: HashSet<_> = nodes.iter().map(|node| node.id).collect();
    let mut placed: HashSet<TransactionId> = HashSet::new();
    let mut order = Vec::new();
    let is_ready = |node: &&Node, placed: &HashSet<TransactionId>| {
        !placed.contains(&node.id)
            && node
                .parents
                .iter()
                .all(|parent| placed.contains(parent) || !present.contains(parent))
    };
    while let Some(next) = nodes
        .iter()
        .filter(|node| is_ready(node, &placed))
        .min_by_key(|node| (node.created_at, node.replica_id, node.id))
    {
        placed.insert(next.id);
        order.push(next.id);
    }
    order
}
