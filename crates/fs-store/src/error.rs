//! What a store refuses or fails to do.

use std::io;
use std::path::{Path, PathBuf};

use fs_format::{CommandId, EncodeError, EventId, StreamId, TransactionId};
use fs_index::{
    Activity, Completeness, IndexError, Layout, Position, StalePosition, Unconfirmed, Undecodable,
};
use fs_io::{FileKind, LockError, PublishError};

use crate::command::ContentDifference;
use crate::event::StoredEvent;
use crate::report::report;
use crate::requires::RequiresError;
use crate::schema::EventDecodeError;
use crate::state::StateError;
use crate::wal::LogError;

/// The most streams that a message names.
const MAX_NAMED_STREAMS: usize = 3;

/// A store that was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no store.
    #[error(
        "there is no event store at {root}: {found}; create one, or name the directory of another"
    )]
    NotAStore {
        /// Where it was looked for.
        root: PathBuf,
        /// What is there instead.
        found: NoStore,
    },
    /// The directory in which a store was to be created holds what is no part of one. Nothing was changed.
    #[error(
        "{root} holds {found}, which is no part of a store; nothing was changed; name a directory that is empty or not there yet"
    )]
    Occupied {
        /// Where the store was to be created.
        root: PathBuf,
        /// What is there, by its path below the root.
        found: String,
    },
    /// There is no store in a directory, nor in any above it.
    #[error(
        "there is no .tributary store in {from} or above; create one, or name the directory of another"
    )]
    NoneAbove {
        /// Where the search began.
        from: PathBuf,
    },
    /// The root of the store is a symbolic link.
    #[error(
        "{root} is a symbolic link, and a store is not looked for where one leads; name the directory itself, or remove the link"
    )]
    Link {
        /// The link.
        root: PathBuf,
    },
    /// Whether there is a store could not be told.
    #[error("cannot look for an event store at {root}; see that this user may read the directory")]
    Unreadable {
        /// Where it was looked for.
        root: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store may not be written to, and neither may the place where its index would be made instead.
    #[error(
        "{root} may not be written to, and its index cannot be made among the temporary files either; set TMPDIR to a directory that may be written to"
    )]
    NoTemporaryPlace {
        /// The root of the store.
        root: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A directory or file of the store could not be created or read.
    #[error("cannot set up the store at {root}: {}", report(source.as_ref()))]
    SetUp {
        /// The root of the store.
        root: PathBuf,
        /// What failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store is there and could not be read.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// Something is missing, and the caller wants the whole or nothing.
    #[error(
        "the store at {root} is incomplete: {completeness}; bring back what is missing, or open it without refusing that"
    )]
    Incomplete {
        /// The root of the store.
        root: PathBuf,
        /// What is missing.
        completeness: Box<Completeness>,
    },
}

/// What there is where a store was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoStore {
    /// Nothing.
    #[error("nothing is there")]
    Nothing,
    /// A directory without transactions.
    #[error("the directory holds no events/")]
    NoEvents,
    /// An `events/` that holds something, and nothing of a store.
    #[error("its events/ holds nothing of a store")]
    ForeignEvents,
    /// Something other than a directory.
    #[error("{0} is there")]
    Other(FileKind),
    /// A directory in which something other than one is called `events`.
    #[error("its events/ is {0}")]
    OtherEvents(FileKind),
}

/// Another process, or another handle of this one, held the write lock for longer than
/// [`StoreOptions::lock_timeout`](crate::StoreOptions::lock_timeout).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is busy: {} is held by {}; try again, or end that process", path.display(), holder.as_deref().unwrap_or("another process"))]
#[non_exhaustive]
pub struct StoreBusy {
    /// The lock file.
    pub path: PathBuf,
    /// Who holds it, as the file says: `pid 123 since 2026-11-20T20:31:00Z`.
    pub holder: Option<String>,
}

/// Files of known transactions are missing, or hold something else than before, and version control is at work: what is
/// there is not yet what it is going to be. They were waited for as long as for the write lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "git is at work: {} of the known files are missing or changed, like {}, and {}; nothing was stored: try again when git is done{}",
    unconfirmed.files.count,
    path.display(),
    unconfirmed.activity,
    advice(&unconfirmed.activity)
)]
#[non_exhaustive]
pub struct GitBusy {
    /// The first of the files.
    pub path: PathBuf,
    /// What is missing, and what is at work.
    pub unconfirmed: Unconfirmed,
}

impl GitBusy {
    pub(crate) fn of(layout: &Layout, unconfirmed: Unconfirmed) -> Self {
        let first = unconfirmed.files.paths.first().map_or("", String::as_str);
        Self {
            path: layout.event_file(first),
            unconfirmed,
        }
    }
}

/// Returns what may be done where version control died at work.
fn advice(activity: &Activity) -> &'static str {
    match activity {
        Activity::Locked { .. } => ", or delete the lock if no git runs",
        Activity::Sequence { .. } => ", or a minute after its last step",
        _ => "",
    }
}

impl From<LockError> for RefreshError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Busy { path, holder } => Self::Busy(StoreBusy { path, holder }),
            other => Self::Lock(other),
        }
    }
}

impl From<LockError> for AppendError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Busy { path, holder } => Self::Busy(StoreBusy { path, holder }),
            other => Self::Lock(other),
        }
    }
}

/// A file of `local/` was written by a newer version of the program, which alone knows how to go on with it.
///
/// Nothing in `local/` is changed, and nothing is appended; reading goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} was written by a newer version (its format is {format}, and this version knows {known}), so nothing is written here; use that version, or write in a clone of your own", path.display()
)]
#[non_exhaustive]
pub struct NewerVersion {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: u32,
    /// The highest format that this version knows.
    pub known: u32,
}

/// A refresh that failed; what was known before is still served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The store asks for something that this version does not know.
    #[error(transparent)]
    Requires(#[from] RequiresError),
    /// Another process held the write lock for too long.
    #[error(transparent)]
    Busy(StoreBusy),
    /// The write lock could not be taken.
    #[error(transparent)]
    Lock(LockError),
    /// The log of what is not yet durable as files could not be read or put right.
    #[error(transparent)]
    Log(LogError),
    /// A file of this working copy was written by a newer version.
    #[error(transparent)]
    NewerVersion(NewerVersion),
    /// The identity of this working copy could not be read or written.
    #[error(transparent)]
    Identity(IdentityError),
    /// The index could not be read or written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// What was accepted to be missing could not be read or written.
    #[error(transparent)]
    Accepted(#[from] StateError),
}

impl From<LogError> for RefreshError {
    fn from(error: LogError) -> Self {
        match error.newer_version() {
            Some(newer) => Self::NewerVersion(newer.clone()),
            None => Self::Log(error),
        }
    }
}

/// The identity of a working copy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("cannot read or write the identity of this working copy, {}: {}", path.display(), report(source.as_ref()))]
    File {
        /// The file that holds it, or the directory of the store when that cannot be told from others.
        path: PathBuf,
        /// What failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A directory stands in its place.
    #[error("{} is a directory, where the identity of this working copy belongs; move it away, and another identity is made", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// A newer version has written it.
    #[error(transparent)]
    NewerVersion(NewerVersion),
}

impl From<IdentityError> for RefreshError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::NewerVersion(newer) => Self::NewerVersion(newer),
            other => Self::Identity(other),
        }
    }
}

impl From<IdentityError> for AppendError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::NewerVersion(newer) => Self::NewerVersion(newer),
            other => Self::Identity(other),
        }
    }
}

/// A read that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What the position stands on is not there: events were removed, the index was rebuilt, or the store was put back to an earlier
    /// state.
    #[error(transparent)]
    StalePosition(#[from] StalePosition),
    /// The index could not be brought up to date.
    #[error(transparent)]
    Refresh(RefreshError),
    /// The bytes of a transaction in memory are not those that were verified.
    #[error(transparent)]
    Damaged(#[from] Undecodable),
    /// An event is not of the type that was asked for.
    #[error(
        "event {event_id} (type {event_type}, version {version} of stream {stream_id}, transaction {transaction_id}) does not decode into the requested type"
    )]
    Undecodable {
        /// The event.
        event_id: EventId,
        /// Its type as it was written.
        event_type: String,
        /// Its stream.
        stream_id: StreamId,
        /// Its canonical version.
        version: u64,
        /// The transaction it belongs to.
        transaction_id: TransactionId,
        /// Why not.
        source: Box<EventDecodeError>,
    },
    /// An event is not of the type that was asked for, and was removed before it could be named.
    #[error(
        "the event at position {position} does not decode into the requested type, and went away meanwhile"
    )]
    Gone {
        /// Where it was.
        position: Position,
        /// Why not.
        source: Box<EventDecodeError>,
    },
}

impl From<RefreshError> for ReadError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Index(IndexError::Stale(stale)) => Self::StalePosition(stale),
            error => Self::Refresh(error),
        }
    }
}

impl ReadError {
    /// Names an event that was not read.
    pub(crate) fn undecodable(event: StoredEvent, source: EventDecodeError) -> Self {
        Self::Undecodable {
            event_id: event.event_id,
            event_type: event.event_type,
            stream_id: event.stream_id,
            version: event.version,
            transaction_id: event.transaction_id,
            source: Box::new(source),
        }
    }
}

/// An append that was refused or failed.
///
/// Of the three outcomes of an append, applied is `Ok`; [`AppendError::Unknown`] means that it may or may not be
/// there, wholly; every other error means that nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The append holds no event.
    #[error("a transaction needs at least one event")]
    Empty,
    /// The store may not be written to.
    #[error(
        "{root} may not be written to by this user, so it is open for reading only; get write access to it, or append in a clone of your own"
    )]
    ReadOnly {
        /// The root of the store.
        root: PathBuf,
    },
    /// A file of this working copy was written by a newer version. Nothing was written.
    #[error(transparent)]
    NewerVersion(NewerVersion),
    /// A stream is not at the version that the caller decided on.
    #[error(
        "stream {stream_id} is at version {actual}, not at {expected} as expected; read it again and decide anew"
    )]
    VersionConflict {
        /// The stream.
        stream_id: StreamId,
        /// The version that the caller expected.
        expected: u64,
        /// The version that it has.
        actual: u64,
    },
    /// The command id was used before, by an append of other content. Nothing was stored.
    #[error(
        "command id {command_id} was used before, by transaction {transaction_id} on {}, with {difference}; nothing was stored; give this command an id of its own",
        named(stream_ids)
    )]
    CommandIdReused {
        /// The id.
        command_id: CommandId,
        /// The transaction that used it first, in canonical order.
        transaction_id: TransactionId,
        /// The streams that it writes.
        stream_ids: Vec<StreamId>,
        /// In what the contents differ.
        difference: ContentDifference,
    },
    /// The caller decided on a version of a stream of which events are known to be missing, so that the version proves nothing.
    /// Reading the stream again does not help.
    #[error(
        "a part of stream {stream_id} is not there: transaction {missing} of it, or below it, is missing or damaged (events/{path}); bring that back, forget it, or append anyway"
    )]
    Hole {
        /// The stream.
        stream_id: StreamId,
        /// What is missing: a transaction of the stream, or a parent of one.
        missing: TransactionId,
        /// The path below `events/` of its file, or where that would be.
        path: String,
    },
    /// The command was carried out by a transaction that is missing or damaged, as its bytes that are kept say. Nothing was stored.
    #[error(
        "command id {command_id} was used by transaction {transaction_id}, which is missing or damaged (events/{path}); bring that back, forget it, or append anyway"
    )]
    CommandMissing {
        /// The command id.
        command_id: CommandId,
        /// The transaction that used it.
        transaction_id: TransactionId,
        /// The path below `events/` of its file, or where that would be.
        path: String,
    },
    /// The stream has an open fork, and the store was opened to refuse appends to such.
    #[error("stream {stream_id} has an open fork; settle it first")]
    ForkedStream {
        /// The stream.
        stream_id: StreamId,
    },
    /// The transaction breaks a rule of the format.
    #[error(transparent)]
    Invalid(#[from] EncodeError),
    /// The store could not be refreshed, so nothing was checked and nothing was written.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// Another process held the write lock for too long. Nothing was written.
    #[error(transparent)]
    Busy(StoreBusy),
    /// Something stands where a directory of the transaction would be. Nothing was written.
    #[error(
        "{path} stands where a directory of transactions belongs, so nothing can be stored there now; move it away"
    )]
    Blocked {
        /// What stands there.
        path: PathBuf,
    },
    /// Files are missing while version control is at work. Nothing was written.
    #[error(transparent)]
    GitBusy(GitBusy),
    /// The write lock could not be taken. Nothing was written.
    #[error(transparent)]
    Lock(LockError),
    /// The turn of several appends could not begin: nothing of this one was checked or written. Another of them has the error itself.
    #[error("nothing was written: {reason}")]
    NotBegun {
        /// What failed, from the outside in.
        reason: String,
    },
    /// The clock of this machine is before 1970, or in the last day of the range of times. Nothing was written.
    #[error(
        "the clock of this machine stands at {seconds} seconds from 1970, outside of the times that a transaction can have, up to {latest}; set it right and append again",
        seconds = unix_nanos.div_euclid(1_000_000_000),
        latest = fs_format::Timestamp::LATEST_CREATED_AT
    )]
    ClockOutOfRange {
        /// What it says, in nanoseconds from 1970.
        unix_nanos: i64,
    },
    /// The replica that this store was opened as has used up its numbers; nothing was written.
    #[error(
        "replica {replica_id} has used its last number; open the store as another replica to append again"
    )]
    SequenceExhausted {
        /// The replica.
        replica_id: fs_format::ReplicaId,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[source] io::Error),
    /// The identity of this working copy could not be read or written.
    #[error(transparent)]
    Identity(IdentityError),
    /// A write or sync failed before the transaction had its name: nothing was stored.
    #[error("nothing was stored ({}); reopen the store to append again", report(.0))]
    NotApplied(#[source] PublishError),
    /// The last sync failed: after a power cut, transaction {transaction_id} is there wholly or not at all.
    #[error(
        "transaction {transaction_id} may or may not survive a power cut ({}); reopen the store and look for it by its command id",
        report(source)
    )]
    Unknown {
        /// The transaction.
        transaction_id: TransactionId,
        /// What failed.
        #[source]
        source: PublishError,
    },
    /// A sync failed: what was appended before may not survive a power cut.
    #[error("not everything that was appended is durable ({}); reopen the store", report(.0))]
    NotFlushed(#[source] PublishError),
    /// An earlier write or sync of this handle failed.
    #[error(
        "this handle refuses to append since an earlier write failed ({reason}); reopen the store"
    )]
    Poisoned {
        /// What failed then.
        reason: String,
    },
}

impl AppendError {
    /// Returns the error for a write lock that was not taken: who may not touch it may not write at all.
    pub(crate) fn not_locked(root: &Path, error: LockError) -> Self {
        match error {
            LockError::Io { source, .. } if is_refusal(&source) => Self::ReadOnly {
                root: root.to_owned(),
            },
            error => error.into(),
        }
    }
}

/// Returns whether the operating system says that something may not be written to.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Names streams, at most [`MAX_NAMED_STREAMS`] of them.
fn named(stream_ids: &[StreamId]) -> String {
    let names = stream_ids.iter().take(MAX_NAMED_STREAMS);
    let mut text: Vec<_> = names.map(|it| format!("{:?}", it.as_str())).collect();
    if stream_ids.len() > MAX_NAMED_STREAMS {
        text.push(format!("{} more", stream_ids.len() - MAX_NAMED_STREAMS));
    }
    format!("stream {}", text.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: io::ErrorKind) -> AppendError {
        let error = LockError::Io {
            path: "/store/local/lock".into(),
            source: kind.into(),
        };
        AppendError::not_locked(Path::new("/store"), error)
    }

    #[test]
    fn a_lock_that_may_not_be_touched_is_a_store_that_may_not_be_written_to() {
        for kind in [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem,
        ] {
            let error = refused(kind);
            assert!(
                matches!(&error, AppendError::ReadOnly { root } if root == Path::new("/store")),
                "{kind:?} says that this user may not write: {error:?}"
            );
            let message = error.to_string();
            assert!(
                message.contains("/store") && message.contains("write access"),
                "where, and what to do: {message}"
            );
        }
        let other = refused(io::ErrorKind::StorageFull);
        assert!(
            matches!(other, AppendError::Lock(_)),
            "any other failure is told as it is: {other:?}"
        );
    }

    #[test]
    fn a_busy_store_says_who_holds_it_and_what_to_do() {
        let busy = StoreBusy {
            path: "/store/local/lock".into(),
            holder: Some("pid 7".to_owned()),
        };
        assert_eq!(
            busy.to_string(),
            "the store is busy: /store/local/lock is held by pid 7; try again, or end that process",
            "the next step is named"
        );
    }

    #[test]
    fn a_store_without_a_place_for_its_index_names_the_variable_to_set() {
        let error = OpenError::NoTemporaryPlace {
            root: "/store".into(),
            source: io::ErrorKind::NotFound.into(),
        };
        let message = error.to_string();
        assert!(
            message.contains("/store") && message.contains("set TMPDIR to a directory"),
            "where, and what to do: {message}"
        );
    }
}
