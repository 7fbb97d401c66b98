//! The traits of eventcore-types, so that programs built on EventCore run on this store unchanged.
//!
//! The error types of those traits carry little, so what is behind a failure is logged.

use eventcore_types::{
    CommandStateSnapshot, CommandStateSnapshotId, Event, EventFilter, EventPage, EventReader,
    EventStore, EventStoreError, EventStream, EventStreamSlice, Operation, StreamPattern,
    StreamPosition, StreamVersion, StreamWrites,
};
use fs_format::StreamId;
use fs_index::Position;

use crate::blocking::blocking;
use crate::error::{AppendError, ReadError};
use crate::event::StoredEvent;
use fs_index::Select;
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
        let (store, name) = (self.clone(), stream_id.clone());
        let read = move || -> Result<_, EventStoreError> {
            let stream_id = native(&name, Operation::ReadStream)?;
            store
                .stream_events_after(&stream_id, exclusive_version.into_inner() as u64)
                .map_err(|error| failure(Operation::ReadStream, &error))
        };
        let events = blocking(read).await?;
        let decoded = events.into_iter().map(move |event| {
            decode(&event).map_err(|error| EventStoreError::DeserializationFailed {
                stream_id: stream_id.clone(),
                detail: with_source(&error),
            })
        });
        Ok(EventStream::new(futures::stream::iter(decoded)))
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
        let store = self.clone();
        let appended = blocking(move || {
            if append.events.is_empty() {
                store.check_versions(&append)
            } else {
                store.append(append).map(|_| ())
            }
        })
        .await;
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
        let store = self.clone();
        blocking(move || {
            let limit: usize = page.limit().into_inner();
            let mut after = page
                .after_position()
                .map(|position| Position::from_uuid(position.into_inner()));
            let mut decoded = Vec::new();
            while decoded.len() < limit {
                let wanted = limit - decoded.len();
                let events = store.map_ingested(after, &Filter(&filter), wanted, |placed| {
                    let is_asked_for = filter.event_type().is_some()
                        || placed.event.event_type == E::event_type_name();
                    let position = placed.position;
                    match placed.event.event_data.decode::<E>() {
                        Ok(value) => (position, Some(Ok(value))),
                        Err(source) if is_asked_for => {
                            (position, Some(Err(undecodable(&StoredEvent::from(placed), source))))
                        }
                        Err(_) => (position, None),
                    }
                })?;
                let Some((last, _)) = events.last() else { break };
                after = Some(*last);
                for (position, value) in events {
                    if let Some(value) = value {
                        decoded.push((value?, StreamPosition::new(position.as_uuid())));
                    }
                }
            }
            Ok(decoded)
        })
        .await
    }
}

struct Filter<'a>(&'a EventFilter);

impl Select for Filter<'_> {
    fn stream(&self, stream_id: &StreamId) -> bool {
        let prefix = self
            .0
            .stream_prefix()
            .is_none_or(|prefix| stream_id.as_str().starts_with(prefix.as_ref() as &str));
        prefix
            && self
                .0
                .stream_pattern()
                .is_none_or(|pattern: &StreamPattern| pattern.matches(stream_id.as_str()))
    }

    fn event_type(&self, event_type: &str) -> bool {
        self.0
            .event_type()
            .is_none_or(|wanted| wanted == event_type)
    }

    fn prefix(&self) -> &str {
        self.0.stream_prefix().map_or("", AsRef::as_ref)
    }

    fn event_types(&self) -> Option<Vec<&str>> {
        self.0.event_type().map(|wanted| vec![wanted])
    }
}

fn decode<E: Event>(event: &StoredEvent) -> Result<E, ReadError> {
    let decoded = event.event_data.decode();
    decoded.map_err(|source| undecodable(event, source))
}

fn undecodable(event: &StoredEvent, source: serde_json::Error) -> ReadError {
    ReadError::Undecodable {
        event_id: event.event_id,
        event_type: event.event_type.clone(),
        stream_id: event.stream_id.clone(),
        version: event.version,
        transaction_id: event.transaction_id,
        source,
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

fn with_source(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
