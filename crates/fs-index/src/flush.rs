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

use crate::catalog::Catalog;
use crate::census::Census;
use crate::error::IndexError;
use crate::index::Index;
use crate::journal::Journal;
use crate::load::Loaded;
use crate::manifest::Manifest;
use crate::record::Place;
use crate::replay::entry_of;
use crate::segment::{self, Entry, Segment, SegmentId};
use crate::state::{Head, State};
use crate::stored::Stored;
use crate::sweep;

/// So many transactions are replayed at an open at most, but for those of the last batch.
const MOST_IN_TAIL: usize = 64;

/// A segment is at least so many times as large as those after it together.
const RATIO: u64 = 4;

/// So many dead ones do not matter.
const FEW_DEAD: usize = 1024;

impl Index {
    pub(crate) fn is_flush_due(&self) -> bool {
        self.catalog.tail.len() >= MOST_IN_TAIL
    }

    /// Moves the tail into a segment; the caller holds the write lock.
    pub(crate) fn flush(&mut self) -> Result<(), IndexError> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let kept = self.kept_segments(state);
        let tail: Vec<&Entry> = self.catalog.tail.entries().collect();
        let mut written = self.write_segment(tail.into_iter())?;
        let replaced: Vec<SegmentId> = self.catalog.segments[kept..]
            .iter()
            .map(Segment::id)
            .collect();
        let mut state = state.clone();
        if kept < self.catalog.segments.len() {
            let parts: Vec<&Segment> = self.catalog.segments[kept..]
                .iter()
                .chain(&written)
                .collect();
            let first = parts.first().map_or(0, |part| part.first_number());
            let merged = self.merge_segments(&parts, &state.dead)?;
            // They are in no segment any more.
            state.dead = state.dead.range(..first).copied().collect();
            self.remove_segments(written.iter().map(Segment::id));
            written = merged;
        }
        let mut segments: Vec<Segment> = self.catalog.segments.drain(..kept).collect();
        segments.extend(written);
        self.catalog = Catalog {
            segments,
            ..Catalog::default()
        };
        self.state = Some(state);
        self.covered = self.journal.end();
        self.save_manifest()?;
        self.remove_segments(replaced);
        sweep::sweep_temp(&self.system, &self.layout);
        Ok(())
    }

    /// Returns how many segments stay as they are.
    fn kept_segments(&self, state: &State) -> usize {
        let half = usize::try_from(state.transactions / 2).unwrap_or(usize::MAX);
        if state.dead.len() > FEW_DEAD.max(half) {
            return 0;
        }
        let segments = &self.catalog.segments;
        let mut kept = segments.len();
        let mut after = self.catalog.tail.len() as u64;
        while let Some(last) = kept.checked_sub(1).and_then(|at| segments.get(at)) {
            if last.len() >= RATIO * after {
                break;
            }
            after += last.len();
            kept -= 1;
        }
        kept
    }

    /// Starts from what a census found, and writes it down.
    pub(crate) fn adopt(&mut self, census: Census) -> Result<(), IndexError> {
        let state = state_of(&census);
        let mut members: Vec<_> = census.history.shared().to_vec();
        members.sort_unstable_by_key(|stored| stored.number);
        let entries: Vec<Entry> = members
            .iter()
            .filter_map(|stored| {
                let (offset, len) = census.places.get(&stored.number)?;
                Some(entry_of(&stored.arrived(), *offset, *len))
            })
            .collect();
        let segments = self.write_segment(entries.iter());
        self.start_from(state, census.journal, segments, entries)?;
        self.loaded = Some(Loaded::of(census.history));
        Ok(())
    }

    /// Starts anew from a journal and a segment that holds all of it.
    pub(crate) fn start_from(
        &mut self,
        state: State,
        journal: Journal,
        segments: Result<Vec<Segment>, IndexError>,
        entries: Vec<Entry>,
    ) -> Result<(), IndexError> {
        let known = self.ingestion_end();
        self.journal = journal;
        self.covered = self.journal.end();
        self.state = Some(state);
        self.catalog = Catalog::default();
        match segments {
            Ok(segments) => {
                self.catalog.segments = segments;
                self.save_manifest()?;
                self.remove_other_segments();
            }
            // Slower, and right: this handle keeps all of it in memory.
            Err(_) => entries
                .into_iter()
                .for_each(|entry| self.catalog.tail.push(entry)),
        }
        self.forget_cached_unless_holds(known)
    }

    fn save_manifest(&self) -> Result<(), IndexError> {
        let (Some(state), Some(journal_id)) = (&self.state, self.journal.id()) else {
            return Ok(());
        };
        let manifest = Manifest {
            journal_id,
            covered: self.covered,
            mark: self.journal.mark()?,
            segments: self.catalog.segments.iter().map(Segment::id).collect(),
            state: state.clone(),
        };
        manifest.save(self.system.disk.as_ref(), &self.layout)
    }

    /// Writes a segment, unless there is nothing to write.
    pub(crate) fn write_segment<'a>(
        &self,
        entries: impl ExactSizeIterator<Item = &'a Entry>,
    ) -> Result<Vec<Segment>, IndexError> {
        if entries.len() == 0 {
            return Ok(Vec::new());
        }
        let (id, path, temp) = self.new_segment()?;
        let entries: Vec<&Entry> = entries.collect();
        segment::write(self.system.disk.as_ref(), &temp, &path, id, &entries)
            .map_err(|error| IndexError::WriteSegment(Box::new(error)))?;
        Ok(vec![self.open_segment(id)?])
    }

    fn merge_segments(
        &self,
        parts: &[&Segment],
        dead: &BTreeSet<u64>,
    ) -> Result<Vec<Segment>, IndexError> {
        let (id, path, temp) = self.new_segment()?;
        segment::merge(self.system.disk.as_ref(), &temp, &path, id, parts, dead)
            .map_err(|error| IndexError::WriteSegment(Box::new(error)))?;
        let segment = self.open_segment(id)?;
        if segment.len() == 0 {
            self.remove_segments([id]);
            return Ok(Vec::new());
        }
        Ok(vec![segment])
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
        let named: Vec<_> = self.catalog.segments.iter().map(Segment::id).collect();
        let named: Vec<_> = named
            .into_iter()
            .map(|id| self.layout.segment(id))
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

/// Works out the state after a census.
fn state_of(census: &Census) -> State {
    let history = &census.history;
    let dag = history.dag();
    let epoch = history
        .epoch()
        .expect("a census that has ingested knows the epoch");
    let mut state = State::new(epoch, history.topology_generation(), census.running_hash);
    state.last = history.last_ingested();
    state.next_number = census.next_number;
    state.boot_id.clone_from(&census.boot_id);
    state.transactions = history.len() as u64;
    state.events = history.event_count();
    for ix in dag.heads() {
        let stored = history.get(ix);
        let head = Head {
            created_at: stored.header.created_at,
            replica_id: stored.header.replica_id,
            transaction_id: stored.id(),
            content_hash: stored.content_hash,
        };
        state.heads.insert(head.transaction_id, head);
    }
    for (ix, missing) in dag.missing_parents() {
        let number = history.get(ix).number;
        state.awaited.entry(missing).or_default().insert(number);
    }
    state.last_appended.clone_from(&census.last_appended);
    state.once_vanished.clone_from(&census.once_vanished);
    let is_flat = |stored: &&Arc<Stored>| stored.place == Place::Flat;
    state.flat = history.shared().iter().filter(is_flat).count() as u64;
    state.is_irregular = census.is_irregular();
    state.directories.clone_from(&census.stamps);
    for stored in history.shared() {
        let stamp = census.restamped.get(&stored.id());
        if let Some(files) = state.files_beside(&stored.relative_path()) {
            files.add(*stamp.unwrap_or(&stored.stamp));
        }
    }
    state.watched = census.watched();
    state
}
