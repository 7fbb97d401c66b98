//! `trib read`, `trib events`, `trib streams`

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{anyhow, bail};
use fs_feed::{Feed as _, Gap, Item, SubscribeError, SubscribeOptions};
use fs_format::{EventId, Json, ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::Position;
use fs_store::{FileEventStore, Select, StoredEvent, Streams};
use serde::Serialize;
use uuid::Uuid;

use crate::args::EventsArgs;
use crate::commands::incomplete::{self, WhenIncomplete};
use crate::input;
use crate::outcome::Ending;
use crate::output::{Output, plain, plain_name};
use crate::similar::did_you_mean;

/// How many events are read at a time.
const PAGE: usize = 1000;

/// Fewer are read at a time only where there are no more: it may be that only some are shown.
const MIN_PAGE: usize = 64;

/// How long nothing may be said while nothing comes, before another look at what is missing.
const LOOK: Duration = Duration::from_millis(200);

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
        plain_name(event.stream_id.as_str()),
        event.version,
        plain_name(&event.event_type),
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
    let events = store.stream_events(&stream_id)?;
    if events.is_empty() {
        return Err(unknown(store, stream)?);
    }
    for event in events {
        output.answer(&EventOut::new(&event), || line(&event))?;
    }
    Ok(Ending::Fine)
}

/// Returns the error for a stream that is not there, with those that may be meant.
fn unknown(store: &FileEventStore, stream: &str) -> anyhow::Result<anyhow::Error> {
    let streams = store.streams()?;
    let name = plain_name(stream);
    if streams.is_empty() {
        return Ok(anyhow!(
            "there is no stream {name}; the store holds none yet"
        ));
    }
    let names = streams.iter().map(|(stream_id, _)| stream_id.as_str());
    let meant = did_you_mean(stream, names);
    Ok(anyhow!(
        "there is no stream {name}{meant}; `trib streams` lists those that there are"
    ))
}

/// Events of one type.
struct OfType<'a>(&'a str);

impl Select for OfType<'_> {
    fn stream(&self, _: &str) -> bool {
        true
    }

    fn event_type(&self, event_type: &str) -> bool {
        event_type == self.0
    }

    fn event_types(&self) -> Option<Vec<&str>> {
        Some(vec![self.0])
    }
}

/// Wants no event, and notes the types of all.
#[derive(Default)]
struct TypeNames(RefCell<BTreeSet<String>>);

impl Select for TypeNames {
    fn stream(&self, _: &str) -> bool {
        true
    }

    fn event_type(&self, event_type: &str) -> bool {
        let mut names = self.0.borrow_mut();
        if !names.contains(event_type) {
            names.insert(event_type.to_owned());
        }
        false
    }
}

/// Returns the types of all events that there are.
///
/// # Complexity
/// Looks at every event.
pub(crate) fn event_types(store: &FileEventStore) -> anyhow::Result<BTreeSet<String>> {
    let names = TypeNames::default();
    let found = store.ingested_events(None, &names, 1)?;
    debug_assert!(found.is_empty(), "no event is wanted");
    Ok(names.0.into_inner())
}

/// Returns the error for an event type of which there is no event, with those that may be meant.
fn unknown_type(store: &FileEventStore, event_type: &str) -> anyhow::Result<anyhow::Error> {
    let types = event_types(store)?;
    let name = plain_name(event_type);
    if types.is_empty() {
        return Ok(anyhow!(
            "there is no event of type {name}; the store holds none yet"
        ));
    }
    let meant = did_you_mean(event_type, types.iter().map(String::as_str));
    Ok(anyhow!(
        "there is no event of type {name}{meant}; `trib schema-check` lists the types that there are"
    ))
}

/// Says which part of the question nothing in the store answers to, where no event was shown.
///
/// What only lies before a position is there.
///
/// # Errors
/// For a stream that is named in full, or a type, of which there is nothing.
fn check_filter(
    store: &FileEventStore,
    filter: &Filter,
    follows: bool,
    output: &Output,
) -> anyhow::Result<()> {
    if let Some(pattern) = &filter.stream {
        let streams = store.streams()?;
        if !streams.iter().any(|(it, _)| filter.stream(it.as_str())) {
            let name = pattern.as_str();
            if !follows && !name.contains(['*', '?', '[']) {
                return Err(unknown(store, name)?);
            }
            output.note(&format!("no stream matches {} yet", plain_name(name)));
            return Ok(());
        }
    }
    let Some(event_type) = &filter.event_type else {
        return Ok(());
    };
    if store
        .ingested_events(None, &OfType(event_type), 1)?
        .is_empty()
    {
        if !follows {
            bail!(unknown_type(store, event_type)?);
        }
        let name = plain_name(event_type);
        output.note(&format!("there is no event of type {name} yet"));
    } else if let Some(pattern) = &filter.stream
        && store.ingested_events(None, filter, 1)?.is_empty()
    {
        output.note(&format!(
            "there is no event of type {} in a stream that matches {} yet",
            plain_name(event_type),
            plain_name(pattern.as_str())
        ));
    }
    Ok(())
}

pub(crate) fn run(
    store: &FileEventStore,
    args: EventsArgs,
    when_incomplete: WhenIncomplete,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let filter = Filter {
        stream: args.stream,
        event_type: args.event_type,
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut after = args.after.map(Position::from_uuid);
    if args.follow {
        check_filter(store, &filter, true, output)?;
        return follow(store, (after, filter, left), when_incomplete, output);
    }
    if args.canonical {
        let mut pages = store.canonical_pages()?.into_inner();
        let mut is_empty = true;
        while left > 0 {
            let Some(page) = pages.next_events(left.clamp(MIN_PAGE, PAGE))? else {
                break;
            };
            let wanted = page.iter().filter(|event| {
                filter.stream(event.stream_id.as_str()) && filter.event_type(&event.event_type)
            });
            for event in wanted.take(left) {
                output.answer(&EventOut::new(event), || line(event))?;
                is_empty = false;
                left -= 1;
            }
        }
        if is_empty {
            check_filter(store, &filter, false, output)?;
        }
        return Ok(Ending::Fine);
    }
    let mut is_empty = true;
    while left > 0 {
        let page = store.ingested_events(after, &filter, left.min(PAGE))?;
        let Some(last) = page.last() else { break };
        is_empty = false;
        after = Some(last.position);
        left -= page.len();
        for event in &page {
            placed(event, output)?;
        }
    }
    if is_empty {
        check_filter(store, &filter, false, output)?;
    }
    Ok(Ending::Fine)
}

/// Shows what is there, then what comes, each line at once.
fn follow(
    store: &FileEventStore,
    (after, filter, mut left): (Option<Position>, Filter, usize),
    when_incomplete: WhenIncomplete,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let options = SubscribeOptions::default().select(filter);
    let mut subscription = store.subscribe_with(after, options);
    // What is missing now was said before.
    let mut said = store.completeness_of_answers()?;
    while left > 0 {
        let next = match subscription.try_recv() {
            Ok(None) => {
                // Whoever reads this waits for it as long as we do.
                output.flush()?;
                subscription.recv_timeout(LOOK)
            }
            next => next,
        };
        // What goes missing brings no event, and may end the history that was followed.
        let is_whole = incomplete::tell_anew(store, &mut said, output)?;
        if !is_whole && when_incomplete == WhenIncomplete::End {
            return Ok(Ending::Incomplete);
        }
        let Some(item) = next.map_err(ended)? else {
            continue;
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
    let mut pages = store.stream_pages()?.into_inner();
    loop {
        let page = pages.next_streams(PAGE)?;
        if page.is_empty() {
            return Ok(Ending::Fine);
        }
        for (stream_id, version) in &page {
            let version = *version;
            output.answer(&StreamOut { stream_id, version }, || {
                format!("{version:>8}  {}", plain_name(stream_id.as_str()))
            })?;
        }
    }
}
