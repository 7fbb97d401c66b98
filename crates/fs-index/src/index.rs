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
use crate::error::IndexError;
use crate::events::KeptEvents;
use crate::journal::{Journal, JournalId};
use crate::kept_writes::KeptWrites;
use crate::layout::Layout;
use crate::load::Loaded;
use crate::look::FoundChanges;
use crate::position::{Epoch, Position, Sequence};
use crate::progress::Progress;
use crate::read::Narrowed;
use crate::segment::PageCache;
use crate::state::State;
use crate::trouble::Trouble;

/// A position that does not belong to the epoch of the journal as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "position {position} is not one of the present epoch{}: events were removed or the index was rebuilt since; start again from the beginning",
    epoch.map(|epoch| format!(" {epoch}")).unwrap_or_default()
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
    pub(crate) catalog: Catalog,
    /// `None` before there is a journal and a manifest.
    pub(crate) state: Option<State>,
    /// Up to where the journal is in the segments.
    pub(crate) covered: u64,
    /// Whether the journal ended in a frame that is not whole.
    pub(crate) cut: bool,
    /// When the directories were compared last.
    pub(crate) compared_nanos: Option<i64>,
    /// What the last look found, to be taken in.
    pub(crate) found: Option<FoundChanges>,
    /// Replicas of this working copy.
    pub(crate) own: BTreeSet<ReplicaId>,
    pub(crate) loaded: Option<Loaded>,
    pub(crate) narrowed: Narrowed,
    pub(crate) troubles: Vec<Trouble>,
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
            catalog: Catalog::default(),
            state: None,
            covered: 0,
            cut: false,
            compared_nanos: None,
            found: None,
            own,
            loaded: None,
            narrowed: Narrowed::default(),
            troubles: Vec::new(),
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

    /// Says that `replica_id` is one of this working copy's.
    pub fn add_own(&mut self, replica_id: ReplicaId) {
        self.own.insert(replica_id);
    }

    /// Returns the sequence of a position of the present epoch.
    ///
    /// # Errors
    /// [`StalePosition`] for a position of another epoch, or of a place in the journal that was never given out.
    pub fn sequence_of(&self, position: Position) -> Result<Sequence, StalePosition> {
        let state = self.state.as_ref();
        let known = |state: &&State| {
            state.epoch == position.epoch && position.sequence.number() < state.next_number
        };
        match state.filter(known) {
            Some(_) => Ok(position.sequence),
            None => Err(StalePosition {
                position,
                epoch: state.map(|state| state.epoch),
            }),
        }
    }

    /// Forgets everything read, so that the next look starts from the manifest.
    pub(crate) fn forget(&mut self) {
        self.journal.forget();
        self.catalog = Catalog::default();
        self.state = None;
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
