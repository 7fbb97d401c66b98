//! Waiting until the history is another.
//!
//! **Invariant**: whatever came or went since the last answer is answered by the next; any number of changes may be one.
//!
//! *Not done here*: saying what has changed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use fs_index::{Position, Select};

use crate::page::IndexSnapshotId;
use crate::subscribe::follower::Member;
use crate::subscribe::item::SubscribeError;
use crate::subscribe::options::{Filter, SubscribeOptions};
use crate::subscribe::queue::{Queue, QueueState};
use crate::subscribe::tail::Tail;
use fs_store::FileEventStore;
use fs_store::blocking;

/// Tells that the history has changed: that a transaction came, with events or without, or that something went away.
///
/// For what depends on more than the events, as the open forks of a board do: a settlement need not have any events.
pub struct Changes {
    store: FileEventStore,
    /// The place behind everything that was there at the last answer.
    known: Option<Position>,
    queue: Option<Arc<Queue>>,
}

/// No event at all.
struct Nothing;

impl Select for Nothing {
    fn stream(&self, _: &str) -> bool {
        false
    }

    fn event_type(&self, _: &str) -> bool {
        false
    }
}

impl Changes {
    pub(crate) fn new(store: &FileEventStore) -> Result<Self, SubscribeError> {
        let snapshot_id = IndexSnapshotId::now(store).map_err(unread)?;
        Ok(Self {
            store: store.clone(),
            known: snapshot_id.end,
            queue: None,
        })
    }

    /// Completes when the history has changed since the last call did, or since this was made; at once when it has already.
    ///
    /// A change is noticed as a [`Subscription`](crate::Subscription) notices an event, whoever made it.
    ///
    /// # Errors
    /// [`SubscribeError::Read`] and [`SubscribeError::Thread`]; the next call tries again.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped before it is ready.
    pub async fn next(&mut self) -> Result<(), SubscribeError> {
        loop {
            let store = self.store.clone();
            let snapshot_id = blocking(move || IndexSnapshotId::now(&store)).await;
            let end = snapshot_id.map_err(unread)?.end;
            if end != self.known {
                self.known = end;
                return Ok(());
            }
            match &self.queue {
                Some(queue) if !matches!(queue.state(), QueueState::Dismissed { .. }) => {
                    queue.changed().await;
                }
                _ => self.join()?,
            }
        }
    }

    fn join(&mut self) -> Result<(), SubscribeError> {
        self.leave();
        let queue = Arc::new(Queue::new(1));
        let member = Member {
            queue: Arc::clone(&queue),
            select: Filter(Arc::new(Nothing)),
            hears_of_all: true,
            after: self.known,
            poll_interval: SubscribeOptions::default().poll_interval,
            is_broken: AtomicBool::new(false),
        };
        let joined = self.store.companion::<Tail>().join(&self.store, member);
        joined.map_err(SubscribeError::Thread)?;
        self.queue = Some(queue);
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(queue) = self.queue.take() {
            self.store.companion::<Tail>().leave(&queue);
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("root", &self.store.root())
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

fn unread(error: fs_store::RefreshError) -> SubscribeError {
    SubscribeError::Read(error.into())
}
