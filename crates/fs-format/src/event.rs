//! One event of a transaction.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{EventId, Json, StreamId};

/// An event, borrowing its data from where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The id of the event.
    pub event_id: EventId,
    /// The stream it belongs to; when read, shared with the header's key in `stream_bases`.
    pub stream_id: StreamId,
    /// The version that its writer expected it to get; advisory, the canonical one is computed.
    pub stream_version: u64,
    /// The caller's name of its type.
    pub event_type: Cow<'a, str>,
    /// The caller's data, as it was written.
    pub event_data: Json<'a>,
    /// The caller's metadata: a JSON object.
    pub metadata: Json<'a>,
}

impl Event<'_> {
    /// Returns the same event, borrowed from nowhere.
    pub fn into_owned(self) -> Event<'static> {
        Event {
            event_id: self.event_id,
            stream_id: self.stream_id,
            stream_version: self.stream_version,
            event_type: Cow::Owned(self.event_type.into_owned()),
            event_data: self.event_data.into_owned(),
            metadata: self.metadata.into_owned(),
        }
    }
}

/// Returns how many of the events belong to each stream.
pub(crate) fn count_writes<'e>(events: &'e [Event<'_>]) -> BTreeMap<&'e StreamId, u64> {
    let mut writes = BTreeMap::new();
    for event in events {
        *writes.entry(&event.stream_id).or_default() += 1;
    }
    writes
}
