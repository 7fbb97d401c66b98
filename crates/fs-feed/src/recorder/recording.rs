//! Reading a recorded stream.
//!
//! **Invariant**: every event of the stream is given out, as an item, as a gap, as somebody else's, or in an error that names it.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::vec;

use fs_format::StreamId;
use fs_index::Completeness;
use serde::de::DeserializeOwned;

use crate::recorder::error::RecordingError;
use crate::recorder::mark::{Gap, Mark};
use fs_store::FileEventStore;
use fs_store::ReadError;
use fs_store::StoredEvent;

/// One event of a recorded stream.
///
/// Displayed as the data of the event, and a gap as a sentence: `events between 3 and 5 were dropped`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded<T> {
    /// An item.
    Item {
        /// Its logical number.
        number: u64,
        /// What was sent.
        value: T,
        /// Its event.
        event: StoredEvent,
    },
    /// Items that were dropped.
    Gap {
        /// Their logical numbers.
        gap: Gap,
        /// The event that marks the gap.
        event: StoredEvent,
    },
    /// An event that no recorder wrote.
    Other {
        /// The event.
        event: StoredEvent,
    },
}

impl<T> Recorded<T> {
    /// Returns the event.
    pub fn event(&self) -> &StoredEvent {
        match self {
            Self::Item { event, .. } | Self::Gap { event, .. } | Self::Other { event } => event,
        }
    }

    /// Takes an event for what it is; `None` when it lies up to number `after` and no further.
    ///
    /// Of a gap that reaches over it, what comes after `after` is given.
    pub(crate) fn beyond(after: u64, event: StoredEvent) -> Option<Result<Self, RecordingError>>
    where
        T: DeserializeOwned,
    {
        let mark = Mark::of(&event.event_type, &event.event_data, &event.metadata);
        if mark.is_some_and(|mark| mark.last() <= after) {
            return None;
        }
        Some(Ok(match mark {
            Some(Mark::Item(number)) => match event.event_data.decode() {
                Ok(value) => Self::Item {
                    number,
                    value,
                    event,
                },
                Err(source) => {
                    return Some(Err(RecordingError::Undecodable {
                        number,
                        event_id: event.event_id,
                        event_type: event.event_type,
                        stream_id: event.stream_id,
                        source,
                    }));
                }
            },
            Some(Mark::Gap(Gap { from, to })) => Self::Gap {
                gap: Gap {
                    from: from.max(after.saturating_add(1)),
                    to,
                },
                event,
            },
            None => Self::Other { event },
        }))
    }
}

impl<T> fmt::Display for Recorded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { gap, .. } => gap.fmt(f),
            Self::Item { event, .. } | Self::Other { event } => {
                f.write_str(event.event_data.as_str())
            }
        }
    }
}

/// What a stream holds of a recording, in canonical order.
///
/// Numbers ascend without a hole as long as one working copy at a time records. Where two clones recorded the same stream and were merged,
/// what both numbered alike stands there twice, in canonical order, and the numbers after the merge come after the highest of both.
#[derive(Debug)]
#[must_use = "the events are decoded as they are asked for"]
pub struct Recording<T> {
    events: vec::IntoIter<StoredEvent>,
    completeness: Completeness,
    after: u64,
    of: PhantomData<fn() -> T>,
}

impl<T> Recording<T> {
    pub(crate) fn read(store: &FileEventStore, stream_id: &StreamId) -> Result<Self, ReadError> {
        let answer = store.stream_events(stream_id)?;
        let completeness = answer.completeness().clone();
        Ok(Self {
            events: answer.into_inner().into_iter(),
            completeness,
            after: 0,
            of: PhantomData,
        })
    }

    /// Returns what is known to be missing from the history that it was read from.
    pub fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    /// Leaves out what is numbered up to `number`.
    pub fn after(self, number: u64) -> Self {
        Self {
            after: number,
            ..self
        }
    }
}

impl<T: DeserializeOwned> Iterator for Recording<T> {
    type Item = Result<Recorded<T>, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let after = self.after;
        self.events.find_map(|event| Recorded::beyond(after, event))
    }
}

impl<T: DeserializeOwned> FusedIterator for Recording<T> {}
