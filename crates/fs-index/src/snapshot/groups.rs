//! Reading events by groups of transactions, or transaction by transaction.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::error::IndexError;
use crate::log::bytes::Bytes;
use crate::log::record::View;
use crate::position::Epoch;
use crate::snapshot::Snapshot;
use crate::snapshot::events::{Events, GROUP_NUMBERS, Gathering, Of, Transaction};
use crate::snapshot::load::batches;
use crate::state::State;

/// A group of more bytes is neither read as a whole nor cached.
const MAX_GROUP_BYTES: u64 = 1 << 20;

/// What a transaction that was read alone takes in the cache, beside its events.
const SINGLE_OVERHEAD_BYTES: usize = 64;

impl Snapshot {
    /// Returns a transaction that was read alone, among others.
    pub(crate) fn cached_single(&self, state: &State, number: u64) -> Option<Arc<Events>> {
        self.caches.events.alone.get(&(state.epoch, number))
    }

    /// Reads the first of these transactions one by one, and keeps them; they come in the order of their numbers. Returns how many.
    ///
    /// These are all, but for what is more than is read at a time.
    pub(crate) fn alone(
        &self,
        state: &State,
        numbers: &[u64],
    ) -> Result<(Arc<Events>, usize), IndexError> {
        let places = self.places(numbers.iter().copied())?;
        let mut batch = batches(&places).next().unwrap_or_default().to_vec();
        batch.sort_unstable_by_key(|place| place.number);
        let events = Arc::new(self.gather(&self.payloads(&batch)?)?);
        let bytes = events.size() / batch.len().max(1) + SINGLE_OVERHEAD_BYTES;
        for place in &batch {
            let (key, events) = ((state.epoch, place.number), Arc::clone(&events));
            self.caches.events.alone.insert(key, events, bytes);
        }
        Ok((events, batch.len()))
    }

    /// Returns the transactions of a group with numbers in a range that have events.
    pub(crate) fn numbers_in_group(
        &self,
        state: &State,
        nth: u64,
        wanted: &RangeInclusive<u64>,
    ) -> Result<Vec<u64>, IndexError> {
        let first = (nth * GROUP_NUMBERS).max(*wanted.start());
        let last = (nth * GROUP_NUMBERS + (GROUP_NUMBERS - 1)).min(*wanted.end());
        let places = self
            .catalog
            .transactions_from(first, GROUP_NUMBERS as usize, &state.dead)?;
        let within = places.iter().take_while(|place| place.number <= last);
        let with_events = within.filter(|place| place.event_count > 0);
        Ok(with_events.map(|place| place.number).collect())
    }

    /// Returns a group that was read before.
    pub(crate) fn kept(&self, state: &State, nth: u64) -> Option<Arc<Events>> {
        self.caches.events.groups.get(&(state.epoch, nth))
    }

    /// Reads a group, and keeps it; of one that is not complete yet, only the numbers that are wanted. `None` for a large one, whose
    /// transactions are read one by one.
    pub(crate) fn group(
        &self,
        state: &State,
        nth: u64,
        wanted: &RangeInclusive<u64>,
    ) -> Result<Option<Arc<Events>>, IndexError> {
        let (first, last) = (
            nth * GROUP_NUMBERS,
            nth * GROUP_NUMBERS + (GROUP_NUMBERS - 1),
        );
        let mut places =
            self.catalog
                .transactions_from(first, GROUP_NUMBERS as usize, &state.dead)?;
        places.retain(|place| place.number <= last);
        let bytes: u64 = places.iter().map(|place| u64::from(place.len)).sum();
        if bytes > MAX_GROUP_BYTES {
            return Ok(None);
        }
        let is_kept = last <= self.last_number();
        if !is_kept {
            places.retain(|place| wanted.contains(&place.number));
        }
        let group = Arc::new(self.gather(&self.payloads(&places)?)?);
        if is_kept {
            let (key, bytes) = ((state.epoch, nth), group.size());
            self.caches
                .events
                .groups
                .insert(key, Arc::clone(&group), bytes);
        }
        Ok(Some(group))
    }

    /// Takes the events out of records, which are ordered by number.
    fn gather(&self, records: &[Bytes]) -> Result<Events, IndexError> {
        let mut gathering = Gathering::default();
        let epoch = self.epoch().unwrap_or(Epoch::from_u64(0));
        for record in records {
            let view = View::parse(record).ok_or_else(|| self.damaged())?;
            let of = Transaction {
                number: view.number,
                id: view.id,
                proof: view.running_hash.proof(epoch),
            };
            if view.events().len() == view.event_count as usize {
                for (place, event) in (0..=u16::MAX).zip(view.events()) {
                    let said = || {
                        let event = event?;
                        let (start, len) = (event.start as usize, event.len as usize);
                        Some(Of {
                            stream_id: view.streams.get(event.stream as usize)?,
                            event_type: view.event_types.get(event.event_type as usize)?,
                            data: view.file.get(start..)?.get(..len)?,
                        })
                    };
                    gathering.push(of, place, said().ok_or_else(|| self.damaged())?);
                }
                continue;
            }
            // White space that was not the writer's has to be stripped.
            let stored = self.stored(view.number)?;
            for (place, event) in (0..=u16::MAX).zip(stored.events()) {
                let event = event.map_err(|_| self.damaged())?;
                let said = Of {
                    stream_id: event.stream_id.as_str(),
                    event_type: &event.event_type,
                    data: event.event_data.as_str().as_bytes(),
                };
                gathering.push(of, place, said);
            }
        }
        Ok(gathering.events)
    }
}
