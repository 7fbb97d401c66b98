//! One transaction as it is held in memory: its header, and its events as bytes.

use fs_format::{
    CommandId, ContentHash, DecodeError, Encoded, Event, Events, FormatVersion, Header, Location,
    ReplicaId, Timestamp, TransactionId,
};

use crate::links::Links;
use crate::log::bytes::Bytes;
use crate::log::record::{self, Arrived, EventPlace, Origin, Place, Summary};
use crate::position::RunningHash;
use crate::table::segment::{FLAT, GraphRow, TxRow};
use crate::watch::file_stamp::FileStamp;

/// An ingested transaction.
///
/// The bytes are those of its file, verified when it was ingested; events are decoded when they are asked for.
#[derive(Clone, Debug)]
pub struct Stored {
    pub(crate) header: Header,
    pub(crate) content_hash: ContentHash,
    pub(crate) number: u64,
    pub(crate) running_hash: RunningHash,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) stamp: FileStamp,
    pub(crate) bytes: Bytes,
    pub(crate) event_count: u32,
    pub(crate) event_types: Vec<Box<str>>,
    pub(crate) event_places: Vec<EventPlace>,
}

impl Stored {
    /// Decodes a whole file.
    ///
    /// # Errors
    /// As [`fs_format::decode`] and [`fs_format::Transaction::check_location`].
    pub(crate) fn of_file(
        bytes: Vec<u8>,
        location: Location,
        stamp: FileStamp,
    ) -> Result<Self, DecodeError> {
        let transaction = fs_format::decode(&bytes)?;
        transaction.check_location(location)?;
        let (header, events) = (&transaction.header, &transaction.events);
        let data = |_, event: &Event<'_>| record::place_in(&bytes, event.event_data.as_str());
        let summary = Summary::of(header, events, data);
        let (header, content_hash) = (transaction.header, transaction.content_hash);
        Ok(Self {
            stamp,
            place: Place::of(&location),
            ..Self::new(header, content_hash, summary, bytes)
        })
    }

    /// Takes a transaction that was encoded from this header and these events.
    pub fn of_encoded(header: Header, events: &[Event<'_>], encoded: Encoded) -> Self {
        debug_assert_eq!(header.transaction_id, encoded.transaction_id);
        let data = |nth: usize, _: &Event<'_>| encoded.event_data.get(nth).cloned();
        let summary = Summary::of(&header, events, data);
        let stored = Self::new(header, encoded.content_hash, summary, encoded.bytes);
        debug_assert_eq!(
            stored.arrived(),
            Self::of_own(&stored.bytes, stored.id()).arrived()
        );
        stored
    }

    /// Takes a transaction that this process encoded, whose header is not at hand.
    pub fn of_encoded_bytes(encoded: Encoded) -> Self {
        Self::of_own(&encoded.bytes, encoded.transaction_id)
    }

    fn of_own(bytes: &[u8], id: TransactionId) -> Self {
        Self::of_file(bytes.to_vec(), Location::Sharded(id), FileStamp::UNKNOWN)
            .expect("the bytes were encoded by this process")
    }

    fn new(header: Header, content_hash: ContentHash, summary: Summary, bytes: Vec<u8>) -> Self {
        Self {
            content_hash,
            header,
            number: 0,
            running_hash: RunningHash::from_u64(0),
            origin: Origin::Arrived,
            place: Place::Sharded,
            stamp: FileStamp::UNKNOWN,
            event_count: summary.event_count,
            event_types: summary.event_types,
            event_places: summary.events,
            bytes: bytes.into(),
        }
    }

    /// Reads a transaction from its record.
    ///
    /// # Errors
    /// As [`fs_format::decode_header`].
    pub(crate) fn of_record(arrived: Arrived, payload: &Bytes) -> Result<Self, DecodeError> {
        let bytes = payload.part(arrived.bytes);
        let mut header = fs_format::decode_header(&bytes)?;
        if header.format_version != FormatVersion::V3 {
            // Older headers do not say how many events each stream gets.
            header = fs_format::decode(&bytes)?.header;
        }
        Ok(Self {
            header,
            content_hash: arrived.content_hash,
            number: arrived.number,
            running_hash: arrived.running_hash,
            origin: arrived.origin,
            place: arrived.place,
            stamp: arrived.stamp,
            event_count: arrived.summary.event_count,
            event_types: arrived.summary.event_types,
            event_places: arrived.summary.events,
            bytes,
        })
    }

    /// Gives it the next number of a journal.
    pub(crate) fn follow(&mut self, number: u64, before: RunningHash) -> RunningHash {
        self.number = number;
        self.running_hash = before.then(number, self.id(), &self.content_hash);
        self.running_hash
    }

    /// Writes the record of its arrival.
    pub(crate) fn record(&self) -> Vec<u8> {
        record::arrived(&self.arrived(), &self.bytes)
    }

    pub(crate) fn arrived(&self) -> Arrived {
        Arrived {
            number: self.number,
            running_hash: self.running_hash,
            origin: self.origin,
            place: self.place,
            stamp: self.stamp,
            content_hash: self.content_hash,
            summary: self.summary(),
            bytes: 0..self.bytes.len(),
        }
    }

    /// Returns what the index needs of it.
    pub(crate) fn summary(&self) -> Summary {
        let header = &self.header;
        let writes = header.stream_bases.iter();
        Summary {
            id: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
            event_count: self.event_count,
            links: Links::of(header),
            writes: writes
                .filter(|(_, base)| base.writes > 0)
                .map(|(stream_id, base)| (stream_id.clone(), base.writes))
                .collect(),
            event_types: self.event_types.clone(),
            command_id: header.command_id.clone(),
            events: self.event_places.clone(),
        }
    }

    /// Returns what the graph needs of it; a record that is not written yet has no place.
    pub(crate) fn graph_row(&self) -> GraphRow {
        GraphRow {
            row: TxRow {
                number: self.number,
                running_hash: self.running_hash,
                id: self.id(),
                replica_id: self.header.replica_id,
                created_at: self.header.created_at,
                offset: 0,
                len: 0,
                flags: match self.place {
                    Place::Sharded => 0,
                    Place::Flat => FLAT,
                },
                event_count: self.event_count,
            },
            content_hash: self.content_hash,
            links: Links::of(&self.header),
        }
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the id.
    pub fn id(&self) -> TransactionId {
        self.header.transaction_id
    }

    /// Returns the hash by which children refer to it.
    pub fn content_hash(&self) -> ContentHash {
        self.content_hash
    }

    /// Returns the number it got when this working copy first saw it, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns how many events it holds.
    pub fn event_count(&self) -> u64 {
        u64::from(self.event_count)
    }

    /// Returns the bytes of its file.
    pub fn file_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether `other` is of the same place and content, whatever a checkout made of its line ends.
    pub(crate) fn is_same_file(&self, other: &Stored) -> bool {
        self.place == other.place && self.content_hash == other.content_hash
    }

    /// Returns the path of its file below `events/`, with `/` between the parts.
    pub fn relative_path(&self) -> String {
        self.place.path(self.id())
    }

    /// Decodes its events, in the order in which they were appended.
    ///
    /// # Errors
    /// An item is an error only when the bytes are not those that were verified.
    pub fn events(&self) -> impl Iterator<Item = Result<Event<'_>, DecodeError>> {
        Events::new(&self.header, &self.bytes)
    }
}

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

impl Place {
    /// Returns the place that a checked name stands for.
    pub(crate) fn of(location: &Location) -> Self {
        match location {
            Location::Sharded(_) => Place::Sharded,
            Location::Flat(_) => Place::Flat,
        }
    }

    /// Returns the path below `events/` of a transaction that lies in this place.
    pub(crate) fn path(self, id: TransactionId) -> String {
        match self {
            Place::Sharded => id.relative_path(),
            Place::Flat => id.file_name(),
        }
    }
}
