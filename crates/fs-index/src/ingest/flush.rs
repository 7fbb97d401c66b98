//! Moving the tail into segments, and segments into larger ones.
//!
//! A new segment takes in those before it that are not several times as large, so that there are O(log n) segments and
//! a transaction is written O(log n) times.
//!
//! **Invariant**: the manifest names whole segments, at every moment and after the death of any process. Nothing is
//! synced: what a power cut damages is built anew.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::IndexError;
use crate::index::Index;
use crate::ingest::apply::entry_of;
use crate::ingest::rebuild::Rebuild;
use crate::ingest::sweep;
use crate::log::journal::Journal;
use crate::log::record::Place;
use crate::state::{Head, State};
use crate::stored::Stored;
use crate::table::catalog::Catalog;
use crate::table::manifest::Manifest;
use crate::table::segment::{self, Entry, Segment, SegmentId};
use crate::watch::directories::Directories;

/// Most transactions that are replayed at an open, but for those of the last batch.
const MAX_TAIL_TRANSACTIONS: usize = 64;

/// How much larger a segment is at least than those after it together.
const MIN_SEGMENT_RATIO: u64 = 4;

/// Up to this number, transactions that went away stay in the segments.
const MAX_DEAD_TRANSACTIONS: usize = 1024;

impl Index {
    pub(crate) fn is_flush_due(&self) -> bool {
        self.snapshot.catalog.tail.len() >= MAX_TAIL_TRANSACTIONS
    }

    /// Moves the tail into a segment; the caller holds the write lock.
    pub(crate) fn flush(&mut self) -> Result<(), IndexError> {
        let Some(state) = &self.snapshot.state else {
            return Ok(());
        };
        let catalog = &self.snapshot.catalog;
        let kept = self.kept_segments(state);
        let mut written = self.write_segment(catalog.tail.entries())?;
        let (left, merged) = catalog.segments.split_at(kept);
        let replaced: Vec<SegmentId> = merged.iter().map(|segment| segment.id()).collect();
        let (mut state, mut segments) = (State::clone(state), left.to_vec());
        if !merged.is_empty() {
            let parts: Vec<&Segment> = merged.iter().chain(&written).map(Arc::as_ref).collect();
            let first = parts.first().map_or(0, |part| part.first_number());
            let merged = self.merge_segments(&parts, &state.dead)?;
            // They are in no segment any more.
            state.dead = Arc::new(state.dead.range(..first).copied().collect());
            self.remove_segments(written.iter().map(|segment| segment.id()));
            written = merged;
        }
        segments.extend(written);
        self.start_at(state, Catalog::of(segments));
        self.covered = self.journal.end();
        self.save_manifest()?;
        self.remove_segments(replaced);
        sweep::sweep_temp(&self.system, &self.layout);
        Ok(())
    }

    /// Returns how many segments stay as they are.
    fn kept_segments(&self, state: &State) -> usize {
        let half = usize::try_from(state.transactions / 2).unwrap_or(usize::MAX);
        if state.dead.len() > MAX_DEAD_TRANSACTIONS.max(half) {
            return 0;
        }
        let catalog = &self.snapshot.catalog;
        let mut kept = catalog.segments.len();
        let mut after = catalog.tail.len() as u64;
        while let Some(last) = kept.checked_sub(1).and_then(|at| catalog.segments.get(at)) {
            if last.len() >= MIN_SEGMENT_RATIO * after {
                break;
            }
            after += last.len();
            kept -= 1;
        }
        kept
    }

    /// Starts from what a full rebuild found, and writes it down.
    pub(crate) fn adopt(&mut self, rebuild: Rebuild) -> Result<(), IndexError> {
        let (state, directories) = state_of(&rebuild);
        let mut members: Vec<_> = rebuild.members.all().to_vec();
        members.sort_unstable_by_key(|stored| stored.number);
        let entries: Vec<Entry> = members
            .iter()
            .filter_map(|stored| {
                let (offset, len) = rebuild.places.get(&stored.number)?;
                Some(entry_of(&stored.arrived(), *offset, *len))
            })
            .collect();
        let segments = self.write_segment(&entries);
        self.start_from(state, directories, rebuild.journal, segments, entries)
    }

    /// Starts anew from a journal and a segment that holds all of it.
    pub(crate) fn start_from(
        &mut self,
        state: State,
        directories: Directories,
        journal: Journal,
        segments: Result<Vec<Arc<Segment>>, IndexError>,
        entries: Vec<Entry>,
    ) -> Result<(), IndexError> {
        let known = self.snapshot.ingestion_end();
        self.journal = journal;
        self.covered = self.journal.end();
        self.directories = directories;
        match segments {
            Ok(segments) => {
                self.start_at(state, Catalog::of(segments));
                self.save_manifest()?;
                self.remove_other_segments();
            }
            // Slower, and right: this handle keeps all of it in memory.
            Err(_) => {
                let mut catalog = Catalog::default();
                entries
                    .into_iter()
                    .for_each(|entry| catalog.tail.push(entry));
                self.start_at(state, catalog);
            }
        }
        self.forget_cached_unless_holds(known)
    }

    fn save_manifest(&self) -> Result<(), IndexError> {
        let (Some(state), Some(journal_id)) = (&self.snapshot.state, self.journal.id()) else {
            return Ok(());
        };
        let segments = self.snapshot.catalog.segments.iter();
        let manifest = Manifest {
            journal_id,
            covered: self.covered,
            mark: self.journal.mark()?,
            segments: segments.map(|segment| segment.id()).collect(),
            state: State::clone(state),
            directories: self.directories.clone(),
        };
        manifest.save(self.system.disk.as_ref(), &self.layout)
    }

    /// Writes a segment, unless there is nothing to write.
    pub(crate) fn write_segment<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Vec<Arc<Segment>>, IndexError> {
        let entries: Vec<&Entry> = entries.into_iter().collect();
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (id, path, temp) = self.new_segment()?;
        segment::write(self.system.disk.as_ref(), &temp, &path, id, &entries)
            .map_err(|error| IndexError::WriteSegment(Box::new(error)))?;
        Ok(vec![Arc::new(self.open_segment(id)?)])
    }

    fn merge_segments(
        &self,
        parts: &[&Segment],
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<Arc<Segment>>, IndexError> {
        let (id, path, temp) = self.new_segment()?;
        segment::merge(self.system.disk.as_ref(), &temp, &path, id, parts, dead)
            .map_err(|error| IndexError::WriteSegment(Box::new(error)))?;
        let segment = self.open_segment(id)?;
        if segment.len() == 0 {
            self.remove_segments([id]);
            return Ok(Vec::new());
        }
        Ok(vec![Arc::new(segment)])
    }

    fn new_segment(&self) -> Result<(SegmentId, PathBuf, PathBuf), IndexError> {
        let mut id = SegmentId::default();
        self.system
            .random
            .fill(&mut id)
            .map_err(IndexError::Random)?;
        let name = uuid::Uuid::from_bytes(id).to_string();
        let temp = self.layout.temp().join(format!("segment-{name}"));
        Ok((id, self.layout.segment(id), temp))
    }

    /// Removes all segments but those of the manifest, also what a process left behind that died.
    fn remove_other_segments(&self) {
        let segments = self.snapshot.catalog.segments.iter();
        let named: Vec<_> = segments
            .map(|segment| self.layout.segment(segment.id()))
            .collect();
        let directory = self.layout.index();
        for entry in self.system.disk.list(&directory).unwrap_or_default() {
            let path = directory.join(&entry.name);
            let is_segment = path.extension().is_some_and(|it| it == "segment");
            if is_segment && !named.contains(&path) {
                let _ = self.system.disk.remove_file(&path);
            }
        }
    }

    /// Removes segments that no manifest names any more; one that cannot be removed is litter, and no more.
    fn remove_segments(&self, ids: impl IntoIterator<Item = SegmentId>) {
        for id in ids {
            let _ = self.system.disk.remove_file(&self.layout.segment(id));
        }
    }
}

/// Works out the state after a full rebuild.
fn state_of(rebuild: &Rebuild) -> (State, Directories) {
    let history = &rebuild.members.history;
    let dag = history.dag();
    let epoch = history
        .epoch()
        .expect("a full rebuild that has ingested knows the epoch");
    let mut state = State::new(epoch, history.topology_generation(), rebuild.running_hash);
    state.last = history.last_ingested();
    state.next_number = rebuild.next_number;
    state.boot_id.clone_from(&rebuild.boot_id);
    state.transactions = history.len() as u64;
    state.events = history.event_count();
    for ix in dag.heads() {
        let member = history.get(ix);
        let head = Head {
            created_at: member.created_at(),
            replica_id: member.replica_id(),
            transaction_id: member.id(),
            content_hash: member.content_hash(),
        };
        state.heads.insert(head.transaction_id, head);
    }
    let missing_parents = Arc::make_mut(&mut state.missing_parents);
    for (ix, missing) in dag.missing_parents() {
        let number = history.get(ix).number();
        missing_parents.entry(missing).or_default().insert(number);
    }
    state.last_appended.clone_from(&rebuild.last_appended);
    state.once_vanished = Arc::new(rebuild.once_vanished.clone());
    let is_flat = |stored: &&Arc<Stored>| stored.place == Place::Flat;
    state.flat = rebuild.members.all().iter().filter(is_flat).count() as u64;
    state.needs_rebuild = rebuild.needs_rebuild();
    state.rejected = Arc::new(rebuild.rejected());
    let mut directories = Directories(rebuild.stamps.clone());
    for stored in rebuild.members.all() {
        let stamp = rebuild.restamped.get(&stored.id());
        if let Some(files) = directories.files_beside(&stored.relative_path()) {
            files.add(*stamp.unwrap_or(&stored.stamp));
        }
    }
    (state, directories)
}
