//! One try to store what a recorder holds.
//!
//! **Invariant**: a try succeeds only on the end of the stream that its numbers were taken from, or finds that an earlier try of the same
//! command did; so no number is given twice, whoever else writes to the stream.

use std::sync::Arc;

use fs_format::{CommandId, StreamId};
use uuid::Uuid;

use crate::recorder::end::End;
use fs_store::Append;
use fs_store::FileEventStore;
use fs_store::Lease;
use fs_store::{AppendError, RefreshError};

/// What the command ids of recorders begin with.
const COMMAND: &str = "recorder-";

/// Returns the command id of a recorder's transaction; `nth` counts those before it.
pub(crate) fn command_id(recorder: Uuid, nth: u64) -> CommandId {
    CommandId::new(format!("{COMMAND}{recorder}-{nth}"))
        .expect("a name and a number are a command id")
}

/// Returns whether a command id is that of a recorder's transaction.
pub(crate) fn is_recorders(command_id: &CommandId) -> bool {
    command_id.as_str().starts_with(COMMAND)
}

/// One try to store what is pending.
pub(crate) struct Try {
    pub(crate) store: FileEventStore,
    pub(crate) stream_id: StreamId,
    pub(crate) append: Append,
    /// The number of the last item in it.
    pub(crate) through: u64,
    /// Whoever records next comes after this.
    pub(crate) _lease: Arc<Lease>,
}

/// What became of it.
pub(crate) enum Tried {
    /// It is stored up to this number, and this is the end now.
    Stored {
        through: u64,
        end: End,
    },
    /// Somebody else wrote to the stream.
    Moved(End),
    Failed(AppendError),
    Unread(RefreshError),
}

impl Try {
    /// Appends; blocks.
    pub(crate) fn run(self) -> Tried {
        let through = self.through;
        match self.store.append(self.append) {
            Ok(appended) if !appended.replayed => Tried::Stored {
                through,
                end: End {
                    version: appended.versions.get(&self.stream_id).copied().unwrap_or(0),
                    number: through,
                },
            },
            // An earlier try had succeeded; what has come since is not known.
            Ok(_) => match end_now(&self.store, &self.stream_id) {
                Ok(end) => Tried::Stored { through, end },
                Err(error) => Tried::Unread(error),
            },
            Err(AppendError::VersionConflict { .. }) => {
                match end_now(&self.store, &self.stream_id) {
                    Ok(end) => Tried::Moved(end),
                    Err(error) => Tried::Unread(error),
                }
            }
            Err(error) => Tried::Failed(error),
        }
    }
}

fn end_now(store: &FileEventStore, stream_id: &StreamId) -> Result<End, RefreshError> {
    store.refresh()?;
    End::of(store, stream_id)
}
