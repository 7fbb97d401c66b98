//! The store: one handle over one directory.
//!
//! **Invariant**: `events/` is the only truth; what a handle answers is a function of the files that were there at its
//! last refresh. No lock is held between calls, and a reader never waits for a writer.
//!
//! Locks are taken in this order: the writer of this process, the lock file, the index.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_format::TransactionId;
use fs_index::{History, IndexError, Layout, Omission, PollOutcome, Scan, Snapshot, Unconfirmed};
use fs_io::{LockError, LockGuard, PrivateDir, System, Wait};

use crate::above::Companions;
use crate::completeness::LacksCache;
use crate::error::{NewerVersion, RefreshError};
#[cfg(feature = "eventcore")]
use crate::eventcore::LastFailure;
use crate::git_files::GitFileStamps;
use crate::group::Queue;
use crate::identity::Identity;
use crate::newer::NewerCache;
use crate::open;
use crate::options::{Reads, StoreOptions};
use crate::requires;
use crate::shared_index::SharedIndex;
use crate::wal::{IndexState, LogError, Wal};

/// An event store in a directory.
///
/// Cloning is cheap and gives another handle on the same opened store. All methods block; none needs a runtime.
#[derive(Clone, Debug)]
pub struct FileEventStore {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) system: System,
    pub(crate) layout: Layout,
    pub(crate) options: StoreOptions,
    pub(crate) index: SharedIndex,
    pub(crate) writer: Mutex<Writer>,
    /// Appends that wait for their turn.
    pub(crate) queue: Queue,
    pub(crate) recovered: Mutex<Vec<TransactionId>>,
    #[cfg(feature = "eventcore")]
    pub(crate) last_failure: LastFailure,
    pub(crate) lacks_cache: LacksCache,
    pub(crate) companions: Companions,
    /// What a store has that may not be written to.
    pub(crate) apart: Option<Apart>,
    /// The file of `local/` that a newer version had written before the store was opened, if that is why it may not be written to.
    pub(crate) newer: Option<NewerVersion>,
    pub(crate) newer_cache: NewerCache,
}

/// What is kept of a store that may not be written to.
#[derive(Debug)]
pub(crate) struct Apart {
    /// What holds `index/` and `local/`.
    #[expect(dead_code, reason = "it goes away with the handle")]
    pub(crate) private: PrivateDir,
    /// Transactions that the log of the store holds, and that its files do not: a power cut took them, and the next who may
    /// write brings them back.
    pub(crate) unrecovered: Vec<TransactionId>,
}

/// What only an appending thread uses.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) identity: Identity,
    /// Why this handle refuses to append.
    pub(crate) poisoned: Option<String>,
    /// Files that were published and not synced.
    pub(crate) unsynced: Vec<PathBuf>,
    /// What was published and not synced, and would be written again after a power cut.
    pub(crate) wal: Wal,
    /// Whether the index has been brought up to date in this boot by this handle.
    pub(crate) has_ingested: bool,
    /// What the files for git looked like when this handle had looked after them.
    pub(crate) git_files: Option<GitFileStamps>,
    /// The files for git that this handle has written.
    pub(crate) renewed_git_files: Vec<PathBuf>,
}

impl FileEventStore {
    /// Returns the directory of the store.
    pub fn root(&self) -> &Path {
        self.inner.layout.root()
    }

    /// Takes notice of what other processes appended and of files that came or went, as by `git merge`.
    ///
    /// # Errors
    /// [`RefreshError`]; what was known before is still served.
    pub fn refresh(&self) -> Result<(), RefreshError> {
        self.inner.refresh(Scan::Names)
    }

    /// Returns the transactions that a power cut had taken, or cut short, and that this handle has written again from its log.
    pub fn recovered(&self) -> Vec<TransactionId> {
        self.inner.recovered().clone()
    }

    /// Returns the file of `local/` that a newer version of the program has written, which is why this handle only reads: as it was opened,
    /// or since the last append.
    pub fn newer_version(&self) -> Option<NewerVersion> {
        self.inner.newer_version()
    }

    /// Returns whether the store was opened for reading only, with an index of its own: what it keeps in `local/` and `index/` is not looked at then.
    pub fn is_read_only(&self) -> bool {
        self.inner.apart.is_some()
    }

    /// Calls `look` with the history as of now.
    ///
    /// # Errors
    /// [`RefreshError`] when the history cannot be brought up to date.
    pub fn with_history<T>(&self, look: impl FnOnce(&History) -> T) -> Result<T, RefreshError> {
        self.inner.freshen()?;
        let history = self.inner.history()?;
        Ok(look(&history))
    }

    /// As [`FileEventStore::with_history`], with what is known to be missing from that history.
    ///
    /// # Errors
    /// [`RefreshError`] when the history cannot be brought up to date.
    pub fn with_history_and_omissions<T>(
        &self,
        look: impl FnOnce(&History, &[Omission]) -> T,
    ) -> Result<T, RefreshError> {
        self.inner.freshen()?;
        self.inner.history()?;
        let (history, omissions) = self.inner.loaded_history_and_omissions()?;
        Ok(look(&history, &omissions))
    }
}

impl FileEventStore {
    /// Builds the index anew from the files, after a part of it was found to be [damaged](fs_index::Undecodable).
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn repair_index(&self) -> Result<(), RefreshError> {
        self.inner.repair()
    }
}

impl Inner {
    /// Brings the index up to date, taking the write lock only when something came or went.
    pub(crate) fn refresh(&self, scan: Scan) -> Result<(), RefreshError> {
        self.check_requires()?;
        let polled = self.index.lock_to_poll(scan).poll(scan)?;
        if polled == PollOutcome::Changed {
            let take_in = || {
                let mut writer = self.writer();
                let lock = self.lock()?;
                self.take_in_what_changed(&mut writer, scan, &lock)
            };
            take_in()?;
            if self.has_waited_for_rest() {
                take_in()?;
            }
            self.companions.wake();
        }
        Ok(())
    }

    /// Waits until directories have rested from which something was just removed, so that another look may believe it;
    /// returns whether there was something to wait for.
    fn has_waited_for_rest(&self) -> bool {
        let rest = self.snapshot().unconfirmed().and_then(Unconfirmed::rest);
        rest.inspect(|rest| self.system.clock.wait(*rest)).is_some()
    }

    /// Brings the index up to date for a read, which waits for nobody who holds a write lock: what arrived while another process holds it,
    /// or another thread ingests, is taken in by the next read.
    pub(crate) fn freshen(&self) -> Result<(), RefreshError> {
        let is_known = self.snapshot().epoch().is_some();
        if self.options.reads == Reads::AsRefreshed && is_known {
            return Ok(());
        }
        self.check_requires()?;
        if self.index.is_current() {
            return Ok(());
        }
        let index = match is_known {
            true => self.index.lock_unless_ingesting(),
            false => Some(self.index.lock()),
        };
        let Some(mut index) = index else {
            return Ok(());
        };
        let polled = index.poll(Scan::Throttled)?;
        let is_loaded = index.is_loaded();
        drop(index);
        if polled == PollOutcome::Current {
            return Ok(());
        }
        if !is_loaded {
            return self.refresh(Scan::Names);
        }
        self.take_in_unless_busy()?;
        if self.has_waited_for_rest() {
            self.take_in_unless_busy()?;
        }
        Ok(())
    }

    /// Checks that this version knows what the store asks for by now.
    pub(crate) fn check_requires(&self) -> Result<(), RefreshError> {
        Ok(requires::check(self.system.disk.as_ref(), &self.layout)?)
    }

    fn take_in_unless_busy(&self) -> Result<(), RefreshError> {
        let Ok(mut writer) = self.writer.try_lock() else {
            return Ok(());
        };
        match self.lock_within(Wait::Never) {
            Ok(lock) => match self.take_in_what_changed(&mut writer, Scan::Throttled, &lock) {
                // The writer refuses to go on; what is there can be read all the same.
                Err(error @ RefreshError::Log(_)) => {
                    tracing::warn!(%error, "the log could not be put right, so nothing that arrived is taken in");
                    Ok(())
                }
                outcome => outcome,
            },
            Err(LockError::Busy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Answers from the index as of now, which is built anew when a part of it is damaged.
    pub(crate) fn ask<T>(
        &self,
        question: impl Fn(&Snapshot) -> Result<T, IndexError>,
    ) -> Result<T, RefreshError> {
        self.freshen()?;
        self.ask_present(question)
    }

    /// As [`Inner::ask`], as of the last look at the files.
    pub(crate) fn ask_present<T>(
        &self,
        question: impl Fn(&Snapshot) -> Result<T, IndexError>,
    ) -> Result<T, RefreshError> {
        match question(&self.snapshot()) {
            Err(IndexError::Damaged { .. }) => {
                self.repair()?;
                Ok(question(&self.snapshot())?)
            }
            answer => Ok(answer?),
        }
    }

    /// Returns the whole history, as of the last look at the files.
    pub(crate) fn history(&self) -> Result<Arc<History>, RefreshError> {
        self.ask_present(Snapshot::history)
    }

    /// Returns the whole history and what it lacks, of one moment.
    pub(crate) fn loaded_history_and_omissions(
        &self,
    ) -> Result<(Arc<History>, Vec<Omission>), RefreshError> {
        let snapshot = self.snapshot();
        let omissions = self.split_accepted(&self.omissions_in(&snapshot)?)?.0;
        Ok((snapshot.history()?, omissions))
    }

    /// As [`Inner::history`], for the holder of the write lock.
    pub(crate) fn loaded_history(&self) -> Result<Arc<History>, RefreshError> {
        Ok(self.snapshot().history()?)
    }

    fn repair(&self) -> Result<(), RefreshError> {
        let mut writer = self.writer();
        let lock = self.lock()?;
        self.catch_up(&mut writer, &lock)?;
        if !self.index.lock().is_unconfirmed(&lock)? {
            writer.log(|wal| wal.drop_missing(&lock))?;
        }
        Ok(self.index.lock_to_ingest().repair(&lock)?)
    }

    /// Brings the log and the index into line with the files, at the start of every turn under the write lock.
    ///
    /// Returns whether there was something to do.
    pub(crate) fn take_in(
        &self,
        writer: &mut Writer,
        scan: Scan,
        lock: &LockGuard,
    ) -> Result<bool, RefreshError> {
        self.catch_up(writer, lock)?;
        let polled = self.index.lock_to_poll(scan).poll(scan)?;
        if polled == PollOutcome::Changed {
            self.ingest(writer, scan, lock)?;
        } else if !writer.has_ingested {
            self.index.lock_to_ingest().ingest(scan, lock)?;
        } else {
            return Ok(false);
        }
        writer.has_ingested = true;
        Ok(true)
    }

    /// As [`Inner::take_in`], right after a look at the files has found that something came or went; for readers.
    ///
    /// A log that a newer version has written stays as it is. The index is this version's own and goes on, so that readers see what arrives.
    fn take_in_what_changed(
        &self,
        writer: &mut Writer,
        scan: Scan,
        lock: &LockGuard,
    ) -> Result<(), RefreshError> {
        match self.catch_up(writer, lock) {
            Err(RefreshError::NewerVersion(newer)) => {
                tracing::warn!(%newer, "read on, and left alone");
                return Ok(self.index.lock_to_ingest().ingest(scan, lock)?);
            }
            caught_up => caught_up?,
        }
        self.ingest(writer, scan, lock)?;
        writer.has_ingested = true;
        Ok(())
    }

    /// Reads what other processes wrote to the identity and the log since this one held the lock, before anything is ingested.
    fn catch_up(&self, writer: &mut Writer, lock: &LockGuard) -> Result<(), RefreshError> {
        self.check_requires()?;
        if writer.identity.reread(&self.system, &self.layout)? {
            let mut index = self.index.lock();
            writer.identity.replicas().for_each(|it| index.add_own(it));
        }
        let index = self.index_state();
        writer.log(|wal| wal.catch_up(index, lock))?;
        let recovered = writer.wal.take_recovered();
        if !recovered.is_empty() {
            self.recovered().extend(recovered);
        }
        Ok(())
    }

    /// Tells whether the index has the bytes of what was there before.
    fn index_state(&self) -> IndexState {
        let journal = self.system.disk.stat(&self.layout.journal());
        let is_known = self.snapshot().epoch().is_some();
        match is_known && !matches!(journal, Ok(None)) {
            true => IndexState::Known,
            false => IndexState::Lost,
        }
    }

    /// Takes in what came or went.
    ///
    /// A transaction that went away leaves the log before the index says that it is gone: after that, no power cut brings it back.
    /// What is missing while version control is at work stays in both.
    fn ingest(
        &self,
        writer: &mut Writer,
        scan: Scan,
        lock: &LockGuard,
    ) -> Result<(), RefreshError> {
        if !self.index.lock().is_unconfirmed(lock)? {
            writer.log(|wal| wal.drop_missing(lock))?;
        }
        let epoch = self.snapshot().epoch();
        self.index.lock_to_ingest().ingest(scan, lock)?;
        self.drop_accepted(lock)?;
        if self.snapshot().epoch() != epoch {
            // Something may have gone away since the look at the files.
            writer.log(|wal| wal.drop_missing(lock))?;
        }
        Ok(())
    }

    fn recovered(&self) -> MutexGuard<'_, Vec<TransactionId>> {
        self.recovered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock(&self) -> Result<LockGuard, LockError> {
        self.lock_within(Wait::UpTo(self.options.lock_timeout))
    }

    /// Takes the write lock; where `git clean` has deleted what git does not carry, that is made anew first.
    fn lock_within(&self, wait: Wait) -> Result<LockGuard, LockError> {
        let lock = || self.system.disk.lock(&self.layout.lock(), wait);
        match lock() {
            Err(LockError::Io { source, path }) if source.kind() == io::ErrorKind::NotFound => {
                let made = open::must_be_there(&self.system, &self.layout)
                    .and_then(|()| open::create_local(&self.system, &self.layout));
                made.map_err(|_| LockError::Io { source, path })?;
                lock()
            }
            outcome => outcome,
        }
    }

    /// Returns what is known at present.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.index.snapshot()
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Works on the log; after a failed write or sync, this handle appends no more.
    pub(crate) fn log<T>(
        &mut self,
        work: impl FnOnce(&mut Wal) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let outcome = work(&mut self.wal);
        if let Err(error) = &outcome
            && error.is_fatal()
        {
            self.poisoned = Some(error.to_string());
        }
        outcome
    }
}
