//! What an index knows at one moment, as an immutable value that answers every question.
//!
//! ```text
//!   Index (the handle) -- publishes --> Snapshot --+-- journal reader: the bytes of every transaction
//!     polls, ingests, records                      +-- catalog: segments and tail
//!                                                  +-- state: heads, missing parents, rejected files, epoch
//!   IndexReader -- takes ------------> Snapshot    +-- caches, which all snapshots of a handle share
//! ```
//!
//! **Invariant**: a snapshot answers the same for as long as it is held, whatever is appended, merged or removed meanwhile. It looks at no
//! directory and takes no lock that a writer holds. What is cached is found by an epoch and a number, and answers for these alone.
//!
//! *Not done here*: finding out what came or went (`Index`).

mod caches;
pub(crate) mod canonical;
pub(crate) mod completeness;
pub(crate) mod derived;
pub(crate) mod divergent;
pub(crate) mod events;
pub(crate) mod groups;
pub(crate) mod history;
pub(crate) mod hole;
pub(crate) mod load;
pub(crate) mod omissions;
pub(crate) mod parts;
pub(crate) mod pick;
pub(crate) mod read;
pub(crate) mod recorded;
pub(crate) mod scan_events;
pub(crate) mod select;
pub(crate) mod tally;
pub(crate) mod writes_cache;

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use fs_format::{ReplicaId, TransactionId};

use crate::error::IndexError;
use crate::log::journal::JournalReader;
use crate::position::JournalId;
use crate::position::{Epoch, Position, Sequence, StalePosition};
use crate::snapshot::history::History;
use crate::state::{Head, State};
use crate::table::catalog::Catalog;
use crate::watch::glance::Glance;
use crate::watch::rejected::RejectedFile;
use crate::watch::scan;
use crate::watch::working_copy::Unconfirmed;

pub(crate) use caches::Caches;

/// The history of a store, its streams and its positions, as of one moment.
///
/// Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) journal: JournalReader,
    pub(crate) catalog: Arc<Catalog>,
    /// `None` before there is a journal and a manifest.
    pub(crate) state: Option<Arc<State>>,
    /// The rejected files with their reasons, as of the last poll that looked at every file.
    pub(crate) rejected_files: Arc<[RejectedFile]>,
    pub(crate) unconfirmed: Option<Arc<Unconfirmed>>,
    pub(crate) caches: Arc<Caches>,
    /// The whole history, once somebody has asked for it.
    pub(crate) history: OnceLock<Arc<History>>,
}

/// Where the readers of an index take its present snapshot; they wait for nobody.
#[derive(Clone, Debug)]
pub struct IndexReader(Arc<RwLock<Present>>);

#[derive(Debug)]
struct Present {
    snapshot: Arc<Snapshot>,
    /// What shows that the snapshot is that of the files; `None` where that takes a poll.
    glance: Option<Arc<Glance>>,
}

impl IndexReader {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self(Arc::new(RwLock::new(Present {
            snapshot: Arc::new(snapshot),
            glance: None,
        })))
    }

    /// Returns the present snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.present().snapshot)
    }

    /// Returns whether the present snapshot is that of the files, where that can be told by a few `stat`s. Where not, a poll tells.
    pub fn is_current(&self) -> bool {
        let glance = self.present().glance.clone();
        glance.is_some_and(|glance| glance.is_current())
    }

    /// Puts another snapshot in the place of the present one, unless it knows the same, or nothing while the present one knows something:
    /// a handle that lost its index has to build it before it can answer.
    pub(crate) fn publish(&self, next: &Snapshot, glance: Option<Glance>) {
        let present = self.snapshot();
        let knows_less = next.state.is_none() && present.state.is_some();
        let snapshot = match knows_less || next.is_same(&present) {
            true => present,
            false => Arc::new(next.clone()),
        };
        let next = Present {
            snapshot,
            glance: glance.filter(|_| !knows_less).map(Arc::new),
        };
        let former = std::mem::replace(
            &mut *self.0.write().unwrap_or_else(PoisonError::into_inner),
            next,
        );
        // To free what only the former one held takes time, which no reader waits for.
        drop(former);
    }

    fn present(&self) -> RwLockReadGuard<'_, Present> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Returns a snapshot that knows nothing.
    pub(crate) fn new(journal: JournalReader) -> Self {
        Self {
            journal,
            catalog: Arc::default(),
            state: None,
            rejected_files: Arc::default(),
            unconfirmed: None,
            caches: Arc::default(),
            history: OnceLock::new(),
        }
    }

    /// Returns whether both are of one moment.
    fn is_same(&self, other: &Self) -> bool {
        fn is_one<T: ?Sized>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
            match (one, other) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            }
        }
        is_one(self.state.as_ref(), other.state.as_ref())
            && is_one(self.unconfirmed.as_ref(), other.unconfirmed.as_ref())
            && Arc::ptr_eq(&self.catalog, &other.catalog)
            && Arc::ptr_eq(&self.rejected_files, &other.rejected_files)
            && Arc::ptr_eq(&self.caches, &other.caches)
            && self.journal.is_same(&other.journal)
    }

    /// Lets the handle change what it knows; readers hold snapshots of their own.
    pub(crate) fn change(&mut self) -> Option<(&mut State, &mut Catalog)> {
        self.history = OnceLock::new();
        let state = self.state.as_mut()?;
        Some((Arc::make_mut(state), Arc::make_mut(&mut self.catalog)))
    }

    /// Returns the files that are left out of the history, by path, as of the last poll at [`Scan::Contents`](crate::Scan::Contents).
    pub fn rejected_files(&self) -> impl Iterator<Item = &RejectedFile> {
        self.rejected_files.iter()
    }

    /// Returns what is missing, or holds something else than before, and is not believed to be so for good: version control
    /// removes files before it writes them. Answers are those of the history before.
    pub fn unconfirmed(&self) -> Option<&Unconfirmed> {
        self.unconfirmed.as_deref()
    }

    /// Returns the name of the journal, once there is one; it changes when the index is rebuilt.
    pub fn journal_id(&self) -> Option<JournalId> {
        self.journal.id()
    }

    /// Returns the epoch of this working copy's positions; `None` before the first journal was written.
    pub fn epoch(&self) -> Option<Epoch> {
        self.state.as_ref().map(|state| state.epoch)
    }

    /// Returns how many times the canonical order has changed behind something that was ingested.
    pub fn topology_generation(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.generation)
    }

    /// Returns the highest number given so far; 0 when there is none.
    pub fn last_number(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.next_number - 1)
    }

    /// Returns the transactions that no other descends from, by canonical key.
    pub fn heads(&self) -> Vec<Head> {
        let heads = self.state.iter().flat_map(|state| state.heads.values());
        let mut heads: Vec<Head> = heads.copied().collect();
        heads.sort_unstable_by_key(Head::key);
        heads
    }

    /// Returns whether the canonical order is that of the keys, so that no history is needed to answer.
    pub fn is_ordered_by_key(&self) -> bool {
        self.state.as_ref().is_none_or(|state| !state.needs_rebuild)
    }

    /// Returns the last transaction that this working copy appended as `replica_id`, with its sequence, as far as the
    /// journal knows; it need not be there any more.
    pub fn last_appended(&self, replica_id: ReplicaId) -> Option<(u64, TransactionId)> {
        self.state.as_ref()?.last_appended.get(&replica_id).copied()
    }

    /// Returns the path below `events/` of what is known to stand where a directory of a transaction would be.
    pub fn blocker_of(&self, id: TransactionId) -> Option<String> {
        let rejected = &self.state.as_ref()?.rejected;
        let path = id.relative_path();
        let (second, _) = scan::split(&path);
        let (first, _) = scan::split(second);
        let mut above = [first, second].into_iter();
        let blocker = above.find(|path| rejected.contains_key(*path))?;
        Some(blocker.to_owned())
    }

    /// Returns whether files of formats 1 and 2 are among the transactions.
    pub fn has_flat_files(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.flat > 0)
    }

    /// Returns whether a transaction is there.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn contains(&self, id: TransactionId) -> Result<bool, IndexError> {
        Ok(self.number_of(id)?.is_some())
    }

    pub(crate) fn number_of(&self, id: TransactionId) -> Result<Option<u64>, IndexError> {
        match &self.state {
            Some(state) => self.catalog.number_of(id, &state.dead),
            None => Ok(None),
        }
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

    /// Returns whether what a position stands on is there.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub(crate) fn holds(&self, position: Position) -> Result<bool, IndexError> {
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

    pub(crate) fn damaged(&self) -> IndexError {
        IndexError::Damaged {
            path: self.journal.path().to_owned(),
        }
    }
}
