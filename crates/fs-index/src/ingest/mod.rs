//! Taking in what came and taking out what went, under the write lock.
//!
//! **Invariant**: afterwards the index is that of the files as they were when they were polled, by the fast
//! path where what came can be decided from itself (`plan.rs`), by a full rebuild elsewhere.

pub(crate) mod append;
pub(crate) mod apply;
pub(crate) mod catch_up;
pub(crate) mod flush;
pub(crate) mod plan;
pub(crate) mod rebuild;
pub(crate) mod sweep;
pub(crate) mod vanished;

use std::path::Path;
use std::sync::Arc;

use fs_io::{LockGuard, SyncPolicy};

use crate::error::IndexError;
use crate::index::Index;
use crate::ingest::catch_up::Caught;
use crate::ingest::rebuild::Rebuild;
use crate::log::journal::{Journal, JournalChange};
use crate::log::record;
use crate::state::State;
use crate::stored::Stored;
use crate::watch::scan::Scan;
use crate::watch::working_copy::Unconfirmed;

/// Most rebuilds of an index that is damaged, or whose directory another process deletes while it is written.
const MAX_REBUILDS: usize = 3;

impl Index {
    /// Brings the index up to date with the files.
    ///
    /// # Errors
    /// As [`Index::poll`], and [`IndexError`] when the journal or the bytes of vanished transactions cannot be
    /// written; the next call starts over.
    pub fn ingest(&mut self, scan: Scan, _lock: &LockGuard) -> Result<(), IndexError> {
        let mut result = self.try_ingest(scan);
        for _ in 0..MAX_REBUILDS {
            match &result {
                Err(IndexError::Damaged { .. }) => {}
                Err(error) if error.is_of_a_deleted_directory() => {}
                _ => break,
            }
            self.forget();
            result = self.rebuild();
        }
        if result.is_err() {
            self.forget();
        }
        self.publish();
        result
    }

    fn try_ingest(&mut self, scan: Scan) -> Result<(), IndexError> {
        let caught = self.catch_up()?;
        let state = self.snapshot.state.as_ref();
        let needs_rebuild = state.is_none_or(|state| state.needs_rebuild);
        let sees_all = scan == Scan::Contents && needs_rebuild;
        if sees_all || caught != Caught::Up || self.has_lost_its_end() {
            return self.start_over(scan);
        }
        self.ingest_changes(scan)?;
        let state = self.snapshot.state.as_ref();
        if let Some(state) = state.filter(|state| scan == Scan::Contents && !state.needs_rebuild) {
            self.snapshot.rejected_files = self.look_at_rejected(state);
        }
        Ok(())
    }

    fn ingest_changes(&mut self, scan: Scan) -> Result<(), IndexError> {
        let Some(state) = &self.snapshot.state else {
            return Ok(());
        };
        let boot = self.boot_record(state);
        let write_boot = |index: &mut Self| match boot {
            Some(boot) => index.write(&[boot], SyncPolicy::Durable),
            None => Ok(()),
        };
        if self.found.is_none() && self.may_wait(scan) {
            return write_boot(self);
        }
        let Some((changes, looked)) = self.changes_now(scan)? else {
            return Ok(());
        };
        if changes.is_empty() {
            self.note(changes.stamps, looked);
            return write_boot(self);
        }
        if changes.takes_away()
            && let Some(activity) = self.doubt(changes.moved_nanos)
        {
            let ids = changes.gone.iter().chain(&changes.rewritten);
            let paths: Result<Vec<_>, _> = ids.map(|id| self.snapshot.path_of(*id)).collect();
            self.snapshot.unconfirmed = Some(Arc::new(Unconfirmed::new(paths?, activity)));
            return Ok(());
        }
        self.snapshot.unconfirmed = None;
        if !changes.takes_away() && changes.paths.is_empty() {
            self.compared_nanos = Some(looked);
            return self.write(&[record::directories(&changes.stamps)], SyncPolicy::None);
        }
        let Some(state) = &self.snapshot.state else {
            return Ok(());
        };
        let plan = self.plan(state, &changes)?;
        let is_regular = plan.as_ref().is_some_and(|plan| {
            !self.has_lost_some(state, plan) && !plan.is_to_be_written_anew(state)
        });
        self.compared_nanos = Some(looked);
        match plan {
            Some(plan) if is_regular => self.commit(plan, changes),
            _ => self.rebuild(),
        }
    }

    /// Builds the index by the fast path where there is none, and by a full rebuild otherwise.
    fn start_over(&mut self, scan: Scan) -> Result<(), IndexError> {
        self.create_directories()?;
        let mut journal = Journal::new(&self.system, &self.layout);
        let is_new = scan != Scan::Contents && matches!(journal.poll()?, JournalChange::Unusable);
        if is_new && self.build()? {
            return Ok(());
        }
        self.rebuild()
    }

    /// Creates what somebody may have deleted with the index.
    fn create_directories(&self) -> Result<(), IndexError> {
        let directories = [
            self.layout.index(),
            self.layout.temp(),
            self.layout.vanished(),
        ];
        for directory in directories {
            let (disk, root) = (self.system.disk.as_ref(), self.layout.own_root());
            let relative = directory.strip_prefix(root).unwrap_or(Path::new(""));
            fs_io::create_dirs(disk, root, relative, SyncPolicy::Durable)
                .map_err(IndexError::CreateDirectory)?;
        }
        Ok(())
    }

    /// Builds the index anew after [`IndexError::Damaged`].
    ///
    /// # Errors
    /// As [`Index::ingest`].
    pub fn repair(&mut self, _lock: &LockGuard) -> Result<(), IndexError> {
        self.forget();
        let result = self.rebuild();
        if result.is_err() {
            self.forget();
        }
        self.publish();
        result
    }

    /// Works everything out from the files and the journal, and writes the index anew; what is known stays where something
    /// would be taken away that may come back in a moment.
    pub(crate) fn rebuild(&mut self) -> Result<(), IndexError> {
        self.create_directories()?;
        let mut rebuild = self.new_rebuild();
        let usable = rebuild.poll_files()?;
        let taken_away = rebuild.taken_away();
        if self.is_loaded()
            && !taken_away.is_empty()
            && let Some(activity) = self.doubt(rebuild.moved_nanos)
        {
            self.snapshot.rejected_files = rebuild.rejected_files().into();
            self.snapshot.unconfirmed = Some(Arc::new(Unconfirmed::new(taken_away, activity)));
            return Ok(());
        }
        self.conclude(rebuild, usable)
    }

    /// As [`Index::rebuild`], and believes that what is missing is gone.
    pub(crate) fn rebuild_anyway(&mut self) -> Result<(), IndexError> {
        self.create_directories()?;
        let mut rebuild = self.new_rebuild();
        let usable = rebuild.poll_files()?;
        self.conclude(rebuild, usable)
    }

    fn conclude(&mut self, mut rebuild: Rebuild, usable: bool) -> Result<(), IndexError> {
        rebuild.ingest(usable)?;
        self.snapshot.unconfirmed = None;
        self.snapshot.rejected_files = rebuild.rejected_files().into();
        self.adopt(rebuild)
    }

    pub(crate) fn new_rebuild(&self) -> Rebuild {
        Rebuild::new(
            self.system.clone(),
            self.layout.clone(),
            self.own.clone(),
            self.progress.clone(),
        )
    }

    pub(crate) fn is_another_boot(&self, state: &State) -> bool {
        state.boot_id.is_none() || state.boot_id != self.system.machine.boot_id
    }

    pub(crate) fn boot_record(&self, state: &State) -> Option<Vec<u8>> {
        let boot_id = self.system.machine.boot_id.as_ref();
        boot_id
            .filter(|_| self.is_another_boot(state))
            .map(|boot_id| record::boot(boot_id))
    }

    /// Returns whether the record of a file that is not known may have been lost by a power cut.
    pub(crate) fn may_be_lost(&self, state: &State, stored: &Stored) -> bool {
        let replica_id = stored.header.replica_id;
        let own = self.own.contains(&replica_id) || state.last_appended.contains_key(&replica_id);
        own && !state.once_vanished.contains(&stored.id())
    }
}
