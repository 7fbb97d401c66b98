//! Reading: a stream, everything in canonical order, everything in ingestion order.
//!
//! **Invariant**: an event is returned or named in an error, never left out. What is known to be missing is part of the answer.

use fs_format::{CommandId, Header, StreamId};
use fs_index::{IndexError, Placed, Position, Select, Sequence, Snapshot};

use crate::command;
use crate::completeness::Answer;
use crate::error::{ReadError, RefreshError};
use crate::event::StoredEvent;
use crate::request::Appended;
use crate::store::FileEventStore;

impl FileEventStore {
    /// Returns the events of a stream in canonical order; none when nobody wrote it.
    ///
    /// # Errors
    /// [`ReadError::Refresh`], [`ReadError::Damaged`].
    pub fn stream_events(
        &self,
        stream_id: &StreamId,
    ) -> Result<Answer<Vec<StoredEvent>>, ReadError> {
        self.stream_events_after(stream_id, 0)
    }

    /// Returns the events of a stream with versions above `version`, in canonical order.
    ///
    /// # Errors
    /// As [`FileEventStore::stream_events`].
    pub fn stream_events_after(
        &self,
        stream_id: &StreamId,
        version: u64,
    ) -> Result<Answer<Vec<StoredEvent>>, ReadError> {
        let read = |snapshot: &Snapshot| {
            snapshot.read_stream(stream_id, version, |placed| StoredEvent::from(placed))
        };
        Ok(self.inner.answer(read)?)
    }

    /// Returns all events in canonical order, which is the same in every clone that holds the same files.
    ///
    /// # Errors
    /// As [`FileEventStore::stream_events`].
    pub fn canonical_events(&self) -> Result<Answer<Vec<StoredEvent>>, ReadError> {
        let read = |snapshot: &Snapshot| {
            let all = snapshot.read_behind(None, usize::MAX, |placed| StoredEvent::from(placed));
            all.map(|(events, _)| events)
        };
        Ok(self.inner.answer(read)?)
    }

    /// Returns at most `limit` of the selected events after `position`, in this working copy's ingestion order.
    ///
    /// # Errors
    /// [`ReadError::StalePosition`] when what `position` stands on is not there, else as [`FileEventStore::stream_events`].
    ///
    /// # Complexity
    /// The transactions from `position` to the last one returned. Where few streams or event types are selected, only the
    /// transactions that hold such events are read.
    pub fn ingested_events(
        &self,
        position: Option<Position>,
        select: &impl Select,
        limit: usize,
    ) -> Result<Answer<Vec<StoredEvent>>, ReadError> {
        let read = |snapshot: &Snapshot| StoredEvent::ingested(snapshot, position, select, limit);
        Ok(self.inner.answer(read)?)
    }

    /// Returns every stream with its version, in byte order of the stream ids.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn streams(&self) -> Result<Answer<Vec<(StreamId, u64)>>, RefreshError> {
        self.inner.answer(Snapshot::streams)
    }

    /// Returns the headers of all transactions in canonical order.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn transactions(&self) -> Result<Answer<Vec<Header>>, RefreshError> {
        self.inner
            .answer(|snapshot| snapshot.headers_behind(None, usize::MAX))
    }

    /// Returns what became of a command: the first transaction with its id, if there is one. Where the answer is not complete, there
    /// may be one that cannot be read.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn command_result(
        &self,
        command_id: &CommandId,
    ) -> Result<Answer<Option<Appended>>, RefreshError> {
        self.inner.answer(|snapshot| {
            let lacks = self.inner.lacks(snapshot)?;
            let found = command::first_result(snapshot, command_id)?;
            Ok(found.map(|appended| appended.lacking(lacks)))
        })
    }
}

impl StoredEvent {
    /// Reads at most `limit` of the selected events after a position from a snapshot, in ingestion order.
    ///
    /// # Errors
    /// [`IndexError`]; that the position is stale when what it stands on is not there.
    pub fn ingested(
        snapshot: &Snapshot,
        after: Option<Position>,
        select: &impl Select,
        limit: usize,
    ) -> Result<Vec<Self>, IndexError> {
        let after = after.map(|it| snapshot.sequence_of(it)).transpose()?;
        Self::ingested_after(snapshot, after, select, limit)
    }

    /// As [`StoredEvent::ingested`], after a place that is known to hold.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn ingested_after(
        snapshot: &Snapshot,
        after: Option<Sequence>,
        select: &impl Select,
        limit: usize,
    ) -> Result<Vec<Self>, IndexError> {
        let owned = |placed: Placed<'_>| Self::from(placed);
        let mut events = snapshot.read_ingested(after, select, limit, owned)?;
        number(snapshot, &mut events)?;
        Ok(events)
    }
}

/// Sets the canonical versions of events that were read in ingestion order.
fn number(snapshot: &Snapshot, events: &mut [StoredEvent]) -> Result<(), IndexError> {
    let of = events
        .iter()
        .map(|event| (event.position.sequence.number(), &event.stream_id));
    let bases = snapshot.bases(of)?;
    for (event, base) in events.iter_mut().zip(bases) {
        event.version += base;
    }
    Ok(())
}
