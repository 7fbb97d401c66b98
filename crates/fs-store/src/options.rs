//! How a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fs_format::{ReplicaId, StreamId};
use fs_index::{History, Progress};
use fs_io::{SyncPolicy, System};

use crate::schema::Schema;

/// Choices that are made when a store is opened; none of them is written to disk.
///
/// [`open`](StoreOptions::open), [`create`](StoreOptions::create) and [`discover`](StoreOptions::discover) open one.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(crate) durability: Durability,
    pub(crate) replica_id: Option<ReplicaId>,
    pub(crate) on_fork: OnFork,
    pub(crate) on_hole: OnHole,
    pub(crate) refuses_incomplete: bool,
    pub(crate) lock_timeout: Duration,
    pub(crate) checkpoint_after: usize,
    pub(crate) reads: Reads,
    pub(crate) progress: Progress,
    pub(crate) schema: Schema,
    /// Where the store lies, if not on the real system.
    pub(crate) system: Option<System>,
}

impl Default for StoreOptions {
    /// Appends made durable by the log, an identity of the working copy's own, appends to forked streams allowed, ten seconds of
    /// waiting for the write lock.
    fn default() -> Self {
        Self {
            durability: Durability::Log,
            replica_id: None,
            on_fork: OnFork::Append,
            on_hole: OnHole::Refuse,
            refuses_incomplete: false,
            lock_timeout: Duration::from_secs(10),
            checkpoint_after: 1000,
            reads: Reads::Present,
            progress: Progress::default(),
            schema: Schema::default(),
            system: None,
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

    /// Sets what happens to appends that expect a version of a stream of which events are known to be missing.
    #[must_use]
    pub fn on_hole(mut self, on_hole: OnHole) -> Self {
        self.on_hole = on_hole;
        self
    }

    /// Refuses to open a store of which something is known to be missing, with
    /// [`OpenError::Incomplete`](crate::OpenError::Incomplete).
    ///
    /// For programs that never ask [`completeness`](crate::FileEventStore::completeness). What goes missing later is not
    /// noticed by this.
    #[must_use]
    pub fn refuse_incomplete(mut self) -> Self {
        self.refuses_incomplete = true;
        self
    }

    /// Sets after how many appends of [`Durability::Log`] the log is emptied, by syncing the files; at first 1,000.
    ///
    /// A smaller number makes a shorter work of recovering from a power cut, and more appends slow.
    #[must_use]
    pub fn checkpoint_after(mut self, appends: usize) -> Self {
        self.checkpoint_after = appends;
        self
    }

    /// Sets whether reads look for what is new.
    #[must_use]
    pub fn reads(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// Tells `progress` how far the reading of files has come, where there are many: the first open of a clone, a large pull.
    #[must_use]
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Sets how events of old types and shapes are read; at first there are none.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = schema;
        self
    }

    /// Opens stores on another system than the real one: a simulated disk, another clock.
    #[must_use]
    pub fn system(mut self, system: System) -> Self {
        self.system = Some(system);
        self
    }

    /// Sets how long an append or refresh waits for the write lock.
    #[must_use]
    pub fn lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }
}

/// What a read answers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// What other processes have appended and what came or went in `events/` by then, as far as no writer is at work on it.
    Present,
    /// What was there at the last [`refresh`](crate::FileEventStore::refresh) or append of this handle.
    AsRefreshed,
}

/// What an acknowledged append has survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A power cut: the transaction is synced in a small log of this working copy, and its file is published without a sync of its own.
    ///
    /// Files that a power cut took or cut short are written again from the log when the store is next opened. They are synced, and the log is
    /// emptied, after 1,000 appends or 1 MiB, by [`flush`](crate::FileEventStore::flush), and by the next append once they are half a minute old.
    /// On machines that do not tell one boot from the next (all but Linux) this is the same as [`Durability::Files`].
    Log,
    /// A power cut: the file is synced before it gets its name, the directory after.
    Files,
    /// The death of the process. For tests, and for imports that end in a [`flush`](crate::FileEventStore::flush).
    None,
}

impl Durability {
    /// Returns whether a file that no log holds is to be synced.
    pub(crate) fn sync(self) -> SyncPolicy {
        match self {
            Durability::Log | Durability::Files => SyncPolicy::Durable,
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

/// What happens to an append that expects a version of a stream of which events are known to be missing, or whose command a missing
/// transaction has carried out.
///
/// Where a file is damaged or away, what is left is counted, and the caller decides on a version that is too low. That is known
/// where something was written on top of what is missing, and where its bytes are kept in this working copy. Appends that expect nothing, and
/// those to other streams, are not affected. A command id counts as used where the bytes that are kept have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHole {
    /// It is refused with [`AppendError::Hole`](crate::AppendError::Hole) or
    /// [`AppendError::CommandMissing`](crate::AppendError::CommandMissing), unless it says [`anyway`](crate::Append::anyway). Through EventCore's traits that is a `StoreFailure`, and no version conflict,
    /// which would be tried again.
    Refuse,
    /// It is checked against what is there.
    Allow,
}

/// Tells forked streams; fs-merge has the one that goes by the definition of a fork.
pub trait ForkDetector: fmt::Debug + Send + Sync {
    /// Returns the first of `streams` that has an open fork.
    fn forked<'a>(&self, history: &History, streams: &[&'a StreamId]) -> Option<&'a StreamId>;
}
