//! Histories in memory: what detection sees of a store, without the store.

use fs_dag::{Dag, Node, TxIx};
use fs_format::{Header, TransactionId};
use fs_index::Epoch;
use fs_merge::{Lineage, Shape};

use crate::model::Tx;
use crate::oracle::ExpectedShape;

/// Headers beside a DAG; it takes transactions in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    dag: Dag,
    headers: Vec<Header>,
    pub(crate) epoch: Option<Epoch>,
}

impl Lineage for Memory {
    fn dag(&self) -> &Dag {
        &self.dag
    }

    fn header(&self, ix: TxIx) -> &Header {
        &self.headers[ix.as_usize()]
    }

    fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }
}

impl Memory {
    /// Takes in a batch of transactions that are not there.
    pub(crate) fn arrive<'a>(&mut self, batch: impl IntoIterator<Item = &'a Tx>) {
        let headers = batch
            .into_iter()
            .map(|tx| fs_format::decode(&tx.bytes).unwrap().header);
        self.arrive_headers(headers.collect());
    }

    pub(crate) fn arrive_headers(&mut self, headers: Vec<Header>) {
        let nodes = headers.iter().map(|header| Node {
            id: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
            parents: header
                .parents
                .iter()
                .map(|parent| parent.transaction_id)
                .collect(),
        });
        let arrival = self.dag.extend(nodes);
        assert_eq!(arrival.duplicates, [], "a transaction arrives once");
        self.headers.extend(headers);
    }

    pub(crate) fn ids(&self, indices: &[TxIx]) -> Vec<TransactionId> {
        indices.iter().map(|ix| self.dag.id(*ix)).collect()
    }

    /// Returns what shapes say, in the words of the oracle.
    pub(crate) fn seen(&self, shapes: &[&Shape]) -> Vec<ExpectedShape> {
        let shape = |shape: &&Shape| ExpectedShape {
            streams: shape
                .streams
                .iter()
                .map(|(stream_id, members)| {
                    let mut members: Vec<_> = members.iter().copied().collect();
                    members.sort_by_key(|ix| self.dag.rank(*ix));
                    (stream_id.clone(), self.ids(&members))
                })
                .collect(),
            members: self.ids(&shape.members),
            heads: self.ids(&shape.heads),
            on_top: self.ids(&shape.on_top),
        };
        shapes.iter().map(shape).collect()
    }
}
