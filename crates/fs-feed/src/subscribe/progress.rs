//! How far a subscription has come, and what comes next.
//!
//! ```text
//!   History --(a pull finds nothing more)--> Joining --> Backlog --> Live
//!      ^                                                              |
//!      '--------------------------(dismissed)-------------------------'
//! ```
//!
//! **Invariant**: `after` is the place up to which everything selected was taken from the journal or the queue; it moves only
//! together with the events themselves, so a read that fails or is cancelled changes nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fs_index::{Position, StalePosition};

use crate::page::{PAGE, Page};
use crate::subscribe::follower::Member;
use crate::subscribe::item::{Item, SubscribeError};
use crate::subscribe::options::{Filter, SubscribeOptions};
use crate::subscribe::queue::{Next, Queue, QueueState};
use crate::subscribe::tail::Tail;
use fs_store::FileEventStore;
use fs_store::ReadError;
use fs_store::StoredEvent;

/// The longest pause after the store could not be read.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum Phase {
    /// Pulling what was there.
    History,
    /// Waiting to be taken in by the thread.
    Joining(Arc<Queue>),
    /// Pulling what came between the last pull and the taking in.
    Backlog(Arc<Queue>, Option<Position>),
    /// Taking from the queue.
    Live(Arc<Queue>),
}

impl Phase {
    fn queue(&self) -> Option<&Arc<Queue>> {
        match self {
            Self::History => None,
            Self::Joining(queue) | Self::Backlog(queue, _) | Self::Live(queue) => Some(queue),
        }
    }
}

/// What comes next without waiting, or what to wait for.
pub(crate) enum Step {
    Item(Item),
    Read(Pull),
    Wait(Arc<Queue>, QueueState),
    Pause,
}

/// A read to be made where it may block.
pub(crate) struct Pull {
    store: FileEventStore,
    select: Filter,
    after: Option<Position>,
}

impl Pull {
    pub(crate) fn run(self) -> Result<Page, ReadError> {
        Page::read(&self.store, self.after, &self.select, PAGE)
    }
}

/// How far a subscription has come.
pub(crate) struct Progress {
    store: FileEventStore,
    options: SubscribeOptions,
    after: Option<Position>,
    /// The place that the consumer knows, which is behind `after` by what is read ahead.
    received: Option<Position>,
    page: VecDeque<StoredEvent>,
    phase: Phase,
    /// Whether the last read failed, so that the next one waits a little.
    has_failed: bool,
    ended: Option<StalePosition>,
}

impl Progress {
    pub(crate) fn new(
        store: FileEventStore,
        after: Option<Position>,
        options: SubscribeOptions,
    ) -> Self {
        Self {
            store,
            options,
            after,
            received: after,
            page: VecDeque::new(),
            phase: Phase::History,
            has_failed: false,
            ended: None,
        }
    }

    pub(crate) fn store(&self) -> &FileEventStore {
        &self.store
    }

    pub(crate) fn options(&self) -> &SubscribeOptions {
        &self.options
    }

    /// Returns how long to pause after the store could not be read: a thread sleeps so long, and a runtime waits for it at its end.
    pub(crate) fn pause(&self) -> Duration {
        self.options.poll_interval.min(LONGEST_PAUSE)
    }

    /// Returns the place of the last item that the consumer was given.
    pub(crate) fn received(&self) -> Option<Position> {
        self.received
    }

    /// Returns whether a new epoch was the end.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Says that enough time has passed since a failure.
    pub(crate) fn retry(&mut self) {
        self.has_failed = false;
    }

    /// Goes as far as is possible without reading or waiting.
    pub(crate) fn step(&mut self) -> Result<Step, SubscribeError> {
        if let Some(stale) = self.ended {
            return Err(stale.into());
        }
        loop {
            if let Some(event) = self.page.pop_front() {
                self.received = Some(event.position);
                return Ok(Step::Item(Item::Event(event)));
            }
            if self.has_failed {
                return Ok(Step::Pause);
            }
            match self.phase.clone() {
                Phase::History => return Ok(Step::Read(self.pull())),
                Phase::Joining(queue) => match queue.state() {
                    state @ QueueState::Joining => return Ok(Step::Wait(queue, state)),
                    QueueState::Live { from } => self.phase = self.after_joining(queue, from),
                    QueueState::Dismissed { .. } => self.phase = Phase::History,
                },
                Phase::Backlog(..) => return Ok(Step::Read(self.pull())),
                Phase::Live(queue) => match queue.take() {
                    Next::Item(item) => {
                        let reached = match &item {
                            Item::Event(event) => event.position,
                            Item::Lagged { to, .. } => *to,
                        };
                        (self.after, self.received) = (Some(reached), Some(reached));
                        return Ok(Step::Item(item));
                    }
                    Next::Nothing => return Ok(Step::Wait(queue.clone(), queue.state())),
                    Next::Dismissed(at) => {
                        self.after = self.after.max(at);
                        self.phase = Phase::History;
                    }
                },
            }
        }
    }

    fn pull(&self) -> Pull {
        Pull {
            store: self.store.clone(),
            select: self.options.select.clone(),
            after: self.after,
        }
    }

    /// Returns how to go on when the queue holds what comes after `from`.
    ///
    /// Unless the thread stands at the very same place, the journal is asked once more: only there it shows whether the place that was
    /// reached still holds, be it before the thread's or after it.
    fn after_joining(&self, queue: Arc<Queue>, from: Option<Position>) -> Phase {
        if self.after == from {
            Phase::Live(queue)
        } else {
            Phase::Backlog(queue, from)
        }
    }

    /// Takes over what was read.
    pub(crate) fn absorb(&mut self, page: Result<Page, ReadError>) -> Result<(), SubscribeError> {
        match page {
            Ok(page) => match self.phase.clone() {
                Phase::History => {
                    let is_caught_up = page.is_last && page.events.is_empty();
                    self.take_over(page);
                    if is_caught_up { self.join() } else { Ok(()) }
                }
                Phase::Backlog(queue, until) => {
                    self.take_backlog(queue, until, page);
                    Ok(())
                }
                Phase::Joining(_) | Phase::Live(_) => Ok(()),
            },
            Err(error) => self.fail(error.into()),
        }
    }

    fn take_over(&mut self, page: Page) {
        self.after = page.through.or(self.after);
        self.page = page.events.into();
    }

    /// Takes the events up to `until`; those after it are in the queue.
    fn take_backlog(&mut self, queue: Arc<Queue>, until: Option<Position>, mut page: Page) {
        let read = page.events.len();
        page.events.retain(|event| Some(event.position) <= until);
        if page.is_last || page.events.len() < read {
            page.through = until.max(self.after);
            self.phase = Phase::Live(queue);
        }
        self.take_over(page);
    }

    fn join(&mut self) -> Result<(), SubscribeError> {
        let queue = Arc::new(Queue::new(self.options.capacity));
        let member = Member {
            queue: Arc::clone(&queue),
            select: self.options.select.clone(),
            hears_of_all: false,
            after: self.after,
            poll_interval: self.options.poll_interval,
            is_broken: AtomicBool::new(false),
        };
        match self.store.companion::<Tail>().join(&self.store, member) {
            Ok(()) => {
                self.phase = Phase::Joining(queue);
                Ok(())
            }
            Err(error) => self.fail(SubscribeError::Thread(error)),
        }
    }

    /// Notes a failure, and starts over in silence where nothing was received that could be stale.
    fn fail(&mut self, error: SubscribeError) -> Result<(), SubscribeError> {
        self.leave();
        match error {
            SubscribeError::StalePosition(_) if self.received.is_none() => {
                self.after = None;
                return Ok(());
            }
            SubscribeError::StalePosition(stale) => self.ended = Some(stale),
            _ => self.has_failed = true,
        }
        Err(error)
    }

    fn leave(&mut self) {
        if let Some(queue) = self.phase.queue() {
            self.store.companion::<Tail>().leave(queue);
        }
        self.phase = Phase::History;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.leave();
    }
}
