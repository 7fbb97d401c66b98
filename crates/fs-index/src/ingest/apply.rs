//! Taking over what the journal says: state and tail after each record.
//!
//! The writer of a record applies it in the same way as its readers.
//!
//! **Invariant**: the order of the records is all that counts; two handles that have read the journal up to the same
//! place know the same.

use std::sync::Arc;

use fs_format::TransactionId;

use crate::error::IndexError;
use crate::index::Index;
use crate::log::frame;
use crate::log::journal::Entry as Read;
use crate::log::record::{Arrived, Place, Record};
use crate::state::{Head, State};
use crate::table::segment::{Entry, FLAT};

/// How far records were taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// All of them.
    All,
    /// Up to a batch that starts at this place of the journal and that only the next manifest can tell.
    UpTo(u64),
    /// They contradict each other, or what was known.
    Refuted,
}

impl Index {
    pub(crate) fn replay(&mut self, entries: &[Read]) -> Result<Replayed, IndexError> {
        for entry in entries {
            let fits = match &entry.record {
                Record::Rebuilt => {
                    return Ok(Replayed::UpTo(entry.offset - frame::HEAD as u64));
                }
                Record::Arrived(arrived) => {
                    let len = u32::try_from(entry.payload.len())
                        .expect("payloads are bounded by the limit of a file");
                    self.arrive(arrived, entry.offset, len)?
                }
                Record::Vanished { id } => self.vanish(*id)?,
                Record::Epoch { epoch, generation } => self.with_state(|state| {
                    (state.epoch, state.generation) = (*epoch, *generation);
                }),
                Record::Generation { generation } => {
                    self.with_state(|state| state.generation = *generation)
                }
                Record::Boot { boot_id } => {
                    self.with_state(|state| state.boot_id = Some(boot_id.clone()))
                }
                Record::Directories { stamps } => {
                    let stamps = stamps.iter().map(|(path, stamp)| (path.clone(), *stamp));
                    self.directories.update(stamps);
                    self.is_loaded()
                }
                Record::Rejected { seen } => {
                    self.with_state(|state| state.rejected = Arc::new(seen.clone()))
                }
            };
            if !fits {
                return Ok(Replayed::Refuted);
            }
        }
        Ok(Replayed::All)
    }

    fn with_state(&mut self, change: impl FnOnce(&mut State)) -> bool {
        let changed = self.snapshot.change();
        changed.map(|(state, _)| change(state)).is_some()
    }

    /// Takes over an arrival; returns whether it fits what is known.
    fn arrive(&mut self, arrived: &Arrived, offset: u64, len: u32) -> Result<bool, IndexError> {
        let Some((state, catalog)) = self.snapshot.change() else {
            return Ok(false);
        };
        let summary = &arrived.summary;
        let is_there = catalog.number_of(summary.id, &state.dead)?.is_some();
        let (number, content) = (arrived.number, &arrived.content_hash);
        let follows =
            || arrived.running_hash == state.running_hash.then(number, summary.id, content);
        if is_there || number < state.next_number || !follows() {
            return Ok(false);
        }
        let mut missing = Vec::new();
        for parent in &summary.links.parents {
            let is_head = state.heads.contains_key(parent);
            if !is_head && catalog.number_of(*parent, &state.dead)?.is_none() {
                missing.push(*parent);
            }
        }
        state.add(arrived, &missing);
        catalog.tail.push(entry_of(arrived, offset, len));
        self.directories.add_file(&arrived.path(), arrived.stamp);
        Ok(true)
    }

    /// Takes over that a transaction is gone; returns whether it was there.
    fn vanish(&mut self, id: TransactionId) -> Result<bool, IndexError> {
        let Some(number) = self.snapshot.number_of(id)? else {
            return Ok(false);
        };
        let gone = self.snapshot.record_of(number)?;
        let is_last = |state: &State| state.last.is_some_and(|(last, _)| last == number);
        let Some((state, catalog)) = self.snapshot.change() else {
            return Ok(false);
        };
        Arc::make_mut(&mut state.once_vanished).insert(id);
        Arc::make_mut(&mut state.dead).insert(number);
        if is_last(state) {
            let last = catalog.last_below(number, &state.dead)?;
            state.last = last.map(|last| (last.number, last.running_hash));
        }
        state.heads.remove(&id);
        state.transactions -= 1;
        state.events -= u64::from(gone.summary.event_count);
        state.flat -= u64::from(gone.place == Place::Flat);
        self.directories.remove_file(&gone.path(), gone.stamp);
        let mut orphaned = Vec::new();
        for parent in gone.summary.links.parents {
            if state.missing_parents.contains_key(&parent) {
                let missing_parents = Arc::make_mut(&mut state.missing_parents);
                if let Some(children) = missing_parents.get_mut(&parent) {
                    children.remove(&number);
                    if children.is_empty() {
                        missing_parents.remove(&parent);
                    }
                }
                continue;
            }
            if catalog.children(parent, &state.dead)?.is_empty() {
                orphaned.extend(catalog.number_of(parent, &state.dead)?);
            }
        }
        let children = catalog.children(id, &state.dead)?;
        if !children.is_empty() {
            let children = children.into_iter().collect();
            Arc::make_mut(&mut state.missing_parents).insert(id, children);
        }
        for number in orphaned {
            let record = self.snapshot.record_of(number)?;
            let head = Head {
                created_at: record.summary.created_at,
                replica_id: record.summary.replica_id,
                transaction_id: record.summary.id,
                content_hash: record.content_hash,
            };
            self.with_state(|state| _ = state.heads.insert(head.transaction_id, head));
        }
        Ok(true)
    }
}

/// Returns what goes into the tail and into segments.
pub(crate) fn entry_of(arrived: &Arrived, offset: u64, len: u32) -> Entry {
    let summary = arrived.summary.clone();
    Entry {
        number: arrived.number,
        running_hash: arrived.running_hash,
        id: summary.id,
        replica_id: summary.replica_id,
        created_at: summary.created_at,
        offset,
        len,
        flags: match arrived.place {
            Place::Sharded => 0,
            Place::Flat => FLAT,
        },
        event_count: summary.event_count,
        writes: summary.writes,
        event_types: summary.event_types,
        command_id: summary.command_id,
        content_hash: arrived.content_hash,
        links: summary.links,
    }
}
