//! The board: all issues as they are now, in tables of a SQLite database.
//!
//! **Invariant**: what the tables hold is what [`Issue::after`] makes of the same events in canonical order. So the board shows
//! what everything else in this program shows, and clones that hold the same files have the same board.

use std::collections::BTreeMap;
use std::sync::Arc;

use fs_feed::projection::{Delivered, Order, Projection};
use fs_store::Select;
use rusqlite::{Connection, params};

use crate::event::{Change, IssueEvent};
use crate::issue::{Comment, Issue};
use crate::selection::Issues;

const TABLES: &str = "
    DROP TABLE IF EXISTS issues;
    DROP TABLE IF EXISTS labels;
    DROP TABLE IF EXISTS comments;
    CREATE TABLE issues (
        issue TEXT PRIMARY KEY,
        first_at INTEGER NOT NULL,
        title TEXT,
        assignee TEXT,
        is_closed INTEGER NOT NULL DEFAULT FALSE
    ) STRICT;
    CREATE TABLE labels (issue TEXT, label TEXT, PRIMARY KEY (issue, label)) STRICT, WITHOUT ROWID;
    CREATE TABLE comments (number INTEGER PRIMARY KEY, issue TEXT, by TEXT, text TEXT) STRICT;";

/// Keeps the board.
#[derive(Clone, Copy, Debug)]
pub struct Board;

impl Projection for Board {
    type Event = IssueEvent;
    type State = Connection;
    type Error = rusqlite::Error;

    fn name(&self) -> &str {
        "board"
    }

    /// Canonical: of two titles the later one counts, and which one is later has to be the same in every clone. The rules that
    /// settle a fork compare with the issue in this order too, and write nothing where it is right already.
    fn order(&self) -> Order {
        Order::Canonical
    }

    fn select(&self) -> Arc<dyn Select + Send + Sync> {
        Arc::new(Issues)
    }

    fn reset(&mut self, database: &mut Connection) -> rusqlite::Result<()> {
        database.execute_batch(TABLES)
    }

    fn apply(
        &mut self,
        database: &mut Connection,
        delivered: &Delivered<IssueEvent>,
    ) -> rusqlite::Result<()> {
        let issue = delivered.stored.stream_id.as_str();
        let first_at = delivered.stored.created_at.unix_nanos();
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            database.prepare_cached(sql)?.execute(values)
        };
        run(
            "INSERT INTO issues (issue, first_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![issue, first_at],
        )?;
        match &delivered.event.change {
            Change::Opened { title } | Change::Retitled { title } => run(
                "UPDATE issues SET title = ?2 WHERE issue = ?1",
                params![issue, title],
            ),
            Change::Assigned { to } => run(
                "UPDATE issues SET assignee = ?2 WHERE issue = ?1",
                params![issue, to],
            ),
            Change::Commented { text } => run(
                "INSERT INTO comments (issue, by, text) VALUES (?1, ?2, ?3)",
                params![issue, delivered.event.by, text],
            ),
            Change::Labelled { label } => run(
                "INSERT INTO labels VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![issue, label],
            ),
            Change::Unlabelled { label } => run(
                "DELETE FROM labels WHERE issue = ?1 AND label = ?2",
                params![issue, label],
            ),
            Change::Closed => run(
                "UPDATE issues SET is_closed = TRUE WHERE issue = ?1",
                params![issue],
            ),
            Change::Reopened => run(
                "UPDATE issues SET is_closed = FALSE WHERE issue = ?1",
                params![issue],
            ),
        }?;
        Ok(())
    }
}

impl Board {
    /// Reads the issues on the board, each with the name of its stream, in the order in which they were opened.
    ///
    /// While another connection writes, this has to be called within a transaction, to read all as of one moment.
    ///
    /// # Errors
    /// Those of the database, of which a board that was never kept is one.
    pub fn issues(database: &Connection) -> rusqlite::Result<Vec<(String, Issue)>> {
        let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut select = database.prepare_cached("SELECT issue, label FROM labels")?;
        for row in select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
            let (issue, label): (String, String) = row?;
            labels.entry(issue).or_default().push(label);
        }
        let mut comments: BTreeMap<String, Vec<Comment>> = BTreeMap::new();
        let sql = "SELECT issue, by, text FROM comments ORDER BY number";
        let mut select = database.prepare_cached(sql)?;
        let rows = select.query_map([], |row| {
            let (by, text) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, Comment { by, text }))
        })?;
        for row in rows {
            let (issue, comment) = row?;
            comments.entry(issue).or_default().push(comment);
        }
        let sql = "SELECT issue, title, assignee, is_closed FROM issues ORDER BY first_at, issue";
        let mut select = database.prepare_cached(sql)?;
        let rows = select.query_map([], |row| {
            let issue: String = row.get(0)?;
            let amount = Issue {
                title: row.get(1)?,
                assignee: row.get(2)?,
                labels: labels.remove(&issue).into_iter().flatten().collect(),
                comments: comments.remove(&issue).unwrap_or_default(),
                is_closed: row.get(3)?,
            };
            Ok((issue, amount))
        })?;
        rows.collect()
    }
}
