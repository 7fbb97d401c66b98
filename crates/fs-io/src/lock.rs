//! Exclusive locks: how long to wait for one, and what is held.

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long to wait for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    Never,
    /// So long at most.
    UpTo(Duration),
}

/// A lock, held until this value is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    held: Box<dyn Held>,
}

impl LockGuard {
    pub(crate) fn new(held: impl Held + 'static) -> Self {
        Self {
            held: Box::new(held),
        }
    }

    /// Returns whether the path still names the file that is locked. Once that was deleted, another may hold the lock of a new one.
    pub fn is_named(&self) -> bool {
        self.held.is_named()
    }
}

/// What a guard keeps; dropping it releases the lock.
pub(crate) trait Held: Send + Sync + Debug {
    /// Whether the path of the lock still names this very file.
    fn is_named(&self) -> bool;
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another holds it.
    #[error("{} is locked by {}", path.display(), holder.as_deref().unwrap_or("another process"))]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// What the lock file says of its holder, `pid 123 since 2026-11-20T20:31:00Z`. In the instant between taking the lock and
        /// saying so, that is the holder before.
        holder: Option<String>,
    },
    /// The system failed.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}
