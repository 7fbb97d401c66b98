//! Reading: everything, the streams of one tenant, one stream.

use std::error::Error;
use std::time::Duration;

use eventcore_sqlite::SqliteEventStore;
use eventcore_types::{
    BatchSize, EventFilter, EventPage, EventReader, EventStore, StreamId, StreamPattern,
    StreamPrefix,
};
use tokio::runtime::Runtime;

use crate::Fallible;
use crate::arguments::Arguments;
use crate::line::{Bound, Figure, Line, count, duration};
use crate::measure::{self, Contender, WarmUp, in_turn, ratio};
use crate::scratch::Scratch;
use crate::stores::{self, Kind, Synchronous};
use crate::workload::{self, Booked, LONG_STREAM, Shape};

/// All three stores with the same history, opened.
struct Stores {
    ours: fs_store::FileEventStore,
    fs: eventcore_fs::FileEventStore,
    sqlite: SqliteEventStore,
    runtime: Runtime,
}

impl Stores {
    fn open(scratch: &Scratch, shape: Shape, size: u64) -> Fallible<Self> {
        let path = |kind| scratch.store(kind, shape, size);
        Ok(Self {
            ours: stores::ours(&path(Kind::Ours)?)?,
            fs: stores::eventcore_fs(&path(Kind::EventcoreFs)?)?,
            sqlite: stores::eventcore_sqlite(&path(Kind::EventcoreSqlite)?, Synchronous::Full)?,
            runtime: stores::runtime()?,
        })
    }

    /// Lets the three read in turn the events that the filter lets through.
    fn read(
        &self,
        rounds: usize,
        filter: &EventFilter,
        page: usize,
        expected: usize,
    ) -> Fallible<Vec<Duration>> {
        let contenders: Vec<Contender<'_>> = vec![
            Box::new(|_| read(&self.runtime, &self.ours, filter, page, expected)),
            Box::new(|_| read(&self.runtime, &self.fs, filter, page, expected)),
            Box::new(|_| read(&self.runtime, &self.sqlite, filter, page, expected)),
            floor(expected)?,
        ];
        in_turn(rounds, WarmUp::Yes, contenders)
    }
}

/// Reads page by page until there is nothing more.
fn read<R>(
    runtime: &Runtime,
    reader: &R,
    filter: &EventFilter,
    page: usize,
    expected: usize,
) -> Fallible<Duration>
where
    R: EventReader,
    R::Error: Error + Send + Sync + 'static,
{
    let (taken, found) = measure::time(|| {
        runtime.block_on(async {
            let mut next = Some(EventPage::first(BatchSize::new(page)));
            let mut found = 0;
            while let Some(page) = next {
                let events = reader.read_events::<Booked>(filter.clone(), page).await?;
                found += events.len();
                next = page.next_from_results(&events);
            }
            Ok(found)
        })
    })?;
    measure::expect("events read", found, expected)?;
    Ok(taken)
}

/// Decodes as many events from texts in memory: no store that hands out values can be faster than that.
fn floor<'a>(expected: usize) -> Fallible<Contender<'a>> {
    let account = StreamId::try_new("tenant-07/account-00007")?;
    let texts = (0..expected as u64)
        .map(|number| serde_json::to_string(&Booked::new(account.clone(), number)));
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
    Ok(Box::new(move |_| {
        let (taken, events) = measure::time(|| {
            let events = texts
                .iter()
                .map(|text| Ok(serde_json::from_str::<Booked>(text)?));
            events.collect::<Fallible<Vec<_>>>()
        })?;
        measure::expect("events decoded", events.len(), expected)?;
        Ok(taken)
    }))
}

fn line(what: String, at: String, times: &[Duration], bound: f64) -> Line {
    let (fs, sqlite) = (times[1], times[2]);
    Line {
        what,
        at,
        ours: duration(times[0]),
        others: format!(
            "eventcore-fs {}, eventcore-sqlite {} (decoding alone {})",
            duration(fs),
            duration(sqlite),
            duration(times[3])
        ),
        figure: Figure::Times(ratio(fs.min(sqlite), times[0])),
        bound: Bound::AtLeast(bound),
    }
}

/// Reads everything, in small pages and in large ones.
pub(crate) fn all(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let mut lines = Vec::new();
    for size in [arguments.sizes.small, arguments.sizes.middle] {
        let stores = Stores::open(scratch, Shape::Tenants, size)?;
        for page in [100, 1_000] {
            let expected = size as usize;
            let times = stores.read(arguments.rounds, &EventFilter::all(), page, expected)?;
            let what = format!("scan all, pages of {}", count(page as u64));
            lines.push(line(what, format!("{} events", count(size)), &times, 1.5));
        }
    }
    Ok(lines)
}

/// Reads what belongs to one tenant.
pub(crate) fn filtered(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let size = arguments.sizes.middle;
    let stores = Stores::open(scratch, Shape::Tenants, size)?;
    let prefix = StreamPrefix::try_new(workload::TENANT_PREFIX)?;
    let glob = StreamPattern::try_new(workload::TENANT_GLOB)?;
    let mut lines = Vec::new();
    for (name, filter) in [
        ("a prefix", EventFilter::prefix(prefix)),
        ("a glob", EventFilter::pattern(glob)),
    ] {
        let expected = workload::events_of_tenant(size);
        let times = stores.read(arguments.rounds, &filter, 1_000, expected)?;
        let what = format!("scan with {name} that matches 1 %");
        lines.push(line(what, format!("{} events", count(size)), &times, 3.0));
    }
    Ok(lines)
}

/// Reads one long stream.
pub(crate) fn stream(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let events = arguments.sizes.stream;
    let stores = Stores::open(scratch, Shape::Long, 2 * events)?;
    let (runtime, expected) = (&stores.runtime, events as usize);
    let contenders: Vec<Contender<'_>> = vec![
        Box::new(|_| read_long(runtime, &stores.ours, expected)),
        Box::new(|_| read_long(runtime, &stores.fs, expected)),
        Box::new(|_| read_long(runtime, &stores.sqlite, expected)),
        floor(expected)?,
    ];
    let times = in_turn(arguments.rounds, WarmUp::Yes, contenders)?;
    let at = format!("{} events", count(events));
    Ok(vec![line("read a stream".to_owned(), at, &times, 1.5)])
}

fn read_long<S: EventStore>(runtime: &Runtime, store: &S, expected: usize) -> Fallible<Duration> {
    let (taken, found) =
        measure::time(|| runtime.block_on(stores::read_stream(store, LONG_STREAM)))?;
    measure::expect("events of the long stream", found, expected)?;
    Ok(taken)
}
