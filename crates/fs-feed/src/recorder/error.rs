//! What a recorder refuses or fails to do.

use std::io;
use std::path::PathBuf;

use fs_format::{EventId, JsonError, StreamId};

use crate::recorder::mark::GAP_TYPE;
use crate::subscribe::SubscribeError;
use fs_store::LeaseError;
use fs_store::{AppendError, ReadError, RefreshError};

/// A recorder that was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// Another recorder writes the stream.
    #[error(
        "stream {stream_id} is being recorded already ({holder}); end that recorder, or record into another stream"
    )]
    Held {
        /// The stream.
        stream_id: StreamId,
        /// Who records it, as far as it says.
        holder: String,
    },
    /// The lease on the stream could not be taken.
    #[error("cannot take the lease on stream {stream_id}")]
    Lease {
        /// The stream.
        stream_id: StreamId,
        /// Why not.
        source: LeaseError,
    },
    /// The end of the stream could not be read.
    #[error("cannot find out where the recording ends")]
    Read(#[from] RefreshError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] io::Error),
    /// A recorder goes on with the store that it began with.
    #[error("the recorder records into {root}, not into {other}; make a new one for another store")]
    OtherStore {
        /// The store that it records into.
        root: PathBuf,
        /// The store that it was given.
        other: PathBuf,
    },
}

/// A recorder that has stopped before its end. It can be asked to go on, and nothing is lost by that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError<T> {
    /// An item cannot be stored by any try, so a gap of one stands in its place. Everything before it is stored; asked again, the recorder
    /// goes on after it.
    #[error("item {number} cannot be recorded; a gap marker stands in its place")]
    Refused {
        /// Its logical number.
        number: u64,
        /// The item.
        item: T,
        /// Why not.
        source: Refusal,
    },
    /// An append failed. The recorder holds what is not stored: asked again, it tries the same again, and where the failed append turns out to
    /// be there all the same, it is not stored twice. When the handle refuses further appends, [`Recorder::reopen`](crate::Recorder::reopen)
    /// comes first. [`Recorder::into_unstored`](crate::Recorder::into_unstored) gives the items back.
    #[error("{items} received items are not stored yet; record again, or take them back")]
    Append {
        /// How many items the recorder has received and not stored.
        items: usize,
        /// What failed.
        source: AppendError,
    },
    /// The end of the stream could not be read after somebody else wrote to it. As [`RecordError::Append`] otherwise.
    #[error(
        "{items} received items are not stored yet, since the end of the stream cannot be read"
    )]
    Read {
        /// How many items the recorder has received and not stored.
        items: usize,
        /// What failed.
        source: RefreshError,
    },
    /// The stream holds a number after which there are not enough. The recorder holds what is not stored.
    #[error(
        "after number {number} there are not enough numbers for what was received; record into another stream"
    )]
    NumbersExhausted {
        /// The highest number of the stream.
        number: u64,
    },
}

/// Why an item cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its serialization failed.
    #[error("it cannot be written as JSON")]
    Unserializable(#[source] serde_json::Error),
    /// Its JSON cannot stand in a file.
    #[error("its JSON cannot be stored")]
    Json(#[source] JsonError),
    /// Its event type is that of gap markers.
    #[error("its event type {GAP_TYPE} is reserved")]
    ReservedType,
    /// It takes more room than a transaction has.
    #[error("it takes {bytes} bytes; at most {limit} fit into a transaction")]
    TooLarge {
        /// The bytes of its JSON and its event type.
        bytes: usize,
        /// The most that are stored.
        limit: usize,
    },
}

/// An event of a recording that could not be given out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// An item is not of the type that was asked for. Reading goes on after it when asked again.
    #[error(
        "item {number} (event {event_id}, type {event_type}, stream {stream_id}) does not decode into the requested type"
    )]
    Undecodable {
        /// Its logical number.
        number: u64,
        /// Its event.
        event_id: EventId,
        /// The type of the event, as it was written.
        event_type: String,
        /// The stream.
        stream_id: StreamId,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The recording could not be followed.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}
