//! How a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fs_format::{ReplicaId, StreamId};
use fs_index::History;
use fs_io::SyncPolicy;

/// Choices that are made when a store is opened; none of them is written to disk.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(crate) durability: Durability,
    pub(crate) replica_id: Option<ReplicaId>,
    pub(crate) on_fork: OnFork,
    pub(crate) lock_timeout: Duration,
}

impl Default for StoreOptions {
    /// Durable appends, an identity of the working copy's own, appends to forked streams allowed, ten seconds of
    /// waiting for the write lock.
    fn default() -> Self {
        Self {
            durability: Durability::Files,
            replica_id: None,
            on_fork: OnFork::Append,
            lock_timeout: Duration::from_secs(10),
        }
    }
}

impl StoreOptions {
    /// Sets what an acknowledged append has survived.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Appends as this replica instead of the working copy's own.
    ///
    /// The caller answers for it that no other working copy appends as the same replica at the same time; where one
    /// does, the status reports a replica identity conflict.
    #[must_use]
    pub fn replica_id(mut self, replica_id: ReplicaId) -> Self {
        self.replica_id = Some(replica_id);
        self
    }

    /// Sets what happens to appends to a forked stream.
    #[must_use]
    pub fn on_fork(mut self, on_fork: OnFork) -> Self {
        self.on_fork = on_fork;
        self
    }

    /// Sets how long an append or refresh waits for the write lock.
    #[must_use]
    pub fn lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }
}

/// What an acknowledged append has survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A power cut: the file is synced before it gets its name, the directory after.
    Files,
    /// The death of the process. For tests, and for imports that end in a [`flush`](crate::FileEventStore::flush).
    None,
}

impl Durability {
    pub(crate) fn sync(self) -> SyncPolicy {
        match self {
            Durability::Files => SyncPolicy::Durable,
            Durability::None => SyncPolicy::None,
        }
    }
}

/// What happens to an append to a stream that has an open fork.
#[derive(Clone, Debug)]
pub enum OnFork {
    /// It is appended on top; the fork stays open.
    Append,
    /// It is refused with [`AppendError::ForkedStream`](crate::AppendError::ForkedStream) when the detector says so.
    Reject(Arc<dyn ForkDetector>),
}

/// Tells forked streams; fs-merge has the one that goes by the definition of a fork.
pub trait ForkDetector: fmt::Debug + Send + Sync {
    /// Returns the first of `streams` that has an open fork.
    fn forked<'a>(&self, history: &History, streams: &[&'a StreamId]) -> Option<&'a StreamId>;
}
