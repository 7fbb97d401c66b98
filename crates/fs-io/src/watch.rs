//! File events: the system's word that something in a directory has changed.
//!
//! **Invariant:** an event is a hint to look again and nothing more. One may come for nothing, late, or never (files in a directory
//! that was just made, network file systems, a queue that overflowed), so whoever waits for it also looks at intervals of its own.
//!
//! # Limitations
//! It is not told what changed, and directories are watched one by one, not in depth: every one costs the system memory, and Linux
//! limits their number for each user.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is called, on a thread of the watch, after something changed. It must be quick and must not end the watch.
pub type Changed = Arc<dyn Fn() + Send + Sync>;

/// A watch over directories. When it is dropped its thread ends, and [`Changed`] is not called any more.
pub trait Watch: Send + Debug {
    /// Tells of names that come, go or are written to in `dir` from now on. Adding a directory again is no error.
    ///
    /// # Errors
    /// When the directory is not there, or the system watches no more.
    fn add(&mut self, dir: &Path) -> io::Result<()>;

    /// Stops telling of `dir`, if it was watched.
    fn remove(&mut self, dir: &Path);
}

/// A point in time by the system's steady clock, for those who wait.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Returns the point in time that is `wait` from now; one beyond the range of the clock never comes.
    #[must_use]
    pub fn after(wait: Duration) -> Self {
        Self(Instant::now().checked_add(wait))
    }

    /// Returns the time until then, zero when it has passed, `None` when it never comes.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.0
            .map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Returns whether it has passed.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_or_never_comes() {
        assert!(
            Deadline::after(Duration::ZERO).is_over(),
            "no time is over at once"
        );
        let far = Deadline::after(Duration::from_secs(3600));
        assert!(!far.is_over(), "an hour is not over at once");
        assert!(
            far.left() > Some(Duration::from_secs(3000)),
            "most of it is left"
        );
        let never = Deadline::after(Duration::MAX);
        assert!(
            never.left().is_none() && !never.is_over(),
            "what is beyond the clock never comes"
        );
    }
}
