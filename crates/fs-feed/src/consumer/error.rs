//! What a consumer is refused.

use fs_index::{Position, StalePosition};

use fs_store::{CursorError, ReadError, StateError};

/// A consumer that could not be opened, fetch or move.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// What the consumer had read is not the history that is there: events went away (`git reset`, `git switch`), the index was rebuilt, or
    /// the store was put back to an earlier state.
    #[error(
        "consumer {name} has read another history than the one that is there now; forget what was made of it and reset the consumer"
    )]
    NewEpoch {
        /// The consumer.
        name: String,
        /// The position that means nothing any more.
        source: StalePosition,
    },
    /// The cursor is not where the batch was fetched after.
    #[error(
        "consumer {name} was moved since this batch was fetched, so it is not acknowledged; fetch again"
    )]
    Moved {
        /// The consumer.
        name: String,
    },
    /// A position that was to be acknowledged is none of the history that the consumer reads; its cursor is.
    #[error(
        "{position} is no position of the history that consumer {name} reads, so nothing is acknowledged; fetch again for positions that are"
    )]
    UnknownPosition {
        /// The consumer.
        name: String,
        /// What was to be acknowledged.
        position: Position,
    },
    /// The cursor would have to go back.
    #[error(
        "consumer {name} is at {reached} already, behind {position}; reset it to read again from the beginning"
    )]
    Behind {
        /// The consumer.
        name: String,
        /// What was to be acknowledged.
        position: Position,
        /// Where the cursor is.
        reached: Position,
    },
    /// The consumer was removed after this handle was opened.
    #[error("there is no consumer {name} any more; open it again to begin anew")]
    Removed {
        /// The consumer.
        name: String,
    },
    /// The cursor could not be locked, read or written.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<StateError> for ConsumerError {
    fn from(error: StateError) -> Self {
        Self::Cursor(error.into())
    }
}
