//! A subscription as its consumer holds it: ways to wait.
//!
//! **Invariant**: blocking or async, what comes next is decided by [`Progress`] alone, so the ways can be mixed and a wait that is given up
//! changes nothing.

use std::fmt;
use std::thread;
use std::time::Duration;

use fs_index::{Completeness, Position};
use fs_io::Deadline;

use crate::subscribe::item::{Item, SubscribeError};
use crate::subscribe::items::Items;
use crate::subscribe::missed::Missed;
use crate::subscribe::options::SubscribeOptions;
use crate::subscribe::progress::{Progress, Step};
use fs_store::{FileEventStore, RefreshError, blocking};

/// A place in the ingestion order of a store that moves on as events are received.
///
/// [`recv`](Self::recv), [`recv_timeout`](Self::recv_timeout), [`try_recv`](Self::try_recv) and iteration block and need no runtime;
/// [`next`](Self::next) is the same for async code. They can be mixed. A subscription keeps its store open; dropping the last
/// one ends the thread that follows the store, which takes milliseconds.
///
/// Slow consumers: while it catches up with what was there, a subscription reads at the pace of its consumer. After that, events wait
/// in a queue of [`capacity`](SubscribeOptions::capacity); where it overflows stands an [`Item::Lagged`].
pub struct Subscription {
    progress: Progress,
}

impl Subscription {
    pub(crate) fn new(
        store: FileEventStore,
        after: Option<Position>,
        options: SubscribeOptions,
    ) -> Self {
        Self {
            progress: Progress::new(store, after, options),
        }
    }

    /// Waits for the next item.
    ///
    /// # Errors
    /// [`SubscribeError`]. After [`SubscribeError::StalePosition`] every call answers the same; after the others, the next call waits
    /// for the poll interval and tries again from the same place.
    pub fn recv(&mut self) -> Result<Item, SubscribeError> {
        loop {
            if let Some(item) = self.recv_until(None)? {
                return Ok(item);
            }
        }
    }

    /// Waits for the next item, at most so long; `None` when none has come.
    ///
    /// A read that was begun is finished, so a slow disk can make the call take longer.
    ///
    /// # Errors
    /// As [`Subscription::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Item>, SubscribeError> {
        self.recv_until(Some(Deadline::after(timeout)))
    }

    /// Returns the next item if one is there. May read from the store; never waits for anybody else.
    ///
    /// `None` does not say that the journal is at its end: right after the history was read, the thread that follows takes a moment.
    ///
    /// # Errors
    /// As [`Subscription::recv`], but it does not wait before it tries again.
    pub fn try_recv(&mut self) -> Result<Option<Item>, SubscribeError> {
        self.progress.retry();
        self.recv_timeout(Duration::ZERO)
    }

    /// Waits for the next item in async code; on tokio, reads are made by its blocking threads.
    ///
    /// # Errors
    /// As [`Subscription::recv`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped before it is ready: the next call goes on from the same place.
    pub async fn next(&mut self) -> Result<Item, SubscribeError> {
        loop {
            match self.progress.step()? {
                Step::Item(item) => return Ok(item),
                Step::Read(pull) => {
                    let page = blocking(move || pull.run()).await;
                    self.progress.absorb(page)?;
                }
                Step::Wait(queue, _) => queue.changed().await,
                Step::Pause => {
                    let interval = self.progress.pause();
                    blocking(move || thread::sleep(interval)).await;
                    self.progress.retry();
                }
            }
        }
    }

    /// As [`next`](Self::next) on a thread that may block: what is read is read by this one, and a pause after a failure is up to
    /// the caller.
    pub(crate) async fn next_here(&mut self) -> Result<Item, SubscribeError> {
        loop {
            match self.progress.step()? {
                Step::Item(item) => return Ok(item),
                Step::Read(pull) => self.progress.absorb(pull.run())?,
                Step::Wait(queue, _) => queue.changed().await,
                Step::Pause => self.progress.retry(),
            }
        }
    }

    /// Returns whether a new epoch has ended the subscription.
    pub(crate) fn has_ended(&self) -> bool {
        self.progress.has_ended()
    }

    /// Returns an iterator that waits for each item and ends after [`SubscribeError::StalePosition`].
    pub fn iter(&mut self) -> Items<&mut Self> {
        Items(self)
    }

    /// Returns where to go on: the place of the last item received, or where the subscription began.
    pub fn position(&self) -> Option<Position> {
        self.progress.received()
    }

    /// Returns what is known to be missing from the history that is followed, as of the last look at it. What goes missing brings no item.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn completeness(&self) -> Result<Completeness, RefreshError> {
        self.progress.store().completeness_of_answers()
    }

    /// Reads the selected events from `from` to `to`, both included: exactly what an [`Item::Lagged`] stands for.
    pub fn missed(&self, from: Position, to: Position) -> Missed {
        let select = self.progress.options().select.clone();
        Missed::new(self.progress.store().clone(), select, from, to)
    }

    fn recv_until(&mut self, deadline: Option<Deadline>) -> Result<Option<Item>, SubscribeError> {
        let is_over = || deadline.is_some_and(Deadline::is_over);
        loop {
            match self.progress.step()? {
                Step::Item(item) => return Ok(Some(item)),
                Step::Read(pull) => self.progress.absorb(pull.run())?,
                Step::Wait(..) | Step::Pause if is_over() => return Ok(None),
                Step::Wait(queue, state) => queue.wait(state, deadline),
                Step::Pause => {
                    let interval = self.progress.pause();
                    let left = deadline.and_then(Deadline::left);
                    thread::sleep(left.map_or(interval, |left| left.min(interval)));
                    self.progress.retry();
                }
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("root", &self.progress.store().root())
            .field("options", self.progress.options())
            .field("position", &self.progress.received())
            .finish_non_exhaustive()
    }
}
