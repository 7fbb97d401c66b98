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

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use fs_format::{ReplicaId, TransactionId};
use fs_io::{LockGuard, SyncPolicy, System};

use crate::arrivals::key_of;
use crate::catalog::Catalog;
use crate::census::Census;
use crate::changes::Changes;
use crate::error::IndexError;
use crate::events::KeptEvents;
use crate::journal::{Entry, Journal, JournalId, Tail as Look};
use crate::layout::Layout;
use crate::load::Loaded;
use crate::manifest::Manifest;
use crate::position::{Epoch, Position, Sequence};
use crate::progress::Progress;
use crate::read::Narrowed;
use crate::record::{self, Origin};
use crate::replay::Replayed;
use crate::scan::{self, Stamp};
use crate::segment::{PageCache, Segment};
use crate::state::State;
use crate::stored::Stored;
use crate::trouble::Trouble;

/// Up to so many directories are compared at every look.
const FEW_DIRECTORIES: usize = 16;

/// More are compared again after this time for each of them, so that comparing stays a small part of the work.
const PATIENCE_NANOS_PER_DIRECTORY: i64 = 50_000;

/// A tail of more transactions is left for the manifest that another handle has written meanwhile.
const LONG_TAIL: usize = 4096;

/// How often a manifest is read again that was replaced while its segments were opened.
const TRIES: usize = 5;

/// How closely files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Names that came and went; where there are many directories or large ones, not more often than a fraction of the
    /// time allows.
    Recent,
    /// Names that came and went.
    Names,
    /// Also the length and time of every known file; where they differ, its content.
    Files,
}

/// What a look without the lock found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what has come or gone is not in the history before it is ingested"]
pub enum Observed {
    /// The index is that of the files.
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

/// How far the journal was caught up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caught {
    /// To its end.
    Up,
    /// To a place from where on a manifest or a journal is needed that is not there yet. What is known can be served.
    Behind,
    /// There is nothing to serve.
    Nothing,
}

/// What came and went, with what was known when that was found.
#[derive(Debug)]
struct FoundChanges {
    changes: Changes,
    journal_id: Option<JournalId>,
    journal_end: u64,
    looked_nanos: i64,
}

/// The index of one handle.
#[derive(Debug)]
pub struct Index {
    pub(crate) system: System,
    pub(crate) layout: Layout,
    pub(crate) journal: Journal,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) kept_events: KeptEvents,
    pub(crate) catalog: Catalog,
    /// `None` before there is a journal and a manifest.
    pub(crate) state: Option<State>,
    /// Up to where the journal is in the segments.
    pub(crate) covered: u64,
    /// Whether the journal ended in a frame that is not whole.
    cut: bool,
    /// When the directories were compared last.
    compared_nanos: Option<i64>,
    /// What the last look found, to be taken in.
    found: Option<FoundChanges>,
    /// Replicas of this working copy.
    pub(crate) own: BTreeSet<ReplicaId>,
    pub(crate) loaded: Option<Loaded>,
    pub(crate) narrowed: Narrowed,
    troubles: Vec<Trouble>,
    pub(crate) progress: Progress,
}

impl Index {
    /// Returns an index that has read nothing yet; `own` are the replicas of this working copy.
    pub fn new(system: System, layout: Layout, own: BTreeSet<ReplicaId>) -> Self {
        Self {
            journal: Journal::new(Arc::clone(&system.disk), &layout),
            system,
            layout,
            cache: Arc::new(PageCache::default()),
            kept_events: KeptEvents::default(),
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

    /// Returns the files that are left out of the history, by path, as of the last look at [`Depth::Files`].
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

    /// Reads what other handles recorded and looks for files that came or went; takes no lock and writes nothing.
    ///
    /// # Errors
    /// [`IndexError`] when a directory or the journal cannot be read. Files that cannot be used are no errors; they are
    /// listed by [`Index::troubles`].
    pub fn observe(&mut self, depth: Depth) -> Result<Observed, IndexError> {
        let observed = self.try_observe(depth);
        if observed.is_err() {
            // What is held open may be at fault.
            self.forget();
        }
        match observed {
            Err(IndexError::Damaged { .. }) => Ok(Observed::Changed),
            other => other,
        }
    }

    /// Reads what there is of the index; returns whether that can be answered from. No directory is looked at.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn load(&mut self) -> Result<bool, IndexError> {
        match self.catch_up() {
            Ok(caught) => Ok(caught == Caught::Up && !self.has_lost_its_end()),
            Err(IndexError::Damaged { .. }) => {
                self.forget();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn try_observe(&mut self, depth: Depth) -> Result<Observed, IndexError> {
        self.found = None;
        if self.catch_up()? != Caught::Up || self.has_lost_its_end() {
            return Ok(Observed::Changed);
        }
        if depth == Depth::Files {
            return self.inspect();
        }
        let Some(state) = self.state.as_ref().filter(|_| !self.may_wait(depth)) else {
            return Ok(Observed::Current);
        };
        let now = self.system.clock.now_unix_nanos();
        let changes = self.changes(state, depth)?;
        if changes.is_empty() {
            self.note(changes.stamps, now);
            return Ok(Observed::Current);
        }
        self.found = Some(FoundChanges {
            changes,
            journal_id: self.journal.id(),
            journal_end: self.journal.end(),
            looked_nanos: now,
        });
        Ok(Observed::Changed)
    }

    /// Returns what came and went, as the look before this call found it if nothing was recorded since, and when that
    /// was looked for. What came since then is found by the next look.
    fn changes_now(&mut self, depth: Depth) -> Result<Option<(Changes, i64)>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let is_current = |found: &FoundChanges| {
            found.journal_id == self.journal.id() && found.journal_end == self.journal.end()
        };
        if let Some(found) = self.found.take().filter(is_current) {
            let mut changes = found.changes;
            // One may be back: a checkout writes files anew.
            for id in std::mem::take(&mut changes.gone) {
                let path = self.path_of(id)?;
                let stat = self.system.disk.stat(&self.layout.event_file(&path));
                if matches!(stat, Ok(None)) {
                    changes.gone.insert(id);
                }
            }
            return Ok(Some((changes, found.looked_nanos)));
        }
        let now = self.system.clock.now_unix_nanos();
        Ok(Some((self.changes(state, depth)?, now)))
    }

    /// Returns whether what is known is the present state, where that can be told by a few looks.
    pub fn is_current_at_a_glance(&mut self) -> bool {
        let Some(state) = &self.state else {
            return false;
        };
        let few = state.directories.len() <= FEW_DIRECTORIES;
        self.journal.is_at_its_end()
            && (self.may_wait(Depth::Recent)
                || few && matches!(self.observe(Depth::Recent), Ok(Observed::Current)))
    }

    /// Looks at every file; what is known of the whole is not touched.
    fn inspect(&mut self) -> Result<Observed, IndexError> {
        let mut census = self.new_census();
        let observed = census.observe(Depth::Files)?;
        if observed == Observed::Current {
            self.troubles = census.troubles();
            if self.loaded.is_none() {
                self.loaded = Some(Loaded::of(census.history));
            }
        }
        Ok(observed)
    }

    /// Brings the index up to date with the files.
    ///
    /// # Errors
    /// As [`Index::observe`], and [`IndexError`] when the journal or the bytes of vanished transactions cannot be
    /// written; the next call starts over.
    pub fn ingest(&mut self, depth: Depth, _lock: &LockGuard) -> Result<(), IndexError> {
        let result = match self.try_ingest(depth) {
            Err(IndexError::Damaged { .. }) => {
                self.forget();
                self.take_census(depth)
            }
            other => other,
        };
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn try_ingest(&mut self, depth: Depth) -> Result<(), IndexError> {
        let caught = self.catch_up()?;
        if depth == Depth::Files || caught != Caught::Up || self.has_lost_its_end() {
            return self.start_over(depth);
        }
        let Some(state) = &self.state else {
            return Ok(());
        };
        let boot = self.boot_record(state);
        let write_boot = |index: &mut Self| match boot {
            Some(boot) => index.write(&[boot], SyncPolicy::Durable),
            None => Ok(()),
        };
        if self.found.is_none() && self.may_wait(depth) {
            return write_boot(self);
        }
        let Some((changes, looked)) = self.changes_now(depth)? else {
            return Ok(());
        };
        if changes.is_empty() {
            self.note(changes.stamps, looked);
            return write_boot(self);
        }
        let Some(state) = &self.state else {
            return Ok(());
        };
        let plan = self.judge(state, &changes)?;
        let is_plain = plan
            .as_ref()
            .is_some_and(|plan| !self.has_lost_some(state, plan));
        self.compared_nanos = Some(looked);
        match plan {
            Some(plan) if is_plain => self.commit(plan, changes),
            _ => self.take_census(depth),
        }
    }

    /// Builds the index from what is plain where there is none, and from a census otherwise.
    fn start_over(&mut self, depth: Depth) -> Result<(), IndexError> {
        self.create_directories()?;
        let mut journal = Journal::new(Arc::clone(&self.system.disk), &self.layout);
        let is_new = depth != Depth::Files && matches!(journal.look()?, Look::Unusable);
        if is_new && self.build()? {
            return Ok(());
        }
        self.take_census(depth)
    }

    /// Creates what somebody may have deleted with the index.
    fn create_directories(&self) -> Result<(), IndexError> {
        for directory in ["index", "local/tmp", "local/vanished"] {
            let (disk, root) = (self.system.disk.as_ref(), self.layout.own_root());
            fs_io::create_dirs(disk, root, Path::new(directory), SyncPolicy::Durable)
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
        let result = self.take_census(Depth::Names);
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// Records transactions that were just published by the holder of the lock, who ingested everything before.
    ///
    /// The records are not synced: after a power cut the files are found again, known to be of this working copy, and a
    /// new epoch begins. That of a merge transaction is synced, since such a file is nobody's own.
    ///
    /// # Errors
    /// [`IndexError`] when the journal cannot be written. The transactions stand all the same: they are ingested by the
    /// next refresh.
    pub fn record_appends(
        &mut self,
        appended: Vec<Stored>,
        _lock: &LockGuard,
    ) -> Result<(), IndexError> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let mut sync = SyncPolicy::None;
        let mut stamps = BTreeMap::new();
        let mut batch: BTreeMap<TransactionId, Stored> = BTreeMap::new();
        for (mut stored, number) in appended.into_iter().zip(state.next_number..) {
            let id = stored.id();
            let path = id.relative_path();
            let stat = self.system.disk.stat(&self.layout.event_file(&path));
            stored.modified_nanos = stat.ok().flatten().map_or(0, |stat| stat.modified_nanos);
            stored.number = number;
            stored.origin = Origin::Appended;
            if stored.header.replica_id.is_nil() {
                sync = SyncPolicy::Durable;
            }
            let (directory, _) = scan::split(&path);
            if let Some(before) = state.directories.get(directory) {
                stamps.insert(directory.to_owned(), *before);
            }
            batch.insert(id, stored);
        }
        let mut changes_the_order = false;
        for stored in batch.values() {
            if !self.is_plain(state, &Changes::default(), &batch, stored)? {
                return self.take_census(Depth::Names);
            }
            let header = &stored.header;
            let is_on_all_heads = state
                .heads
                .keys()
                .all(|head| header.parents.iter().any(|it| it.transaction_id == *head));
            changes_the_order |= Some(key_of(header)) < state.greatest_key()
                || (state.is_irregular && !is_on_all_heads);
        }
        let mut appended: Vec<&Stored> = batch.values().collect();
        appended.sort_unstable_by_key(|stored| stored.number);
        let mut payloads: Vec<_> = appended.into_iter().map(Stored::record).collect();
        if changes_the_order {
            payloads.push(record::generation(state.generation + 1));
        }
        let disk = self.system.disk.as_ref();
        let restamped: BTreeMap<String, Option<Stamp>> = stamps
            .into_iter()
            .filter_map(|(directory, before)| {
                let stamp = scan::restamp(disk, &self.layout, &directory, &before)?;
                Some((directory, Some(stamp)))
            })
            .collect();
        if !restamped.is_empty() {
            payloads.push(record::directories(&restamped));
        }
        self.write(&payloads, sync)
    }

    /// Adds records to the journal and takes them over.
    pub(crate) fn write(
        &mut self,
        payloads: &[Vec<u8>],
        sync: SyncPolicy,
    ) -> Result<(), IndexError> {
        let result = self.try_write(payloads, sync);
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn try_write(&mut self, payloads: &[Vec<u8>], sync: SyncPolicy) -> Result<(), IndexError> {
        let offsets = self.journal.append(payloads, sync)?;
        let entries: Vec<_> = payloads
            .iter()
            .zip(offsets)
            .map(|(payload, offset)| Entry {
                record: record::parse(payload).expect("it was written by this version"),
                payload: payload.clone().into(),
                offset,
            })
            .collect();
        let replayed = self.replay(&entries)?;
        debug_assert_eq!(replayed, Replayed::All, "a writer knows what it writes");
        if self.is_flush_due() {
            // Until another flush succeeds, the tail answers.
            let _ = self.flush();
        }
        Ok(())
    }

    /// Reads the journal's new records.
    fn catch_up(&mut self) -> Result<Caught, IndexError> {
        if self.catalog.tail.len() > LONG_TAIL {
            self.load_manifest_beyond(self.covered)?;
        }
        for _ in 0..TRIES {
            if self.state.is_none() && !self.load_manifest()? {
                return Ok(Caught::Nothing);
            }
            match self.journal.look()? {
                Look::Added { entries, cut } => {
                    self.cut = cut;
                    match self.replay(&entries)? {
                        Replayed::All => return Ok(Caught::Up),
                        Replayed::UpTo(place) => {
                            self.journal.rewind(place);
                            if !self.load_manifest_beyond(place)? {
                                return Ok(Caught::Behind);
                            }
                        }
                        Replayed::Refuted => {
                            self.forget();
                            return Ok(Caught::Nothing);
                        }
                    }
                }
                Look::Replaced if self.load_manifest()? => {}
                // The files that are held open still answer.
                Look::Replaced | Look::Unusable => return Ok(Caught::Behind),
            }
        }
        Ok(Caught::Nothing)
    }

    /// Starts from the manifest; returns whether there is one that belongs to the journal.
    fn load_manifest(&mut self) -> Result<bool, IndexError> {
        self.load_manifest_beyond(0)
    }

    fn load_manifest_beyond(&mut self, place: u64) -> Result<bool, IndexError> {
        for _ in 0..TRIES {
            let manifest = Manifest::load(self.system.disk.as_ref(), &self.layout)?;
            let Some(manifest) = manifest.filter(|manifest| manifest.covered > place) else {
                return Ok(false);
            };
            let segments: Result<Vec<_>, _> = manifest
                .segments
                .iter()
                .map(|id| self.open_segment(*id))
                .collect();
            let Ok(segments) = segments else {
                // Replaced in between, or damaged.
                continue;
            };
            let mut journal = Journal::new(Arc::clone(&self.system.disk), &self.layout);
            if !journal.resume(manifest.journal_id, manifest.covered, manifest.mark)? {
                return Ok(false);
            }
            self.journal = journal;
            self.catalog = Catalog {
                segments,
                ..Catalog::default()
            };
            self.covered = manifest.covered;
            self.state = Some(manifest.state);
            return Ok(true);
        }
        Ok(false)
    }

    pub(crate) fn open_segment(&self, id: [u8; 16]) -> Result<Segment, IndexError> {
        let path = self.layout.segment(id);
        Ok(Segment::open(
            self.system.disk.as_ref(),
            &path,
            id,
            &self.cache,
        )?)
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

    /// Works everything out from the files and the journal, and writes the index anew.
    fn take_census(&mut self, depth: Depth) -> Result<(), IndexError> {
        self.create_directories()?;
        let mut census = self.new_census();
        census.ingest(depth)?;
        self.troubles = census.troubles();
        self.adopt(census)
    }

    fn new_census(&self) -> Census {
        Census::new(
            self.system.clone(),
            self.layout.clone(),
            self.own.clone(),
            self.progress.clone(),
        )
    }

    /// Keeps stamps of directories in which nothing came or went.
    fn note(&mut self, stamps: BTreeMap<String, Option<Stamp>>, now: i64) {
        self.compared_nanos = Some(now);
        let Some(state) = &mut self.state else {
            return;
        };
        for (directory, stamp) in stamps {
            match stamp {
                Some(stamp) => _ = state.directories.insert(directory, stamp),
                None => _ = state.directories.remove(&directory),
            }
        }
    }

    /// Returns whether the directories were compared a short while ago, as such things go.
    fn may_wait(&self, depth: Depth) -> bool {
        let (Depth::Recent, Some(state), Some(compared)) =
            (depth, &self.state, self.compared_nanos)
        else {
            return false;
        };
        let directories = state.directories.len();
        let patience = i64::try_from(directories)
            .unwrap_or(i64::MAX)
            .saturating_mul(PATIENCE_NANOS_PER_DIRECTORY);
        let since = self.system.clock.now_unix_nanos().saturating_sub(compared);
        directories > FEW_DIRECTORIES && (0..patience).contains(&since)
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

    /// Returns whether a power cut took records of the journal that may have been read.
    fn has_lost_its_end(&self) -> bool {
        let state = self.state.as_ref();
        self.cut && state.is_some_and(|state| self.is_another_boot(state))
    }

    /// Returns whether the record of a file that is not known may have been lost by a power cut.
    pub(crate) fn may_be_lost(&self, state: &State, stored: &Stored) -> bool {
        let replica_id = stored.header.replica_id;
        let own = self.own.contains(&replica_id) || state.last_appended.contains_key(&replica_id);
        own && !state.once_vanished.contains(&stored.id())
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
