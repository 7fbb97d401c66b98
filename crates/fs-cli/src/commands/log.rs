//! `trib log`

use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_store::FileEventStore;
use serde::Serialize;

use crate::outcome::Ending;
use crate::output::{Output, plain};

#[derive(Serialize)]
struct TransactionOut<'a> {
    transaction_id: TransactionId,
    replica_id: ReplicaId,
    created_at: Timestamp,
    parents: Vec<TransactionId>,
    streams: Vec<&'a StreamId>,
}

pub(crate) fn run(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    for header in &store.transactions()? {
        let written = header
            .stream_bases
            .iter()
            .filter(|(_, base)| base.writes > 0);
        let out = TransactionOut {
            transaction_id: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
            parents: header
                .parents
                .iter()
                .map(|parent| parent.transaction_id)
                .collect(),
            streams: written.map(|(stream_id, _)| stream_id).collect(),
        };
        output.answer(&out, || {
            let streams: Vec<_> = out
                .streams
                .iter()
                .map(|stream_id| plain(stream_id.as_str()))
                .collect();
            let settles = if header.resolves.is_empty() {
                ""
            } else {
                "  (settles a fork)"
            };
            format!(
                "{}  {}  {}{settles}",
                out.transaction_id,
                out.created_at,
                streams.join(", ")
            )
        })?;
    }
    Ok(Ending::Fine)
}
