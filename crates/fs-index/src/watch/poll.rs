//! Polling: detecting added and removed files, without the lock and without writing anything.
//!
//! **Invariant**: a poll finds whatever came or went before it, but for what comparing less often leaves for a later one
//! ([`Scan::Throttled`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use fs_io::LockGuard;

use crate::error::IndexError;
use crate::index::Index;
use crate::ingest::catch_up::Caught;
use crate::state::State;
use crate::watch::changes::Changes;
use crate::watch::changes::FoundChanges;
use crate::watch::file::{self, Found};
use crate::watch::glance::{Glance, Watched};
use crate::watch::rejected::{Reason, RejectedFile};
use crate::watch::scan::Scan;
use crate::watch::scan::{self, Stamp};
use crate::watch::working_copy::{self, Activity, WorkingCopy};

/// Up to this number, all directories are compared at every poll.
const MAX_POLLED_DIRECTORIES: usize = 16;

/// More are compared again after this time for each of them, so that comparing stays a small part of the work.
const PATIENCE_NANOS_PER_DIRECTORY: i64 = 50_000;

/// What a poll without the lock found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what has come or gone is not in the history before it is ingested"]
pub enum PollOutcome {
    /// The index is that of the files.
    Current,
    /// Something came or went; the holder of the write lock is to ingest it.
    Changed,
}

impl Index {
    /// Reads what other handles recorded and looks for files that came or went; takes no lock and writes nothing.
    ///
    /// # Errors
    /// [`IndexError`] when a directory or the journal cannot be read. Files that cannot be used are no errors; they are
    /// listed by [`Snapshot::rejected_files`](crate::Snapshot::rejected_files).
    pub fn poll(&mut self, scan: Scan) -> Result<PollOutcome, IndexError> {
        let polled = self.try_poll(scan);
        if polled.is_err() {
            // What is held open may be at fault.
            self.forget();
        }
        let is_current = matches!(polled, Ok(PollOutcome::Current));
        let glance = is_current.then(|| self.glance()).flatten();
        self.reader.publish(&self.snapshot, glance);
        match polled {
            Err(IndexError::Damaged { .. }) => Ok(PollOutcome::Changed),
            other => other,
        }
    }

    fn try_poll(&mut self, scan: Scan) -> Result<PollOutcome, IndexError> {
        self.found = None;
        if self.catch_up()? != Caught::Up || self.has_lost_its_end() {
            return Ok(PollOutcome::Changed);
        }
        let state = self.snapshot.state.as_ref();
        if scan == Scan::Contents && state.is_none_or(|state| state.needs_rebuild) {
            return self.inspect();
        }
        let Some(state) = state.filter(|_| !self.may_wait(scan)) else {
            return Ok(PollOutcome::Current);
        };
        let now = self.system.clock.now_unix_nanos();
        let changes = self.changes(state, scan)?;
        if !changes.takes_away() {
            self.snapshot.unconfirmed = None;
        }
        if changes.is_empty() {
            if scan == Scan::Contents {
                self.snapshot.rejected_files = self.look_at_rejected(state);
            }
            self.note(changes.stamps, now);
            return Ok(PollOutcome::Current);
        }
        self.found = Some(FoundChanges {
            changes,
            journal_id: self.journal.id(),
            journal_end: self.journal.end(),
            polled_nanos: now,
        });
        Ok(PollOutcome::Changed)
    }

    /// Returns the files that were added and removed, as the poll before this call found it if nothing was recorded since, and when that
    /// was looked for. What came since then is found by the next poll. What would take something away is looked for anew, and so are the
    /// contents of files.
    pub(crate) fn changes_now(&mut self, scan: Scan) -> Result<Option<(Changes, i64)>, IndexError> {
        let Some(state) = &self.snapshot.state else {
            return Ok(None);
        };
        let is_current = |found: &FoundChanges| {
            found.journal_id == self.journal.id() && found.journal_end == self.journal.end()
        };
        if let Some(found) = self.found.take().filter(is_current)
            && scan != Scan::Contents
            && !found.changes.takes_away()
        {
            return Ok(Some((found.changes, found.polled_nanos)));
        }
        let now = self.system.clock.now_unix_nanos();
        Ok(Some((self.changes(state, scan)?, now)))
    }

    /// Returns whether what is known is the present state, where that can be told by a few polls.
    pub fn is_current_at_a_glance(&mut self) -> bool {
        if !self.is_loaded() {
            return false;
        }
        let few = self.directories.len() <= MAX_POLLED_DIRECTORIES;
        let end = self.journal.known_end();
        end.is_some_and(|end| end.holds(self.system.disk.as_ref()))
            && (self.may_wait(Scan::Throttled)
                || few && matches!(self.poll(Scan::Throttled), Ok(PollOutcome::Current)))
    }

    /// Returns whether something is missing, or holds something else than before, that may not be so for good; looks again,
    /// and writes nothing. Without an index that is so while version control is at work.
    ///
    /// # Errors
    /// As [`Index::poll`].
    pub fn is_unconfirmed(&self, _lock: &LockGuard) -> Result<bool, IndexError> {
        let takes_away = |changes: &Changes| changes.takes_away().then_some(changes.moved_nanos);
        let moved = match (&self.found, &self.snapshot.state) {
            (Some(found), _) => takes_away(&found.changes),
            (None, Some(state)) => takes_away(&self.changes(state, Scan::Names)?),
            (None, None) => {
                return Ok(working_copy::activity_around(&self.system, &self.layout).is_some());
            }
        };
        Ok(moved.is_some_and(|moved| self.doubt(moved).is_some()))
    }

    /// Returns why what is missing is not believed yet; `moved_nanos` is when a directory changed last.
    pub(crate) fn doubt(&self, moved_nanos: i64) -> Option<Activity> {
        let (disk, root) = (self.system.disk.as_ref(), self.layout.root());
        let root_moved = disk.stat(root).ok().flatten();
        let root_moved = root_moved.as_ref().map_or(i64::MIN, scan::stamp_of);
        let moved = moved_nanos.max(root_moved);
        let now = self.system.clock.now_unix_nanos();
        let working_copy = WorkingCopy::around(disk, root);
        working_copy.activity(disk, now, moved).or_else(|| {
            let rest = working_copy::rest_after(now, moved)?;
            Some(Activity::Moving { rest })
        })
    }

    /// Returns the files that are left out for what they are themselves, with their reasons.
    pub(crate) fn look_at_rejected(&self, state: &State) -> Arc<[RejectedFile]> {
        let paths: Vec<String> = state.rejected.keys().cloned().collect();
        let looked = file::inspect_all(&self.system, &self.layout, &paths, &self.progress);
        let rejected = paths.into_iter().zip(looked);
        let rejected = rejected.filter_map(|(path, found)| match found {
            Found::Rejected(rejected) => Some(rejected.trouble),
            Found::Missing(Err(error)) => {
                let reason = Reason::Name(error);
                Some(RejectedFile { path, reason })
            }
            // It has changed since it was compared, which the next poll finds.
            Found::Missing(Ok(_)) | Found::Whole(_) => None,
        });
        rejected.collect()
    }

    /// Looks at every file with a view to all others; what is known of the whole is not touched.
    fn inspect(&mut self) -> Result<PollOutcome, IndexError> {
        let mut rebuild = self.new_rebuild();
        let polled = rebuild.poll()?;
        let state = self.snapshot.state.as_ref();
        if state.is_some_and(|state| *state.rejected != rebuild.rejected()) {
            // What is left out belongs to every answer.
            return Ok(PollOutcome::Changed);
        }
        if polled == PollOutcome::Current {
            self.snapshot.unconfirmed = None;
            self.snapshot.rejected_files = rebuild.rejected_files().into();
        }
        Ok(polled)
    }

    /// Keeps stamps of directories in which nothing came or went.
    pub(crate) fn note(&mut self, stamps: BTreeMap<String, Option<Stamp>>, now: i64) {
        self.compared_nanos = Some(now);
        self.directories.update(stamps);
    }

    /// Returns whether the directories were compared a short while ago, as such things go.
    pub(crate) fn may_wait(&self, scan: Scan) -> bool {
        let (Scan::Throttled, Some(compared)) = (scan, self.compared_nanos) else {
            return false;
        };
        let since = self.system.clock.now_unix_nanos().saturating_sub(compared);
        self.directories.len() > MAX_POLLED_DIRECTORIES && (0..self.patience()).contains(&since)
    }

    fn patience(&self) -> i64 {
        let directories = i64::try_from(self.directories.len()).unwrap_or(i64::MAX);
        directories.saturating_mul(PATIENCE_NANOS_PER_DIRECTORY)
    }

    /// Returns what shows that nothing came or went since a poll that has just found the index current; `None` where that takes
    /// another poll.
    fn glance(&self) -> Option<Glance> {
        let is_simple = self.snapshot.unconfirmed.is_none()
            && self.snapshot.state.as_ref()?.rejected.is_empty();
        let watched = if self.directories.len() <= MAX_POLLED_DIRECTORIES {
            let directories = self.directories.0.iter();
            let copied = directories.map(|(path, stamp)| (path.clone(), *stamp));
            Watched::Directories(copied.collect())
        } else {
            Watched::ComparedAt(self.compared_nanos?, self.patience())
        };
        let glance = Glance {
            system: self.system.clone(),
            layout: self.layout.clone(),
            journal: self.journal.known_end()?,
            watched,
        };
        is_simple.then_some(glance)
    }
}
