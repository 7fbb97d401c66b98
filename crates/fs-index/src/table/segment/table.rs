//! The sections of a segment and the entries in them.
//!
//! | section | entry | sorted by |
//! |---|---|---|
//! | transactions | number u64, running hash u64, id, replica id, time i64, offset u64, length u32, events u32, flags u8 | number |
//! | keys | time i64, number u64 | canonical key |
//! | graph | content hash, links (place u64, length u32) | number |
//! | links | a byte (`links.rs`) | number |
//! | ids | id, number u64 | both |
//! | children | parent's id, number u64 | both |
//! | commands | first 16 bytes of the SHA-256 of the command id, number u64 | both |
//! | postings | time i64, number u64, events u64 | stream, then canonical key |
//! | numbers of types | number u64 | type, then number |
//! | streams | name (place u64, length u32), first posting u64, postings u64, events u64 | name |
//! | types | name (place u64, length u32), first number u64, numbers u64, 0 u64 | name |
//! | names | a byte | |
//!
//! **Invariant**: all numbers are little endian; ids sort as their bytes do.

use fs_format::{CommandId, ContentHash, ReplicaId, Timestamp, TransactionId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Posting, SegmentId, TxRow};
use crate::codec::{Fields, Writer};
use crate::position::RunningHash;

const MAGIC: [u8; 8] = *b"tribseg\x03";

/// The sections, in the order in which they lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Transactions,
    Keys,
    Graph,
    Links,
    Ids,
    Children,
    Commands,
    Postings,
    TypeNumbers,
    Streams,
    Types,
    Names,
}

impl Section {
    const COUNT: usize = 12;

    pub(super) const ALL: [Section; Self::COUNT] = [
        Section::Transactions,
        Section::Keys,
        Section::Graph,
        Section::Links,
        Section::Ids,
        Section::Children,
        Section::Commands,
        Section::Postings,
        Section::TypeNumbers,
        Section::Streams,
        Section::Types,
        Section::Names,
    ];

    /// Returns how many bytes an entry has.
    pub(super) fn width(self) -> usize {
        match self {
            Section::Transactions => 73,
            Section::Keys => 16,
            Section::Graph => 44,
            Section::Ids | Section::Children | Section::Commands | Section::Postings => 24,
            Section::TypeNumbers => 8,
            Section::Streams | Section::Types => 36,
            Section::Links | Section::Names => 1,
        }
    }
}

/// The widest entry.
pub(super) const WIDEST: usize = 73;

/// Where a section lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) count: u64,
}

/// What the first page says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: SegmentId,
    pub(super) first_number: u64,
    pub(super) last_number: u64,
    pub(super) spans: [Span; Section::COUNT],
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.raw(&MAGIC)
            .raw(&self.id)
            .u64(self.first_number)
            .u64(self.last_number);
        for span in &self.spans {
            to.u64(span.start).u64(span.count);
        }
        to.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Fields::new(bytes.strip_prefix(&MAGIC)?);
        let mut head = Self {
            id: from.array()?,
            first_number: from.u64()?,
            last_number: from.u64()?,
            spans: [Span::default(); Section::COUNT],
        };
        for span in &mut head.spans {
            *span = Span {
                start: from.u64()?,
                count: from.u64()?,
            };
        }
        Some(head)
    }

    /// How many bytes [`Head::encode`] makes.
    pub(super) const LEN: usize = 8 + 16 + 16 + Section::COUNT * 16;
}

/// A name with what belongs to it: a stream with its postings, or a type with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name_at: u64,
    pub(super) name_len: u32,
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) events: u64,
}

pub(super) type Bytes24 = [u8; 24];

pub(super) fn pair(id: [u8; 16], number: u64) -> Bytes24 {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&id);
    bytes[16..].copy_from_slice(&number.to_le_bytes());
    bytes
}

pub(super) fn read_pair(bytes: &[u8]) -> Option<([u8; 16], u64)> {
    let mut from = Fields::new(bytes);
    Some((from.array()?, from.u64()?))
}

pub(super) fn key_of(id: TransactionId) -> [u8; 16] {
    *id.as_uuid().as_bytes()
}

pub(super) fn id_of(key: [u8; 16]) -> Option<TransactionId> {
    TransactionId::from_uuid(Uuid::from_bytes(key)).ok()
}

/// Returns what a command is found by.
pub(crate) fn command_key(id: &CommandId) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(id.as_str().as_bytes()).into();
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

pub(super) fn row(it: &TxRow) -> Vec<u8> {
    let mut to = Writer::default();
    to.u64(it.number)
        .u64(it.running_hash.to_u64())
        .id(it.id)
        .replica(it.replica_id)
        .i64(it.created_at.unix_nanos())
        .u64(it.offset)
        .u32(it.len)
        .u32(it.event_count)
        .byte(it.flags);
    to.finish()
}

pub(super) fn read_row(bytes: &[u8]) -> Option<TxRow> {
    let mut from = Fields::new(bytes);
    let number = from.u64()?;
    let running_hash = RunningHash::from_u64(from.u64()?);
    let id = from.id()?;
    let replica_id: ReplicaId = from.replica()?;
    let created_at: Timestamp = from.time()?;
    Some(TxRow {
        number,
        running_hash,
        id,
        replica_id,
        created_at,
        offset: from.u64()?,
        len: from.u32()?,
        event_count: from.u32()?,
        flags: from.byte()?,
    })
}

/// The content hash of a transaction, and where its links lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) content_hash: ContentHash,
    pub(super) links_at: u64,
    pub(super) links_len: u32,
}

pub(super) fn linked(it: &Linked) -> Vec<u8> {
    let mut to = Writer::default();
    to.hash(&it.content_hash).u64(it.links_at).u32(it.links_len);
    to.finish()
}

pub(super) fn read_linked(bytes: &[u8]) -> Option<Linked> {
    let mut from = Fields::new(bytes);
    Some(Linked {
        content_hash: from.hash()?,
        links_at: from.u64()?,
        links_len: from.u32()?,
    })
}

/// When a transaction was written, and its number.
pub(super) type TimedNumber = (Timestamp, u64);

pub(super) fn timed((time, number): TimedNumber) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&time.unix_nanos().to_le_bytes());
    bytes[8..].copy_from_slice(&number.to_le_bytes());
    bytes
}

pub(super) fn read_timed(bytes: &[u8]) -> Option<TimedNumber> {
    let mut from = Fields::new(bytes);
    Some((from.time()?, from.u64()?))
}

pub(super) fn posting(it: &Posting) -> Bytes24 {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&it.created_at.unix_nanos().to_le_bytes());
    bytes[8..16].copy_from_slice(&it.number.to_le_bytes());
    bytes[16..].copy_from_slice(&it.count.to_le_bytes());
    bytes
}

pub(super) fn read_posting(bytes: &[u8]) -> Option<Posting> {
    let mut from = Fields::new(bytes);
    Some(Posting {
        created_at: from.time()?,
        number: from.u64()?,
        count: from.u64()?,
    })
}

pub(super) fn named(it: &Named) -> Vec<u8> {
    let mut to = Writer::default();
    to.u64(it.name_at)
        .u32(it.name_len)
        .u64(it.first)
        .u64(it.count)
        .u64(it.events);
    to.finish()
}

pub(super) fn read_named(bytes: &[u8]) -> Option<Named> {
    let mut from = Fields::new(bytes);
    Some(Named {
        name_at: from.u64()?,
        name_len: from.u32()?,
        first: from.u64()?,
        count: from.u64()?,
        events: from.u64()?,
    })
}
