//! How a subscription follows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fs_index::{All, Select, Streams};

/// Any filter, shared with the thread that follows.
#[derive(Clone)]
pub(crate) struct Filter(pub(crate) Arc<dyn Select + Send + Sync>);

impl Select for Filter {
    fn stream(&self, stream_id: &str) -> bool {
        self.0.stream(stream_id)
    }

    fn event_type(&self, event_type: &str) -> bool {
        self.0.event_type(event_type)
    }

    fn streams(&self) -> Option<Streams<'_>> {
        self.0.streams()
    }

    fn event_types(&self) -> Option<Vec<&str>> {
        self.0.event_types()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

/// Choices that are made when a subscription begins.
#[derive(Clone)]
pub struct SubscribeOptions {
    pub(crate) select: Filter,
    pub(crate) capacity: usize,
    pub(crate) poll_interval: Duration,
}

impl Default for SubscribeOptions {
    /// Every event, 1024 events that may wait, a look every 200 milliseconds.
    fn default() -> Self {
        Self {
            select: Filter(Arc::new(All)),
            capacity: 1024,
            poll_interval: Duration::from_millis(200),
        }
    }
}

impl SubscribeOptions {
    /// Sets which events are wanted. The filter is also asked by the thread that follows the store, so it must be quick.
    #[must_use]
    pub fn select(mut self, select: impl Select + Send + Sync + 'static) -> Self {
        self.select = Filter(Arc::new(select));
        self
    }

    /// As [`select`](Self::select), for a filter that others use too.
    #[must_use]
    pub(crate) fn select_shared(mut self, select: Arc<dyn Select + Send + Sync>) -> Self {
        self.select = Filter(select);
        self
    }

    /// Sets how many live events may wait to be received, at least one; of more, the oldest are dropped and named by
    /// [`Item::Lagged`](crate::Item::Lagged).
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// Sets how long an event may stay unnoticed where the system gives no file events, or loses one; at least a millisecond.
    ///
    /// Each look compares the stamp of every directory of events. Subscriptions of one store share the shortest interval.
    #[must_use]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval.max(Duration::from_millis(1));
        self
    }
}

impl fmt::Debug for SubscribeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribeOptions")
            .field("capacity", &self.capacity)
            .field("poll_interval", &self.poll_interval)
            .finish_non_exhaustive()
    }
}
