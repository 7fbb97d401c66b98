//! Reading: a stream, everything in canonical order, everything in ingestion order.
//!
//! **Invariant**: an event is returned or named in an error, never left out.

use fs_format::{CommandId, Header, StreamId, TransactionId};
use fs_index::{History, Placed, Position, Sequence, Undecodable};

use crate::error::{ReadError, RefreshError};
use crate::event::StoredEvent;
use crate::request::Appended;
use crate::store::FileEventStore;

/// Which events of the ingestion order are wanted.
///
/// Both filters are applied before a limit, so a page is short only at the end of the journal.
pub trait Select {
    /// Returns whether events of this stream are wanted.
    fn stream(&self, stream_id: &StreamId) -> bool;
    /// Returns whether events of this type are wanted.
    fn event_type(&self, event_type: &str) -> bool;
}

/// Every event.
#[derive(Clone, Copy, Debug)]
pub struct All;

impl Select for All {
    fn stream(&self, _: &StreamId) -> bool {
        true
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }
}

impl FileEventStore {
    /// Returns the events of a stream in canonical order; none when nobody wrote it.
    ///
    /// # Errors
    /// [`ReadError::Refresh`], [`ReadError::Damaged`].
    pub fn stream_events(&self, stream_id: &StreamId) -> Result<Vec<StoredEvent>, ReadError> {
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
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.with_history(|history| {
            history
                .stream_after(stream_id, version)
                .map(owned)
                .collect()
        })?
    }

    /// Returns all events in canonical order, which is the same in every clone that holds the same files.
    ///
    /// # Errors
    /// As [`FileEventStore::stream_events`].
    pub fn canonical_events(&self) -> Result<Vec<StoredEvent>, ReadError> {
        self.with_history(|history| {
            let events = history.canonical().flat_map(|(ix, _)| history.placed(ix));
            events.map(owned).collect()
        })?
    }

    /// Returns at most `limit` of the selected events after `position`, in this working copy's ingestion order.
    ///
    /// # Errors
    /// [`ReadError::StalePosition`] when `position` is of another epoch, else as [`FileEventStore::stream_events`].
    ///
    /// # Complexity
    /// The transactions from `position` to the last one returned; those that write no selected stream are skipped
    /// without decoding their events.
    pub fn ingested_events(
        &self,
        position: Option<Position>,
        select: &impl Select,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.inner.freshen()?;
        let index = self.inner.index();
        let after = position
            .map(|position| index.sequence_of(position))
            .transpose()?;
        let history = index.history();
        let mut events = Vec::new();
        for (ix, stored) in history.ingested_from(after.map_or(1, Sequence::number)) {
            if events.len() >= limit {
                break;
            }
            if !stored
                .header()
                .stream_bases
                .iter()
                .any(|(stream_id, base)| base.writes > 0 && select.stream(stream_id))
            {
                continue;
            }
            for placed in history.placed(ix) {
                let placed = placed?;
                let wanted = after.is_none_or(|after| placed.position.sequence > after)
                    && select.stream(&placed.event.stream_id)
                    && select.event_type(&placed.event.event_type);
                if wanted && events.len() < limit {
                    events.push(StoredEvent::from(placed));
                }
            }
        }
        Ok(events)
    }

    /// Returns every stream with its version, in byte order of the stream ids.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn streams(&self) -> Result<Vec<(StreamId, u64)>, RefreshError> {
        self.with_history(|history| {
            history
                .streams()
                .map(|(stream_id, version)| (stream_id.clone(), version))
                .collect()
        })
    }

    /// Returns the headers of all transactions in canonical order.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn transactions(&self) -> Result<Vec<Header>, RefreshError> {
        self.with_history(|history| {
            history
                .canonical()
                .map(|(_, stored)| stored.header().clone())
                .collect()
        })
    }

    /// Returns what became of a command: the first transaction with its id, if there is one.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn command_result(&self, command_id: &CommandId) -> Result<Option<Appended>, RefreshError> {
        self.with_history(|history| appended_of(history, history.command(command_id)?.id()))
    }
}

/// Returns what the append of a stored transaction has given.
pub(crate) fn appended_of(history: &History, transaction_id: TransactionId) -> Option<Appended> {
    let ix = history.dag().index_of(transaction_id)?;
    let header = history.get(ix).header();
    let written = header
        .stream_bases
        .iter()
        .filter(|(_, base)| base.writes > 0);
    let versions = written
        .filter_map(|(stream_id, _)| {
            Some((stream_id.clone(), history.version_after(ix, stream_id)?))
        })
        .collect();
    Some(Appended {
        transaction_id,
        created_at: header.created_at,
        versions,
        replayed: true,
    })
}

fn owned(placed: Result<Placed<'_>, Undecodable>) -> Result<StoredEvent, ReadError> {
    Ok(StoredEvent::from(placed?))
}
