//! Why bytes are not a transaction.

use crate::limits::{MAX_EVENTS, MAX_FILE_BYTES, MAX_JSON_DEPTH, MAX_PARENTS, MAX_REPLICA_SEQ};
use crate::{
    CommandIdError, ContentHash, EventId, FormatVersion, StreamId, StreamIdError, Timestamp,
    TransactionId,
};

/// Why bytes are not a transaction; lines are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is nothing in the file.
    #[error("the file is empty, as after a power cut")]
    Empty,
    /// The file breaks off before its end.
    #[error("the file breaks off before its end, as after a power cut")]
    Truncated,
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("{bytes} bytes are more than {MAX_FILE_BYTES}")]
    TooLarge {
        /// How large it is.
        bytes: u64,
    },
    /// A line is not UTF-8.
    #[error("line {line} is not UTF-8")]
    NotUtf8 {
        /// The line.
        line: usize,
    },
    /// The file has the conflict markers of a merge.
    #[error("line {line} is a conflict marker; take one side of the file as it was")]
    ConflictMarkers {
        /// The first such line.
        line: usize,
    },
    /// A line is not JSON, or a field is missing or of the wrong type.
    #[error("line {line} is not a valid record")]
    InvalidJson {
        /// The line.
        line: usize,
        /// What is wrong; places in it are counted within the line.
        source: serde_json::Error,
    },
    /// A line is nested deeper than [`MAX_JSON_DEPTH`].
    #[error("line {line} is nested deeper than {MAX_JSON_DEPTH} levels")]
    TooDeep {
        /// The line.
        line: usize,
    },
    /// The file is of a later format.
    #[error("format {version} was written by a newer version")]
    NewerFormat {
        /// Its version.
        version: u64,
    },
    /// The file says that it is of a format that never was.
    #[error("there is no format {version}")]
    UnknownFormat {
        /// Its version.
        version: u64,
    },
    /// A record is of an unknown kind.
    #[error("line {line} is a record of the unknown kind {record:?}, written by a newer version")]
    UnknownRecord {
        /// The line.
        line: usize,
        /// What it says of its kind.
        record: String,
    },
    /// A record stands where its kind cannot.
    #[error("line {line} is a {record} record, which cannot stand there")]
    MisplacedRecord {
        /// The line.
        line: usize,
        /// Its kind.
        record: String,
    },
    /// There is something below the seal.
    #[error("line {line} comes after the seal, which ends the file")]
    AfterSeal {
        /// The line.
        line: usize,
    },
    /// An id, a hash, an instant or the line itself is not in the one form in which it is written.
    #[error("line {line} has {what} that is not in canonical form")]
    NotCanonical {
        /// The line.
        line: usize,
        /// What is not.
        what: &'static str,
    },
    /// The transaction is dated in the last day of the range of times.
    #[error("dated {created_at}, beyond {latest}, which no transaction is", latest = Timestamp::LATEST_CREATED_AT)]
    DatedTooLate {
        /// Its time.
        created_at: Timestamp,
    },
    /// The place in the writer's chain is beyond [`MAX_REPLICA_SEQ`].
    #[error("replica_seq {replica_seq} is beyond {MAX_REPLICA_SEQ}, which no writer goes")]
    SequenceTooHigh {
        /// The place.
        replica_seq: u64,
    },
    /// The transaction says twice that it settles something.
    #[error("{id} stands twice in the list of a stream in resolves")]
    DuplicateResolved {
        /// The transaction that is named twice.
        id: TransactionId,
    },
    /// A stream id breaks the rules.
    #[error("line {line} has a stream id that is none")]
    InvalidStreamId {
        /// The line.
        line: usize,
        /// Which rule.
        source: StreamIdError,
    },
    /// The command id breaks the rules.
    #[error("the header has a command id that is none")]
    InvalidCommandId {
        /// Which rule.
        #[from]
        source: CommandIdError,
    },
    /// The metadata is not a JSON object.
    #[error("line {line} has metadata that is not a JSON object")]
    MetadataNotAnObject {
        /// The line.
        line: usize,
    },
    /// The content is not what was sealed.
    #[error(
        "the content was changed after it was written: its hash is {found}, the recorded one {expected}"
    )]
    SealMismatch {
        /// The hash that the file records.
        expected: ContentHash,
        /// The hash of what is there.
        found: ContentHash,
    },
    /// The seal counts another number of events than there are.
    #[error("the seal counts {declared} events, but {found} are there")]
    EventCount {
        /// What the seal says.
        declared: u64,
        /// How many events there are.
        found: u64,
    },
    /// There are more events than [`MAX_EVENTS`].
    #[error("more than {MAX_EVENTS} events")]
    TooManyEvents,
    /// There are more parents than [`MAX_PARENTS`].
    #[error("{parents} parents are more than {MAX_PARENTS}")]
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
    /// Two events have the same id.
    #[error("event {id} is there twice")]
    DuplicateEventId {
        /// The id.
        id: EventId,
    },
    /// The header names a stream twice in one map.
    #[error("the header names stream {stream:?} twice", stream = stream.as_str())]
    DuplicateStream {
        /// The stream.
        stream: StreamId,
    },
    /// An event belongs to a stream that `stream_bases` does not declare.
    #[error("stream {stream:?} has events, but the header does not declare it", stream = stream.as_str())]
    UndeclaredStream {
        /// The stream, as it is written.
        stream: String,
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
    /// The file is named after another transaction.
    #[error("the file is named {expected}, but holds transaction {found}")]
    WrongName {
        /// The id in the name.
        expected: TransactionId,
        /// The id in the header.
        found: TransactionId,
    },
    /// The file lies where files of its format do not.
    #[error("a file of format {version} belongs at {expected}")]
    WrongPlace {
        /// Its format.
        version: FormatVersion,
        /// Where it belongs, below `events/`.
        expected: String,
    },
}

impl DecodeError {
    /// Returns whether the file may just not be whole yet, so that it is worth another look later.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Empty | Self::Truncated)
    }

    /// Returns whether a newer version of the program can read the file.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::NewerFormat { .. } | Self::UnknownRecord { .. })
    }
}
