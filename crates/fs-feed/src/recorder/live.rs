//! Following a recorded stream.
//!
//! **Invariant**: as that of a subscription: each event of the stream after the start is given out once, or lies in the range of a
//! [`LiveItem::Lagged`] that stands in its place.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use fs_format::StreamId;
use fs_index::{Position, Select, Streams};
use fs_io::Deadline;
use serde::de::DeserializeOwned;

use crate::recorder::error::RecordingError;
use crate::recorder::recording::Recorded;
use crate::subscribe::{Item, SubscribeError, SubscribeOptions, Subscription};
use fs_store::FileEventStore;
use fs_store::StoredEvent;

/// Where following a recording begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFrom {
    /// At the beginning of the stream.
    Beginning,
    /// After the item with this logical number. What no recorder wrote is given out from the beginning.
    AfterNumber(u64),
    /// After this place in the working copy's ingestion order, as of [`LiveRecording::position`].
    AfterPosition(Position),
}

/// One delivery of a recording that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveItem<T> {
    /// The next event of the stream. A [`Recorded::Gap`] was dropped before it could be recorded, and is gone for everybody.
    Recorded(Recorded<T>),
    /// Events that this follower missed, because it was slower than its queue is long. They are stored, and
    /// [`LiveRecording::missed`] reads exactly them.
    Lagged {
        /// The first event that was missed.
        from: Position,
        /// The last event that was missed.
        to: Position,
    },
}

/// A place in a recorded stream that moves on as its events are received, in ingestion order.
///
/// Any number of these follow the same recording, each with its own lag. See [`Subscription`] for how it waits and what slow followers get.
pub struct LiveRecording<T> {
    subscription: Subscription,
    after: u64,
    of: PhantomData<fn() -> T>,
}

struct OneStream(StreamId);

impl Select for OneStream {
    fn stream(&self, stream_id: &str) -> bool {
        stream_id == self.0.as_str()
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }

    fn streams(&self) -> Option<Streams<'_>> {
        Some(Streams {
            prefix: self.0.as_str(),
            selection: self.0.as_str(),
        })
    }
}

impl<T: DeserializeOwned> LiveRecording<T> {
    pub(crate) fn follow(
        store: &FileEventStore,
        stream_id: StreamId,
        from: ReplayFrom,
        options: SubscribeOptions,
    ) -> Self {
        let (position, after) = match from {
            ReplayFrom::Beginning => (None, 0),
            ReplayFrom::AfterNumber(number) => (None, number),
            ReplayFrom::AfterPosition(position) => (Some(position), 0),
        };
        LiveRecording {
            subscription: Subscription::new(
                store.clone(),
                position,
                options.select(OneStream(stream_id)),
            ),
            after,
            of: PhantomData,
        }
    }
    /// Waits for the next item.
    ///
    /// # Errors
    /// [`RecordingError::Undecodable`] for an item of another type; the next call goes on after it. Else as [`Subscription::recv`].
    pub fn recv(&mut self) -> Result<LiveItem<T>, RecordingError> {
        loop {
            let item = self.subscription.recv()?;
            if let Some(item) = self.typed(item) {
                return item;
            }
        }
    }

    /// Waits for the next item, at most so long; `None` when none has come.
    ///
    /// # Errors
    /// As [`LiveRecording::recv`].
    pub fn recv_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<LiveItem<T>>, RecordingError> {
        let deadline = Deadline::after(timeout);
        loop {
            let left = deadline.left().unwrap_or_default();
            let Some(item) = self.subscription.recv_timeout(left)? else {
                return Ok(None);
            };
            if let Some(item) = self.typed(item) {
                return item.map(Some);
            }
        }
    }

    /// Waits for the next item in async code.
    ///
    /// # Errors
    /// As [`LiveRecording::recv`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped before it is ready: the next call goes on from the same place.
    pub async fn next(&mut self) -> Result<LiveItem<T>, RecordingError> {
        loop {
            let item = self.subscription.next().await?;
            if let Some(item) = self.typed(item) {
                return item;
            }
        }
    }

    /// Returns where to go on: the place of the last item received, or where following began.
    pub fn position(&self) -> Option<Position> {
        self.subscription.position()
    }

    /// Reads exactly what a [`LiveItem::Lagged`] stands for.
    pub fn missed(
        &self,
        from: Position,
        to: Position,
    ) -> impl Iterator<Item = Result<Recorded<T>, RecordingError>> + use<T> {
        let after = self.after;
        let missed = self.subscription.missed(from, to);
        missed.filter_map(
            move |event: Result<StoredEvent, SubscribeError>| match event {
                Ok(event) => Recorded::beyond(after, event),
                Err(error) => Some(Err(error.into())),
            },
        )
    }

    /// Returns `None` for what lies before the start.
    fn typed(&self, item: Item) -> Option<Result<LiveItem<T>, RecordingError>> {
        match item {
            Item::Event(event) => {
                Recorded::beyond(self.after, event).map(|recorded| recorded.map(LiveItem::Recorded))
            }
            Item::Lagged { from, to } => Some(Ok(LiveItem::Lagged { from, to })),
        }
    }
}

impl<T> fmt::Debug for LiveRecording<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveRecording")
            .field("subscription", &self.subscription)
            .field("after", &self.after)
            .finish()
    }
}
