//! The traits of eventcore-types, so that programs built on EventCore run on this store unchanged.
//!
//! The error types of those traits carry little, so what is behind a failure is logged.

use std::sync::Arc;

use eventcore_types::{
    CommandStateSnapshot, CommandStateSnapshotId, Event, EventFilter, EventPage, EventReader,
    EventStore, EventStoreError, EventStream, EventStreamSlice, Operation, StreamPosition,
    StreamVersion, StreamWrites,
};
use fs_format::StreamId;
use fs_index::{Effort, Position, RawEvent, Select, Streams};

use crate::blocking::{at_once_or_blocking, blocking};
use crate::error::{AppendError, ReadError};
use crate::request::{Append, ExpectedVersion};
use crate::store::FileEventStore;

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
        let native_id = native(&stream_id, Operation::ReadStream)?;
        let (store, asked) = (self.clone(), native_id.clone());
        let at_once = || {
            let read = self.scan_stream(&native_id, version, Effort::Little);
            read.transpose().filter(Result::is_ok)
        };
        let read = move || store.scan_stream(&asked, version, Effort::Any);
        let read = at_once_or_blocking(at_once, move || read().map(Option::unwrap_or_default));
        let found = read
            .await
            .map_err(|error| failure(Operation::ReadStream, &error))?;
        let mut turns = Turns::default();
        let mut events = Vec::with_capacity(found.len());
        for nth in 0..found.len() {
            turns.take().await;
            let decoded = found.get(nth).map(decode::<E>);
            match decoded.transpose() {
                Ok(event) => events.extend(event.map(Ok)),
                Err(undecodable) => events.push(Err(EventStoreError::DeserializationFailed {
                    stream_id: stream_id.clone(),
                    detail: with_source(&undecodable.named(self).await),
                })),
            }
        }
        Ok(EventStream::new(futures::stream::iter(events)))
    }

    async fn append_events(
        &self,
        writes: StreamWrites,
    ) -> Result<EventStreamSlice, EventStoreError> {
        let mut append = Append::new();
        for (stream_id, version) in writes.expected_versions() {
            append = append.expect(
                native(stream_id, Operation::AppendEvents)?,
                ExpectedVersion::Exact(version.into_inner() as u64),
            );
        }
        for entry in writes.into_entries() {
            let stream_id = native(&entry.stream_id, Operation::AppendEvents)?;
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
                Err(error) => Err(failure(Operation::AppendEvents, &error)),
            },
            Err(error) => Err(failure(Operation::AppendEvents, &error)),
        }
    }

    async fn load_command_state_snapshot(
        &self,
        snapshot_id: CommandStateSnapshotId,
    ) -> Result<Option<CommandStateSnapshot>, EventStoreError> {
        let store = self.clone();
        blocking(move || store.load_snapshot(&snapshot_id))
            .await
            .map_err(|error| failure(Operation::ReadStream, &error))
    }

    async fn save_command_state_snapshot(
        &self,
        snapshot_id: CommandStateSnapshotId,
        snapshot: CommandStateSnapshot,
    ) -> Result<(), EventStoreError> {
        let store = self.clone();
        blocking(move || store.save_snapshot(snapshot_id, snapshot))
            .await
            .map_err(|error| failure(Operation::AppendEvents, &error))
    }
}

impl EventReader for FileEventStore {
    type Error = ReadError;

    /// Reads in ingestion order; see [`FileEventStore::ingested_events`].
    ///
    /// An event whose recorded type is that of `E`, or that the filter names, must decode. One of another type is
    /// returned when it decodes and is somebody else's when it does not.
    async fn read_events<E: Event>(
        &self,
        filter: EventFilter,
        page: EventPage,
    ) -> Result<Vec<(E, StreamPosition)>, Self::Error> {
        let limit: usize = page.limit().into_inner();
        let mut after = page
            .after_position()
            .map(|position| Position::from_uuid(position.into_inner()));
        let filter = Arc::new(Filter::new(filter));
        let mut turns = Turns::default();
        let mut decoded = Vec::new();
        while decoded.len() < limit {
            let missing = limit - decoded.len();
            let at_once = || {
                let read = self.scan_ingested(after, &*filter, missing, Effort::Little);
                read.transpose().filter(Result::is_ok)
            };
            let (store, asked) = (self.clone(), Arc::clone(&filter));
            let read = move || store.scan_ingested(after, &*asked, missing, Effort::Any);
            let read = at_once_or_blocking(at_once, move || read().map(Option::unwrap_or_default));
            let found = read.await?;
            decoded.reserve(found.len());
            for nth in 0..found.len() {
                turns.take().await;
                let Some(event) = found.get(nth) else { break };
                let position = event.position;
                let is_asked_for = filter.names_types() || event.event_type == E::event_type_name();
                match decode::<E>(event) {
                    Ok(value) => {
                        decoded.push((value, StreamPosition::new(position.as_uuid())));
                    }
                    Err(undecodable) if is_asked_for => {
                        return Err(undecodable.named(self).await);
                    }
                    Err(_) => {}
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
struct Turns(usize);

impl Turns {
    /// So many events are decoded in a turn, which takes less than 100 µs.
    const EVENTS: usize = 128;

    async fn take(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(Self::EVENTS) {
            tokio::task::yield_now().await;
        }
    }
}

/// A filter whose pattern is compiled.
struct Filter {
    filter: EventFilter,
    /// As [`StreamPattern::matches`](eventcore_types::StreamPattern::matches) compiles it each time it is asked.
    pattern: Option<Result<glob::Pattern, glob::PatternError>>,
    /// Prefix and pattern as one text.
    selection: String,
}

impl Filter {
    fn new(filter: EventFilter) -> Self {
        let pattern: Option<&str> = filter.stream_pattern().map(AsRef::as_ref);
        let prefix: Option<&str> = filter.stream_prefix().map(AsRef::as_ref);
        Self {
            pattern: pattern.map(glob::Pattern::new),
            selection: format!("{prefix:?} {pattern:?}"),
            filter,
        }
    }

    fn names_types(&self) -> bool {
        self.filter.event_type().is_some()
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
            .is_none_or(|wanted| wanted == event_type)
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
        self.filter.event_type().map(|wanted| vec![wanted])
    }
}

/// An event that does not decode.
struct Undecoded {
    position: Position,
    source: serde_json::Error,
}

impl Undecoded {
    /// Looks up what it is called.
    async fn named(self, store: &FileEventStore) -> ReadError {
        let (store, position) = (store.clone(), self.position);
        match blocking(move || store.event_at(position)).await {
            Ok(Some(event)) => ReadError::Undecodable {
                event_id: event.event_id,
                event_type: event.event_type,
                stream_id: event.stream_id,
                version: event.version,
                transaction_id: event.transaction_id,
                source: self.source,
            },
            Ok(None) => ReadError::Gone {
                position: self.position,
                source: self.source,
            },
            Err(error) => error,
        }
    }
}

fn decode<E: Event>(event: RawEvent<'_>) -> Result<E, Undecoded> {
    serde_json::from_slice(event.data).map_err(|source| Undecoded {
        position: event.position,
        source,
    })
}

fn native(
    stream_id: &eventcore_types::StreamId,
    operation: Operation,
) -> Result<StreamId, EventStoreError> {
    StreamId::new(AsRef::<str>::as_ref(stream_id)).map_err(|error| failure(operation, &error))
}

fn failure(operation: Operation, error: &(dyn std::error::Error + 'static)) -> EventStoreError {
    tracing::error!(%operation, error, "the store failed");
    EventStoreError::StoreFailure { operation }
}

fn with_source(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
