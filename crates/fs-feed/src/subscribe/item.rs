//! What a subscription delivers.

use std::io;

use fs_index::{Position, StalePosition};

use fs_store::ReadError;
use fs_store::StoredEvent;

/// One delivery of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The next selected event.
    Event(StoredEvent),
    /// Events that were dropped because the subscriber fell behind by more than its queue holds.
    ///
    /// They are in the journal all the same: [`Subscription::missed`](crate::Subscription::missed) reads exactly them. The
    /// subscription goes on with what came after.
    Lagged {
        /// The first event that was dropped.
        from: Position,
        /// The last event that was dropped.
        to: Position,
    },
}

/// A subscription that ended, or could not go on for now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The end: the watched_dirs that were read mean nothing any more, because events went away (`git reset`, `git switch`), the index was
    /// rebuilt, or the store was put back to an earlier state. The consumer forgets what it derived and subscribes from the beginning.
    #[error(transparent)]
    StalePosition(#[from] StalePosition),
    /// The store could not be read. Nothing is skipped: asked again, the subscription tries again from the same place.
    #[error(transparent)]
    Read(ReadError),
    /// The thread that follows the store could not be started; asked again, the subscription tries again.
    #[error("cannot start the thread that follows the store")]
    Thread(#[source] io::Error),
}

impl From<ReadError> for SubscribeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::StalePosition(stale) => Self::StalePosition(stale),
            error => Self::Read(error),
        }
    }
}
