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
pub(crate) enum Standing {
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
    state: Mutex<State>,
    blocked: Condvar,
    awaiting: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct State {
    standing: Standing,
    gap: Option<(Position, Position)>,
    events: VecDeque<Arc<StoredEvent>>,
}

impl State {
    fn has_news(&self) -> bool {
        self.gap.is_some()
            || !self.events.is_empty()
            || matches!(self.standing, Standing::Dismissed { .. })
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                standing: Standing::Joining,
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
        let mut state = self.state();
        if state.events.len() >= self.capacity
            && let Some(oldest) = state.events.pop_front()
        {
            let from = state.gap.map_or(oldest.position, |(from, _)| from);
            state.gap = Some((from, oldest.position));
        }
        state.events.push_back(event);
        drop(state);
        self.tell();
    }

    pub(crate) fn set_standing(&self, standing: Standing) {
        self.state().standing = standing;
        self.tell();
    }

    pub(crate) fn standing(&self) -> Standing {
        self.state().standing
    }

    /// Takes out what is next.
    pub(crate) fn take(&self) -> Next {
        let mut state = self.state();
        if let Some((from, to)) = state.gap.take() {
            return Next::Item(Item::Lagged { from, to });
        }
        match (state.events.pop_front(), state.standing) {
            (Some(event), _) => Next::Item(Item::Event(Arc::unwrap_or_clone(event))),
            (None, Standing::Dismissed { at }) => Next::Dismissed(at),
            (None, Standing::Joining | Standing::Live { .. }) => Next::Nothing,
        }
    }

    /// Waits until there is something to take, or until the standing is another than it was.
    pub(crate) fn wait(&self, before: Standing, deadline: Option<Deadline>) {
        let mut state = self.state();
        while !state.has_news() && state.standing == before {
            state = match deadline.and_then(Deadline::left) {
                Some(left) if left.is_zero() => return,
                Some(left) => self
                    .blocked
                    .wait_timeout(state, left)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state),
                None => self
                    .blocked
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Completes after something was put in or the standing changed, at once when that was since the last call.
    pub(crate) async fn changed(&self) {
        self.awaiting.notified().await;
    }

    /// Wakes who waits, also when there is nothing to take.
    pub(crate) fn tell(&self) {
        self.blocked.notify_one();
        self.awaiting.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
