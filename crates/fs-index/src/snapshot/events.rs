//! Events as they are wanted by those who read many, kept for the next who asks.
//!
//! What is wanted of an event is a fraction of its record, so it is taken out of the records and put side by side.
//! Transactions are read in groups of [`TOGETHER`] consecutive numbers, which lie side by side in the journal too:
//! whoever reads one usually wants the next.
//!
//! **Invariant**: a group that is kept for an epoch has every transaction of that epoch with one of its numbers, and no other:
//! what goes away begins another epoch, and what comes gets a greater number.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use fs_format::TransactionId;

use crate::cache::Cache;
use crate::error::IndexError;
use crate::log::bytes::Bytes;
use crate::log::record::View;
use crate::position::{Epoch, Position, Proof, Sequence};
use crate::snapshot::Snapshot;
use crate::snapshot::read::batches;
use crate::state::State;

/// So many consecutive numbers make a group.
pub(crate) const TOGETHER: u64 = 64;

/// A group of records of more bytes is neither read as a whole nor kept.
const LARGE: u64 = 1 << 20;

/// Bytes of the groups that are kept: at most twice this.
const GROUPS_CACHE_BYTES: usize = 8 << 20;

/// Bytes of the transactions that were read alone and are kept: at most twice this.
const SINGLES_CACHE_BYTES: usize = 2 << 20;

/// Bytes that it takes to keep one of these, beside its events.
const ALONE: usize = 64;

/// An event as its data.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'a> {
    /// The stream.
    pub stream_id: &'a str,
    /// The type, as its writer named it.
    pub event_type: &'a str,
    /// The data, JSON.
    pub data: &'a [u8],
    /// The transaction it was appended with.
    pub transaction_id: TransactionId,
    /// The place in this working copy's ingestion order.
    pub position: Position,
}

/// What was read, by epoch and by number.
#[derive(Debug)]
pub(crate) struct EventsCache {
    groups: Cache<(Epoch, u64), Arc<Events>>,
    alone: Cache<(Epoch, u64), Arc<Events>>,
}

impl Default for EventsCache {
    fn default() -> Self {
        Self {
            groups: Cache::new(GROUPS_CACHE_BYTES),
            alone: Cache::new(SINGLES_CACHE_BYTES),
        }
    }
}

/// Events of transactions in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Streams and types.
    names: Vec<Box<str>>,
    data: Vec<u8>,
    events: Vec<Event>,
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) number: u64,
    proof: Proof,
    transaction_id: TransactionId,
    place: u16,
    /// Places among the names.
    stream: u32,
    event_type: u32,
    /// Where its data lie.
    start: usize,
    len: u32,
}

impl Events {
    /// Returns the bytes it takes, more or less.
    fn size(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len() + 16).sum();
        names + self.data.len() + self.events.len() * size_of::<Event>()
    }

    /// Returns the places here of the events of transactions with numbers in a range that come after `after`. They may well begin at
    /// `guess`.
    pub(crate) fn within(
        &self,
        numbers: &RangeInclusive<u64>,
        after: Option<Sequence>,
        guess: usize,
    ) -> Range<usize> {
        let events = &self.events;
        let first = Sequence::new(*numbers.start(), 0);
        let is_before = |event: &Event| {
            let sequence = Sequence::new(event.number, event.place);
            sequence < first || after.is_some_and(|after| sequence <= after)
        };
        let is_guessed = events.get(guess).is_some_and(|event| !is_before(event))
            && guess
                .checked_sub(1)
                .is_none_or(|place| is_before(&events[place]));
        let first = if is_guessed {
            guess
        } else {
            events.partition_point(is_before)
        };
        let count = events[first..].partition_point(|event| event.number <= *numbers.end());
        first..first + count
    }

    pub(crate) fn at(&self, place: usize) -> &Event {
        &self.events[place]
    }

    pub(crate) fn raw(&self, event: &Event) -> RawEvent<'_> {
        RawEvent {
            stream_id: &self.names[event.stream as usize],
            event_type: &self.names[event.event_type as usize],
            data: &self.data[event.start..][..event.len as usize],
            transaction_id: event.transaction_id,
            position: Position {
                sequence: Sequence::new(event.number, event.place),
                proof: event.proof,
            },
        }
    }
}

/// Events being put together.
#[derive(Default)]
struct Gathering {
    events: Events,
    names: HashMap<Box<str>, u32>,
}

impl Gathering {
    fn name(&mut self, name: &str) -> u32 {
        if let Some(known) = self.names.get(name) {
            return *known;
        }
        let place = u32::try_from(self.names.len()).expect("there is no memory for so many names");
        self.names.insert(name.into(), place);
        self.events.names.push(name.into());
        place
    }

    fn push(&mut self, transaction: Transaction, place: u16, of: Of<'_>) {
        let event = Event {
            number: transaction.number,
            proof: transaction.proof,
            transaction_id: transaction.id,
            place,
            stream: self.name(of.stream_id),
            event_type: self.name(of.event_type),
            start: self.events.data.len(),
            len: u32::try_from(of.data.len()).expect("it is no larger than a file may be"),
        };
        self.events.data.extend_from_slice(of.data);
        self.events.events.push(event);
    }
}

/// Which transaction events are of.
#[derive(Clone, Copy)]
struct Transaction {
    number: u64,
    id: TransactionId,
    proof: Proof,
}

/// What an event says.
struct Of<'a> {
    stream_id: &'a str,
    event_type: &'a str,
    data: &'a [u8],
}

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
        let bytes = events.size() / batch.len().max(1) + ALONE;
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
        let first = (nth * TOGETHER).max(*wanted.start());
        let last = (nth * TOGETHER + (TOGETHER - 1)).min(*wanted.end());
        let places = self
            .catalog
            .transactions_from(first, TOGETHER as usize, &state.dead)?;
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
        let (first, last) = (nth * TOGETHER, nth * TOGETHER + (TOGETHER - 1));
        let mut places = self
            .catalog
            .transactions_from(first, TOGETHER as usize, &state.dead)?;
        places.retain(|place| place.number <= last);
        let bytes: u64 = places.iter().map(|place| u64::from(place.len)).sum();
        if bytes > LARGE {
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
