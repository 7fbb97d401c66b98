//! The fast path: ingesting added and removed files by what they are themselves, as after the ordinary `git pull`, `switch` and `reset`.
//!
//! It takes a batch in which every edge ascends and every link to a parent holds. Then nothing that was decided about
//! other files changes, no cycle can close, and what is known of the whole is brought up to date from what came and
//! went alone. Any other batch needs a full rebuild.
//!
//! **Invariant**: a full rebuild of the same files would decide the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use fs_format::{ContentHash, Header, TransactionId};
use fs_io::SyncPolicy;

use crate::error::IndexError;
use crate::index::Index;
use crate::ingest::apply::entry_of;
use crate::ingest::vanished;
use crate::log::journal::{self, Journal};
use crate::log::record::{self, Arrived, Origin, Seen};
use crate::position::RunningHash;
use crate::state::State;
use crate::stored::Stored;
use crate::table::segment::Key;
use crate::watch::changes::Changes;
use crate::watch::directories::Directories;
use crate::watch::file::{self, Found};
use crate::watch::scan::Scan;

/// What is to be journaled.
pub(crate) struct Plan {
    /// In canonical order, numbered.
    arrived: Vec<Stored>,
    gone: BTreeSet<TransactionId>,
    rejected: BTreeMap<String, Seen>,
}

impl Plan {
    /// Returns whether the journal has to be written anew for this, which a full rebuild does.
    pub(crate) fn is_to_be_written_anew(&self, state: &State) -> bool {
        let arrivals = state.next_number - 1;
        !self.gone.is_empty() && journal::is_overgrown(arrivals, state.transactions)
    }
}

pub(crate) fn key_of(header: &Header) -> Key {
    (header.created_at, header.replica_id, header.transaction_id)
}

impl Index {
    /// Plans the ingestion of added and removed files; `None` when it needs a full rebuild.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub(crate) fn plan(
        &self,
        state: &State,
        changes: &Changes,
    ) -> Result<Option<Plan>, IndexError> {
        if state.needs_rebuild || !changes.rewritten.is_empty() {
            return Ok(None);
        }
        let paths: Vec<String> = changes.paths.iter().cloned().collect();
        let looked = file::inspect_all(&self.system, &self.layout, &paths, &self.progress);
        let mut rejected = BTreeMap::clone(&state.rejected);
        let mut batch: BTreeMap<TransactionId, Stored> = BTreeMap::new();
        for (path, found) in paths.into_iter().zip(looked) {
            match found {
                Found::Missing(location) => {
                    if rejected.remove(&path).is_none() && location.is_err() {
                        rejected.insert(path, Seen::default());
                    }
                }
                Found::Rejected(trouble) => _ = rejected.insert(path, trouble.seen),
                Found::Whole(stored) => {
                    rejected.remove(&path);
                    let id = stored.id();
                    let is_there = self.snapshot.catalog.number_of(id, &state.dead)?.is_some();
                    if is_there || batch.insert(id, *stored).is_some() {
                        return Ok(None);
                    }
                }
            }
        }
        for stored in batch.values() {
            if !self.is_regular(state, changes, &batch, stored)? {
                return Ok(None);
            }
        }
        let mut arrived: Vec<Stored> = batch.into_values().collect();
        arrived.sort_by_key(|stored| key_of(&stored.header));
        let mut running_hash = state.running_hash;
        for (stored, number) in arrived.iter_mut().zip(state.next_number..) {
            running_hash = stored.follow(number, running_hash);
            if self.own.contains(&stored.header.replica_id) {
                // A process died after it published its own file and before it journaled it.
                stored.origin = Origin::Appended;
            }
        }
        Ok(Some(Plan {
            arrived,
            gone: changes.gone.clone(),
            rejected,
        }))
    }

    /// Returns whether a transaction fits its parents and children: every key ascends, and every recorded hash is right.
    pub(crate) fn is_regular(
        &self,
        state: &State,
        changes: &Changes,
        batch: &BTreeMap<TransactionId, Stored>,
        stored: &Stored,
    ) -> Result<bool, IndexError> {
        let key = key_of(&stored.header);
        for parent in &stored.header.parents {
            let id = parent.transaction_id;
            let (parent_key, parent_hash) = if let Some(parent) = batch.get(&id) {
                (key_of(&parent.header), parent.content_hash)
            } else if let Some(head) = state.heads.get(&id) {
                (head.key(), head.content_hash)
            } else if let Some(number) = self.snapshot.catalog.number_of(id, &state.dead)? {
                let record = self.snapshot.record_of(number)?;
                let summary = &record.summary;
                let key = (summary.created_at, summary.replica_id, summary.id);
                (key, record.content_hash)
            } else {
                continue;
            };
            let holds = |recorded: ContentHash| recorded == parent_hash;
            let is_there = !changes.gone.contains(&id);
            if is_there && (parent_key >= key || !parent.content_hash.is_none_or(holds)) {
                return Ok(false);
            }
        }
        for number in state
            .missing_parents
            .get(&stored.id())
            .into_iter()
            .flatten()
        {
            let child = self.snapshot.stored(*number)?;
            let links = child.header.parents.iter();
            let mut recorded = links
                .filter(|link| link.transaction_id == stored.id())
                .filter_map(|link| link.content_hash);
            let holds = recorded.all(|hash| hash == stored.content_hash);
            if !changes.gone.contains(&child.id()) && (key_of(&child.header) <= key || !holds) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether the record of something that arrives may have been lost by a power cut.
    pub(crate) fn has_lost_some(&self, state: &State, plan: &Plan) -> bool {
        let mut arrived = plan.arrived.iter();
        self.is_another_boot(state) && arrived.any(|stored| self.may_be_lost(state, stored))
    }

    /// Builds the index of a store that has none; returns whether what is there is plain.
    ///
    /// # Errors
    /// [`IndexError`] when the files cannot be read, or the index cannot be written.
    ///
    /// # Complexity
    /// Reads every file, by as many threads as there are processors.
    pub(crate) fn build(&mut self) -> Result<bool, IndexError> {
        self.forget();
        let id = self.draw_journal_id()?;
        let begin = RunningHash::of_empty(&id);
        let mut state = State::new(self.draw_epoch()?, 0, begin);
        state.boot_id.clone_from(&self.system.machine.boot_id);
        state.once_vanished = Arc::new(vanished::kept(self.system.disk.as_ref(), &self.layout));
        let changes = self.changes(&state, Scan::Names)?;
        let Some(plan) = self.plan(&state, &changes)? else {
            return Ok(false);
        };
        let mut directories = Directories::default();
        directories.update(changes.stamps);
        let mut payloads = vec![record::rebuilt(), record::epoch(state.epoch, 0)];
        payloads.extend(state.boot_id.iter().map(|boot_id| record::boot(boot_id)));
        let kept = state.once_vanished.clone();
        payloads.extend(kept.iter().map(|id| record::vanished(*id)));
        let first = payloads.len();
        let recorded = file::each(&plan.arrived, |stored| {
            let arrived = stored.arrived();
            let payload = record::arrived(&arrived, stored.file_bytes());
            (arrived, payload)
        });
        let (arrived, written): (Vec<Arrived>, Vec<Vec<u8>>) = recorded.into_iter().unzip();
        payloads.extend(written);
        let offsets = Journal::offsets_in_new(&payloads);
        let mut known: HashSet<TransactionId> = HashSet::with_capacity(arrived.len());
        let mut entries = Vec::with_capacity(arrived.len());
        let places = payloads[first..].iter().zip(&offsets[first..]);
        for (arrived, (payload, offset)) in arrived.into_iter().zip(places) {
            let len = u32::try_from(payload.len()).expect("payloads are bounded by the file limit");
            let mut missing = arrived.summary.links.parents.clone();
            missing.retain(|parent| !known.contains(parent));
            known.insert(arrived.summary.id);
            state.add(&arrived, &missing);
            directories.add_file(&arrived.path(), arrived.stamp);
            entries.push(entry_of(&arrived, *offset, len));
        }
        state.rejected = Arc::new(plan.rejected);
        let mut journal = Journal::new(&self.system, &self.layout);
        let returned = plan.arrived.iter().filter(|it| kept.contains(&it.id()));
        let sync = match returned.clone().next() {
            // Their bytes are let go of below.
            Some(_) => SyncPolicy::Durable,
            // A power cut before the next sync costs another build, and no more.
            None => SyncPolicy::None,
        };
        let (journaled, segments) = rayon::join(
            || journal.replace(&self.layout, id, &payloads, sync),
            || self.write_segment(entries.iter()),
        );
        journaled?;
        self.start_from(state, directories, journal, segments, entries)?;
        vanished::release(self.system.disk.as_ref(), &self.layout, returned);
        Ok(true)
    }

    /// Journals what was planned and applies it.
    ///
    /// # Errors
    /// [`IndexError`]; the next call starts over.
    pub(crate) fn commit(&mut self, plan: Plan, changes: Changes) -> Result<(), IndexError> {
        let Some(state) = &self.snapshot.state else {
            return Ok(());
        };
        let mut payloads: Vec<_> = self.boot_record(state).into_iter().collect();
        let returned: Vec<_> = plan
            .arrived
            .iter()
            .filter(|it| state.once_vanished.contains(&it.id()))
            .cloned()
            .collect();
        if plan.gone.is_empty() {
            let first = plan.arrived.first().map(|it| key_of(&it.header));
            if first.is_some_and(|first| state.has_greater_key(first)) {
                payloads.push(record::generation(state.generation + 1));
            }
        } else {
            let disk = self.system.disk.as_ref();
            let mut kept = Vec::new();
            for id in &plan.gone {
                if let Some(number) = self.snapshot.catalog.number_of(*id, &state.dead)? {
                    kept.push(vanished::keep(
                        disk,
                        &self.layout,
                        &self.snapshot.stored(number)?,
                    )?);
                }
                payloads.push(record::vanished(*id));
            }
            vanished::make_durable(disk, &self.layout, &kept)?;
            payloads.push(record::epoch(self.draw_epoch()?, state.generation + 1));
        }
        if plan.rejected != *state.rejected {
            payloads.push(record::rejected(&plan.rejected));
        }
        // Before the arrivals, whose files are added to them.
        payloads.push(record::directories(&changes.stamps));
        payloads.extend(plan.arrived.iter().map(Stored::record));
        self.write(&payloads, SyncPolicy::Durable)?;
        vanished::release(self.system.disk.as_ref(), &self.layout, &returned);
        Ok(())
    }
}
