//! The index of one handle: journal, directories and history, kept in step.
//!
//! ```text
//!              catch_up                scan + examine                 ingest (write lock)
//!   journal ------------> history <---------------------- events/ ------------------------> journal
//! ```
//!
//! **Invariant**: the history is a function of the files that were there at the last look; the numbers come from the
//! journal alone, and only the holder of the write lock gives them out. Whatever goes away starts a new epoch.
//!
//! *Not done here*: publishing files, identities, expected versions (fs-store); forks (fs-merge).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fs_format::{Encoded, ReplicaId, TransactionId};
use fs_io::{LockGuard, SyncPolicy, System};

use crate::claims::Claims;
use crate::error::IndexError;
use crate::examine::Watched;
use crate::history::History;
use crate::journal::{Entry, Journal, JournalId, Tail};
use crate::layout::Layout;
use crate::position::{Epoch, Position, Sequence};
use crate::record::{self, Arrival, Origin, Place, Record};
use crate::scan::Scanner;
use crate::stored::{self, Stored};
use crate::trouble::Trouble;

/// How closely files that are already known are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Names that came and went.
    Names,
    /// Also the length and time of every known file; where they differ, its content.
    Files,
}

/// What a look without the lock found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what has come or gone is not in the history before it is ingested"]
pub enum Observed {
    /// The history is that of the files.
    Current,
    /// Something came or went; the holder of the write lock is to ingest it.
    Changed,
}

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
    pub(crate) scanner: Scanner,
    pub(crate) history: History,
    pub(crate) claims: Claims,
    pub(crate) next_number: u64,
    /// The boot that the journal was last written in.
    pub(crate) boot_id: Option<String>,
    /// Whether the journal ended in a frame that is not whole.
    cut: bool,
    /// Replicas of this working copy.
    own: BTreeSet<ReplicaId>,
    pub(crate) last_appended: BTreeMap<ReplicaId, (u64, TransactionId)>,
    pub(crate) once_vanished: BTreeSet<TransactionId>,
    /// Paths whose change has not been looked at yet.
    pub(crate) pending: BTreeSet<String>,
    /// Paths of members that were journaled since the last scan.
    pub(crate) unseen: Vec<String>,
    /// Whether every path is to be compared with the history.
    pub(crate) compare_all: bool,
    pub(crate) troubles: BTreeMap<String, Watched>,
    /// Whole files that are not in the history: new ones, and those that were rejected.
    pub(crate) candidates: BTreeMap<TransactionId, Stored>,
    /// Transactions whose files are gone or changed.
    pub(crate) gone: BTreeSet<TransactionId>,
    /// Candidates that would close a cycle with the rest.
    pub(crate) cyclic: BTreeSet<TransactionId>,
    /// Whether a file has ceased to be what it was, so that what was decided about others may not hold any more.
    pub(crate) unsettled: bool,
}

impl Index {
    /// Returns an index that has read nothing yet; `own` are the replicas of this working copy.
    pub fn new(system: System, layout: Layout, own: BTreeSet<ReplicaId>) -> Self {
        Self {
            system,
            layout,
            journal: Journal::default(),
            scanner: Scanner::default(),
            history: History::default(),
            claims: Claims::default(),
            next_number: 1,
            boot_id: None,
            cut: false,
            own,
            last_appended: BTreeMap::new(),
            once_vanished: BTreeSet::new(),
            pending: BTreeSet::new(),
            unseen: Vec::new(),
            compare_all: true,
            troubles: BTreeMap::new(),
            candidates: BTreeMap::new(),
            gone: BTreeSet::new(),
            cyclic: BTreeSet::new(),
            unsettled: false,
        }
    }

    /// Returns the history as of the last look.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Returns the files that are left out of the history, by path.
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.values().map(|watched| &watched.trouble)
    }

    /// Returns the children of a transaction that record another content of it than it has.
    pub fn contradicting(&self, stored: &Stored) -> Vec<TransactionId> {
        self.claims
            .contradicting(stored.id(), stored.content_hash)
            .collect()
    }

    /// Returns the name of the journal, once there is one; it changes when the index is rebuilt.
    pub fn journal_id(&self) -> Option<JournalId> {
        self.journal.id()
    }

    /// Returns the last transaction that this working copy appended as `replica_id`, with its sequence, as far as the
    /// journal knows; it need not be there any more.
    pub fn last_appended(&self, replica_id: ReplicaId) -> Option<(u64, TransactionId)> {
        self.last_appended.get(&replica_id).copied()
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
        let known = self.history.epoch() == Some(position.epoch)
            && position.sequence.number() < self.next_number;
        if known {
            Ok(position.sequence)
        } else {
            Err(StalePosition {
                position,
                epoch: self.history.epoch(),
            })
        }
    }

    /// Reads what other handles recorded and looks for files that came or went; takes no lock and writes nothing.
    ///
    /// # Errors
    /// [`IndexError`] when a directory or the journal cannot be read. Files that cannot be used are no errors; they are
    /// listed by [`Index::troubles`].
    pub fn observe(&mut self, depth: Depth) -> Result<Observed, IndexError> {
        let usable = self.catch_up()?;
        self.survey(depth)?;
        let current = usable && self.plan().is_empty() && !self.has_lost_its_end();
        if current {
            self.list_rejected();
        }
        Ok(if current {
            Observed::Current
        } else {
            Observed::Changed
        })
    }

    /// Brings journal and history up to date with the files.
    ///
    /// # Errors
    /// As [`Index::observe`], and [`IndexError`] when the journal or the bytes of vanished transactions cannot be
    /// written; the next call starts over.
    pub fn ingest(&mut self, depth: Depth, _lock: &LockGuard) -> Result<(), IndexError> {
        let usable = self.catch_up()?;
        self.survey(depth)?;
        let result = if usable && !self.has_lost_its_end() {
            self.apply()
        } else {
            self.rebuild()
        };
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// Records a transaction that was just published by the holder of the lock, who ingested everything before.
    ///
    /// The record is not synced: after a power cut the file is found again, known to be of this working copy, and a
    /// new epoch begins. That of a merge transaction is synced, since such a file is nobody's own.
    ///
    /// # Errors
    /// [`IndexError::Write`] when the journal cannot be written. The transaction stands all the same: it is ingested by
    /// the next refresh.
    pub fn record_append(&mut self, encoded: Encoded, _lock: &LockGuard) -> Result<(), IndexError> {
        let (header, event_count) =
            stored::header_of(&encoded.bytes).expect("the bytes were encoded by this process");
        let path = header.transaction_id.relative_path();
        let stat = self
            .system
            .disk
            .stat(&self.layout.event_file(&path))
            .ok()
            .flatten();
        let stored = Stored {
            content_hash: encoded.content_hash,
            number: self.next_number,
            origin: Origin::Appended,
            place: Place::Sharded,
            modified_nanos: stat.map_or(0, |stat| stat.modified_nanos),
            bytes: encoded.bytes.into(),
            event_count,
            header,
        };
        self.scanner
            .note(self.system.disk.as_ref(), &self.layout, &path);
        self.unseen.push(path.clone());
        let sync = if stored.header.replica_id.is_nil() {
            SyncPolicy::Durable
        } else {
            SyncPolicy::None
        };
        let payload = arrival_of(&stored);
        self.enter(&stored);
        // A reader of this handle may have seen the file between its publication and now.
        self.candidates.remove(&stored.id());
        self.troubles.remove(&path);
        let mut payloads = vec![payload];
        if self.history.extend(vec![Arc::new(stored)]) {
            self.history
                .set_generation(self.history.topology_generation() + 1);
            payloads.push(record::generation(self.history.topology_generation()));
        }
        let written = self.journal.append(
            self.system.disk.as_ref(),
            &self.layout.journal(),
            &payloads,
            sync,
        );
        if written.is_err() {
            self.forget();
        }
        written
    }

    pub(crate) fn is_another_boot(&self) -> bool {
        self.boot_id.is_none() || self.boot_id != self.system.machine.boot_id
    }

    /// Returns whether a power cut took records of the journal that may have been read.
    fn has_lost_its_end(&self) -> bool {
        let mut candidates = self.candidates.values();
        self.is_another_boot()
            && (self.cut || candidates.any(|stored| self.is_own_and_unrecorded(stored)))
    }

    fn is_own_and_unrecorded(&self, stored: &Stored) -> bool {
        let own = self.own.contains(&stored.header.replica_id)
            || self.last_appended.contains_key(&stored.header.replica_id);
        own && !self.once_vanished.contains(&stored.id())
    }

    /// Forgets everything read, so that the next look starts from nothing.
    pub(crate) fn forget(&mut self) {
        self.journal.forget();
        self.history = History::default();
        self.claims = Claims::default();
        self.next_number = 1;
        self.boot_id = None;
        self.cut = false;
        self.last_appended.clear();
        self.once_vanished.clear();
        self.compare_all = true;
        self.troubles.clear();
        self.candidates.clear();
        self.gone.clear();
        self.cyclic.clear();
        self.unsettled = false;
    }

    /// Reads the journal's new records; returns whether there is a usable journal.
    pub(crate) fn catch_up(&mut self) -> Result<bool, IndexError> {
        for _ in 0..2 {
            match self
                .journal
                .look(self.system.disk.as_ref(), &self.layout.journal())?
            {
                Tail::Added { entries, cut } => {
                    self.cut = cut;
                    let fits = self.replay(entries);
                    if !fits {
                        self.journal.refute();
                    }
                    return Ok(fits);
                }
                Tail::Replaced => self.forget(),
                Tail::Unusable => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Takes over records of the journal; returns whether they fit what went before.
    fn replay(&mut self, entries: Vec<Entry>) -> bool {
        let mut epoch = self.history.epoch();
        let mut generation = self.history.topology_generation();
        let mut added: BTreeMap<TransactionId, Stored> = BTreeMap::new();
        let mut removed: BTreeSet<TransactionId> = BTreeSet::new();
        let mut claims_lapse = false;
        for entry in entries {
            match entry.record {
                Record::Epoch {
                    epoch: next,
                    generation: next_generation,
                } => (epoch, generation) = (Some(next), next_generation),
                Record::Generation { generation: next } => generation = next,
                Record::Boot { boot_id } => self.boot_id = Some(boot_id),
                Record::Vanished { id } => {
                    self.once_vanished.insert(id);
                    claims_lapse = true;
                    match added.remove(&id) {
                        Some(stored) => _ = self.pending.insert(stored.relative_path()),
                        None => _ = removed.insert(id),
                    }
                }
                Record::Arrived {
                    number,
                    origin,
                    place,
                    modified_nanos,
                    id,
                    content_hash,
                    bytes,
                } => {
                    let bytes = entry.payload.part(bytes);
                    let Ok((header, event_count)) = stored::header_of(&bytes) else {
                        return false;
                    };
                    let there = self.history.find(id).is_some() && !removed.contains(&id);
                    if header.transaction_id != id || there || number < self.next_number {
                        return false;
                    }
                    let stored = Stored {
                        header,
                        content_hash,
                        number,
                        origin,
                        place,
                        modified_nanos,
                        bytes,
                        event_count,
                    };
                    self.enter(&stored);
                    if added.insert(id, stored).is_some() {
                        return false;
                    }
                }
            }
        }
        if epoch.is_none() {
            return false;
        }
        for (id, stored) in &added {
            let candidate = self.candidates.remove(id);
            self.pending
                .extend(candidate.as_ref().map(Stored::relative_path));
            self.troubles.remove(&stored.relative_path());
            self.unseen.push(stored.relative_path());
        }
        self.pending.extend(
            removed
                .iter()
                .filter_map(|id| self.history.find(*id))
                .map(Stored::relative_path),
        );
        self.gone.retain(|id| !removed.contains(id));
        let batch = added.into_values().map(Arc::new);
        if removed.is_empty() {
            self.history.extend(batch.collect());
        } else {
            let kept: Vec<_> = self
                .history
                .shared()
                .iter()
                .filter(|stored| !removed.contains(&stored.id()))
                .cloned()
                .chain(batch)
                .collect();
            self.history = History::build(kept, epoch, generation);
        }
        if claims_lapse {
            self.restate_claims();
        }
        if let Some(epoch) = epoch {
            self.history.set_epoch(epoch, generation);
        }
        true
    }

    /// Takes note of a transaction that gets into the history.
    pub(crate) fn enter(&mut self, stored: &Stored) {
        self.claims.add(&stored.header);
        self.next_number = self.next_number.max(stored.number + 1);
        let replica_id = stored.header.replica_id;
        // A process may have died after it published its own file and before it journaled it.
        let is_own = stored.origin == Origin::Appended || self.own.contains(&replica_id);
        if is_own && !replica_id.is_nil() {
            let last = (stored.header.replica_seq.unwrap_or(0), stored.id());
            let known = self.last_appended.entry(replica_id).or_insert(last);
            *known = last.max(*known);
        }
    }

    pub(crate) fn restate_claims(&mut self) {
        self.claims = Claims::default();
        for stored in self
            .history
            .shared()
            .iter()
            .filter(|stored| !self.gone.contains(&stored.id()))
        {
            self.claims.add(&stored.header);
        }
        for stored in self.candidates.values() {
            self.claims.add(&stored.header);
        }
    }
}

pub(crate) fn arrival_of(stored: &Stored) -> Vec<u8> {
    record::arrived(Arrival {
        number: stored.number,
        origin: stored.origin,
        place: stored.place,
        modified_nanos: stored.modified_nanos,
        id: stored.id(),
        content_hash: stored.content_hash,
        bytes: &stored.bytes,
    })
}
