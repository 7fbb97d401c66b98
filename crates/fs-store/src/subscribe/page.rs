//! One pull from the journal.
//!
//! **Invariant**: whatever is selected and lies after the start and up to the place that a pull says it reached was returned by it.

use fs_index::{Position, Snapshot};

use crate::completeness::Lacks;
use crate::error::{ReadError, RefreshError};
use crate::event::StoredEvent;
use crate::read::ingested;
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
    /// Whether that was the end.
    pub(crate) is_last: bool,
    pub(crate) lacks: Lacks,
}

impl FileEventStore {
    /// Returns the place behind everything ingested so far; `None` when there is nothing.
    pub(crate) fn ingestion_end(&self) -> Result<Option<Position>, RefreshError> {
        self.inner.ask(|snapshot| Ok(snapshot.ingestion_end()))
    }

    /// Reads the next page of at most `limit` events after `after`.
    pub(crate) fn page(
        &self,
        after: Option<Position>,
        select: &impl Select,
        limit: usize,
    ) -> Result<Page, ReadError> {
        // The end, and what is missing, are those of the moment in which the events were read.
        let read = |snapshot: &Snapshot| {
            let events = ingested(snapshot, after, select, limit)?;
            Ok((
                events,
                snapshot.ingestion_end(),
                self.inner.lacks(snapshot)?,
            ))
        };
        let (events, end, lacks) = self.inner.ask(read)?;
        let is_last = events.len() < limit;
        let through = match events.last() {
            Some(last) if !is_last => Some(last.position),
            _ if is_last => end,
            _ => after,
        };
        Ok(Page {
            events,
            through,
            is_last,
            lacks,
        })
    }
}
