//! Catching up on what a full queue dropped.

use std::collections::VecDeque;

use fs_index::Position;

use crate::event::StoredEvent;
use crate::store::FileEventStore;
use crate::subscribe::item::SubscribeError;
use crate::subscribe::options::Filter;
use crate::subscribe::page::{PAGE, before};

/// The events that an [`Item::Lagged`](crate::Item::Lagged) stands for, read from the journal page by page.
///
/// Ends after the last of them, or after an error.
#[derive(Debug)]
#[must_use = "the events are read as they are asked for"]
pub struct Missed {
    store: FileEventStore,
    select: Filter,
    after: Position,
    to: Position,
    page: VecDeque<StoredEvent>,
    is_over: bool,
}

impl Missed {
    pub(crate) fn new(store: FileEventStore, select: Filter, from: Position, to: Position) -> Self {
        Self {
            store,
            select,
            after: before(from),
            to,
            page: VecDeque::new(),
            is_over: from.epoch == to.epoch && from > to,
        }
    }
}

impl Iterator for Missed {
    type Item = Result<StoredEvent, SubscribeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.is_over {
            match self
                .store
                .ingested_events(Some(self.after), &self.select, PAGE)
            {
                Ok(mut events) => {
                    events.retain(|event| event.position <= self.to);
                    self.is_over = events.len() < PAGE;
                    if let Some(last) = events.last() {
                        self.after = last.position;
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
