//! The handle that keeps an index in step with the files, and publishes snapshots of it.
//!
//! ```text
//!                    +--------------------+  catch_up, replay   +-----------------+
//!   manifest ------> | snapshot           | <------------------ | journal         |
//!   segments ------> | and directories    | ------------------> | (write lock)    |
//!                    +--------------------+       write         +-----------------+
//!                             ^ changes                                  ^
//!                             |                                          |
//!                          events/  ------- plan (fast path) or full rebuild ---+
//! ```
//!
//! **Invariant**: what is answered is a function of the files that were there at the last poll; the numbers come from
//! the journal alone, and only the holder of the write lock gives them out. Whatever goes away starts a new epoch.
//! Nothing that is read at an open grows with the history, but for the list of its directories. What readers see changes at the end of a
//! call, from one state that a journal was in to another.
//!
//! *Not done here*: answering (`snapshot`); publishing files, identities, expected versions (fs-store); forks (fs-merge).

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use fs_format::ReplicaId;
use fs_io::System;

use crate::error::IndexError;
use crate::layout::Layout;
use crate::log::journal::Journal;
use crate::position::JournalId;
use crate::position::{Epoch, Position};
use crate::progress::Progress;
use crate::snapshot::{IndexReader, Snapshot};
use crate::state::State;
use crate::table::catalog::Catalog;
use crate::table::segment::PageCache;
use crate::watch::changes::FoundChanges;
use crate::watch::directories::Directories;

/// The handle of an index: it polls for files that were added or removed, ingests them, and records appends.
#[derive(Debug)]
pub struct Index {
    pub(crate) system: System,
    pub(crate) layout: Layout,
    pub(crate) journal: Journal,
    pub(crate) page_cache: Arc<PageCache>,
    /// What is known. Readers have what was published of it last.
    pub(crate) snapshot: Snapshot,
    pub(crate) reader: IndexReader,
    pub(crate) directories: Directories,
    /// Up to where the journal is in the segments.
    pub(crate) covered: u64,
    /// Whether the journal ended in a frame that is not whole.
    pub(crate) cut: bool,
    /// Whether the last poll of the journal started from the manifest.
    pub(crate) is_reloaded: bool,
    /// When the directories were compared last.
    pub(crate) compared_nanos: Option<i64>,
    /// What the last poll found, to be ingested.
    pub(crate) found: Option<FoundChanges>,
    /// Replicas of this working copy.
    pub(crate) own: BTreeSet<ReplicaId>,
    pub(crate) progress: Progress,
}

impl Index {
    /// Returns an index that has read nothing yet; `own` are the replicas of this working copy.
    pub fn new(system: System, layout: Layout, own: BTreeSet<ReplicaId>) -> Self {
        let journal = Journal::new(&system, &layout);
        let snapshot = Snapshot::new(journal.reader());
        Self {
            system,
            layout,
            journal,
            page_cache: Arc::new(PageCache::default()),
            reader: IndexReader::new(snapshot.clone()),
            snapshot,
            directories: Directories::default(),
            covered: 0,
            cut: false,
            is_reloaded: false,
            compared_nanos: None,
            found: None,
            own,
            progress: Progress::default(),
        }
    }

    /// Reports to `progress` from now on how far the reading of files has come.
    #[must_use]
    pub fn reporting_to(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Returns where readers take the snapshot as of the last call of this handle.
    pub fn reader(&self) -> IndexReader {
        self.reader.clone()
    }

    /// Returns what this handle knows.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Returns whether there is an index, as far as this handle knows. Readers go on with the last one while there is none.
    pub fn is_loaded(&self) -> bool {
        self.snapshot.state.is_some()
    }

    /// Says that `replica_id` is one of this working copy's.
    pub fn add_own(&mut self, replica_id: ReplicaId) {
        self.own.insert(replica_id);
    }

    /// Gives readers what is known now; called at the end of whatever changes it.
    pub(crate) fn publish(&self) {
        self.reader.publish(&self.snapshot, None);
    }

    /// Goes on from a state of the journal that is held open, and what the catalog has up to there.
    pub(crate) fn start_at(&mut self, state: State, catalog: Catalog) {
        self.snapshot = Snapshot {
            journal: self.journal.reader(),
            catalog: Arc::new(catalog),
            state: Some(Arc::new(state)),
            history: OnceLock::new(),
            ..self.snapshot.clone()
        };
    }

    /// Lets go of what was worked out from the journal, unless the place up to which that was known still holds.
    ///
    /// Caches go by epoch and number. A store that is put back to an earlier state under an open handle gives both out again.
    pub(crate) fn forget_cached_unless_holds(
        &mut self,
        known: Option<Position>,
    ) -> Result<(), IndexError> {
        if let Some(known) = known
            && !self.snapshot.holds(known)?
        {
            self.snapshot.caches = Arc::default();
        }
        Ok(())
    }

    /// Forgets everything read, so that the next poll starts from the manifest.
    pub(crate) fn forget(&mut self) {
        self.journal.forget();
        self.snapshot = Snapshot {
            rejected_files: Arc::clone(&self.snapshot.rejected_files),
            ..Snapshot::new(self.journal.reader())
        };
        self.directories = Directories::default();
        self.cut = false;
        self.compared_nanos = None;
        self.found = None;
    }

    pub(crate) fn draw_journal_id(&self) -> Result<JournalId, IndexError> {
        let mut id = JournalId::default();
        let drawn = self.system.random.fill(&mut id);
        drawn.map_err(IndexError::Random)?;
        Ok(id)
    }

    pub(crate) fn draw_epoch(&self) -> Result<Epoch, IndexError> {
        Epoch::draw(self.system.random.as_ref()).map_err(IndexError::Random)
    }
}
