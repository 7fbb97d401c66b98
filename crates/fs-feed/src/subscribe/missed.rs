//! Catching up on what a full queue dropped.

use std::collections::VecDeque;

use fs_index::Position;

use crate::page::{PAGE, events_from};
use crate::subscribe::item::SubscribeError;
use crate::subscribe::options::Filter;
use fs_store::{Answer, FileEventStore, StoredEvent};

/// The events that an [`Item::Lagged`](crate::Item::Lagged) stands for, read from the journal page by page.
///
/// Ends after the last of them, or after an error.
#[derive(Debug)]
#[must_use = "the events are read as they are asked for"]
pub struct Missed {
    store: FileEventStore,
    select: Filter,
    from: Position,
    /// The last event that was read.
    after: Option<Position>,
    to: Position,
    page: VecDeque<StoredEvent>,
    is_over: bool,
}

impl Missed {
    pub(crate) fn new(store: FileEventStore, select: Filter, from: Position, to: Position) -> Self {
        Self {
            store,
            select,
            from,
            after: None,
            to,
            page: VecDeque::new(),
            is_over: from > to,
        }
    }
}

impl Iterator for Missed {
    type Item = Result<StoredEvent, SubscribeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.is_over {
            let (store, select) = (&self.store, &self.select);
            let read = match self.after {
                Some(_) => store
                    .ingested_events(self.after, select, PAGE)
                    .map(Answer::into_inner),
                None => events_from(store, self.from, select, PAGE),
            };
            match read {
                Ok(mut events) => {
                    events.retain(|event| event.position <= self.to);
                    self.is_over = events.len() < PAGE;
                    if let Some(last) = events.last() {
                        self.after = Some(last.position);
                    }
                    self.page = events.into();
                }
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error.into()));
                }
            }
        }
        self.page.pop_front().map(Ok)
    }
}
