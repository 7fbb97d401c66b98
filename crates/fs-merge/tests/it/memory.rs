//! Histories in memory: what detection sees of a store, without the store.

use fs_dag::{Dag, Node, TxIx};
use fs_format::{
    FormatVersion, Header, Json, Parent, ReplicaId, StreamBase, StreamId, Timestamp, TransactionId,
};
use fs_index::{Declared, Links, Position};
use fs_merge::Lineage;

/// Headers beside a DAG; it takes transactions in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    dag: Dag,
    pub(crate) headers: Vec<Header>,
    links: Vec<Links>,
    /// The place behind everything, where there is an ingestion order.
    pub(crate) end: Option<Position>,
}

impl Lineage for Memory {
    fn dag(&self) -> &Dag {
        &self.dag
    }

    fn declared(&self, ix: TxIx) -> Declared<'_> {
        self.links[ix.as_usize()].declared()
    }

    fn ingestion_end(&self) -> Option<Position> {
        self.end
    }

    fn holds(&self, end: Position) -> bool {
        self.end == Some(end)
    }
}

impl Memory {
    /// Takes in a batch of transactions that are not there.
    pub(crate) fn arrive(&mut self, headers: Vec<Header>) {
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
        self.links.extend(headers.iter().map(Links::of));
        self.headers.extend(headers);
    }

    pub(crate) fn ids(&self, indices: &[TxIx]) -> Vec<TransactionId> {
        indices.iter().map(|ix| self.dag.id(*ix)).collect()
    }
}

/// Makes a header: who, when, on what, doing what. Ids differ by `number`.
pub(crate) fn header(
    number: u64,
    at_nanos: i64,
    parents: &[&Header],
    writes: &[StreamId],
    resolves: &[StreamId],
) -> Header {
    let newest = parents.iter().map(|parent| parent.created_at).max();
    let least = newest.and_then(|newest| newest.successor());
    let own = Timestamp::from_unix_nanos(at_nanos).expect("a time in range");
    let created_at = least.map_or(own, |least| least.max(own));
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let base =
        |stream_id: &StreamId, writes| (stream_id.clone(), StreamBase { version: 0, writes });
    let accepted = resolves.iter().map(|stream_id| base(stream_id, 0));
    Header {
        format_version: FormatVersion::V3,
        transaction_id: TransactionId::from_parts(created_at.unix_millis(), random),
        replica_id: ReplicaId::NIL,
        replica_seq: Some(number),
        created_at,
        recorded_at: None,
        parents: parents
            .iter()
            .map(|parent| Parent {
                transaction_id: parent.transaction_id,
                content_hash: None,
            })
            .collect(),
        stream_bases: accepted
            .chain(writes.iter().map(|stream_id| base(stream_id, 1)))
            .collect(),
        command_id: None,
        resolves: resolves
            .iter()
            .map(|stream_id| {
                let heads = parents.iter().map(|parent| parent.transaction_id);
                let heads: std::collections::BTreeSet<_> = heads.collect();
                (stream_id.clone(), heads.into_iter().collect())
            })
            .collect(),
        metadata: Json::empty_object(),
    }
}
