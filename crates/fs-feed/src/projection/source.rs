//! Where a projection gets its events from.
//!
//! **Invariant**: a page holds all selected events between the cursor it was read from and the one it ends at, and says as
//! of which epoch and generation.

use std::sync::Arc;

use fs_index::{Position, Select, Sequence, Snapshot, StalePosition};

use crate::page::{self, IndexSnapshotId};
use crate::projection::progress::Cursor;
use fs_store::{Answer, FileEventStore, ReadError, StoredEvent};

impl IndexSnapshotId {
    /// Returns the place behind everything.
    fn end(&self) -> Cursor {
        Cursor::Ingested(self.end.map(Position::to_uuid))
    }

    /// Returns how many transactions were not dealt with.
    pub(crate) fn lag(&self, cursor: Cursor) -> u64 {
        match cursor {
            Cursor::Ingested(Some(position)) => {
                let sequence = Position::from_uuid(position).sequence;
                // Where events of the transaction may be left, it counts.
                let is_done = sequence.event() == u16::MAX;
                let done = sequence.number().saturating_sub(u64::from(!is_done));
                self.last_number.saturating_sub(done)
            }
            Cursor::Ingested(None) => self.last_number,
            Cursor::Canonical { transactions, .. } => {
                self.last_number.saturating_sub(transactions as u64)
            }
        }
    }
}

/// Events to be applied.
#[derive(Debug)]
pub(crate) struct Page {
    /// Each with the cursor behind it.
    pub(crate) events: Vec<(StoredEvent, Cursor)>,
    /// The cursor behind all that was looked at.
    pub(crate) end: Cursor,
    /// Whether there was nothing more.
    pub(crate) is_last: bool,
    pub(crate) snapshot_id: IndexSnapshotId,
}

impl Page {
    /// Keeps the first so many events.
    pub(crate) fn truncate(&mut self, count: usize) {
        if count < self.events.len() {
            self.events.truncate(count);
            self.is_last = false;
            if let Some((_, cursor)) = self.events.last() {
                self.end = *cursor;
            }
        }
    }
}

impl Page {
    /// Reads at most `limit` of the selected events behind a cursor.
    pub(crate) fn behind(
        store: &FileEventStore,
        cursor: Cursor,
        select: &Arc<dyn Select + Send + Sync>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        match cursor {
            Cursor::Ingested(position) => {
                Self::ingested(store, position.map(Position::from_uuid), select, limit)
            }
            Cursor::Canonical {
                transactions,
                events,
                known,
            } => {
                let known = known.map(Position::from_uuid);
                let read = || Self::canonical(store, (transactions, events), known, select, limit);
                match read() {
                    Err(ReadError::Damaged(_)) => {
                        store.repair_index()?;
                        read()
                    }
                    page => page,
                }
            }
        }
    }

    fn ingested(
        store: &FileEventStore,
        after: Option<Position>,
        select: &Arc<dyn Select + Send + Sync>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let page = page::Page::read(store, after, select, limit)?;
        let behind = |event: &StoredEvent| Cursor::Ingested(Some(event.position.to_uuid()));
        let with_cursor = |event: StoredEvent| {
            let cursor = behind(&event);
            (event, cursor)
        };
        Ok(Self {
            events: page.events.into_iter().map(with_cursor).collect(),
            end: Cursor::Ingested(page.through.map(Position::to_uuid)),
            is_last: page.is_last,
            snapshot_id: page.snapshot_id,
        })
    }

    fn canonical(
        store: &FileEventStore,
        (transactions, events): (usize, usize),
        known: Option<Position>,
        select: &Arc<dyn Select + Send + Sync>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let history = store.ask(Snapshot::history)?.into_inner();
        let snapshot_id = IndexSnapshotId::of_history(&history);
        if let Some(position) = known
            && !history.holds(position)
        {
            let epoch = history.epoch();
            return Err(StalePosition { position, epoch }.into());
        }
        // What came since sorts behind, or the generation is another one.
        let known = snapshot_id.end.map(Position::to_uuid);
        let mut page = Page {
            events: Vec::new(),
            end: snapshot_id.end(),
            is_last: false,
            snapshot_id,
        };
        for (nth, (ix, member)) in history.canonical().enumerate().skip(transactions) {
            let done = if nth == transactions { events } else { 0 };
            let left = limit - page.events.len();
            let events = if done == 0 && member.event_count() <= left as u64 {
                let stored = history.load(ix)?;
                let events = history.placed(&stored);
                let owned = events.map(|event| Ok(StoredEvent::from(event?)));
                owned.collect::<Result<Vec<_>, ReadError>>()?
            } else {
                // To read on in a transaction, the index does not decode it again.
                let stored = history.load(ix)?;
                let first = history.placed(&stored).next().transpose()?;
                let from = first.map(|event| (event.position, done));
                from.map_or(Ok(Vec::new()), |from| rest_of(store, from, select, left))?
            };
            for event in events {
                if !select.stream(event.stream_id.as_str()) || !select.event_type(&event.event_type)
                {
                    continue;
                }
                let cursor = Cursor::Canonical {
                    transactions: nth,
                    events: usize::from(event.position.sequence.event()) + 1,
                    known,
                };
                page.events.push((event, cursor));
                if page.events.len() == limit {
                    page.end = cursor;
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}

/// Reads at most `limit` of the selected events of a transaction, of whose events the first is known, without the first `done`.
fn rest_of(
    store: &FileEventStore,
    (first, done): (Position, usize),
    select: &Arc<dyn Select + Send + Sync>,
    limit: usize,
) -> Result<Vec<StoredEvent>, ReadError> {
    let Ok(next) = u16::try_from(done) else {
        return Ok(Vec::new());
    };
    let read = |snapshot: &Snapshot| {
        let number = snapshot.sequence_of(first)?.number();
        let before = Sequence::new(number, next).before();
        let mut events = StoredEvent::ingested_after(snapshot, Some(before), select, limit)?;
        events.retain(|event| event.position.sequence.number() == number);
        Ok(events)
    };
    Ok(store.ask(read).map(Answer::into_inner)?)
}
