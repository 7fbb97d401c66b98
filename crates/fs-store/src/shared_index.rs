//! The index of a store, as the threads of a process share it.
//!
//! ```text
//!   readers ------ snapshot ------> the present snapshot, without waiting for anybody
//!   one at a time - lock ---------> the handle: poll, ingest, record appends
//! ```
//!
//! Where a few `stat`s show that nothing came since the last poll, a reader needs no handle. Else it polls before it answers, and waits for another who polls: what that one looked at may be older than what the reader is to see.
//! For one who ingests, no reader waits. Whoever ingests holds the write lock, and has polled and published what others had acknowledged.
//!
//! **Invariant**: whoever holds the handle puts it back, also by a panic.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use fs_index::{Index, IndexReader, Scan, Snapshot};

/// The handle of an index with its readers.
#[derive(Debug)]
pub(crate) struct SharedIndex {
    reader: IndexReader,
    handle: Mutex<Handle>,
    put_back: Condvar,
}

#[derive(Debug)]
enum Handle {
    Free(Box<Index>),
    /// Somebody holds it for a moment.
    Polling,
    /// Somebody holds it for as long as it takes to read many files.
    Ingesting,
}

/// The handle, until this is dropped.
#[derive(Debug)]
#[must_use = "the handle is put back at once"]
pub(crate) struct IndexGuard<'a> {
    shared: &'a SharedIndex,
    /// `None` while it is dropped.
    index: Option<Box<Index>>,
}

impl SharedIndex {
    pub(crate) fn new(index: Index) -> Self {
        Self {
            reader: index.reader(),
            handle: Mutex::new(Handle::Free(Box::new(index))),
            put_back: Condvar::new(),
        }
    }

    /// Returns what is known at present.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.reader.snapshot()
    }

    /// Returns whether what is known is the present state, where that can be told without the handle.
    pub(crate) fn is_current(&self) -> bool {
        self.reader.is_current()
    }

    /// Takes the handle to poll, or for something as short.
    pub(crate) fn lock(&self) -> IndexGuard<'_> {
        self.wait(Handle::Polling, |_| false)
            .expect("it waits until the handle is free")
    }

    /// Takes the handle to read files with it, while readers go on with the present snapshot.
    pub(crate) fn lock_to_ingest(&self) -> IndexGuard<'_> {
        self.wait(Handle::Ingesting, |_| false)
            .expect("it waits until the handle is free")
    }

    /// Takes the handle for a poll of this kind.
    pub(crate) fn lock_to_poll(&self, scan: Scan) -> IndexGuard<'_> {
        match scan {
            Scan::Contents => self.lock_to_ingest(),
            Scan::Throttled | Scan::Names => self.lock(),
        }
    }

    /// Takes the handle to poll, unless somebody ingests.
    pub(crate) fn lock_unless_ingesting(&self) -> Option<IndexGuard<'_>> {
        self.wait(Handle::Polling, |held| matches!(held, Handle::Ingesting))
    }

    /// Takes the handle to poll, unless somebody has it.
    #[cfg(feature = "eventcore")]
    pub(crate) fn try_lock(&self) -> Option<IndexGuard<'_>> {
        self.wait(Handle::Polling, |_| true)
    }

    /// Takes the handle and leaves `held` in its place; `None` where somebody holds it for something that is not waited for.
    fn wait(&self, held: Handle, is_too_long: impl Fn(&Handle) -> bool) -> Option<IndexGuard<'_>> {
        let mut handle = self.handle();
        loop {
            match &*handle {
                Handle::Free(_) => break,
                other if is_too_long(other) => return None,
                _ => {
                    let waited = self.put_back.wait(handle);
                    handle = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        let Handle::Free(index) = std::mem::replace(&mut *handle, held) else {
            return None;
        };
        Some(IndexGuard {
            shared: self,
            index: Some(index),
        })
    }

    fn handle(&self) -> MutexGuard<'_, Handle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IndexGuard<'_> {
    fn drop(&mut self) {
        if let Some(index) = self.index.take() {
            *self.shared.handle() = Handle::Free(index);
            self.shared.put_back.notify_all();
        }
    }
}

impl Deref for IndexGuard<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        self.index.as_deref().expect("it is put back by dropping")
    }
}

impl DerefMut for IndexGuard<'_> {
    fn deref_mut(&mut self) -> &mut Index {
        self.index
            .as_deref_mut()
            .expect("it is put back by dropping")
    }
}
