//! Waking the thread that follows.
//!
//! **Invariant**: a wake-up between two waits ends the second at once; none is lost, any number counts as one.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Signal {
    flags: Mutex<Flags>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stop: bool,
    ended: bool,
}

impl Signal {
    /// Says that there may be something to read.
    pub(crate) fn wake(&self) {
        self.flags().woken = true;
        self.changed.notify_all();
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.flags().stop = true;
        self.changed.notify_all();
    }

    /// Says that the thread has ended.
    pub(crate) fn end(&self) {
        self.flags().ended = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.flags().stop
    }

    /// Waits to be woken or stopped, at most so long.
    pub(crate) fn wait(&self, at_most: Duration) {
        self.wait_while(at_most, |flags| !flags.woken && !flags.stop)
            .woken = false;
    }

    /// Waits so long, unless stopped; wake-ups are kept for later.
    pub(crate) fn rest(&self, at_most: Duration) {
        drop(self.wait_while(at_most, |flags| !flags.stop));
    }

    /// Waits for the end of the thread, at most so long; returns whether it has come.
    pub(crate) fn wait_for_end(&self, at_most: Duration) -> bool {
        self.wait_while(at_most, |flags| !flags.ended).ended
    }

    fn wait_while(
        &self,
        at_most: Duration,
        condition: impl FnMut(&mut Flags) -> bool,
    ) -> MutexGuard<'_, Flags> {
        self.changed
            .wait_timeout_while(self.flags(), at_most, condition)
            .map_or_else(|poisoned| poisoned.into_inner().0, |(flags, _)| flags)
    }

    fn flags(&self) -> MutexGuard<'_, Flags> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
