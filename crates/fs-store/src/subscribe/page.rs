//! One pull from the journal.
//!
//! **Invariant**: whatever is selected and lies after the start and up to the place that a pull says it reached was returned by it.

use fs_index::{Position, Sequence};

use crate::error::{ReadError, RefreshError};
use crate::event::StoredEvent;
use crate::store::FileEventStore;
use fs_index::Select;

/// How many events are read at a time.
pub(crate) const PAGE: usize = 256;

/// What a pull has found.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<StoredEvent>,
    /// The place up to which nothing is left to read.
    pub(crate) through: Option<Position>,
    /// Whether that was the end when the pull began.
    pub(crate) is_last: bool,
}

impl FileEventStore {
    /// Returns the place behind the last event ingested so far; `None` when there is no journal.
    pub(crate) fn ingestion_end(&self) -> Result<Option<Position>, RefreshError> {
        self.inner.ask(|index| {
            Ok(index.epoch().map(|epoch| Position {
                sequence: Sequence::new(index.last_number(), u16::MAX),
                epoch,
            }))
        })
    }

    /// Reads the next page of at most `limit` events after `after`; `end` is the end of the journal as of before this call.
    pub(crate) fn page(
        &self,
        after: Option<Position>,
        end: Option<Position>,
        select: &impl Select,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let events = self.ingested_events(after, select, limit)?;
        let last = events.last().map(|event| event.position).or(after);
        let is_last = events.len() < limit;
        // Of another epoch than what was read, the end says nothing.
        let comparable = |end: &Position| last.is_none_or(|last| last.epoch == end.epoch);
        let through = if is_last {
            end.filter(comparable).max(last)
        } else {
            last
        };
        Ok(Page {
            events,
            through,
            is_last,
        })
    }
}

/// Returns the place right before an event.
pub(crate) fn before(position: Position) -> Position {
    let sequence = position.sequence;
    let sequence = match sequence.event().checked_sub(1) {
        Some(event) => Sequence::new(sequence.number(), event),
        None => Sequence::new(sequence.number().saturating_sub(1), u16::MAX),
    };
    Position {
        sequence,
        ..position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_index::Epoch;

    #[test]
    fn nothing_lies_between_an_event_and_the_place_before_it() {
        let at = |number, event| Position {
            sequence: Sequence::new(number, event),
            epoch: Epoch::from_u64(7),
        };
        assert_eq!(before(at(3, 5)), at(3, 4), "within a transaction");
        assert_eq!(
            before(at(3, 0)),
            at(2, u16::MAX),
            "behind all events of the transaction before"
        );
        assert_eq!(before(at(1, 0)), at(0, u16::MAX), "before the first event");
    }
}
