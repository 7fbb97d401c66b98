//! The three stores, opened as their documentation says, and filled through their own interfaces.
//!
//! **Invariant**: eventcore-sqlite always writes ahead (WAL); where appends are measured it syncs each commit
//! (`synchronous=FULL`), and both settings are read back.

use std::path::Path;

use eventcore_sqlite::{SqliteEventStore, rusqlite};
use eventcore_types::{EventStore, StreamId, collect_events};
use tokio::runtime::{Builder, Runtime};

use crate::scratch::History;
use crate::workload::{self, Booked};
use crate::{Fallible, RIVAL_STACK, generate};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    EventcoreFs,
    EventcoreSqlite,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "tributary",
            Self::EventcoreFs => "eventcore-fs",
            Self::EventcoreSqlite => "eventcore-sqlite",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Ours, Self::EventcoreFs, Self::EventcoreSqlite];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// Makes a store with the given history in the empty directory `root`.
    pub(crate) fn generate(self, root: &Path, history: History) -> Fallible<generate::Chain> {
        match self {
            Self::Ours => return generate::history(root, history),
            Self::EventcoreFs => fill(&eventcore_fs(root)?, history)?,
            Self::EventcoreSqlite => {
                fill(&eventcore_sqlite(root, Synchronous::Off)?, history)?;
            }
        }
        Ok(generate::Chain::default())
    }
}

fn fill<S: EventStore>(store: &S, history: History) -> Fallible<()> {
    runtime()?.block_on(async {
        for place in 0..history.size {
            let (stream, version) = history.shape.stream(history.size, place);
            store
                .append_events(workload::write(&stream, version, place)?)
                .await?;
        }
        Ok(())
    })
}

/// Returns a runtime as an application would have it, but for deeper stacks.
pub(crate) fn runtime() -> Fallible<Runtime> {
    Ok(Builder::new_multi_thread()
        .thread_stack_size(RIVAL_STACK)
        .enable_all()
        .build()?)
}

pub(crate) fn ours(root: &Path) -> Fallible<fs_store::FileEventStore> {
    Ok(fs_store::FileEventStore::create(root)?)
}

pub(crate) fn eventcore_fs(root: &Path) -> Fallible<eventcore_fs::FileEventStore> {
    Ok(eventcore_fs::FileEventStore::open(root)?)
}

/// What SQLite does before it acknowledges a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synchronous {
    Full,
    /// The log is synced when it is emptied, not with each commit.
    Normal,
    /// Nothing; for filling a store.
    Off,
}

pub(crate) fn eventcore_sqlite(
    root: &Path,
    synchronous: Synchronous,
) -> Fallible<SqliteEventStore> {
    std::fs::create_dir_all(root)?;
    let connection = rusqlite::Connection::open(root.join("events.db"))?;
    let (setting, number) = match synchronous {
        Synchronous::Full => ("FULL", 2),
        Synchronous::Normal => ("NORMAL", 1),
        Synchronous::Off => ("OFF", 0),
    };
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", setting)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let found: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if mode != "wal" || found != number {
        return Err(format!("SQLite keeps journal_mode={mode}, synchronous={found}").into());
    }
    let store = SqliteEventStore::from_connection(connection);
    runtime()?.block_on(store.migrate())?;
    Ok(store)
}

/// Reads a whole stream and returns how many events it has.
pub(crate) async fn read_stream<S: EventStore>(store: &S, stream: &str) -> Fallible<usize> {
    let events = store
        .read_stream::<Booked>(StreamId::try_new(stream)?)
        .await?;
    Ok(collect_events(events).await?.len())
}
