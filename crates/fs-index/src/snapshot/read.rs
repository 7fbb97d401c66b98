//! Questions that are answered from the index on disk, without the history in memory.
//!
//! **Invariant**: each answers as [`History`](crate::History) would. Where the canonical order is not that of the keys
//! ([`Snapshot::is_ordered_by_key`]), the history is loaded and asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

use fs_format::{CommandId, ContentHash, StreamId, TransactionId};

use crate::error::IndexError;
use crate::position::{Epoch, Position, Sequence};
use crate::snapshot::Snapshot;
use crate::snapshot::history::Placed;
use crate::snapshot::load::batches;
use crate::snapshot::parts::Parts;
use crate::snapshot::pick::Budget;
use crate::snapshot::recorded::TxView;
use crate::snapshot::select::{Select, Selected, Wanted};
use crate::state::State;
use crate::stored::Stored;
use crate::table::segment::TxRow;
use crate::table::stream_reader::{StreamReader, Write};

/// Most transactions that are read at a time.
const PAGE_TRANSACTIONS: usize = 512;

/// Where more than one transaction of this number is wanted, all are read and the others left out.
const MIN_SELECTIVITY: u64 = 8;

/// The writers of more selected streams are not looked up one by one.
const MAX_NARROWED_STREAMS: usize = 4096;

/// Events that are being taken.
struct Taking<'a, S, F, T> {
    select: &'a S,
    each: F,
    limit: usize,
    found: Vec<T>,
}

impl<S: Select, T, F: FnMut(Placed<'_>) -> T> Taking<'_, S, F, T> {
    /// Returns how many more may be taken.
    fn left(&self) -> usize {
        self.limit - self.found.len()
    }

    /// Takes an event if it is wanted; the caller has made sure that there may be another.
    fn take(&mut self, placed: Placed<'_>) {
        let event = &placed.event;
        if self.select.stream(event.stream_id.as_str()) && self.select.event_type(&event.event_type)
        {
            self.found.push((self.each)(placed));
        }
    }
}

impl Snapshot {
    /// Returns the number of events of `stream_id`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn version(&self, stream_id: &StreamId) -> Result<u64, IndexError> {
        match &self.state {
            Some(state) => StreamReader::new(&self.catalog, &state.dead).version(stream_id),
            None => Ok(0),
        }
    }

    /// Returns every stream with its version, in byte order of the stream ids.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn streams(&self) -> Result<Vec<(StreamId, u64)>, IndexError> {
        self.streams_behind(None, usize::MAX)
    }

    /// Returns the transactions of the command `command_id` in canonical order: more than one where clones used an id apart.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn commands(&self, command_id: &CommandId) -> Result<Vec<Stored>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let mut found: Vec<Stored> = Vec::new();
        for number in self.catalog.commands(command_id, &state.dead)? {
            let stored = self.stored(number)?;
            if stored.header.command_id.as_ref() == Some(command_id) {
                found.push(stored);
            }
        }
        let history = self.ordering_history()?;
        let rank = |stored: &Stored| {
            let dag = history.as_ref()?.dag();
            dag.rank(dag.index_of(stored.id())?)
        };
        found.sort_by_key(|stored| {
            let header = &stored.header;
            let key = (header.created_at, header.replica_id, header.transaction_id);
            (rank(stored), key)
        });
        Ok(found)
    }

    /// Returns each command that several transactions name, with these.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    ///
    /// # Complexity
    /// One look at each command id, and the headers of those that are named several times.
    pub fn shared_commands(&self) -> Result<BTreeMap<CommandId, Vec<TransactionId>>, IndexError> {
        let mut shared: BTreeMap<CommandId, Vec<TransactionId>> = BTreeMap::new();
        let Some(state) = &self.state else {
            return Ok(shared);
        };
        for number in self.catalog.shared_commands(&state.dead)?.concat() {
            let header = self.stored(number)?.header;
            let command_id = header.command_id.ok_or_else(|| self.damaged())?;
            let named = shared.entry(command_id).or_default();
            named.push(header.transaction_id);
        }
        shared.retain(|_, named| named.len() > 1);
        Ok(shared)
    }

    /// Returns the version that `stream_id` has after a transaction, canonically; `None` when it writes none of it.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn version_after(
        &self,
        stored: &Stored,
        stream_id: &StreamId,
    ) -> Result<Option<u64>, IndexError> {
        let writes = self.writes(stream_id)?;
        let write = writes.iter().find(|write| write.number == stored.number);
        Ok(write.map(|write| write.base + write.count))
    }

    /// Returns those who write `stream_id` below version `version`, with their content, in canonical order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn writers_below(
        &self,
        stream_id: &StreamId,
        version: u64,
    ) -> Result<Vec<(TransactionId, ContentHash)>, IndexError> {
        let writes = self.writes(stream_id)?;
        let below = writes.iter().take_while(|write| write.base < version);
        below
            .map(|write| {
                let record = self.record_of(write.number)?;
                Ok((record.summary.id, record.content_hash))
            })
            .collect()
    }

    /// Returns who writes a stream, in canonical order.
    pub(crate) fn writes(&self, stream_id: &StreamId) -> Result<Arc<Vec<Write>>, IndexError> {
        match self.stream_reader() {
            Some((state, mut reader)) => self.writes_by(&mut reader, state, stream_id),
            None => Ok(Arc::default()),
        }
    }

    /// As [`Snapshot::writes`], by a reader that was asked for other streams before.
    fn writes_by(
        &self,
        reader: &mut StreamReader<'_>,
        state: &State,
        stream_id: &StreamId,
    ) -> Result<Arc<Vec<Write>>, IndexError> {
        if let Some(history) = self.ordering_history()? {
            let writes = history.writes(stream_id).iter().map(|write| Write {
                number: history.get(write.transaction).number(),
                base: write.base,
                count: write.count,
            });
            return Ok(Arc::new(writes.collect()));
        }
        self.caches
            .writes
            .get_or(state, stream_id, || reader.writes(stream_id))
    }

    fn stream_reader(&self) -> Option<(&State, StreamReader<'_>)> {
        let state = self.state.as_ref()?;
        Some((state, StreamReader::new(&self.catalog, &state.dead)))
    }

    /// Returns where the transactions with these numbers lie, in the same order.
    pub(crate) fn places(
        &self,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<TxRow>, IndexError> {
        let places = self.catalog.transactions(numbers)?.into_iter();
        places
            .map(|place| place.ok_or_else(|| self.damaged()))
            .collect()
    }

    /// Calls `each` with the events of `stream_id` with versions above `after`, in canonical order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    ///
    /// # Complexity
    /// The places of all w who write the stream, and the bytes of those above `after`.
    pub fn read_stream<T>(
        &self,
        stream_id: &StreamId,
        after: u64,
        mut each: impl FnMut(Placed<'_>) -> T,
    ) -> Result<Vec<T>, IndexError> {
        let writes = self.writes(stream_id)?;
        let first = writes.partition_point(|write| write.base + write.count <= after);
        let mut found = Vec::new();
        for page in writes[first..].chunks(PAGE_TRANSACTIONS) {
            let places = self.places(page.iter().map(|write| write.number))?;
            let mut writes = page.iter();
            for batch in batches(&places) {
                for (recorded, write) in self.recorded(batch)?.iter().zip(writes.by_ref()) {
                    let mut version = write.base;
                    for (place, event) in (0..=u16::MAX).zip(recorded.events()) {
                        let event = event.map_err(|_| self.damaged())?;
                        if event.stream_id != *stream_id {
                            continue;
                        }
                        version += 1;
                        if version > after {
                            found.push(each(Placed {
                                provenance: recorded.provenance(),
                                event,
                                version,
                                position: self.position_in(recorded, place),
                            }));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// Calls `each` with at most `limit` of the selected events after `after`, in ingestion order.
    ///
    /// The version that an event has there is its place among those that its transaction adds to the stream, from 1;
    /// [`Snapshot::bases`] tells what lies below.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    ///
    /// # Complexity
    /// The events from `after` to the last one returned. Where few streams are selected, or few transactions have events of the
    /// selected types, only these transactions are read. A transaction is decoded once however many pages it is read in, as long as it
    /// stays in the cache (`PartsCache`).
    pub fn read_ingested<T>(
        &self,
        after: Option<Sequence>,
        select: &impl Select,
        limit: usize,
        each: impl FnMut(Placed<'_>) -> T,
    ) -> Result<Vec<T>, IndexError> {
        let mut taking = Taking {
            select,
            each,
            limit,
            found: Vec::new(),
        };
        let mut from = after.map_or(1, Sequence::number);
        let wanted = self.wanted(select, Budget::Unlimited)?;
        let wanted = wanted.unwrap_or(Wanted::All);
        while taking.left() > 0 {
            let places = self.next_places(&wanted, from, taking.left().min(PAGE_TRANSACTIONS))?;
            let Some(last) = places.last() else { break };
            from = last.number + 1;
            let mut rest = places.as_slice();
            while let Some(next) = rest.first().filter(|_| taking.left() > 0) {
                let begun = after.filter(|after| after.number() == next.number);
                let count = if begun.is_some() || next.event_count as usize > taking.left() {
                    let first = begun.map_or(0, |after| u32::from(after.event()) + 1);
                    self.take_part(next, first, &mut taking)?;
                    1
                } else {
                    let batch = batches(rest).next().unwrap_or(rest);
                    for recorded in &self.recorded(batch)? {
                        self.take_all(recorded, &mut taking)?;
                    }
                    batch.len()
                };
                rest = &rest[count..];
            }
        }
        Ok(taking.found)
    }

    /// Takes the events of a transaction, until there are enough.
    fn take_all<T>(
        &self,
        recorded: &TxView,
        taking: &mut Taking<'_, impl Select, impl FnMut(Placed<'_>) -> T, T>,
    ) -> Result<(), IndexError> {
        let mut counts: HashMap<StreamId, u64> = HashMap::new();
        for (place, event) in (0..=u16::MAX).zip(recorded.events()) {
            if taking.left() == 0 {
                break;
            }
            let event = event.map_err(|_| self.damaged())?;
            let count = match counts.get_mut(&event.stream_id) {
                Some(count) => count,
                None => counts.entry(event.stream_id.clone()).or_default(),
            };
            *count += 1;
            taking.take(Placed {
                provenance: recorded.provenance(),
                event,
                version: *count,
                position: self.position_in(recorded, place),
            });
        }
        Ok(())
    }

    /// As [`Snapshot::take_all`], for a transaction that a page begins or ends in; from place `first` in it on.
    fn take_part<T>(
        &self,
        place: &TxRow,
        first: u32,
        taking: &mut Taking<'_, impl Select, impl FnMut(Placed<'_>) -> T, T>,
    ) -> Result<(), IndexError> {
        if first >= place.event_count {
            return Ok(());
        }
        let parts = self.parts(place)?;
        for nth in u16::try_from(first).unwrap_or(u16::MAX)..=u16::MAX {
            let next = parts.event(nth).filter(|_| taking.left() > 0);
            let Some((event, version)) = next else { break };
            taking.take(Placed {
                provenance: parts.recorded.provenance(),
                event: event.map_err(|_| self.damaged())?,
                version,
                position: self.position_in(&parts.recorded, nth),
            });
        }
        Ok(())
    }

    pub(crate) fn position_in(&self, recorded: &TxView, place: u16) -> Position {
        let epoch = self.epoch().unwrap_or(Epoch::from_u64(0));
        Position {
            sequence: Sequence::new(recorded.number(), place),
            proof: recorded.running_hash().proof(epoch),
        }
    }

    pub(crate) fn next_places(
        &self,
        wanted: &Wanted,
        from: u64,
        events: usize,
    ) -> Result<Vec<TxRow>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        // The one that the position is in may hold none that comes after it.
        let count = events.saturating_add(1);
        match wanted {
            Wanted::All => self.catalog.transactions_from(from, count, &state.dead),
            Wanted::These(numbers) => {
                let first = numbers.partition_point(|number| *number < from);
                let page = numbers[first..].iter().take(count);
                self.places(page.copied())
            }
        }
    }

    /// Works out which transactions may hold selected events; `None` when that is too much work.
    pub(crate) fn wanted(
        &self,
        select: &impl Select,
        effort: Budget,
    ) -> Result<Option<Wanted>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Some(Wanted::All));
        };
        if effort == Budget::Inline && select.event_types().is_some() {
            return Ok(None);
        }
        if let Some(event_types) = select.event_types() {
            let mut numbers = BTreeSet::new();
            for event_type in event_types {
                numbers.extend(self.catalog.numbers_of_type(event_type, &state.dead)?);
            }
            if (numbers.len() as u64) < state.transactions / MIN_SELECTIVITY {
                let numbers = Arc::new(numbers.into_iter().collect());
                return Ok(Some(Wanted::These(numbers)));
            }
        }
        let Some(streams) = select.streams() else {
            return Ok(Some(Wanted::All));
        };
        let cached = || {
            let cached = self.caches.narrowed.0.lock();
            cached.unwrap_or_else(PoisonError::into_inner)
        };
        let is_current = |selected: &&Selected| {
            selected.prefix == streams.prefix
                && selected.selection == streams.selection
                && selected.epoch == state.epoch
                && selected.next_number == state.next_number
        };
        let known = cached()
            .as_ref()
            .filter(is_current)
            .map(|it| it.writers.clone());
        let writers = match known {
            Some(writers) => writers,
            None if effort == Budget::Inline => return Ok(None),
            None => {
                let writers = self.writers_of(state, streams.prefix, select)?;
                let writers = writers.map(Arc::new);
                *cached() = Some(Selected {
                    epoch: state.epoch,
                    next_number: state.next_number,
                    prefix: streams.prefix.to_owned(),
                    selection: streams.selection.to_owned(),
                    writers: writers.clone(),
                });
                writers
            }
        };
        Ok(Some(writers.map_or(Wanted::All, Wanted::These)))
    }

    /// Returns the numbers of those who write the selected streams, ascending; `None` when these are many.
    fn writers_of(
        &self,
        state: &State,
        prefix: &str,
        select: &impl Select,
    ) -> Result<Option<Vec<u64>>, IndexError> {
        let mut selected = Vec::new();
        for stream_id in self.catalog.streams(prefix)? {
            if select.stream(stream_id.as_str()) {
                selected.push(stream_id);
            }
            if selected.len() > MAX_NARROWED_STREAMS {
                return Ok(None);
            }
        }
        let mut numbers = Vec::new();
        let mut reader = StreamReader::new(&self.catalog, &state.dead);
        for stream_id in selected {
            let writes = reader.writes(&stream_id)?;
            numbers.extend(writes.iter().map(|write| write.number));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Some(numbers))
    }

    /// Returns, for each transaction and stream, the version that the stream has below the transaction, canonically; 0
    /// where that writes none of it.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    ///
    /// # Complexity
    /// O(w log n) for each stream, with w who write it and n of these that are asked for. Streams that sort near each other are looked up
    /// near each other.
    pub fn bases<'a>(
        &self,
        of: impl IntoIterator<Item = (u64, &'a StreamId)>,
    ) -> Result<Vec<u64>, IndexError> {
        let mut asked: Vec<(&StreamId, u64, usize)> = of
            .into_iter()
            .enumerate()
            .map(|(nth, (number, stream_id))| (stream_id, number, nth))
            .collect();
        let mut bases = vec![0; asked.len()];
        let Some((state, mut reader)) = self.stream_reader() else {
            return Ok(bases);
        };
        // In the order in which the streams lie in the segments.
        asked.sort_unstable();
        for asked in asked.chunk_by(|one, next| one.0 == next.0) {
            for write in self.writes_by(&mut reader, state, asked[0].0)?.iter() {
                let first = asked.partition_point(|(_, number, _)| *number < write.number);
                let same = asked[first..].iter();
                for (_, _, nth) in same.take_while(|(_, number, _)| *number == write.number) {
                    bases[*nth] = write.base;
                }
            }
        }
        Ok(bases)
    }
}

impl Snapshot {
    /// Returns a transaction that is read in parts.
    ///
    /// # Complexity
    /// O(1) where it is in the cache, else one pass over its bytes.
    pub(crate) fn parts(&self, place: &TxRow) -> Result<Arc<Parts>, IndexError> {
        let key = (self.epoch().unwrap_or(Epoch::from_u64(0)), place.number);
        if let Some(parts) = self.caches.parts.0.get(&key) {
            return Ok(parts);
        }
        let mut recorded = self.recorded(std::slice::from_ref(place))?;
        let recorded = recorded.pop().ok_or_else(|| self.damaged())?;
        let parts = Arc::new(Parts::of(recorded).ok_or_else(|| self.damaged())?);
        self.caches
            .parts
            .0
            .insert(key, Arc::clone(&parts), parts.size());
        Ok(parts)
    }
}
