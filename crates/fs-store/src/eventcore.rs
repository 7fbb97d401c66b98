//! The traits of eventcore-types, so that programs built on EventCore run on this store unchanged.
//!
//! The error types of those traits carry little, so what is behind a failure is logged.

use eventcore_types::{
    CommandStateSnapshot, CommandStateSnapshotId, Event, EventFilter, EventPage, EventReader,
    EventStore, EventStoreError, EventStream, EventStreamSlice, Operation, StreamPosition,
    StreamVersion, StreamWrites,
};
use fs_format::StreamId;
use fs_index::{Effort, Position, RawEvent, Select, Streams};

use crate::blocking::{at_once_or_blocking, blocking};
use crate::error::{AppendError, ReadError, chain};
use crate::request::{Append, ExpectedVersion};
use crate::schema::{EventDecodeError, Schema};
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
        let store = self.clone();
        let at_once = || {
            let read = read_slice::<E>(self, &stream_id, version, Effort::Little);
            read.transpose().filter(Result::is_ok)
        };
        let name = stream_id.clone();
        let read = move || {
            read_slice::<E>(&store, &name, version, Effort::Any).map(Option::unwrap_or_default)
        };
        let events = at_once_or_blocking(at_once, read).await?;
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
    /// An event whose type is that of `E`, or that the filter names, must decode. One of another type is returned when it
    /// decodes and is somebody else's when it does not. Types are those of today: where the store has a [`Schema`], a filter
    /// finds what was recorded with another type and is upcast to the one that it names, and not what is upcast to another.
    /// To find it, every event of a type with an upcaster is looked at.
    async fn read_events<E: Event>(
        &self,
        filter: EventFilter,
        page: EventPage,
    ) -> Result<Vec<(E, StreamPosition)>, Self::Error> {
        let store = self.clone();
        let at_once = || {
            let read = read_page::<E>(self, &filter, page, Effort::Little);
            read.transpose().filter(Result::is_ok)
        };
        let asked = filter.clone();
        let read = move || {
            read_page::<E>(&store, &asked, page, Effort::Any).map(Option::unwrap_or_default)
        };
        at_once_or_blocking(at_once, read).await
    }
}

/// Reads what [`EventStore::read_stream_after`] returns; `None` when that is more than the effort.
fn read_slice<E: Event>(
    store: &FileEventStore,
    name: &eventcore_types::StreamId,
    version: u64,
    effort: Effort,
) -> Result<Option<Vec<Result<E, EventStoreError>>>, EventStoreError> {
    let stream_id = native(name, Operation::ReadStream)?;
    let events = store
        .scan_stream(&stream_id, version, effort, |event| {
            let decoded = store.schema().decode_raw(event.event_type, event.data);
            decoded.map_err(|source| Undecoded::at(event, source))
        })
        .map_err(|error| failure(Operation::ReadStream, &error))?;
    let named = |undecodable: Undecoded| EventStoreError::DeserializationFailed {
        stream_id: name.clone(),
        detail: chain(&undecodable.named(store)),
    };
    Ok(events.map(|events| {
        let events = events.into_iter();
        events.map(|event| event.map_err(named)).collect()
    }))
}

/// Reads what [`EventReader::read_events`] returns; `None` when that is more than the effort.
fn read_page<E: Event>(
    store: &FileEventStore,
    filter: &EventFilter,
    page: EventPage,
    effort: Effort,
) -> Result<Option<Vec<(E, StreamPosition)>>, ReadError> {
    let limit: usize = page.limit().into_inner();
    let mut after = page
        .after_position()
        .map(|position| Position::from_uuid(position.into_inner()));
    let filter = Filter::new(filter, store.schema());
    let mut decoded = Vec::new();
    while decoded.len() < limit {
        let missing = limit - decoded.len();
        let events = store.scan_ingested(after, &filter, missing, effort, |event| {
            (event.position, filter.read::<E>(event))
        })?;
        let Some(events) = events else {
            return Ok(None);
        };
        let is_last = events.len() < missing;
        after = events.last().map(|(last, _)| *last).or(after);
        for (position, value) in events {
            if let Some(value) = value {
                let value = value.map_err(|undecodable| undecodable.named(store))?;
                decoded.push((value, StreamPosition::new(position.as_uuid())));
            }
        }
        if is_last {
            break;
        }
    }
    Ok(Some(decoded))
}

/// A filter whose pattern is compiled.
struct Filter<'a> {
    filter: &'a EventFilter,
    /// As [`StreamPattern::matches`](eventcore_types::StreamPattern::matches) compiles it each time it is asked.
    pattern: Option<Result<glob::Pattern, glob::PatternError>>,
    /// Prefix and pattern as one text.
    selection: String,
    schema: &'a Schema,
}

impl<'a> Filter<'a> {
    fn new(filter: &'a EventFilter, schema: &'a Schema) -> Self {
        let pattern: Option<&str> = filter.stream_pattern().map(AsRef::as_ref);
        let prefix: Option<&str> = filter.stream_prefix().map(AsRef::as_ref);
        Self {
            filter,
            pattern: pattern.map(glob::Pattern::new),
            selection: format!("{prefix:?} {pattern:?}"),
            schema,
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
        match current.decode() {
            Err(EventDecodeError::Unknown { .. }) if wanted.is_none() => None,
            Err(source) => undecoded(source),
            Ok(value) => Some(Ok(value)),
        }
    }

    fn prefix(&self) -> &str {
        self.filter.stream_prefix().map_or("", AsRef::as_ref)
    }
}

impl Select for Filter<'_> {
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
    fn named(self, store: &FileEventStore) -> ReadError {
        match store.event_at(self.position) {
            Ok(Some(event)) => ReadError::undecodable(event, self.source),
            Ok(None) => ReadError::Gone {
                position: self.position,
                source: Box::new(self.source),
            },
            Err(error) => error,
        }
    }
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
