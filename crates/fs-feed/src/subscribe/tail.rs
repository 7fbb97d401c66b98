//! The follower of an opened store, from its first member to its last.
//!
//! **Invariant**: one thread at a time takes members in; none is left when the last subscription is gone, unless it is in the middle of
//! a read that takes longer than a subscriber should wait for its end. Such a thread ends with that read.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::subscribe::follower::{Follower, Member};
use crate::subscribe::queue::Queue;
use fs_store::{Companion, FileEventStore};

/// How long the end of the thread is waited for.
const END: Duration = Duration::from_millis(250);

/// Where the subscriptions of a store meet.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    follower: Arc<Follower>,
    thread: JoinHandle<()>,
}

/// Says that the thread has ended, however it did.
struct End(Arc<Follower>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close();
        self.0.signal.end();
    }
}

impl Companion for Tail {
    fn wake(&self) {
        if let Some(running) = &*self.running() {
            running.follower.signal.wake();
        }
    }
}

impl Tail {
    /// Takes in a member, and starts the thread when there is none.
    pub(crate) fn join(&self, store: &FileEventStore, member: Member) -> io::Result<()> {
        let member = Arc::new(member);
        let mut running = self.running();
        if let Some(running) = &*running
            && running.follower.join(Arc::clone(&member))
        {
            return Ok(());
        }
        let follower = Arc::new(Follower::default());
        follower.join(member);
        let end = End(Arc::clone(&follower));
        let store = store.clone();
        let thread = thread::Builder::new()
            .name("tributary-tail".to_owned())
            .spawn(move || {
                let end = end;
                let store = store;
                end.0.run(&store);
                // The store goes before the end is told, so that nothing of it is held after that.
                drop(store);
                drop(end);
            })?;
        *running = Some(Running { follower, thread });
        Ok(())
    }

    /// Lets the member with this queue go, and ends the thread when it was the last.
    pub(crate) fn leave(&self, queue: &Arc<Queue>) {
        let mut running = self.running();
        let is_last = running
            .as_ref()
            .is_some_and(|running| running.follower.leave(queue));
        let ending = if is_last { running.take() } else { None };
        drop(running);
        if let Some(Running { follower, thread }) = ending {
            follower.signal.stop();
            let is_this = thread.thread().id() == thread::current().id();
            if !is_this && follower.signal.wait_for_end(END) {
                // It panics on its own account; the members were dismissed.
                let _ = thread.join();
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
