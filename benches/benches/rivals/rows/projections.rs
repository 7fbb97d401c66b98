//! Projections: catching up with what is there, and following what another process appends.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventcore::{ProjectionConfig, Projector, StreamPosition, run_projection};
use eventcore_sqlite::SqliteEventStore;
use fs_feed::Feed as _;
use fs_feed::projection::{Delivered, Projection, Snapshot, Sqlite};
use fs_store::FileEventStore;
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

use super::append::unique;
use crate::Fallible;
use crate::arguments::Arguments;
use crate::line::{Bound, Figure, Line, count, duration};
use crate::live;
use crate::measure::{self, Contender, WarmUp, in_turn, median, ratio};
use crate::scratch::Scratch;
use crate::stores::{self, Kind, Synchronous};
use crate::workload::{Booked, Shape};

/// Applies everything, into a database and into memory, and follows another process.
pub(crate) fn all(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let size = arguments.sizes.large;
    let path = |kind| scratch.store(kind, Shape::Tenants, size);
    let ours = stores::ours(&path(Kind::Ours)?)?;
    let rival = stores::eventcore_sqlite(&path(Kind::EventcoreSqlite)?, Synchronous::Normal)?;
    let runtime = stores::runtime()?;
    let database = || scratch.fresh("projection.db");
    let contenders: Vec<Contender<'_>> = vec![
        Box::new(|_| ours_into_database(&ours, &database()?, size)),
        Box::new(|_| rival_into_database(&runtime, &rival, &database()?, size)),
        Box::new(|_| ours_into_memory(&ours, size)),
        Box::new(|_| rival_into_memory(&runtime, &rival, size)),
    ];
    let times = in_turn(arguments.rounds, WarmUp::No, contenders)?;
    let line = |into: &str, ours: Duration, rival: Duration, bound| Line {
        what: format!("catch up into {into}"),
        at: format!("{} events", count(size)),
        ours: duration(ours),
        others: format!("eventcore on eventcore-sqlite {}", duration(rival)),
        figure: Figure::Times(ratio(rival, ours)),
        bound: Bound::AtLeast(bound),
    };
    Ok(vec![
        line("SQLite", times[0], times[1], 10.0),
        line("memory", times[2], times[3], 5.0),
        followed(arguments, scratch)?,
    ])
}

fn followed(arguments: &Arguments, scratch: &Scratch) -> Fallible<Line> {
    let appends = arguments.rounds * arguments.sizes.log_appends.min(100);
    let times = live::follow(&scratch.fresh("followed")?, appends)?;
    measure::expect("events followed", times.len(), appends)?;
    let slowest = times.iter().max().copied().unwrap_or_default();
    let median = median(times);
    Ok(Line {
        what: "append in one process to apply in another".to_owned(),
        at: format!("{} appends", count(appends as u64)),
        ours: duration(median),
        others: format!("the slowest {}", duration(slowest)),
        figure: Figure::Milliseconds(median.as_secs_f64() * 1e3),
        bound: Bound::Under(20.0),
    })
}

const RESET: &str = "DROP TABLE IF EXISTS balances;
     CREATE TABLE balances (account TEXT PRIMARY KEY, events INTEGER NOT NULL, cents INTEGER NOT NULL) STRICT, WITHOUT ROWID";

/// How many events an account had, and what is on it.
type Balances = HashMap<String, (u64, i64)>;

fn book(balances: &mut Balances, booked: &Booked) {
    let balance = balances.entry(booked.account.to_string()).or_default();
    balance.0 += 1;
    balance.1 += booked.cents;
}

fn book_row(database: &Connection, booked: &Booked) -> rusqlite::Result<()> {
    let sql = "INSERT INTO balances VALUES (?1, 1, ?2)
         ON CONFLICT (account) DO UPDATE SET events = events + 1, cents = cents + excluded.cents";
    let account: &str = booked.account.as_ref();
    let values = params![account, booked.cents];
    database.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn booked_in(balances: &Balances) -> usize {
    balances.values().map(|(events, _)| *events as usize).sum()
}

fn booked_in_rows(database: &Connection) -> Fallible<usize> {
    let sum: i64 = database.query_row("SELECT sum(events) FROM balances", [], |row| row.get(0))?;
    Ok(usize::try_from(sum)?)
}

struct InMemory;

impl Projection for InMemory {
    type Event = Booked;
    type State = Balances;
    type Error = Infallible;

    fn name(&self) -> &str {
        "balances"
    }

    fn reset(&mut self, balances: &mut Balances) -> Result<(), Infallible> {
        balances.clear();
        Ok(())
    }

    fn apply(
        &mut self,
        balances: &mut Balances,
        event: &Delivered<Booked>,
    ) -> Result<(), Infallible> {
        book(balances, &event.event);
        Ok(())
    }
}

struct InDatabase;

impl Projection for InDatabase {
    type Event = Booked;
    type State = Connection;
    type Error = rusqlite::Error;

    fn name(&self) -> &str {
        "balances"
    }

    fn reset(&mut self, database: &mut Connection) -> rusqlite::Result<()> {
        database.execute_batch(RESET)
    }

    fn apply(
        &mut self,
        database: &mut Connection,
        event: &Delivered<Booked>,
    ) -> rusqlite::Result<()> {
        book_row(database, &event.event)
    }
}

fn ours_into_database(store: &FileEventStore, path: &Path, size: u64) -> Fallible<Duration> {
    let model = Sqlite::open(path)?;
    let mut runner = store.project(InDatabase, model);
    let (taken, _) = measure::time(|| Ok(runner.catch_up()?))?;
    let found = booked_in_rows(runner.model().connection())?;
    measure::expect("events applied", found, size as usize)?;
    Ok(taken)
}

fn ours_into_memory(store: &FileEventStore, size: u64) -> Fallible<Duration> {
    let mut runner = store.project(InMemory, Snapshot::in_memory());
    let (taken, _) = measure::time(|| Ok(runner.catch_up()?))?;
    measure::expect(
        "events applied",
        booked_in(runner.model().state()),
        size as usize,
    )?;
    Ok(taken)
}

/// A projector of eventcore with a state that outlives its runs.
struct Projected<S> {
    name: String,
    applied: Arc<Mutex<(S, usize)>>,
}

impl<S> Projected<S> {
    /// Returns one whose checkpoint is at the beginning.
    fn new(state: S) -> Self {
        Self {
            name: unique("balances"),
            applied: Arc::new(Mutex::new((state, 0))),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut (S, usize)) -> T) -> T {
        work(&mut self.applied.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Clone for Projected<S> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            applied: Arc::clone(&self.applied),
        }
    }
}

impl Projector for Projected<Balances> {
    type Event = Booked;
    type Error = Infallible;
    type Context = ();

    fn apply(&mut self, event: Booked, _: StreamPosition, (): &mut ()) -> Result<(), Infallible> {
        self.with(|(balances, applied)| {
            book(balances, &event);
            *applied += 1;
        });
        Ok(())
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Projector for Projected<Connection> {
    type Event = Booked;
    type Error = rusqlite::Error;
    type Context = ();

    fn apply(
        &mut self,
        event: Booked,
        _: StreamPosition,
        (): &mut (),
    ) -> Result<(), rusqlite::Error> {
        self.with(|(database, applied)| {
            book_row(database, &event)?;
            *applied += 1;
            Ok(())
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Runs eventcore's runner again and again until it applies nothing any more: it ends after a page.
fn run_to_the_end<S>(
    runtime: &Runtime,
    store: &SqliteEventStore,
    projected: &Projected<S>,
) -> Fallible<Duration>
where
    Projected<S>: Projector<Event = Booked, Context = ()>,
    <Projected<S> as Projector>::Error: std::error::Error + Send + Sync + 'static,
{
    let (taken, ()) = measure::time(|| {
        loop {
            let before = projected.with(|(_, applied)| *applied);
            let config = ProjectionConfig::default();
            runtime.block_on(run_projection(projected.clone(), store, config))?;
            if projected.with(|(_, applied)| *applied) == before {
                return Ok(());
            }
        }
    })?;
    Ok(taken)
}

fn rival_into_database(
    runtime: &Runtime,
    store: &SqliteEventStore,
    path: &PathBuf,
    size: u64,
) -> Fallible<Duration> {
    let database = Connection::open(path)?;
    // As ours.
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "NORMAL")?;
    database.execute_batch(RESET)?;
    let projected = Projected::new(database);
    let taken = run_to_the_end(runtime, store, &projected)?;
    let found = projected.with(|(database, _)| booked_in_rows(database))?;
    measure::expect("events applied", found, size as usize)?;
    Ok(taken)
}

fn rival_into_memory(runtime: &Runtime, store: &SqliteEventStore, size: u64) -> Fallible<Duration> {
    let projected = Projected::new(Balances::new());
    let taken = run_to_the_end(runtime, store, &projected)?;
    let found = projected.with(|(balances, _)| booked_in(balances));
    measure::expect("events applied", found, size as usize)?;
    Ok(taken)
}
