//! Events that were set aside.

use fs_format::{EventId, StreamId, TransactionId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use fs_store::StoredEvent;

/// An event that could not be applied and was set aside, as the read model keeps it beside its cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The event.
    pub event_id: EventId,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its canonical version when it was tried.
    pub version: u64,
    /// Its type as it was written.
    pub event_type: String,
    /// The transaction it belongs to.
    pub transaction_id: TransactionId,
    /// Its place in the ingestion order; see [`Position::to_uuid`](fs_index::Position::to_uuid).
    pub position: Uuid,
    /// How many times it was tried.
    pub attempts: u32,
    /// What was wrong the last time, with its causes.
    pub error: String,
}

impl DeadLetter {
    pub(crate) fn new(event: &StoredEvent, attempts: u32, error: String) -> Self {
        Self {
            event_id: event.event_id,
            stream_id: event.stream_id.clone(),
            version: event.version,
            event_type: event.event_type.clone(),
            transaction_id: event.transaction_id,
            position: event.position.to_uuid(),
            attempts,
            error,
        }
    }
}
