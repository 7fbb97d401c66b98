//! The history worked out from the journal and all files at once.
//!
//! It answers what can only be told with a view to everything: a first build, files that were edited, links that
//! contradict each other, cycles, keys that descend, a journal that lost its end; and what the status of a store says.
//!
//! **Invariant**: the history is a function of the files that were there at the last poll; the numbers come from the
//! journal alone. Whatever goes away starts a new epoch.
//!
//! # Complexity
//! Reads the journal, and opens the files that it does not know. Nothing else in the index costs that much.

mod claims;
mod copies;
mod examine;
mod ingest;
mod members;
mod preview;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fs_format::{ReplicaId, TransactionId};
use fs_io::{FileKind, System};

use self::claims::Claims;
use self::members::Members;
use crate::error::IndexError;
use crate::layout::Layout;
use crate::log::journal::{self, Entry, Journal, JournalChange};
use crate::log::record::{Arrived, Origin, Record, Seen};
use crate::position::RunningHash;
use crate::progress::Progress;
use crate::stored::Stored;
use crate::watch::file::{self, Rejected};
use crate::watch::file_stamp::FileStamp;
use crate::watch::poll::PollOutcome;
use crate::watch::rejected::RejectedFile;
use crate::watch::scan::Stamp;

/// A full rebuild in progress.
#[derive(Debug)]
pub(crate) struct Rebuild {
    system: System,
    layout: Layout,
    pub(crate) journal: Journal,
    pub(crate) members: Members,
    claims: Claims,
    pub(crate) next_number: u64,
    /// That of the journal behind the last number that was given.
    pub(crate) running_hash: RunningHash,
    /// By number: where the records of the members lie in the journal, and their lengths.
    pub(crate) places: BTreeMap<u64, (u64, u32)>,
    /// The boot that the journal was last written in.
    pub(crate) boot_id: Option<String>,
    /// Whether the journal ended in a frame that is not whole.
    cut: bool,
    /// Replicas of this working copy.
    own: BTreeSet<ReplicaId>,
    pub(crate) last_appended: BTreeMap<ReplicaId, (u64, TransactionId)>,
    pub(crate) once_vanished: BTreeSet<TransactionId>,
    /// The directories as they were listed.
    pub(crate) stamps: BTreeMap<String, Stamp>,
    /// When one of them changed last.
    pub(crate) moved_nanos: i64,
    /// Members whose files look otherwise than recorded and hold the same content.
    pub(crate) restamped: BTreeMap<TransactionId, FileStamp>,
    /// What is in them.
    listed: BTreeMap<String, FileKind>,
    /// Paths that have not been looked at yet.
    pending: BTreeSet<String>,
    rejected_files: BTreeMap<String, Rejected>,
    /// Whole files that are not in the history: new ones, and those that were rejected.
    candidates: BTreeMap<TransactionId, Stored>,
    /// Whole files whose transaction is read from another.
    copies: BTreeMap<TransactionId, Stored>,
    /// Transactions whose files are gone or changed.
    gone: BTreeSet<TransactionId>,
    /// Candidates that would close a cycle with the rest.
    cyclic: BTreeSet<TransactionId>,
    progress: Progress,
}

impl Rebuild {
    /// Returns a full rebuild that has looked at nothing yet; `own` are the replicas of this working copy.
    pub(crate) fn new(
        system: System,
        layout: Layout,
        own: BTreeSet<ReplicaId>,
        progress: Progress,
    ) -> Self {
        Self {
            journal: Journal::new(&system, &layout),
            system,
            layout,
            members: Members::default(),
            claims: Claims::default(),
            next_number: 1,
            running_hash: RunningHash::from_u64(0),
            places: BTreeMap::new(),
            boot_id: None,
            cut: false,
            own,
            last_appended: BTreeMap::new(),
            once_vanished: BTreeSet::new(),
            stamps: BTreeMap::new(),
            moved_nanos: i64::MIN,
            restamped: BTreeMap::new(),
            listed: BTreeMap::new(),
            pending: BTreeSet::new(),
            rejected_files: BTreeMap::new(),
            candidates: BTreeMap::new(),
            copies: BTreeMap::new(),
            gone: BTreeSet::new(),
            cyclic: BTreeSet::new(),
            progress,
        }
    }

    /// Returns the files that are left out of the history, by path.
    pub(crate) fn rejected_files(&self) -> Vec<RejectedFile> {
        self.rejected_files
            .values()
            .map(|rejected| rejected.trouble.clone())
            .collect()
    }

    /// Returns what the files that are left out looked like.
    pub(crate) fn rejected(&self) -> BTreeMap<String, Seen> {
        self.rejected_files
            .iter()
            .map(|(path, rejected)| (path.clone(), rejected.seen))
            .collect()
    }

    /// Returns whether some file was judged by what others say, or some key descends along an edge.
    pub(crate) fn needs_rebuild(&self) -> bool {
        let is_contested = |stored: &Arc<Stored>| {
            let mut contradicting = self.claims.contradicting(stored.id(), stored.content_hash);
            contradicting.next().is_some()
        };
        !self.candidates.is_empty()
            || !self.cyclic.is_empty()
            || !self.members.history.dag().is_ascending()
            || self
                .rejected_files
                .values()
                .any(|it| it.trouble.reason.is_about_others())
            || self.members.all().iter().any(is_contested)
    }

    /// Looks at everything; takes no lock and writes nothing.
    ///
    /// # Errors
    /// [`IndexError`] when a directory or the journal cannot be read.
    pub(crate) fn poll(&mut self) -> Result<PollOutcome, IndexError> {
        let usable = self.poll_files()?;
        let current = usable && self.plan().is_empty() && !self.has_lost_its_end();
        if current {
            self.list_rejected();
        }
        Ok(if current {
            PollOutcome::Current
        } else {
            PollOutcome::Changed
        })
    }

    /// Reads the journal and looks at every file; returns whether the journal can be used.
    ///
    /// # Errors
    /// As [`Rebuild::poll`].
    pub(crate) fn poll_files(&mut self) -> Result<bool, IndexError> {
        let usable = self.catch_up()?;
        self.survey()?;
        Ok(usable)
    }

    /// Brings journal and history up to date after [`Rebuild::poll_files`]; the caller holds the write lock.
    ///
    /// # Errors
    /// As [`Rebuild::poll`], and [`IndexError`] when the journal or the bytes of vanished transactions cannot be
    /// written.
    pub(crate) fn ingest(&mut self, usable: bool) -> Result<(), IndexError> {
        if usable && !self.has_lost_its_end() && !self.is_overgrown() {
            self.apply()
        } else {
            self.rewrite()
        }
    }

    /// Returns whether something goes away, and most of the journal is of what went before.
    fn is_overgrown(&self) -> bool {
        let members = self.members.all().len() as u64;
        !self.gone.is_empty() && journal::is_overgrown(self.next_number - 1, members)
    }

    fn is_another_boot(&self) -> bool {
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

    /// Reads the journal; returns whether there is a usable one.
    fn catch_up(&mut self) -> Result<bool, IndexError> {
        match self.journal.poll()? {
            JournalChange::Added { entries, cut } => {
                self.cut = cut;
                self.replay(entries)
            }
            JournalChange::Replaced | JournalChange::PutBack | JournalChange::Unusable => Ok(false),
        }
    }

    /// Takes over the records of the journal; returns whether they fit together.
    fn replay(&mut self, entries: Vec<Entry>) -> Result<bool, IndexError> {
        let mut epoch = None;
        let Some(journal_id) = self.journal.id() else {
            return Ok(false);
        };
        self.running_hash = RunningHash::of_empty(&journal_id);
        let mut generation = 0;
        let mut members: BTreeMap<TransactionId, Entry> = BTreeMap::new();
        for entry in entries {
            match &entry.record {
                Record::Epoch {
                    epoch: next,
                    generation: next_generation,
                } => (epoch, generation) = (Some(*next), *next_generation),
                Record::Generation { generation: next } => generation = *next,
                Record::Boot { boot_id } => self.boot_id = Some(boot_id.clone()),
                Record::Vanished { id } => {
                    self.once_vanished.insert(*id);
                    members.remove(id);
                }
                Record::Arrived(arrived) => {
                    let summary = &arrived.summary;
                    let (number, content) = (arrived.number, &arrived.content_hash);
                    let hash = self.running_hash.then(number, summary.id, content);
                    if number < self.next_number || arrived.running_hash != hash {
                        return Ok(false);
                    }
                    self.running_hash = hash;
                    self.next_number = arrived.number + 1;
                    let len = u32::try_from(entry.payload.len())
                        .expect("payloads are bounded by the file limit");
                    self.places.insert(arrived.number, (entry.offset, len));
                    if arrived.origin == Origin::Appended {
                        self.enter(summary.replica_id, summary.links.replica_seq, summary.id);
                    }
                    if members.insert(summary.id, entry).is_some() {
                        return Ok(false);
                    }
                }
                Record::Rebuilt | Record::Directories { .. } | Record::Rejected { .. } => {}
            }
        }
        let Some(epoch) = epoch else {
            return Ok(false);
        };
        let entries: Vec<Entry> = members.into_values().collect();
        let decode = |entry: &Entry| match &entry.record {
            Record::Arrived(arrived) => Stored::of_record(Arrived::clone(arrived), &entry.payload)
                .ok()
                .filter(|stored| stored.id() == arrived.summary.id),
            _ => None,
        };
        let decoded = file::each(&entries, decode);
        let Some(mut stored) = decoded.into_iter().collect::<Option<Vec<Stored>>>() else {
            return Ok(false);
        };
        stored.sort_unstable_by_key(|stored| stored.number);
        let stored = stored.into_iter().map(Arc::new);
        self.members = Members::build(stored, Some(epoch), generation);
        Ok(true)
    }

    /// Takes note of the last transaction that this working copy appended as a replica.
    fn enter(&mut self, replica_id: ReplicaId, sequence: Option<u64>, id: TransactionId) {
        if !replica_id.is_nil() {
            let last = (sequence.unwrap_or(0), id);
            let known = self.last_appended.entry(replica_id).or_insert(last);
            *known = last.max(*known);
        }
    }

    /// Collects what the whole files record of their parents.
    fn restate_claims(&mut self) {
        self.claims = Claims::default();
        for stored in self
            .members
            .all()
            .iter()
            .filter(|stored| !self.gone.contains(&stored.id()))
        {
            self.claims.add(&stored.header);
        }
        for stored in self.candidates.values().chain(self.copies.values()) {
            self.claims.add(&stored.header);
        }
    }
}
