//! The bounded queue between the thread that follows and one subscriber.
//!
//! **Invariant**: it holds at most `capacity` events. Whatever was put in and is not there any more was taken out, or lies in the one
//! gap in front of those that are left.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use fs_index::Position;
use fs_io::Deadline;
use tokio::sync::Notify;

use crate::subscribe::item::Item;
use fs_store::StoredEvent;

/// How a subscriber stands to the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueState {
    /// It waits to be taken in.
    Joining,
    /// Every selected event after this place is put in.
    Live { from: Option<Position> },
    /// Nothing is put in any more; up to this place, everything was.
    Dismissed { at: Option<Position> },
}

/// What is next in a queue.
#[derive(Debug)]
pub(crate) enum Next {
    Item(Item),
    /// Nothing yet.
    Nothing,
    /// Nothing any more, after this place.
    Dismissed(Option<Position>),
}

#[derive(Debug)]
pub(crate) struct Queue {
    queued: Mutex<Queued>,
    blocked: Condvar,
    awaiting: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct Queued {
    state: QueueState,
    gap: Option<(Position, Position)>,
    events: VecDeque<Arc<StoredEvent>>,
}

impl Queued {
    fn has_news(&self) -> bool {
        self.gap.is_some()
            || !self.events.is_empty()
            || matches!(self.state, QueueState::Dismissed { .. })
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            queued: Mutex::new(Queued {
                state: QueueState::Joining,
                gap: None,
                events: VecDeque::new(),
            }),
            blocked: Condvar::new(),
            awaiting: Notify::new(),
            capacity,
        }
    }

    /// Puts in the next event and drops the oldest when there is no room.
    pub(crate) fn push(&self, event: Arc<StoredEvent>) {
        let mut queued = self.lock();
        if queued.events.len() >= self.capacity
            && let Some(oldest) = queued.events.pop_front()
        {
            let from = queued.gap.map_or(oldest.position, |(from, _)| from);
            queued.gap = Some((from, oldest.position));
        }
        queued.events.push_back(event);
        drop(queued);
        self.tell();
    }

    pub(crate) fn set_state(&self, state: QueueState) {
        self.lock().state = state;
        self.tell();
    }

    pub(crate) fn state(&self) -> QueueState {
        self.lock().state
    }

    /// Takes out what is next.
    pub(crate) fn take(&self) -> Next {
        let mut queued = self.lock();
        if let Some((from, to)) = queued.gap.take() {
            return Next::Item(Item::Lagged { from, to });
        }
        match (queued.events.pop_front(), queued.state) {
            (Some(event), _) => Next::Item(Item::Event(Arc::unwrap_or_clone(event))),
            (None, QueueState::Dismissed { at }) => Next::Dismissed(at),
            (None, QueueState::Joining | QueueState::Live { .. }) => Next::Nothing,
        }
    }

    /// Waits until there is something to take, or until the state is another than it was.
    pub(crate) fn wait(&self, before: QueueState, deadline: Option<Deadline>) {
        let mut queued = self.lock();
        while !queued.has_news() && queued.state == before {
            queued = match deadline.and_then(Deadline::left) {
                Some(left) if left.is_zero() => return,
                Some(left) => self
                    .blocked
                    .wait_timeout(queued, left)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(queued, _)| queued),
                None => self
                    .blocked
                    .wait(queued)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Completes after something was put in or the state changed, at once when that was since the last call.
    pub(crate) async fn changed(&self) {
        self.awaiting.notified().await;
    }

    /// Wakes who waits, also when there is nothing to take.
    pub(crate) fn tell(&self) {
        self.blocked.notify_one();
        self.awaiting.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
