//! The traits of eventcore-types, so that programs built on EventCore run on this store unchanged.
//!
//! Here the data of an event decide what it is read as, as in EventCore's other stores. Everything else in this crate asks for its type
//! too.
//!
//! Where those traits have no more to say than `EventStoreError::StoreFailure`, what is behind it goes to `tracing` and to
//! [`FileEventStore::last_failure`]. Nor have they room for what is known to be missing from an answer: after it,
//! [`FileEventStore::completeness_of_answers`] tells, and [`StoreOptions::refuse_incomplete`](crate::StoreOptions::refuse_incomplete)
//! opens the whole or nothing.

mod checkpoints;
mod leases;
mod scan;
mod snapshots;

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use eventcore_types::{
    CommandStateSnapshot, CommandStateSnapshotId, Event, EventFilter, EventPage, EventReader,
    EventStore, EventStoreError, EventStream, EventStreamSlice, Operation, StreamPosition,
    StreamVersion, StreamWrites,
};
use fs_format::StreamId;
use fs_index::{Budget, Position, RawEvent, RawEvents, Select, Streams};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};

use crate::blocking::blocking;
use crate::error::{AppendError, ReadError};
use crate::report::report;
use crate::request::{Append, ExpectedVersion};
use crate::schema::{Current, EventDecodeError, Schema};
use crate::store::FileEventStore;

/// Where a method returns `EventStoreError::StoreFailure`, [`FileEventStore::last_failure`] has the cause. A stream that is not at the version
/// that was expected is `VersionConflict`, which `execute` tries again.
impl EventStore for FileEventStore {
    async fn read_stream<E: Event>(
        &self,
        stream_id: eventcore_types::StreamId,
    ) -> Result<EventStream<E>, EventStoreError> {
        self.read_stream_after(stream_id, StreamVersion::new(0))
            .await
    }

    async fn read_stream_after<E: Event>(
        &self,
        stream_id: eventcore_types::StreamId,
        exclusive_version: StreamVersion,
    ) -> Result<EventStream<E>, EventStoreError> {
        let version = exclusive_version.into_inner() as u64;
        let native_id = self.native(&stream_id, Operation::ReadStream)?;
        let (store, asked) = (self.clone(), native_id.clone());
        let at_once = || {
            let read = self.scan_stream(&native_id, version, Budget::Inline);
            read.transpose().filter(Result::is_ok)
        };
        let read = move || store.scan_stream(&asked, version, Budget::Unlimited);
        let read = at_once_or_blocking(at_once, move || read().map(Option::unwrap_or_default));
        let found = read
            .await
            .map_err(|error| self.failure(Operation::ReadStream, error))?;
        Ok(EventStream::new(Slice {
            store: self.clone(),
            stream_id,
            found,
            next: 0,
            budget: CoopBudget::default(),
            naming: None,
            event: PhantomData::<fn() -> E>,
        }))
    }

    async fn append_events(
        &self,
        writes: StreamWrites,
    ) -> Result<EventStreamSlice, EventStoreError> {
        let mut append = Append::new();
        for (stream_id, version) in writes.expected_versions() {
            append = append.expect(
                self.native(stream_id, Operation::AppendEvents)?,
                ExpectedVersion::Exact(version.into_inner() as u64),
            );
        }
        for entry in writes.into_entries() {
            let stream_id = self.native(&entry.stream_id, Operation::AppendEvents)?;
            append = append
                .event(stream_id, entry.event_type, entry.event_data.get())
                .map_err(|error| EventStoreError::SerializationFailed {
                    stream_id: entry.stream_id.clone(),
                    detail: error.to_string(),
                })?;
        }
        let appended = if append.events.is_empty() {
            let store = self.clone();
            blocking(move || store.check_versions(&append)).await
        } else {
            self.inner.clone().append_in_task(append).await.map(drop)
        };
        match appended {
            Ok(()) => Ok(EventStreamSlice),
            Err(AppendError::VersionConflict {
                stream_id,
                expected,
                actual,
            }) => match eventcore_types::StreamId::try_new(stream_id.as_str()) {
                Ok(stream_id) => Err(EventStoreError::VersionConflict {
                    stream_id,
                    expected: StreamVersion::new(expected as usize),
                    actual: StreamVersion::new(actual as usize),
                }),
                Err(error) => Err(self.failure(Operation::AppendEvents, error)),
            },
            Err(error) => Err(self.failure(Operation::AppendEvents, error)),
        }
    }

    async fn load_command_state_snapshot(
        &self,
        snapshot_id: CommandStateSnapshotId,
    ) -> Result<Option<CommandStateSnapshot>, EventStoreError> {
        let store = self.clone();
        blocking(move || store.load_snapshot(&snapshot_id))
            .await
            .map_err(|error| self.failure(Operation::ReadStream, error))
    }

    async fn save_command_state_snapshot(
        &self,
        snapshot_id: CommandStateSnapshotId,
        snapshot: CommandStateSnapshot,
    ) -> Result<(), EventStoreError> {
        let store = self.clone();
        blocking(move || store.save_snapshot(snapshot_id, snapshot))
            .await
            .map_err(|error| self.failure(Operation::AppendEvents, error))
    }
}

/// Events of a stream that are decoded as they are asked for.
struct Slice<E> {
    store: FileEventStore,
    stream_id: eventcore_types::StreamId,
    found: RawEvents,
    next: usize,
    budget: CoopBudget,
    /// Says what is wrong with the event before the next one.
    naming: Option<BoxFuture<'static, String>>,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> Stream for Slice<E> {
    type Item = Result<E, EventStoreError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let slice = self.get_mut();
        loop {
            if let Some(naming) = &mut slice.naming {
                let detail = ready!(naming.as_mut().poll(context));
                slice.naming = None;
                return Poll::Ready(Some(Err(EventStoreError::DeserializationFailed {
                    stream_id: slice.stream_id.clone(),
                    detail,
                })));
            }
            let Some(event) = slice.found.get(slice.next) else {
                return Poll::Ready(None);
            };
            if slice.budget.is_over() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            slice.next += 1;
            let current = slice.store.schema().current(event.event_type, event.data);
            let decoded = current.map_err(EventDecodeError::from);
            match decoded.and_then(Current::decode_by_data) {
                Ok(event) => return Poll::Ready(Some(Ok(event))),
                Err(source) => {
                    let (undecoded, store) = (Undecoded::at(event, source), slice.store.clone());
                    let naming = async move { report(&undecoded.named(&store).await) };
                    slice.naming = Some(naming.boxed());
                }
            }
        }
    }
}

impl EventReader for FileEventStore {
    type Error = ReadError;

    /// Reads in ingestion order; see [`FileEventStore::ingested_events`].
    ///
    /// An event whose type is that of `E`, or that the filter names, must decode. One of another type is returned when it
    /// decodes and is somebody else's when it does not. Types are those of today: where the store has a [`Schema`], a filter
    /// finds what was recorded with another type and is upcast to the one that it names, and not what is upcast to another.
    /// To find it, every event of a type with an upcaster is looked at.
    async fn read_events<E: Event>(
        &self,
        filter: EventFilter,
        page: EventPage,
    ) -> Result<Vec<(E, StreamPosition)>, Self::Error> {
        let limit: usize = page.limit().into_inner();
        let mut after = page
            .after_position()
            .map(|position| Position::from_uuid(position.into_inner()));
        let filter = Arc::new(Filter::new(filter, self.schema()));
        let mut budget = CoopBudget::default();
        let mut decoded = Vec::new();
        while decoded.len() < limit {
            let missing = limit - decoded.len();
            let at_once = || {
                let read = self.scan_ingested(after, &*filter, missing, Budget::Inline);
                read.transpose().filter(Result::is_ok)
            };
            let (store, asked) = (self.clone(), Arc::clone(&filter));
            let read = move || store.scan_ingested(after, &*asked, missing, Budget::Unlimited);
            let read = at_once_or_blocking(at_once, move || read().map(Option::unwrap_or_default));
            let found = read.await?;
            decoded.reserve(found.len());
            for nth in 0..found.len() {
                if budget.is_over() {
                    tokio::task::yield_now().await;
                }
                let Some(event) = found.get(nth) else { break };
                let position = event.position;
                match filter.read::<E>(event) {
                    Some(Ok(value)) => {
                        decoded.push((value, StreamPosition::new(position.to_uuid())));
                    }
                    Some(Err(undecoded)) => return Err(undecoded.named(self).await),
                    None => {}
                }
                after = Some(position);
            }
            if found.len() < missing {
                break;
            }
        }
        Ok(decoded)
    }
}

/// Gives other tasks their turn while many events are decoded.
///
/// Decoding is done by the task that asked, since memory that one thread allocates and another frees costs more than the
/// decoding.
#[derive(Default)]
struct CoopBudget(usize);

impl CoopBudget {
    /// So many events are decoded in a turn, which takes less than 100 µs.
    const EVENTS: usize = 128;

    /// Counts an event; returns whether it is the turn of others before it.
    fn is_over(&mut self) -> bool {
        self.0 += 1;
        self.0.is_multiple_of(Self::EVENTS)
    }
}

/// A filter whose pattern is compiled.
struct Filter {
    filter: EventFilter,
    /// As [`StreamPattern::matches`](eventcore_types::StreamPattern::matches) compiles it each time it is asked.
    pattern: Option<Result<glob::Pattern, glob::PatternError>>,
    /// Prefix and pattern as one text.
    selection: String,
    schema: Schema,
}

impl Filter {
    fn new(filter: EventFilter, schema: &Schema) -> Self {
        let pattern: Option<&str> = filter.stream_pattern().map(AsRef::as_ref);
        let prefix: Option<&str> = filter.stream_prefix().map(AsRef::as_ref);
        Self {
            pattern: pattern.map(glob::Pattern::new),
            selection: format!("{prefix:?} {pattern:?}"),
            schema: schema.clone(),
            filter,
        }
    }

    /// Reads an event that is selected; `None` for one that is nobody's here.
    fn read<E: Event>(&self, event: RawEvent<'_>) -> Option<Result<E, Undecoded>> {
        let undecoded = |source| Some(Err(Undecoded::at(event, source)));
        let current = match self.schema.current(event.event_type, event.data) {
            Ok(current) => current,
            Err(error) => return undecoded(error.into()),
        };
        let wanted = self.filter.event_type();
        if wanted.is_some_and(|wanted| wanted != current.event_type) {
            return None;
        }
        match current.decode_by_data() {
            Err(EventDecodeError::Unknown { .. }) if wanted.is_none() => None,
            Err(source) => undecoded(source),
            Ok(value) => Some(Ok(value)),
        }
    }

    fn prefix(&self) -> &str {
        self.filter.stream_prefix().map_or("", AsRef::as_ref)
    }
}

impl Select for Filter {
    fn stream(&self, stream_id: &str) -> bool {
        let is_matched = match &self.pattern {
            None => true,
            Some(Ok(pattern)) => pattern.matches(stream_id),
            Some(Err(_)) => false,
        };
        is_matched && stream_id.starts_with(self.prefix())
    }

    fn event_type(&self, event_type: &str) -> bool {
        self.filter
            .event_type()
            .is_none_or(|wanted| wanted == event_type || self.schema.upcasts(event_type))
    }

    fn streams(&self) -> Option<Streams<'_>> {
        let pattern: Option<&str> = self.filter.stream_pattern().map(AsRef::as_ref);
        if pattern.is_none() && self.prefix().is_empty() {
            return None;
        }
        let literal = pattern.and_then(|pattern| pattern.split(['*', '?', '[']).next());
        let literal = literal.unwrap_or("");
        let prefix = if literal.len() > self.prefix().len() {
            literal
        } else {
            self.prefix()
        };
        Some(Streams {
            prefix,
            selection: &self.selection,
        })
    }

    fn event_types(&self) -> Option<Vec<&str>> {
        let wanted = self.filter.event_type()?;
        let upcast = self.schema.upcast_types();
        Some(upcast.chain([wanted]).collect())
    }
}

/// An event that does not decode.
struct Undecoded {
    position: Position,
    source: EventDecodeError,
}

impl Undecoded {
    fn at(event: RawEvent<'_>, source: EventDecodeError) -> Self {
        Self {
            position: event.position,
            source,
        }
    }

    /// Looks up what it is called.
    async fn named(self, store: &FileEventStore) -> ReadError {
        let (store, position) = (store.clone(), self.position);
        match blocking(move || store.event_at(position)).await {
            Ok(Some(event)) => ReadError::undecodable(event, self.source),
            Ok(None) => ReadError::Gone {
                position: self.position,
                source: Box::new(self.source),
            },
            Err(error) => error,
        }
    }
}

/// What [`FileEventStore::last_failure`] returns.
pub(crate) type LastFailure = Mutex<Option<Arc<dyn std::error::Error + Send + Sync>>>;

impl FileEventStore {
    /// Returns what was behind the last `EventStoreError::StoreFailure` that this handle or a clone of it returned; `None` before the
    /// first.
    ///
    /// That error has no room for a cause. The cause is mostly an [`AppendError`] or a [`ReadError`], to which it can be downcast;
    /// [`report`](crate::report()) gives its text. Where several tasks fail at one time, it is the failure of one of them: each is in the log
    /// of `tracing`.
    pub fn last_failure(&self) -> Option<Arc<dyn std::error::Error + Send + Sync>> {
        let last = self.inner.last_failure.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn native(
        &self,
        stream_id: &eventcore_types::StreamId,
        operation: Operation,
    ) -> Result<StreamId, EventStoreError> {
        StreamId::new(AsRef::<str>::as_ref(stream_id))
            .map_err(|error| self.failure(operation, error))
    }

    /// Keeps what EventCore's error has no room for.
    fn failure(
        &self,
        operation: Operation,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> EventStoreError {
        tracing::error!(%operation, error = report(&error), "the store failed");
        let mut last = self
            .inner
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(Arc::new(error));
        EventStoreError::StoreFailure { operation }
    }
}

/// Answers at once where `glance` can, and else by `work` as [`blocking`] does.
///
/// To hand work over to another thread and back takes longer than to read a few events.
async fn at_once_or_blocking<T: Send + 'static>(
    glance: impl FnOnce() -> Option<T>,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match glance() {
        Some(answer) => answer,
        None => blocking(work).await,
    }
}
