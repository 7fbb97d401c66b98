//! `trib read`, `trib events`, `trib streams`

use anyhow::anyhow;
use fs_format::{EventId, Json, ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::Position;
use fs_store::{
    FileEventStore, Gap, Item, Select, StoredEvent, Streams, SubscribeError, SubscribeOptions,
};
use serde::Serialize;
use uuid::Uuid;

use crate::args::EventsArgs;
use crate::input;
use crate::outcome::Ending;
use crate::output::{Output, plain};

/// How many events are read at a time.
const PAGE: usize = 1000;

/// An event as it is shown.
#[derive(Serialize)]
pub(crate) struct EventOut<'a> {
    stream_id: &'a StreamId,
    version: u64,
    event_id: EventId,
    event_type: &'a str,
    event_data: &'a Json<'static>,
    metadata: &'a Json<'static>,
    transaction_id: TransactionId,
    replica_id: ReplicaId,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Uuid>,
}

impl<'a> EventOut<'a> {
    pub(crate) fn new(event: &'a StoredEvent) -> Self {
        Self {
            stream_id: &event.stream_id,
            version: event.version,
            event_id: event.event_id,
            event_type: &event.event_type,
            event_data: &event.event_data,
            metadata: &event.metadata,
            transaction_id: event.transaction_id,
            replica_id: event.replica_id,
            created_at: event.created_at,
            position: None,
        }
    }

    fn with_position(event: &'a StoredEvent) -> Self {
        Self {
            position: Some(event.position.to_uuid()),
            ..Self::new(event)
        }
    }
}

/// Returns an event as one line for people; the gap of a recording says what was dropped.
pub(crate) fn line(event: &StoredEvent) -> String {
    let data =
        Gap::of(event).map_or_else(|| plain(event.event_data.as_str()), |gap| gap.to_string());
    format!(
        "{} {}  {}  {data}",
        plain(event.stream_id.as_str()),
        event.version,
        plain(&event.event_type),
    )
}

/// What was asked for on the command line.
struct Filter {
    stream: Option<glob::Pattern>,
    event_type: Option<String>,
}

impl Select for Filter {
    fn stream(&self, stream_id: &str) -> bool {
        let mut pattern = self.stream.iter();
        pattern.all(|pattern| pattern.matches(stream_id))
    }

    fn event_type(&self, event_type: &str) -> bool {
        let mut wanted = self.event_type.iter();
        wanted.all(|wanted| wanted == event_type)
    }

    fn streams(&self) -> Option<Streams<'_>> {
        let selection = self.stream.as_ref()?.as_str();
        let prefix = selection.split(['*', '?', '[']).next().unwrap_or("");
        Some(Streams { prefix, selection })
    }

    fn event_types(&self) -> Option<Vec<&str>> {
        self.event_type.as_deref().map(|wanted| vec![wanted])
    }
}

pub(crate) fn read(
    store: &FileEventStore,
    stream: &str,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let stream_id = input::stream_id(stream)?;
    for event in store.stream_events(&stream_id)? {
        output.answer(&EventOut::new(&event), || line(&event))?;
    }
    Ok(Ending::Fine)
}

pub(crate) fn run(
    store: &FileEventStore,
    args: EventsArgs,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let filter = Filter {
        stream: args.stream,
        event_type: args.event_type,
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut after = args.after.map(Position::from_uuid);
    if args.follow {
        return follow(store, after, filter, left, output);
    }
    if args.canonical {
        let events = store.canonical_events()?;
        let wanted = events.iter().filter(|event| {
            filter.stream(event.stream_id.as_str()) && filter.event_type(&event.event_type)
        });
        for event in wanted.take(left) {
            output.answer(&EventOut::new(event), || line(event))?;
        }
        return Ok(Ending::Fine);
    }
    while left > 0 {
        let page = store.ingested_events(after, &filter, left.min(PAGE))?;
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        left -= page.len();
        for event in &page {
            placed(event, output)?;
        }
    }
    Ok(Ending::Fine)
}

/// Shows what is there, then what comes, each line at once.
fn follow(
    store: &FileEventStore,
    after: Option<Position>,
    filter: Filter,
    mut left: usize,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let options = SubscribeOptions::default().select(filter);
    let mut subscription = store.subscribe_with(after, options);
    while left > 0 {
        let item = match subscription.try_recv().map_err(ended)? {
            Some(item) => item,
            None => {
                // Whoever reads this waits for it as long as we do.
                output.flush()?;
                subscription.recv().map_err(ended)?
            }
        };
        match item {
            Item::Event(event) => {
                placed(&event, output)?;
                left -= 1;
            }
            // Slow is only who reads us; nothing is left out for that.
            Item::Lagged { from, to } => {
                for event in subscription.missed(from, to).take(left) {
                    placed(&event.map_err(ended)?, output)?;
                    left -= 1;
                }
            }
        }
    }
    Ok(Ending::Fine)
}

pub(crate) fn placed(event: &StoredEvent, output: &mut Output) -> anyhow::Result<()> {
    output.answer(&EventOut::with_position(event), || {
        format!("{}  {}", event.position, line(event))
    })
}

/// Says what to do about a history that is not the one that was followed.
fn ended(error: SubscribeError) -> anyhow::Error {
    match error {
        // The position that is lost means nothing to whoever followed, and what to do is said here.
        SubscribeError::StalePosition(_) => anyhow!(
            "the history is not the one that was followed any more, since events went away or the index was rebuilt; run this again without --after"
        ),
        error => anyhow::Error::new(error).context("cannot follow the store"),
    }
}

#[derive(Serialize)]
struct StreamOut<'a> {
    stream_id: &'a StreamId,
    version: u64,
}

pub(crate) fn streams(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    for (stream_id, version) in &store.streams()? {
        output.answer(
            &StreamOut {
                stream_id,
                version: *version,
            },
            || format!("{version:>8}  {}", plain(stream_id.as_str())),
        )?;
    }
    Ok(Ending::Fine)
}
