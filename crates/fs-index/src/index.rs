//! The index of one handle: journal, segments and directories, kept in step.
//!
//! ```text
//!                    +--------------------+  catch_up, replay   +-----------------+
//!   manifest ------> | state, tail        | <------------------ | journal         |
//!   segments ------> | (this file)        | ------------------> | (write lock)    |
//!                    +--------------------+       write         +-----------------+
//!                             ^ changes                                  ^
//!                             |                                          |
//!                          events/  ------- judge (plain) or census -----+
//! ```
//!
//! **Invariant**: what is answered is a function of the files that were there at the last look; the numbers come from
//! the journal alone, and only the holder of the write lock gives them out. Whatever goes away starts a new epoch.
//! Nothing that is read at an open grows with the history, but for the list of its directories.
//!
//! *Not done here*: publishing files, identities, expected versions (fs-store); forks (fs-merge).

use std::collections::BTreeSet;
use std::sync::Arc;

use fs_format::{ReplicaId, TransactionId};
use fs_io::System;

use crate::catalog::Catalog;
use crate::completeness::OmissionsCache;
use crate::error::IndexError;
use crate::events::KeptEvents;
use crate::journal::{Journal, JournalId};
use crate::kept_writes::KeptWrites;
use crate::layout::Layout;
use crate::load::Loaded;
use crate::look::FoundChanges;
use crate::parts::PartsCache;
use crate::position::{Epoch, Position, Sequence};
use crate::progress::Progress;
use crate::read::Narrowed;
use crate::scan;
use crate::segment::PageCache;
use crate::state::State;
use crate::trouble::Trouble;
use crate::working_copy::Unconfirmed;

/// A position that stands on something else than what this store has ingested.
///
/// Nothing can be read from there: whoever held it may have seen events that are not there any more, and would miss others that came in
/// their place. What was derived from them is to be forgotten, and the reading begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "position {position} is none of this store's{}: events were removed, the index was rebuilt, or the store was put back to an earlier state since; start again from the beginning",
    epoch.map(|epoch| format!(" in its present epoch {epoch}")).unwrap_or_default()
)]
pub struct StalePosition {
    /// The position that was asked for.
    pub position: Position,
    /// The present epoch.
    pub epoch: Option<Epoch>,
}

/// The index of one handle.
#[derive(Debug)]
pub struct Index {
    pub(crate) system: System,
    pub(crate) layout: Layout,
    pub(crate) journal: Journal,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) kept_events: KeptEvents,
    pub(crate) kept_writes: KeptWrites,
    pub(crate) parts_cache: PartsCache,
    pub(crate) omissions_cache: OmissionsCache,
    pub(crate) catalog: Catalog,
    /// `None` before there is a journal and a manifest.
    pub(crate) state: Option<State>,
    /// Up to where the journal is in the segments.
    pub(crate) covered: u64,
    /// Whether the journal ended in a frame that is not whole.
    pub(crate) cut: bool,
    /// Whether the last look at the journal started from the manifest.
    pub(crate) is_reloaded: bool,
    /// When the directories were compared last.
    pub(crate) compared_nanos: Option<i64>,
    /// What the last look found, to be taken in.
    pub(crate) found: Option<FoundChanges>,
    /// Replicas of this working copy.
    pub(crate) own: BTreeSet<ReplicaId>,
    pub(crate) loaded: Option<Loaded>,
    pub(crate) narrowed: Narrowed,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) unconfirmed: Option<Unconfirmed>,
    pub(crate) progress: Progress,
}

impl Index {
    /// Returns an index that has read nothing yet; `own` are the replicas of this working copy.
    pub fn new(system: System, layout: Layout, own: BTreeSet<ReplicaId>) -> Self {
        Self {
            journal: Journal::new(&system, &layout),
            system,
            layout,
            cache: Arc::new(PageCache::default()),
            kept_events: KeptEvents::default(),
            kept_writes: KeptWrites::default(),
            parts_cache: PartsCache::default(),
            omissions_cache: OmissionsCache::default(),
            catalog: Catalog::default(),
            state: None,
            covered: 0,
            cut: false,
            is_reloaded: false,
            compared_nanos: None,
            found: None,
            own,
            loaded: None,
            narrowed: Narrowed::default(),
            troubles: Vec::new(),
            unconfirmed: None,
            progress: Progress::default(),
        }
    }

    /// Reports to `progress` from now on how far the reading of files has come.
    #[must_use]
    pub fn reporting_to(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Returns the files that are left out of the history, by path, as of the last look at
    /// [`Depth::Files`](crate::Depth::Files).
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.iter()
    }

    /// Returns the name of the journal, once there is one; it changes when the index is rebuilt.
    pub fn journal_id(&self) -> Option<JournalId> {
        self.journal.id()
    }

    /// Returns the last transaction that this working copy appended as `replica_id`, with its sequence, as far as the
    /// journal knows; it need not be there any more.
    pub fn last_appended(&self, replica_id: ReplicaId) -> Option<(u64, TransactionId)> {
        self.state.as_ref()?.last_appended.get(&replica_id).copied()
    }

    /// Returns the path below `events/` of what is known to stand where a directory of a transaction would be.
    pub fn blocker_of(&self, id: TransactionId) -> Option<String> {
        let watched = &self.state.as_ref()?.watched;
        let path = id.relative_path();
        let (second, _) = scan::split(&path);
        let (first, _) = scan::split(second);
        let mut above = [first, second].into_iter();
        let blocker = above.find(|path| watched.contains_key(*path))?;
        Some(blocker.to_owned())
    }

    /// Returns whether files of formats 1 and 2 are among the transactions.
    pub fn has_flat_files(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.flat > 0)
    }

    /// Says that `replica_id` is one of this working copy's.
    pub fn add_own(&mut self, replica_id: ReplicaId) {
        self.own.insert(replica_id);
    }

    /// Returns the place that a position proves to be.
    ///
    /// # Errors
    /// [`IndexError::Stale`] when what it stands on is not there: it is of another epoch or another journal, of a transaction that went away
    /// or was never given out, or of a state that the store was put back from.
    ///
    /// # Complexity
    /// O(log n): the transaction is looked up by its number.
    pub fn sequence_of(&self, position: Position) -> Result<Sequence, IndexError> {
        if self.holds(position)? {
            return Ok(position.sequence);
        }
        let epoch = self.epoch();
        Err(IndexError::Stale(StalePosition { position, epoch }))
    }

    fn holds(&self, position: Position) -> Result<bool, IndexError> {
        let (Some(state), sequence) = (&self.state, position.sequence) else {
            return Ok(false);
        };
        let known = self.catalog.transaction(sequence.number())?;
        Ok(known.is_some_and(|known| {
            !state.dead.contains(&known.number)
                && sequence.is_within(known.event_count)
                && known.running_hash.proof(state.epoch) == position.proof
        }))
    }

    /// Returns the place behind everything that was ingested so far; `None` when there is nothing.
    pub fn ingestion_end(&self) -> Option<Position> {
        self.state.as_ref()?.end()
    }

    /// Lets go of what was worked out from the journal, unless the place up to which that was known still holds.
    ///
    /// Caches go by epoch and number. A store that is put back to an earlier state under an open handle gives both out again.
    pub(crate) fn forget_cached_unless_holds(
        &mut self,
        known: Option<Position>,
    ) -> Result<(), IndexError> {
        if let Some(known) = known
            && !self.holds(known)?
        {
            self.forget_cached();
        }
        Ok(())
    }

    fn forget_cached(&mut self) {
        self.kept_events = KeptEvents::default();
        self.kept_writes = KeptWrites::default();
        self.parts_cache = PartsCache::default();
        self.omissions_cache = OmissionsCache::default();
        self.narrowed = Narrowed::default();
        self.loaded = None;
    }

    /// Forgets everything read, so that the next look starts from the manifest.
    pub(crate) fn forget(&mut self) {
        self.journal.forget();
        self.forget_cached();
        self.catalog = Catalog::default();
        self.state = None;
        self.cut = false;
        self.compared_nanos = None;
        self.found = None;
        self.unconfirmed = None;
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
