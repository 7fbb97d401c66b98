//! Leadership: one runner of a projection at a time, across processes.

use fs_io::{LockError, LockGuard, Wait};

use crate::state::{Kind, StateError};
use crate::store::FileEventStore;

/// The leadership of a projection; released when it is dropped, and by the operating system when the process dies.
#[derive(Debug)]
#[must_use = "leadership ends when the lease is dropped"]
pub struct Lease {
    lock: LockGuard,
}

impl Lease {
    /// Returns whether it still holds: once its file went away (`git clean -fdx`), another may lead.
    pub fn is_held(&self) -> bool {
        self.lock.is_named()
    }
}

/// A lease that was not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Another runner holds it.
    #[error("another runner leads projection {name} ({holder})")]
    Held {
        /// The projection.
        name: String,
        /// Who holds it, as far as it says.
        holder: String,
    },
    /// The lock could not be taken.
    #[error("cannot take the lease of projection {name}")]
    Lock {
        /// The projection.
        name: String,
        /// Why not.
        source: LockError,
    },
    /// The directory of the leases could not be created.
    #[error(transparent)]
    State(#[from] StateError),
}

impl FileEventStore {
    /// Takes the leadership of projection `name` when nobody holds it; never waits.
    ///
    /// # Errors
    /// [`LeaseError::Held`] when somebody does.
    pub fn lease(&self, name: &str) -> Result<Lease, LeaseError> {
        let path = self.inner.state_path(Kind::Lease, name);
        self.inner.create_state_dir(&path)?;
        match self.inner.system.disk.lock(&path, Wait::Never) {
            Ok(lock) => Ok(Lease { lock }),
            Err(LockError::Busy { holder, .. }) => Err(LeaseError::Held {
                name: name.to_owned(),
                holder: holder.unwrap_or_else(|| "unknown".to_owned()),
            }),
            Err(source) => Err(LeaseError::Lock {
                name: name.to_owned(),
                source,
            }),
        }
    }
}
