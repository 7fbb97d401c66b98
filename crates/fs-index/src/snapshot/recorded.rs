//! A transaction as its record has it, for who reads its events and not its header.
//!
//! To decode a header takes longer than to decode the events of most transactions, and what they need of it is in the
//! record of the arrival.
//!
//! **Invariant**: what a record says of a transaction was taken from its header when it was ingested.

use fs_format::{DecodeError, Event, Events, StreamId};

use crate::log::bytes::Bytes;
use crate::log::record::{self, Arrived, EventPlace, Record};
use crate::position::RunningHash;
use crate::stored::Provenance;

/// A transaction whose header is not decoded.
#[derive(Debug)]
pub(crate) struct TxView {
    pub(super) arrived: Arrived,
    bytes: Bytes,
}

impl TxView {
    /// Reads the record of an arrival; `None` for any other.
    pub(super) fn read(payload: &Bytes) -> Option<Self> {
        match record::parse(payload)? {
            Record::Arrived(arrived) => Some(Self {
                bytes: payload.part(arrived.bytes.clone()),
                arrived: *arrived,
            }),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.arrived.number
    }

    pub(crate) fn running_hash(&self) -> RunningHash {
        self.arrived.running_hash
    }

    /// Returns the bytes of the file.
    pub(crate) fn file(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the streams that it writes, in byte order, each with the number of events.
    pub(crate) fn writes(&self) -> &[(StreamId, u64)] {
        &self.arrived.summary.writes
    }

    /// Returns where each event lies; none when some event cannot be read in place.
    pub(crate) fn event_places(&self) -> &[EventPlace] {
        &self.arrived.summary.events
    }

    pub(crate) fn provenance(&self) -> Provenance<'_> {
        let summary = &self.arrived.summary;
        Provenance {
            transaction_id: summary.id,
            replica_id: summary.replica_id,
            created_at: summary.created_at,
            command_id: summary.command_id.as_ref(),
        }
    }

    /// Decodes its events, in the order in which they were appended.
    pub(crate) fn events(&self) -> impl Iterator<Item = Result<Event<'_>, DecodeError>> {
        Events::of_streams(self.writes(), &self.bytes)
    }
}
