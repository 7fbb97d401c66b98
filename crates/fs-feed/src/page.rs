//! One pull from the ingestion order, for all who follow it.
//!
//! **Invariant**: whatever is selected and lies after the start and up to the place that a pull says it reached was returned by it. The
//! events, the end and what is missing are of one moment.

use fs_index::{Completeness, Epoch, History, Position, Select, Snapshot};
use fs_store::{Answer, FileEventStore, ReadError, RefreshError, StoredEvent};

/// How many events are read at a time.
pub(crate) const PAGE: usize = 256;

/// As of when something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexSnapshotId {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) generation: u64,
    /// The number of the last transaction. Numbers of transactions that went away are given to no other.
    pub(crate) last_number: u64,
    /// The place behind everything; `None` when there is nothing.
    pub(crate) end: Option<Position>,
}

impl IndexSnapshotId {
    /// Returns as of when something would be read now.
    pub(crate) fn now(store: &FileEventStore) -> Result<Self, RefreshError> {
        let snapshot_id = store.ask(|snapshot| Ok(Self::of_snapshot(snapshot)))?;
        Ok(snapshot_id.into_inner())
    }

    fn of_snapshot(snapshot: &Snapshot) -> Self {
        let end = snapshot.ingestion_end();
        Self {
            epoch: snapshot.epoch(),
            generation: snapshot.topology_generation(),
            last_number: end.map_or(0, |end| end.sequence.number()),
            end,
        }
    }

    pub(crate) fn of_history(history: &History) -> Self {
        Self {
            epoch: history.epoch(),
            generation: history.topology_generation(),
            last_number: history.last_number(),
            end: history.ingestion_end(),
        }
    }
}

/// What a pull has found.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<StoredEvent>,
    /// The place up to which nothing is left to read.
    pub(crate) through: Option<Position>,
    /// Whether that was the end.
    pub(crate) is_last: bool,
    pub(crate) snapshot_id: IndexSnapshotId,
    /// What is known to be missing from the history that it was read from.
    pub(crate) completeness: Completeness,
}

impl Page {
    /// Reads the next page of at most `limit` selected events after `after`.
    pub(crate) fn read(
        store: &FileEventStore,
        after: Option<Position>,
        select: &impl Select,
        limit: usize,
    ) -> Result<Self, ReadError> {
        let read = |snapshot: &Snapshot| {
            let events = StoredEvent::ingested(snapshot, after, select, limit)?;
            Ok((events, IndexSnapshotId::of_snapshot(snapshot)))
        };
        let answer = store.ask(read)?;
        let completeness = answer.completeness().clone();
        let (events, snapshot_id) = answer.into_inner();
        let is_last = events.len() < limit;
        let through = match events.last() {
            Some(last) if !is_last => Some(last.position),
            _ if is_last => snapshot_id.end,
            _ => after,
        };
        Ok(Self {
            events,
            through,
            is_last,
            snapshot_id,
            completeness,
        })
    }
}

/// Reads at most `limit` of the selected events from a place on, with the event there.
pub(crate) fn events_from(
    store: &FileEventStore,
    position: Position,
    select: &impl Select,
    limit: usize,
) -> Result<Vec<StoredEvent>, ReadError> {
    let read = |snapshot: &Snapshot| {
        let before = snapshot.sequence_of(position)?.before();
        StoredEvent::ingested_after(snapshot, Some(before), select, limit)
    };
    Ok(store.ask(read).map(Answer::into_inner)?)
}

/// Checks that what a position stands on is there.
///
/// # Errors
/// [`ReadError::StalePosition`] when it is not; why it cannot be told.
pub(crate) fn check_holds(store: &FileEventStore, position: Position) -> Result<(), ReadError> {
    let known = store.ask(|snapshot| snapshot.sequence_of(position).map(drop));
    Ok(known.map(Answer::into_inner)?)
}
