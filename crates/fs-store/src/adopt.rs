//! Taking a fresh identity, where another working copy has the same.
//!
//! An identity is bound to its place, so a copy of a working copy gets its own. Where the system does not tell places apart,
//! as for the snapshot of a virtual machine, or where the application names the replica, two may append as one.
//!
//! **Invariant**: no process of this working copy appends as one of its former replicas after [`FileEventStore::adopt`]
//! has answered.
//!
//! *Not done here*: changing what was written. Two lines under one name stay in the history.

use fs_format::ReplicaId;

use crate::error::AppendError;
use crate::store::FileEventStore;

/// The identity that a working copy has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The replica as which it appends from now on.
    pub replica_id: ReplicaId,
    /// All replicas as which it does not append any more.
    pub retired: Vec<ReplicaId>,
}

/// A fresh identity that was not taken; the former one stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The store was opened to append as a certain replica.
    #[error(
        "this store was opened to append as replica {replica_id}; open it with another replica id, or with none"
    )]
    Given {
        /// The replica in [`StoreOptions::replica_id`](crate::StoreOptions::replica_id).
        replica_id: ReplicaId,
    },
    /// The turn to write did not come, the store may not be written to, or the identity could not be written.
    #[error(transparent)]
    NotTaken(#[from] AppendError),
}

impl FileEventStore {
    /// Gives this working copy a fresh identity, as which every process of it appends from its next append on.
    ///
    /// The way out of a [`ReplicaIdentityConflict`](crate::ReplicaIdentityConflict): in each working copy that shares the
    /// replica. Taking one without need costs nothing but another replica.
    ///
    /// # Errors
    /// [`AdoptError`].
    pub fn adopt(&self) -> Result<Adopted, AdoptError> {
        if let Some(replica_id) = self.inner.options.replica_id {
            return Err(AdoptError::Given { replica_id });
        }
        let mut turn = self.inner.begin()?;
        let inner = &self.inner;
        let identity = &mut turn.writer.identity;
        let replica_id = identity.renew(&inner.system, &inner.layout, &mut inner.index.lock())?;
        Ok(Adopted {
            replica_id,
            retired: identity.retired().collect(),
        })
    }
}
