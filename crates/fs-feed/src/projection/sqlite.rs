//! A read model in a SQLite database: rows and cursor in one transaction of the database.
//!
//! The cursors lie in the table `tributary_projections (name, progress)`; all other tables are the projection's. Any number
//! of projections may share a database. A cursor has a checksum (`fs_store::sealed`); one that is damaged is none, and the tables are built again.
//!
//! **Invariant**: every commit compares the cursor with the expected one within its transaction, so that of two runners
//! only one can go on, even where the lease failed.

use std::path::Path;
use std::thread;
use std::time::Duration;

use fs_io::Deadline;
use fs_store::sealed::{self, Unbelieved};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::projection::batch::Source;
use crate::projection::model::{CommitError, ReadModel};
use crate::projection::progress::Progress;

/// The word that a cursor begins with.
const KIND: &str = "cursor";

/// How long another connection's transaction is waited for.
const BUSY: Duration = Duration::from_secs(10);

/// The pause between two tries where SQLite does not wait itself.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// A SQLite database whose tables a projection writes.
///
/// A projection is lent the connection within a transaction: it may execute anything but `BEGIN`, `COMMIT` and `ROLLBACK`,
/// and may use savepoints.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens or creates the database in a file, with a write-ahead log, so that it can be read while a runner writes.
    ///
    /// # Errors
    /// [`rusqlite::Error`] when the file cannot be opened, or is no database.
    pub fn open(path: impl AsRef<Path>) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        set_log(&connection)?;
        // A power cut may take the last commits, cursor and rows alike; they are applied again.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Self::new(connection)
    }

    /// Uses a connection that the caller has set up.
    ///
    /// # Errors
    /// [`rusqlite::Error`] when the table of the cursors cannot be created.
    pub fn new(connection: Connection) -> rusqlite::Result<Self> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS tributary_projections (
                name TEXT PRIMARY KEY,
                progress TEXT NOT NULL
            ) STRICT, WITHOUT ROWID",
        )?;
        Ok(Self { connection })
    }

    /// Returns the connection, to be asked.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the connection, and closes the model.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    fn read(&self, name: &str) -> rusqlite::Result<Option<Progress>> {
        let sql = "SELECT progress FROM tributary_projections WHERE name = ?1";
        let mut select = self.connection.prepare_cached(sql)?;
        let text: Option<String> = select.query_row([name], |row| row.get(0)).optional()?;
        let Some(text) = text else { return Ok(None) };
        let progress = match sealed::unseal(KIND, text.as_bytes()) {
            Ok(sealed) if sealed.name == name => serde_json::from_slice(sealed.content).ok(),
            Err(Unbelieved::Newer { format }) => return Err(newer(name, format)),
            Ok(_) | Err(Unbelieved::Damaged | Unbelieved::Unsealed) => None,
        };
        if progress.is_none() {
            tracing::warn!(
                name,
                "not a cursor that this version has written, so the tables are built again"
            );
        }
        Ok(progress)
    }

    fn write(&self, name: &str, progress: &Progress) -> rusqlite::Result<()> {
        let unwritable = |error: Source| rusqlite::Error::ToSqlConversionFailure(error);
        let content = serde_json::to_vec(progress).map_err(|error| unwritable(error.into()))?;
        let text = String::from_utf8(sealed::seal(KIND, name, &content));
        let text = text.map_err(|error| unwritable(error.into()))?;
        let sql = "INSERT OR REPLACE INTO tributary_projections (name, progress) VALUES (?1, ?2)";
        self.connection
            .prepare_cached(sql)?
            .execute(params![name, text])?;
        Ok(())
    }

    /// Changes state and cursor within a transaction that is open.
    fn change<E>(
        &mut self,
        name: &str,
        expected: Option<&Progress>,
        change: impl FnOnce(&mut Connection) -> Result<Progress, E>,
    ) -> Result<Progress, CommitError<rusqlite::Error, E>> {
        if self.read(name).map_err(CommitError::Model)?.as_ref() != expected {
            return Err(CommitError::Moved);
        }
        let progress = change(&mut self.connection).map_err(CommitError::Change)?;
        if self.connection.is_autocommit() {
            return Err(CommitError::Model(transaction_is_over()));
        }
        self.write(name, &progress).map_err(CommitError::Model)?;
        let committed = self.connection.execute_batch("COMMIT");
        committed.map_err(CommitError::Model)?;
        Ok(progress)
    }
}

/// Gives the database a write-ahead log.
///
/// Of several that give it to a new one at the same time, SQLite lets all but one fail at once, whatever the timeout.
fn set_log(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Deadline::after(BUSY);
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && !deadline.is_over() =>
            {
                thread::sleep(BUSY_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// What the cursors of a newer version are refused with.
#[derive(Debug, thiserror::Error)]
#[error(
    "the cursor of projection {name} was written by a newer version (format {format}, this version knows {known}); use that version, or delete its row in tributary_projections to start over",
    known = sealed::FORMAT
)]
struct Newer {
    name: String,
    format: u32,
}

fn newer(name: &str, format: u32) -> rusqlite::Error {
    let name = name.to_owned();
    let source = Box::new(Newer { name, format });
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, source)
}

/// Undoes the transaction that is open when it is dropped, also by a panic.
struct Undo<'a>(&'a mut Sqlite);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if !self.0.connection.is_autocommit() {
            // It fails only where the database is gone; the transaction is then undone by whoever opens it next.
            let _ = self.0.connection.execute_batch("ROLLBACK");
        }
    }
}

/// The cursor must not move when what belongs to it was undone, or was committed without it.
fn transaction_is_over() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISUSE),
        Some(
            "the transaction ended while events were applied: by the projection, or by an error of the database that it \
             passed over"
                .to_owned(),
        ),
    )
}

impl ReadModel for Sqlite {
    type State = Connection;
    type Error = rusqlite::Error;

    fn progress(&mut self, name: &str) -> Result<Option<Progress>, Self::Error> {
        self.read(name)
    }

    fn commit<E>(
        &mut self,
        name: &str,
        expected: Option<&Progress>,
        change: impl FnOnce(&mut Connection) -> Result<Progress, E>,
    ) -> Result<Progress, CommitError<Self::Error, E>> {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(CommitError::Model)?;
        let undo = Undo(self);
        undo.0.change(name, expected, change)
    }
}
