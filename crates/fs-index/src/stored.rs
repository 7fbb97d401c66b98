//! One transaction as the index holds it: its header in memory, its events as bytes.

use fs_format::{
    ContentHash, DecodeError, Event, Events, FormatVersion, Header, Location, TransactionId,
};

use crate::bytes::Bytes;
use crate::record::{Origin, Place};

/// An ingested transaction.
///
/// The bytes are those of its file, verified when it was ingested; events are decoded when they are asked for.
#[derive(Clone, Debug)]
pub struct Stored {
    pub(crate) header: Header,
    pub(crate) content_hash: ContentHash,
    pub(crate) number: u64,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) modified_nanos: i64,
    pub(crate) bytes: Bytes,
    pub(crate) event_count: u64,
}

impl Stored {
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
        self.event_count
    }

    /// Returns the bytes of its file.
    pub fn file_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether `other` is of the same place and content.
    pub(crate) fn is_same_file(&self, other: &Stored) -> bool {
        self.place == other.place && self.file_bytes() == other.file_bytes()
    }

    /// Returns the path of its file below `events/`, with `/` between the parts.
    pub fn relative_path(&self) -> String {
        match self.place {
            Place::Sharded => self.id().relative_path(),
            Place::Flat => self.id().file_name(),
        }
    }

    /// Decodes its events, in the order in which they were appended.
    ///
    /// # Errors
    /// An item is an error only when the bytes are not those that were verified.
    pub fn events(&self) -> impl Iterator<Item = Result<Event<'_>, DecodeError>> {
        Events::new(&self.header, &self.bytes)
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
}

/// Decodes what is needed to hold a transaction whose bytes were verified before.
///
/// # Errors
/// As [`fs_format::decode`].
pub(crate) fn header_of(bytes: &[u8]) -> Result<(Header, u64), DecodeError> {
    let header = fs_format::decode_header(bytes)?;
    if header.format_version == FormatVersion::V3 {
        let events = header.stream_bases.values().map(|base| base.writes).sum();
        return Ok((header, events));
    }
    let transaction = fs_format::decode(bytes)?;
    let events = transaction.events.len() as u64;
    Ok((transaction.header, events))
}
