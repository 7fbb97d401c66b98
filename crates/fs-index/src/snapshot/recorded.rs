//! A transaction as its record has it, for who reads its events and not its header.
//!
//! To decode a header takes longer than to decode the events of most transactions, and what they need of it is in the
//! record of the arrival.
//!
//! **Invariant**: what a record says of a transaction was taken from its header when it was ingested.

use fs_format::{
    CommandId, DecodeError, Event, Events, ReplicaId, StreamId, Timestamp, TransactionId,
};

use crate::error::IndexError;
use crate::log::bytes::Bytes;
use crate::log::record::{self, Arrived, EventPlace, Record};
use crate::position::RunningHash;
use crate::snapshot::Snapshot;
use crate::stored::Stored;
use crate::table::segment::TxRow;

/// What all events of a transaction have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance<'a> {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// The replica that appended it.
    pub replica_id: ReplicaId,
    /// When it was appended.
    pub created_at: Timestamp,
    /// The caller's idempotency key, if there was one.
    pub command_id: Option<&'a CommandId>,
}

impl Stored {
    pub(crate) fn provenance(&self) -> Provenance<'_> {
        let header = &self.header;
        Provenance {
            transaction_id: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
            command_id: header.command_id.as_ref(),
        }
    }
}

/// A transaction whose header is not decoded.
#[derive(Debug)]
pub(crate) struct TxView {
    arrived: Arrived,
    bytes: Bytes,
}

impl TxView {
    /// Reads the record of an arrival; `None` for any other.
    fn read(payload: &Bytes) -> Option<Self> {
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

impl Snapshot {
    /// Returns transactions in the order of their places.
    pub(crate) fn recorded(&self, places: &[TxRow]) -> Result<Vec<TxView>, IndexError> {
        let payloads = self.payloads(places)?.into_iter();
        let read = payloads.zip(places).map(|(payload, place)| {
            let recorded = TxView::read(&payload);
            recorded
                .filter(|it| it.number() == place.number && it.arrived.summary.id == place.id)
                .ok_or_else(|| self.damaged())
        });
        read.collect()
    }
}
