//! Why a runner ended.

use fs_store::LeaseError;
use fs_store::ReadError;
use fs_store::StoredEvent;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a runner ended before it was told to.
///
/// The read model is whole in each case: its state is the fold of the events up to its cursor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// Another runner leads the projection, or the lease could not be taken.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The file of the lease went away (`git clean`), so another runner may lead by now.
    #[error("the lease of projection {name} was lost: its file went away; run it again")]
    LeaseLost {
        /// The projection.
        name: String,
    },
    /// The store could not be read.
    #[error("projection {name} cannot read the store")]
    Read {
        /// The projection.
        name: String,
        /// Why not.
        source: ReadError,
    },
    /// An event could not be applied, or not be decoded.
    #[error(
        "projection {name} cannot apply event {} (type {}, version {} of stream {}, transaction {}; attempts: {attempts}); mend the projection, or let it set such events aside",
        event.event_id, event.event_type, event.version, event.stream_id, event.transaction_id
    )]
    Apply {
        /// The projection.
        name: String,
        /// The event.
        event: Box<StoredEvent>,
        /// How many times it was tried.
        attempts: u32,
        /// What was wrong the last time.
        #[source]
        source: Source,
    },
    /// More events would have to be set aside than may be.
    #[error(
        "projection {name} has set {at_most} events aside, which is the most it may, and cannot apply event {} either",
        event.event_id
    )]
    TooManySetAside {
        /// The projection.
        name: String,
        /// How many there may be.
        at_most: usize,
        /// The event that would be the next.
        event: Box<StoredEvent>,
        /// What was wrong with it.
        #[source]
        source: Source,
    },
    /// The state could not be made empty.
    #[error("projection {name} cannot reset its state")]
    Reset {
        /// The projection.
        name: String,
        /// Why not.
        #[source]
        source: Source,
    },
    /// The read model could not be read or written.
    #[error("the read model of projection {name} failed")]
    Model {
        /// The projection.
        name: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// Somebody else has changed the read model meanwhile.
    #[error(
        "the read model of projection {name} was changed by somebody else meanwhile; let one runner at a time work on it"
    )]
    Moved {
        /// The projection.
        name: String,
    },
}
