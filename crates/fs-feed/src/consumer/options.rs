//! How a consumer consumes.

use std::fmt;
use std::sync::Arc;

use fs_index::{All, Select};

/// Choices that are made when a consumer is opened.
#[derive(Clone)]
pub struct ConsumerOptions {
    pub(super) select: Arc<dyn Select + Send + Sync>,
    pub(super) from_now: bool,
    pub(super) starts_over: bool,
}

impl Default for ConsumerOptions {
    /// Every event, from the beginning; a new epoch is an error.
    fn default() -> Self {
        Self {
            select: Arc::new(All),
            from_now: false,
            starts_over: false,
        }
    }
}

impl ConsumerOptions {
    /// Sets which events are wanted. The cursor passes over the others.
    #[must_use]
    pub fn select(mut self, select: impl Select + Send + Sync + 'static) -> Self {
        self.select = Arc::new(select);
        self
    }

    /// Lets a new consumer begin at the end of what is there, and one that starts over too.
    #[must_use]
    pub fn from_now(mut self) -> Self {
        self.from_now = true;
        self
    }

    /// Lets the consumer begin anew by itself when the history that it had read is not there any more; the batch says so.
    #[must_use]
    pub fn start_over_on_new_epoch(mut self) -> Self {
        self.starts_over = true;
        self
    }
}

impl fmt::Debug for ConsumerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerOptions")
            .field("from_now", &self.from_now)
            .field("start_over_on_new_epoch", &self.starts_over)
            .finish_non_exhaustive()
    }
}
