//! Events as they are wanted by those who read many, kept for the next who asks.
//!
//! What is wanted of an event is a fraction of its record, so it is taken out of the records and put side by side.
//! Transactions are read in groups of [`GROUP_NUMBERS`] consecutive numbers, which lie side by side in the journal too:
//! whoever reads one usually wants the next.
//!
//! **Invariant**: a group that is kept for an epoch has every transaction of that epoch with one of its numbers, and no other:
//! what goes away begins another epoch, and what comes gets a greater number.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use fs_format::TransactionId;

use crate::cache::Cache;
use crate::position::{Epoch, Position, Proof, Sequence};

/// The consecutive numbers of a group.
pub(crate) const GROUP_NUMBERS: u64 = 64;

/// Soft bound of the cache of groups; it may hold twice this.
const GROUPS_CACHE_BYTES: usize = 8 << 20;

/// Soft bound of the cache of transactions that were read alone; it may hold twice this.
const SINGLES_CACHE_BYTES: usize = 2 << 20;

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
    pub(super) groups: Cache<(Epoch, u64), Arc<Events>>,
    pub(super) alone: Cache<(Epoch, u64), Arc<Events>>,
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
    pub(super) fn size(&self) -> usize {
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
pub(super) struct Gathering {
    pub(super) events: Events,
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

    pub(super) fn push(&mut self, transaction: Transaction, place: u16, of: Of<'_>) {
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
pub(super) struct Transaction {
    pub(super) number: u64,
    pub(super) id: TransactionId,
    pub(super) proof: Proof,
}

/// What an event says.
pub(super) struct Of<'a> {
    pub(super) stream_id: &'a str,
    pub(super) event_type: &'a str,
    pub(super) data: &'a [u8],
}
