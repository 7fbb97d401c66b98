//! What the journal's frames say.
//!
//! The first byte is the kind; numbers are little endian; the last field takes the rest of the payload.
//!
//! | kind | record | fields |
//! |---|---|---|
//! | 1 | epoch | epoch u64, topology generation u64 |
//! | 2 | arrived | number u64, origin u8, place u8, modified i64 ns, id 16 bytes, content hash 32 bytes, the file's bytes |
//! | 3 | vanished | id 16 bytes |
//! | 4 | generation | topology generation u64 |
//! | 5 | boot | boot id, UTF-8, empty where the machine has none |

use std::ops::Range;

use fs_format::{ContentHash, TransactionId};
use uuid::Uuid;

use crate::position::Epoch;

/// How a transaction came into this working copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Appended here.
    Appended,
    /// Found in `events/`.
    Arrived,
}

/// Where the transaction's file lies below `events/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the directories of its id.
    Sharded,
    /// In `events/` itself, as eventcore-fs writes.
    Flat,
}

/// One record; `bytes` of an arrival is a range of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Epoch {
        epoch: Epoch,
        generation: u64,
    },
    Arrived {
        number: u64,
        origin: Origin,
        place: Place,
        modified_nanos: i64,
        id: TransactionId,
        content_hash: ContentHash,
        bytes: Range<usize>,
    },
    Vanished {
        id: TransactionId,
    },
    Generation {
        generation: u64,
    },
    Boot {
        boot_id: String,
    },
}

/// What an arrival's record holds besides the file's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) number: u64,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) modified_nanos: i64,
    pub(crate) id: TransactionId,
    pub(crate) content_hash: ContentHash,
    pub(crate) bytes: &'a [u8],
}

pub(crate) fn epoch(epoch: Epoch, generation: u64) -> Vec<u8> {
    let mut payload = vec![1];
    payload.extend_from_slice(&epoch.as_u64().to_le_bytes());
    payload.extend_from_slice(&generation.to_le_bytes());
    payload
}

pub(crate) fn arrived(arrival: Arrival<'_>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(67 + arrival.bytes.len());
    payload.push(2);
    payload.extend_from_slice(&arrival.number.to_le_bytes());
    payload.push(match arrival.origin {
        Origin::Appended => 1,
        Origin::Arrived => 2,
    });
    payload.push(match arrival.place {
        Place::Sharded => 1,
        Place::Flat => 2,
    });
    payload.extend_from_slice(&arrival.modified_nanos.to_le_bytes());
    payload.extend_from_slice(arrival.id.as_uuid().as_bytes());
    payload.extend_from_slice(arrival.content_hash.as_bytes());
    payload.extend_from_slice(arrival.bytes);
    payload
}

pub(crate) fn vanished(id: TransactionId) -> Vec<u8> {
    let mut payload = vec![3];
    payload.extend_from_slice(id.as_uuid().as_bytes());
    payload
}

pub(crate) fn generation(generation: u64) -> Vec<u8> {
    let mut payload = vec![4];
    payload.extend_from_slice(&generation.to_le_bytes());
    payload
}

pub(crate) fn boot(boot_id: &str) -> Vec<u8> {
    let mut payload = vec![5];
    payload.extend_from_slice(boot_id.as_bytes());
    payload
}

/// Reads a payload; `None` when it is not one that this version writes.
pub(crate) fn parse(payload: &[u8]) -> Option<Record> {
    let mut fields = Fields { rest: payload };
    let record = match fields.byte()? {
        1 => Record::Epoch {
            epoch: Epoch::from_u64(fields.u64()?),
            generation: fields.u64()?,
        },
        2 => {
            let number = fields.u64()?;
            let origin = match fields.byte()? {
                1 => Origin::Appended,
                2 => Origin::Arrived,
                _ => return None,
            };
            let place = match fields.byte()? {
                1 => Place::Sharded,
                2 => Place::Flat,
                _ => return None,
            };
            let modified_nanos = i64::from_le_bytes(fields.array()?);
            let id = fields.id()?;
            let content_hash = ContentHash::from_bytes(fields.array()?);
            let bytes = payload.len() - fields.rest.len()..payload.len();
            return Some(Record::Arrived {
                number,
                origin,
                place,
                modified_nanos,
                id,
                content_hash,
                bytes,
            });
        }
        3 => Record::Vanished { id: fields.id()? },
        4 => Record::Generation {
            generation: fields.u64()?,
        },
        5 => {
            let boot_id = std::str::from_utf8(fields.rest).ok()?.to_owned();
            return Some(Record::Boot { boot_id });
        }
        _ => return None,
    };
    fields.rest.is_empty().then_some(record)
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Option<TransactionId> {
        TransactionId::from_uuid(Uuid::from_bytes(self.array()?)).ok()
    }
}
