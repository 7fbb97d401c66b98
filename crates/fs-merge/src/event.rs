//! The events of a fork, raw or as the application's own type.
//!
//! **Invariant**: an event of a fork is decoded, or the fork is blocked by an error that names it; it is never left
//! out. It holds nothing that two clones would tell differently.

use std::ops::Deref;

use fs_format::{EventId, StreamId, TransactionId};
use fs_index::{Placed, Position, Undecodable};
use fs_store::{EventDecodeError, ReadError, Schema, StoredEvent};

use crate::detect::ForkId;

/// What the events of a fork are read as: [`Raw`], or any event type of EventCore.
pub trait ReadAs: Clone {
    /// Decodes an event, upcast as the schema says.
    ///
    /// # Errors
    /// [`EventDecodeError`].
    fn read(event: &StoredEvent, schema: &Schema) -> Result<Self, EventDecodeError>;
}

/// Events as they are stored, not decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl ReadAs for Raw {
    fn read(_: &StoredEvent, _: &Schema) -> Result<Self, EventDecodeError> {
        Ok(Self)
    }
}

impl<E: eventcore_types::Event> ReadAs for E {
    fn read(event: &StoredEvent, schema: &Schema) -> Result<Self, EventDecodeError> {
        schema.decode(event)
    }
}

/// An event of a fork; it dereferences to the event as it is stored.
///
/// Two are equal when they are stored alike.
#[derive(Clone, Debug)]
pub struct ForkEvent<E = Raw> {
    /// As it is stored, without a position: that would be this working copy's own.
    pub stored: StoredEvent,
    /// As the application's own type.
    pub event: E,
    /// By transaction, then by the order in which they were appended: canonical order among the events of one fork.
    pub(crate) place: (usize, usize),
}

impl<E> Deref for ForkEvent<E> {
    type Target = StoredEvent;

    fn deref(&self) -> &StoredEvent {
        &self.stored
    }
}

impl<E> PartialEq for ForkEvent<E> {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored && self.place == other.place
    }
}

impl<E> Eq for ForkEvent<E> {}

/// A fork that cannot be shown to a resolver; every other fork can.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockedFork {
    /// An event of the fork is not of the type that was asked for.
    #[error(
        "fork {fork_id} is blocked: event {event_id} (type {event_type}, version {version} of stream {stream_id}, transaction {transaction_id}) does not decode into the requested type"
    )]
    Event {
        /// The fork.
        fork_id: ForkId,
        /// The transaction that the event belongs to.
        transaction_id: TransactionId,
        /// The event.
        event_id: EventId,
        /// Its stream.
        stream_id: StreamId,
        /// Its canonical version.
        version: u64,
        /// Its type as it was written.
        event_type: String,
        /// Why not.
        source: Box<EventDecodeError>,
    },
    /// The bytes of a transaction in memory are not those that were verified.
    #[error("fork {fork_id} is blocked")]
    Damaged {
        /// The fork.
        fork_id: ForkId,
        /// What is damaged.
        source: Undecodable,
    },
}

impl BlockedFork {
    /// Returns the fork.
    pub fn fork_id(&self) -> &ForkId {
        match self {
            Self::Event { fork_id, .. } | Self::Damaged { fork_id, .. } => fork_id,
        }
    }

    /// Returns that an event does not decode.
    pub(crate) fn by(fork_id: &ForkId, event: StoredEvent, source: EventDecodeError) -> Self {
        Self::Event {
            fork_id: fork_id.clone(),
            transaction_id: event.transaction_id,
            event_id: event.event_id,
            stream_id: event.stream_id,
            version: event.version,
            event_type: event.event_type,
            source: Box::new(source),
        }
    }
}

impl From<BlockedFork> for ReadError {
    fn from(blocked: BlockedFork) -> Self {
        match blocked {
            BlockedFork::Damaged { source, .. } => Self::Damaged(source),
            BlockedFork::Event {
                transaction_id,
                event_id,
                stream_id,
                version,
                event_type,
                source,
                ..
            } => Self::Undecodable {
                event_id,
                event_type,
                stream_id,
                version,
                transaction_id,
                source,
            },
        }
    }
}

/// Returns an event as every clone tells it.
pub(crate) fn unplaced(placed: Placed<'_>) -> StoredEvent {
    let nowhere = Position::from_uuid(uuid::Uuid::nil());
    StoredEvent {
        position: nowhere,
        ..StoredEvent::from(placed)
    }
}
