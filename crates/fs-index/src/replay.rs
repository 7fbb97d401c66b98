//! Taking over what the journal says: state and tail after each record.
//!
//! Whoever writes a record takes it over in the same way as whoever reads it.
//!
//! **Invariant**: the order of the records is all that counts; two handles that have read the journal up to the same
//! place know the same.

use fs_format::TransactionId;

use crate::error::IndexError;
use crate::frame;
use crate::index::Index;
use crate::journal::Entry as Read;
use crate::record::{self, Arrived, Place, Record};
use crate::segment::Entry;
use crate::state::{Head, State};

/// Marks of an entry.
pub(crate) const FLAT: u8 = 1;

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
                Record::Census => {
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
                Record::Directories { stamps } => self.with_state(|state| {
                    for (path, stamp) in stamps {
                        match stamp {
                            Some(stamp) => _ = state.directories.insert(path.clone(), *stamp),
                            None => _ = state.directories.remove(path),
                        }
                    }
                }),
                Record::Watched { seen } => self.with_state(|state| state.watched.clone_from(seen)),
            };
            if !fits {
                return Ok(Replayed::Refuted);
            }
        }
        Ok(Replayed::All)
    }

    fn with_state(&mut self, change: impl FnOnce(&mut State)) -> bool {
        self.state.as_mut().map(change).is_some()
    }

    /// Takes over an arrival; returns whether it fits what is known.
    pub(crate) fn arrive(
        &mut self,
        arrived: &Arrived,
        offset: u64,
        len: u32,
    ) -> Result<bool, IndexError> {
        let Some(state) = &mut self.state else {
            return Ok(false);
        };
        let summary = &arrived.summary;
        let is_there = self.catalog.number_of(summary.id, &state.dead)?.is_some();
        let (number, content) = (arrived.number, &arrived.content_hash);
        let follows =
            || arrived.running_hash == state.running_hash.then(number, summary.id, content);
        if is_there || number < state.next_number || !follows() {
            return Ok(false);
        }
        let mut missing = Vec::new();
        for parent in &summary.parents {
            let is_head = state.heads.contains_key(parent);
            if !is_head && self.catalog.number_of(*parent, &state.dead)?.is_none() {
                missing.push(*parent);
            }
        }
        state.add(arrived, &missing);
        self.catalog.tail.push(entry_of(arrived, offset, len));
        Ok(true)
    }

    /// Takes over that a transaction is gone; returns whether it was there.
    fn vanish(&mut self, id: TransactionId) -> Result<bool, IndexError> {
        let Some(state) = &mut self.state else {
            return Ok(false);
        };
        state.once_vanished.insert(id);
        let Some(number) = self.catalog.number_of(id, &state.dead)? else {
            return Ok(false);
        };
        let gone = record_of(&self.journal, &self.catalog, number)?;
        state.dead.insert(number);
        if state.last.is_some_and(|(last, _)| last == number) {
            let last = self.catalog.last_below(number, &state.dead)?;
            state.last = last.map(|last| (last.number, last.running_hash));
        }
        state.heads.remove(&id);
        state.transactions -= 1;
        state.events -= u64::from(gone.summary.event_count);
        state.flat -= u64::from(gone.place == Place::Flat);
        if let Some(files) = state.files_beside(&gone.place.path(id)) {
            files.subtract(gone.stamp);
        }
        for parent in gone.summary.parents {
            if let Some(children) = state.awaited.get_mut(&parent) {
                children.remove(&number);
                if children.is_empty() {
                    state.awaited.remove(&parent);
                }
                continue;
            }
            if !self.catalog.children(parent, &state.dead)?.is_empty() {
                continue;
            }
            if let Some(number) = self.catalog.number_of(parent, &state.dead)? {
                let parent = record_of(&self.journal, &self.catalog, number)?;
                let head = Head {
                    created_at: parent.summary.created_at,
                    replica_id: parent.summary.replica_id,
                    transaction_id: parent.summary.id,
                    content_hash: parent.content_hash,
                };
                state.heads.insert(head.transaction_id, head);
            }
        }
        let children = self.catalog.children(id, &state.dead)?;
        if !children.is_empty() {
            state.awaited.insert(id, children.into_iter().collect());
        }
        Ok(true)
    }
}

/// Returns the record of the transaction numbered `number`, which the catalog holds.
///
/// # Errors
/// [`IndexError::Damaged`] when the journal does not hold it any more.
pub(crate) fn record_of(
    journal: &crate::journal::Journal,
    catalog: &crate::catalog::Catalog,
    number: u64,
) -> Result<Arrived, IndexError> {
    let damaged = || IndexError::Damaged {
        path: journal.path().to_owned(),
    };
    let located = catalog.transaction(number)?.ok_or_else(damaged)?;
    let payload = journal
        .read(located.offset, located.len)?
        .ok_or_else(damaged)?;
    match record::parse(&payload) {
        Some(Record::Arrived(arrived)) if arrived.number == number => Ok(*arrived),
        _ => Err(damaged()),
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
        parents: summary.parents,
    }
}
