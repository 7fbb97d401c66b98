//! Events as they are read.

use fs_format::{EventId, Json, ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::{Placed, Position};

/// An event of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The stream.
    pub stream_id: StreamId,
    /// The place in the stream, counted from 1, in canonical order.
    pub version: u64,
    /// The id.
    pub event_id: EventId,
    /// The type, as its writer named it.
    pub event_type: String,
    /// The data, as its writer wrote it.
    pub event_data: Json<'static>,
    /// The metadata, an object.
    pub metadata: Json<'static>,
    /// The transaction it was appended with.
    pub transaction_id: TransactionId,
    /// The replica that appended it.
    pub replica_id: ReplicaId,
    /// The time of its transaction.
    pub created_at: Timestamp,
    /// The place in this working copy's ingestion order.
    pub position: Position,
}

impl From<Placed<'_>> for StoredEvent {
    fn from(placed: Placed<'_>) -> Self {
        let provenance = placed.provenance;
        Self {
            stream_id: placed.event.stream_id,
            version: placed.version,
            event_id: placed.event.event_id,
            event_type: placed.event.event_type.into_owned(),
            event_data: placed.event.event_data.into_owned(),
            metadata: placed.event.metadata.into_owned(),
            transaction_id: provenance.transaction_id,
            replica_id: provenance.replica_id,
            created_at: provenance.created_at,
            position: placed.position,
        }
    }
}
