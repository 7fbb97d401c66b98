//! Reading the data of events alone, at once where that takes no waiting.
//!
//! **Invariant**: what is answered at once is what a read that waits would have answered.

use fs_format::StreamId;
use fs_index::{All, Budget, IndexError, Position, RawEvents, Select, Snapshot};

use crate::error::{ReadError, RefreshError};
use crate::event::StoredEvent;
use crate::options::Reads;
use crate::store::{FileEventStore, Inner};

impl FileEventStore {
    /// Returns the data of the events that [`FileEventStore::ingested_events`] returns; `None` when that is more than the
    /// effort.
    pub(crate) fn scan_ingested(
        &self,
        position: Option<Position>,
        select: &impl Select,
        limit: usize,
        effort: Budget,
    ) -> Result<Option<RawEvents>, ReadError> {
        let read = |snapshot: &Snapshot| {
            let after = position.map(|it| snapshot.sequence_of(it)).transpose()?;
            snapshot.scan_ingested(after, select, limit, effort)
        };
        Ok(self.inner.ask_with(effort, read)?.flatten())
    }

    /// Returns the data of the events that [`FileEventStore::stream_events_after`] returns; `None` when that is more than
    /// the effort.
    pub(crate) fn scan_stream(
        &self,
        stream_id: &StreamId,
        version: u64,
        effort: Budget,
    ) -> Result<Option<RawEvents>, ReadError> {
        let read = |snapshot: &Snapshot| snapshot.scan_stream(stream_id, version, effort);
        Ok(self.inner.ask_with(effort, read)?.flatten())
    }

    /// Returns the event at a position.
    pub(crate) fn event_at(&self, position: Position) -> Result<Option<StoredEvent>, ReadError> {
        let read = |snapshot: &Snapshot| {
            let before = snapshot.sequence_of(position)?.before();
            StoredEvent::ingested_after(snapshot, Some(before), &All, 1)
        };
        Ok(self.inner.ask(read)?.pop())
    }
}

impl Inner {
    /// As [`Inner::ask`]; under [`Budget::Inline`] `None` when somebody else has to be waited for, or files to be read.
    pub(crate) fn ask_with<T>(
        &self,
        effort: Budget,
        question: impl Fn(&Snapshot) -> Result<T, IndexError>,
    ) -> Result<Option<T>, RefreshError> {
        if effort == Budget::Unlimited {
            return self.ask(question).map(Some);
        }
        let is_current = match self.options.reads {
            Reads::AsRefreshed => self.snapshot().epoch().is_some(),
            Reads::Present => {
                let polled = || {
                    let index = self.index.try_lock();
                    index.is_some_and(|mut index| index.is_current_at_a_glance())
                };
                self.check_requires().is_ok() && (self.index.is_current() || polled())
            }
        };
        let snapshot = self.snapshot();
        if !is_current || !snapshot.is_ordered_by_key() {
            return Ok(None);
        }
        Ok(question(&snapshot).ok())
    }
}
