//! A transaction into the bytes of its file.
//!
//! **Invariant**: what is written can be read back, by every limit; and it is format 3, sealed.

use std::collections::HashSet;
use std::ops::Range;

use crate::event::count_writes;
use crate::limits::{MAX_EVENTS, MAX_FILE_BYTES, MAX_PARENTS, MAX_REPLICA_SEQ};
use crate::write::{Identity, Lines};
use crate::{
    ContentHash, Event, EventId, FormatVersion, Header, StreamId, Timestamp, TransactionId,
};

/// Why a transaction cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The header is that of an older format, which is only read.
    #[error("format {version} is read only; new transactions are of format 3")]
    OldFormat {
        /// Its version.
        version: FormatVersion,
    },
    /// The header has no place in its writer's chain.
    #[error("replica_seq is missing")]
    MissingReplicaSeq,
    /// The header is dated beyond [`Timestamp::LATEST_CREATED_AT`].
    #[error("dated {created_at}, beyond {latest}, which no reader takes", latest = Timestamp::LATEST_CREATED_AT)]
    DatedTooLate {
        /// Its time.
        created_at: Timestamp,
    },
    /// The place in the writer's chain is beyond [`MAX_REPLICA_SEQ`].
    #[error("replica_seq {replica_seq} is beyond {MAX_REPLICA_SEQ}, which no reader takes")]
    SequenceTooHigh {
        /// The place.
        replica_seq: u64,
    },
    /// The file would be larger than [`MAX_FILE_BYTES`].
    #[error("the transaction takes more than {MAX_FILE_BYTES} bytes; split it")]
    TooLarge,
    /// There are more events than [`MAX_EVENTS`].
    #[error("{events} events are more than {MAX_EVENTS}; split the transaction")]
    TooManyEvents {
        /// How many there are.
        events: usize,
    },
    /// There are more parents than [`MAX_PARENTS`].
    #[error("{parents} parents are more than {MAX_PARENTS}; merge some of the heads first")]
    TooManyParents {
        /// How many there are.
        parents: usize,
    },
    /// A parent is named twice.
    #[error("parent {id} is named twice")]
    DuplicateParent {
        /// The parent.
        id: TransactionId,
    },
    /// The transaction names itself as a parent.
    #[error("transaction {id} names itself as a parent")]
    SelfParent {
        /// The transaction.
        id: TransactionId,
    },
    /// A parent has no content hash.
    #[error("parent {id} has no content hash")]
    ParentWithoutHash {
        /// The parent.
        id: TransactionId,
    },
    /// Two events have the same id.
    #[error("event {id} is there twice")]
    DuplicateEventId {
        /// The id.
        id: EventId,
    },
    /// An event belongs to a stream that `stream_bases` does not declare.
    #[error("stream {stream:?} has events, but stream_bases does not declare it", stream = stream.as_str())]
    UndeclaredStream {
        /// The stream.
        stream: StreamId,
    },
    /// `stream_bases` declares another number of events than there are.
    #[error("stream {stream:?} declares {declared} events, but {found} are there", stream = stream.as_str())]
    WritesMismatch {
        /// The stream.
        stream: StreamId,
        /// What `stream_bases` says.
        declared: u64,
        /// How many events there are.
        found: u64,
    },
    /// The metadata of the header or of an event is not a JSON object.
    #[error("metadata is not a JSON object")]
    MetadataNotAnObject,
}

/// A transaction as the bytes of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is written yet"]
pub struct Encoded {
    /// Its id, by which its file is named.
    pub transaction_id: TransactionId,
    /// The bytes of its file.
    pub bytes: Vec<u8>,
    /// The hash that its seal records and its children will.
    pub content_hash: ContentHash,
    /// Where the data of each event lie in the bytes.
    pub event_data: Vec<Range<usize>>,
}

/// Encodes a transaction in format 3.
///
/// Parents and resolved heads are written ascending by id, maps in the byte order of their keys, events in the order
/// given. The same arguments always give the same bytes.
///
/// # Errors
/// As [`EncodeError`] says; every limit is checked.
pub fn encode(header: &Header, events: &[Event<'_>]) -> Result<Encoded, EncodeError> {
    let identity = Identity {
        transaction_id: header.transaction_id,
        replica_id: header.replica_id,
        replica_seq: header.replica_seq.ok_or(EncodeError::MissingReplicaSeq)?,
    };
    if identity.replica_seq > MAX_REPLICA_SEQ {
        return Err(EncodeError::SequenceTooHigh {
            replica_seq: identity.replica_seq,
        });
    }
    check(header, events, identity.transaction_id)?;
    let mut seen = HashSet::with_capacity(events.len());
    if let Some(twice) = events.iter().find(|event| !seen.insert(event.event_id)) {
        return Err(EncodeError::DuplicateEventId { id: twice.event_id });
    }
    let lines = write(header, events, identity, |at| events[at].event_id)?;
    sealed(lines, events.len(), identity.transaction_id)
}

/// Checks what does not depend on the ids of the events.
pub(crate) fn check(
    header: &Header,
    events: &[Event<'_>],
    id: TransactionId,
) -> Result<(), EncodeError> {
    if header.format_version != FormatVersion::V3 {
        return Err(EncodeError::OldFormat {
            version: header.format_version,
        });
    }
    if header.created_at > Timestamp::LATEST_CREATED_AT {
        return Err(EncodeError::DatedTooLate {
            created_at: header.created_at,
        });
    }
    if events.len() > MAX_EVENTS {
        return Err(EncodeError::TooManyEvents {
            events: events.len(),
        });
    }
    check_parents(header, id)?;
    check_streams(header, events)?;
    if header.metadata.is_object() && events.iter().all(|event| event.metadata.is_object()) {
        Ok(())
    } else {
        Err(EncodeError::MetadataNotAnObject)
    }
}

fn check_parents(header: &Header, id: TransactionId) -> Result<(), EncodeError> {
    if header.parents.len() > MAX_PARENTS {
        return Err(EncodeError::TooManyParents {
            parents: header.parents.len(),
        });
    }
    let mut seen = HashSet::with_capacity(header.parents.len());
    for parent in &header.parents {
        let parent_id = parent.transaction_id;
        if parent_id == id {
            return Err(EncodeError::SelfParent { id });
        }
        if parent.content_hash.is_none() {
            return Err(EncodeError::ParentWithoutHash { id: parent_id });
        }
        if !seen.insert(parent_id) {
            return Err(EncodeError::DuplicateParent { id: parent_id });
        }
    }
    Ok(())
}

fn check_streams(header: &Header, events: &[Event<'_>]) -> Result<(), EncodeError> {
    let found = count_writes(events);
    if let Some(stream) = found
        .keys()
        .find(|stream| !header.stream_bases.contains_key(**stream))
    {
        return Err(EncodeError::UndeclaredStream {
            stream: (*stream).clone(),
        });
    }
    for (stream, base) in &header.stream_bases {
        let found = found.get(stream).copied().unwrap_or(0);
        if found != base.writes {
            return Err(EncodeError::WritesMismatch {
                stream: stream.clone(),
                declared: base.writes,
                found,
            });
        }
    }
    Ok(())
}

/// Writes all lines but the seal.
pub(crate) fn write(
    header: &Header,
    events: &[Event<'_>],
    identity: Identity,
    event_id: impl Fn(usize) -> EventId,
) -> Result<Lines, EncodeError> {
    let mut lines = Lines::default();
    lines.header(header, identity);
    for (at, event) in events.iter().enumerate() {
        lines.event(event, event_id(at));
        check_size(lines.as_bytes())?;
    }
    Ok(lines)
}

/// Seals the lines.
pub(crate) fn sealed(
    mut lines: Lines,
    events: usize,
    transaction_id: TransactionId,
) -> Result<Encoded, EncodeError> {
    let content_hash = lines.seal(events);
    check_size(lines.as_bytes())?;
    let (bytes, event_data) = lines.into_parts();
    Ok(Encoded {
        transaction_id,
        bytes,
        content_hash,
        event_data,
    })
}

fn check_size(bytes: &[u8]) -> Result<(), EncodeError> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        Err(EncodeError::TooLarge)
    } else {
        Ok(())
    }
}
