//! Segments: sorted tables of transactions, in one file each, that are never changed.
//!
//! A segment answers point queries by binary search on disk, so that nothing is loaded and memory does not grow with it.
//!
//! ```text
//! | head | transactions | keys | graph | links | ids | children | commands | postings | numbers of types | streams | types | names |
//!   in pages of 4 KiB, each with a checksum (`pages.rs`); each section is an array of entries of one width (`table.rs`)
//! ```
//!
//! **Invariant**: an answer is what was written, or [`SegmentError::Damaged`]. A file of another length or version, a
//! page of another file or place, and a flipped bit are all noticed when they are met.

mod error;
mod keys;
mod merge;
mod names;
mod pages;
mod reader;
mod table;
mod write;

use fs_format::{CommandId, ContentHash, ReplicaId, StreamId, Timestamp, TransactionId};

use crate::links::Links;
use crate::position::RunningHash;
pub(crate) use error::SegmentError;
pub(crate) use keys::KeyCursor;
pub(crate) use merge::{merge, sort};
pub(crate) use names::NameSearch;
pub(crate) use pages::PageCache;
pub(crate) use reader::{Segment, StreamRun};
pub(crate) use table::command_key;
pub(crate) use write::write;

/// The random name of a segment.
pub(crate) type SegmentId = [u8; 16];

/// Flag of a transaction whose file lies flat.
pub(crate) const FLAT: u8 = 1;

/// A transaction as it goes into a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its place in the ingestion order; unique, whatever vanishes and comes back.
    pub(crate) number: u64,
    /// That of the journal up to and with this transaction.
    pub(crate) running_hash: RunningHash,
    pub(crate) id: TransactionId,
    pub(crate) replica_id: ReplicaId,
    pub(crate) created_at: Timestamp,
    /// Where its record begins in the journal.
    pub(crate) offset: u64,
    /// How many bytes the record has.
    pub(crate) len: u32,
    pub(crate) flags: u8,
    pub(crate) event_count: u32,
    /// The streams it writes, each with the number of events.
    pub(crate) writes: Vec<(StreamId, u64)>,
    pub(crate) event_types: Vec<Box<str>>,
    pub(crate) command_id: Option<CommandId>,
    pub(crate) content_hash: ContentHash,
    pub(crate) links: Links,
}

/// What the canonical order is by where keys ascend along every edge.
pub(crate) type Key = (Timestamp, ReplicaId, TransactionId);

/// A transaction as the graph of the history needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GraphRow {
    pub(crate) row: TxRow,
    /// The hash by which children refer to it.
    pub(crate) content_hash: ContentHash,
    pub(crate) links: Links,
}

impl GraphRow {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            row: TxRow::of(entry),
            content_hash: entry.content_hash,
            links: entry.links.clone(),
        }
    }
}

/// What a segment tells of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TxRow {
    pub(crate) number: u64,
    /// That of the journal up to and with this transaction.
    pub(crate) running_hash: RunningHash,
    pub(crate) id: TransactionId,
    pub(crate) replica_id: ReplicaId,
    pub(crate) created_at: Timestamp,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) flags: u8,
    pub(crate) event_count: u32,
}

impl TxRow {
    pub(crate) fn key(&self) -> Key {
        (self.created_at, self.replica_id, self.id)
    }

    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            number: entry.number,
            running_hash: entry.running_hash,
            id: entry.id,
            replica_id: entry.replica_id,
            created_at: entry.created_at,
            offset: entry.offset,
            len: entry.len,
            flags: entry.flags,
            event_count: entry.event_count,
        }
    }
}

/// One who writes a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) created_at: Timestamp,
    pub(crate) number: u64,
    /// How many events it adds.
    pub(crate) count: u64,
}

#[cfg(test)]
mod tests;
