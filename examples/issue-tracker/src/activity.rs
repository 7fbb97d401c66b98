//! Who has done how much: counts of events, in a table of a SQLite database.
//!
//! **Invariant**: a count is the same in whatever order the events come, so what a merge brings is added and nothing is ever
//! counted again.

use std::sync::Arc;

use fs_feed::projection::{Delivered, Order, Projection};
use fs_store::Select;
use rusqlite::{Connection, params};

use crate::event::IssueEvent;
use crate::selection::Issues;

/// Counts what people do.
#[derive(Clone, Copy, Debug)]
pub struct Activity;

impl Projection for Activity {
    type Event = IssueEvent;
    type State = Connection;
    type Error = rusqlite::Error;

    fn name(&self) -> &str {
        "activity"
    }

    fn order(&self) -> Order {
        Order::Ingestion
    }

    fn select(&self) -> Arc<dyn Select + Send + Sync> {
        Arc::new(Issues)
    }

    fn reset(&mut self, database: &mut Connection) -> rusqlite::Result<()> {
        database.execute_batch(
            "DROP TABLE IF EXISTS activity;
             CREATE TABLE activity (person TEXT, kind TEXT, count INTEGER NOT NULL, PRIMARY KEY (person, kind)) STRICT",
        )
    }

    fn apply(
        &mut self,
        database: &mut Connection,
        delivered: &Delivered<IssueEvent>,
    ) -> rusqlite::Result<()> {
        let sql =
            "INSERT INTO activity VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET count = count + 1";
        let event = &delivered.event;
        database
            .prepare_cached(sql)?
            .execute(params![event.by, event.change.kind()])?;
        Ok(())
    }
}

impl Activity {
    /// Reads who did what how often, by name and kind.
    ///
    /// # Errors
    /// Those of the database.
    pub fn counts(database: &Connection) -> rusqlite::Result<Vec<(String, String, u64)>> {
        let sql = "SELECT person, kind, count FROM activity ORDER BY person, kind";
        let mut select = database.prepare_cached(sql)?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect()
    }
}
