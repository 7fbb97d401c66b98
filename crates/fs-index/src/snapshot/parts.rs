//! Transactions that a page ended in, so that the next page goes on inside.
//!
//! Where each event begins and which version it has within its transaction is worked out once, when a page begins inside; every further
//! page reads its own events alone.
//!
//! **Invariant**: a cached transaction is found only in the epoch it was read in.

use std::sync::Arc;

use fs_format::{DecodeError, Event, Events};

use crate::cache::Cache;
use crate::position::Epoch;
use crate::snapshot::recorded::TxView;

/// Soft bound of the cache in bytes; it may hold twice this, and one transaction more.
const PARTS_CACHE_BYTES: usize = 1 << 20;

/// Transactions that are read in parts, by epoch and number.
#[derive(Debug)]
pub(crate) struct PartsCache(pub(super) Cache<(Epoch, u64), Arc<Parts>>);

impl Default for PartsCache {
    fn default() -> Self {
        Self(Cache::new(PARTS_CACHE_BYTES))
    }
}

/// A transaction whose events can be read one by one, in any order.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) recorded: TxView,
    /// Where the line of each event begins in the file, and the event's place among those of its stream here, from 1.
    events: Vec<(u32, u32)>,
}

impl Parts {
    /// Finds the events of a transaction; `None` when they are not what was verified.
    pub(super) fn of(recorded: TxView) -> Option<Self> {
        let file = recorded.file();
        // Each record is one line, and the first is the header.
        let ends = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let begins = ends.map(|(end, _)| u32::try_from(end + 1).unwrap_or(u32::MAX));
        let mut counts = vec![0; recorded.writes().len()];
        let mut count = |stream: usize| {
            let count: &mut u32 = counts.get_mut(stream)?;
            *count += 1;
            Some(*count)
        };
        let places = recorded.event_places();
        let versions: Option<Vec<u32>> = if places.is_empty() {
            let streams = recorded.events().map(|event| {
                let stream_id = event.ok()?.stream_id;
                let writes = recorded.writes();
                writes.binary_search_by(|(id, _)| id.cmp(&stream_id)).ok()
            });
            streams.map(|stream| count(stream?)).collect()
        } else {
            let streams = places.iter().map(|place| place.stream as usize);
            streams.map(count).collect()
        };
        let events = begins.zip(versions?).collect();
        Some(Self { recorded, events })
    }

    /// Decodes the event at a place, and returns it with its version within the transaction.
    pub(crate) fn event(&self, nth: u16) -> Option<(Result<Event<'_>, DecodeError>, u64)> {
        let (begin, version) = self.events.get(usize::from(nth))?;
        let (writes, file) = (self.recorded.writes(), self.recorded.file());
        let mut rest = Events::of_streams_from(writes, file, *begin as usize, u64::from(nth));
        Some((rest.next()?, u64::from(*version)))
    }

    /// Returns the bytes it takes, more or less.
    pub(super) fn size(&self) -> usize {
        let writes = self.recorded.writes();
        let names: usize = writes.iter().map(|(id, _)| id.as_str().len() + 32).sum();
        self.recorded.file().len() + names + self.events.len() * size_of::<(u32, u32)>()
    }
}
