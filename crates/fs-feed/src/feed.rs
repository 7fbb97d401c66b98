//! What this crate adds to a store.

use fs_format::StreamId;
use fs_index::Position;
use fs_store::{FileEventStore, ReadError, StateError};
use serde::de::DeserializeOwned;

use crate::consumer::{Consumer, ConsumerError, ConsumerOptions, ConsumerState};
use crate::projection::{Projection, ReadModel, Runner};
use crate::recorder::{LiveRecording, Recording, ReplayFrom};
use crate::subscribe::{Changes, SubscribeError, SubscribeOptions, Subscription};

/// Following the events of a store; brought into scope, these are methods of [`FileEventStore`].
pub trait Feed {
    /// Follows this working copy's ingestion order: first every event after `after` that is there, then every event that is
    /// appended by any process or arrives by git.
    ///
    /// Nothing is read before the first item is asked for. `None` starts at the beginning.
    ///
    /// ```
    /// # use fs_format::StreamId;
    /// use fs_feed::{Feed as _, Item};
    /// # use fs_store::{Append, FileEventStore};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = FileEventStore::create(dir.path())?;
    /// # let issue = StreamId::new("issue-1")?;
    /// let mut subscription = store.subscribe(None);
    /// store.append(Append::new().event(issue, "IssueOpened", "{}")?)?;
    /// match subscription.recv()? {
    ///     Item::Event(event) => assert_eq!(event.event_type, "IssueOpened"),
    ///     Item::Lagged { from, to } => for event in subscription.missed(from, to) { event?; },
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn subscribe(&self, after: Option<Position>) -> Subscription {
        self.subscribe_with(after, SubscribeOptions::default())
    }

    /// Follows the ingestion order with a filter, another bound of the queue, or another interval.
    fn subscribe_with(&self, after: Option<Position>, options: SubscribeOptions) -> Subscription;

    /// Returns what tells of changes of the history from now on.
    ///
    /// # Errors
    /// [`SubscribeError::Read`].
    fn changes(&self) -> Result<Changes, SubscribeError>;

    /// Returns the consumer `name` of every event from the beginning, which is created when there is none of this name.
    ///
    /// # Errors
    /// [`ConsumerError`].
    fn consumer(&self, name: &str) -> Result<Consumer, ConsumerError> {
        self.consumer_with(name, ConsumerOptions::default())
    }

    /// Returns the consumer `name` with these options, which is created when there is none of this name.
    ///
    /// Options are this handle's alone: they are not kept with the cursor.
    ///
    /// # Errors
    /// As [`Feed::consumer`].
    fn consumer_with(
        &self,
        name: &str,
        options: ConsumerOptions,
    ) -> Result<Consumer, ConsumerError>;

    /// Returns whether this working copy has the consumer `name`; creates none.
    ///
    /// # Errors
    /// [`StateError`] when its file cannot be read.
    fn has_consumer(&self, name: &str) -> Result<bool, StateError>;

    /// Returns the consumers of this working copy, in byte order of their names.
    ///
    /// # Errors
    /// [`StateError`] when one of their files cannot be read.
    fn consumers(&self) -> Result<Vec<ConsumerState>, StateError>;

    /// Returns a runner that takes this store's events to `model` by `projection`.
    ///
    /// Nothing happens before [`Runner::catch_up`] or [`Runner::follow`].
    fn project<P: Projection, M: ReadModel<State = P::State>>(
        &self,
        projection: P,
        model: M,
    ) -> Runner<P, M>;

    /// Reads a recorded stream, its items as `T`; empty when nobody wrote it.
    ///
    /// # Errors
    /// As [`FileEventStore::stream_events`].
    fn recording<T: DeserializeOwned>(
        &self,
        stream_id: &StreamId,
    ) -> Result<Recording<T>, ReadError>;

    /// Follows a recorded stream, its items as `T`: what is there, then what comes.
    fn follow_recording<T: DeserializeOwned>(
        &self,
        stream_id: StreamId,
        from: ReplayFrom,
    ) -> LiveRecording<T> {
        self.follow_recording_with(stream_id, from, SubscribeOptions::default())
    }

    /// Follows a recorded stream with another bound of the queue, or another interval. The filter of the options is replaced.
    fn follow_recording_with<T: DeserializeOwned>(
        &self,
        stream_id: StreamId,
        from: ReplayFrom,
        options: SubscribeOptions,
    ) -> LiveRecording<T>;
}

impl Feed for FileEventStore {
    fn subscribe_with(&self, after: Option<Position>, options: SubscribeOptions) -> Subscription {
        Subscription::new(self.clone(), after, options)
    }

    fn changes(&self) -> Result<Changes, SubscribeError> {
        Changes::new(self)
    }

    fn consumer_with(
        &self,
        name: &str,
        options: ConsumerOptions,
    ) -> Result<Consumer, ConsumerError> {
        Consumer::open(self, name, options)
    }

    fn has_consumer(&self, name: &str) -> Result<bool, StateError> {
        self.has_cursor(name)
    }

    fn consumers(&self) -> Result<Vec<ConsumerState>, StateError> {
        let consumers = self.cursors()?.into_iter();
        Ok(consumers
            .map(|(name, cursor)| ConsumerState {
                name,
                position: cursor.position,
            })
            .collect())
    }

    fn project<P: Projection, M: ReadModel<State = P::State>>(
        &self,
        projection: P,
        model: M,
    ) -> Runner<P, M> {
        Runner::new(self, projection, model)
    }

    fn recording<T: DeserializeOwned>(
        &self,
        stream_id: &StreamId,
    ) -> Result<Recording<T>, ReadError> {
        Recording::read(self, stream_id)
    }

    fn follow_recording_with<T: DeserializeOwned>(
        &self,
        stream_id: StreamId,
        from: ReplayFrom,
        options: SubscribeOptions,
    ) -> LiveRecording<T> {
        LiveRecording::follow(self, stream_id, from, options)
    }
}
