//! What goes into the DAG, and how it is named and compared there.

use fs_format::{ReplicaId, Timestamp, TransactionId};
use petgraph::graph::NodeIndex;

/// A transaction as the DAG needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The transaction.
    pub id: TransactionId,
    /// Who wrote it.
    pub replica_id: ReplicaId,
    /// When it was written, by its writer's clock.
    pub created_at: Timestamp,
    /// What it was written on, in any order; repetitions count once.
    pub parents: Vec<TransactionId>,
}

/// The canonical sort key: it decides among transactions that are ready at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// When the transaction was written.
    pub created_at: Timestamp,
    /// Who wrote it.
    pub replica_id: ReplicaId,
    /// The transaction.
    pub id: TransactionId,
}

/// The index of a transaction in one [`Dag`](crate::Dag): dense, from 0, in insertion order.
///
/// Its order is that of insertion; it never decides an order that anyone sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxIx(pub(crate) u32);

impl TxIx {
    /// Returns the index as a place in a slice.
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn node(self) -> NodeIndex<u32> {
        NodeIndex::from(self.0)
    }
}

impl From<NodeIndex<u32>> for TxIx {
    fn from(node: NodeIndex<u32>) -> Self {
        Self(u32::try_from(node.index()).expect("the graph counts its nodes in 32 bits"))
    }
}
