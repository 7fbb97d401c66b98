//! Rows and cursor in one transaction of a database.

use std::time::Duration;

use fs_feed::Feed as _;
use fs_feed::projection::{
    Delivered, OnFailure, Projection, ProjectionError, ReadModel, Retry, Sqlite,
};
use fs_index::Sequence;
use fs_store::FileEventStore;
use rusqlite::{Connection, params};

use super::{Noted, note, note_all};
use crate::support::new_store;

/// Numbers by book; a number that is there already cannot be inserted.
struct Table {
    name: &'static str,
}

const TABLE: Table = Table { name: "table" };

impl Projection for Table {
    type Event = Noted;
    type State = Connection;
    type Error = rusqlite::Error;

    fn name(&self) -> &str {
        self.name
    }

    fn reset(&mut self, database: &mut Connection) -> rusqlite::Result<()> {
        let table = self.name;
        database.execute_batch(&format!(
            "DROP TABLE IF EXISTS \"{table}\";
             CREATE TABLE \"{table}\" (book TEXT, number INTEGER, PRIMARY KEY (book, number)) STRICT"
        ))
    }

    fn apply(
        &mut self,
        database: &mut Connection,
        noted: &Delivered<Noted>,
    ) -> rusqlite::Result<()> {
        let sql = format!("INSERT INTO \"{}\" VALUES (?1, ?2)", self.name);
        let values = params![noted.event.book.to_string(), noted.event.number];
        database.prepare_cached(&sql)?.execute(values)?;
        Ok(())
    }
}

fn database(store: &FileEventStore) -> Sqlite {
    Sqlite::open(store.root().join("local/table.db")).unwrap()
}

fn count(database: &Sqlite, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM \"{table}\"");
    let count = database.connection().query_row(&sql, [], |row| row.get(0));
    count.unwrap()
}

#[test]
fn a_database_goes_on_in_the_next_process_and_applies_nothing_twice() {
    let store = new_store();
    note_all(&store, "a", 1..=2500);
    store.project(TABLE, database(&store)).catch_up().unwrap();
    note(&store, "b", 1);
    let mut runner = store.project(TABLE, database(&store));
    let status = runner.catch_up().unwrap();
    assert_eq!(status.rebuilt, None, "the cursor was there");
    assert_eq!(
        count(runner.model(), "table"),
        2501,
        "each event has its row"
    );
}

#[test]
fn what_cannot_be_applied_leaves_no_trace_in_the_database() {
    let store = new_store();
    note_all(&store, "a", [1, 2, 2, 3]);
    let mut runner = store
        .project(TABLE, database(&store))
        .retry(Retry {
            times: 1,
            first: Duration::from_micros(10),
            longest: Duration::from_micros(10),
        })
        .on_failure(OnFailure::SetAside { at_most: 1 });
    let status = runner.catch_up().unwrap();
    assert_eq!((status.applied, status.set_aside), (3, 1));
    assert_eq!(count(runner.model(), "table"), 3);
    let progress = database(&store).progress("table").unwrap().unwrap();
    assert_eq!(
        progress.dead_letters()[0].version,
        3,
        "the letter is in the database"
    );
}

#[test]
fn projections_share_a_database() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut runner = store.project(TABLE, database(&store));
    runner.catch_up().unwrap();
    let other = Table { name: "other" };
    note(&store, "a", 4);
    let mut other = store.project(other, database(&store));
    other.catch_up().unwrap();
    assert_eq!(count(other.model(), "other"), 4);
    assert_eq!(
        count(runner.model(), "table"),
        3,
        "each has a cursor of its own"
    );
}

#[test]
fn a_cursor_that_somebody_else_moved_ends_the_runner() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut model = database(&store);
    let mut runner = store.project(TABLE, database(&store));
    runner.catch_up().unwrap();
    let progress = model.progress("table").unwrap().unwrap();
    let refused = model.commit("table", None, |_| {
        Ok::<_, rusqlite::Error>(progress.clone())
    });
    assert!(
        matches!(refused, Err(fs_feed::projection::CommitError::Moved)),
        "who expects another cursor changes nothing: {refused:?}"
    );
    let deleted = "DELETE FROM tributary_projections";
    model.connection().execute_batch(deleted).unwrap();
    note(&store, "a", 4);
    let status = runner.catch_up().unwrap();
    assert_eq!(
        status.applied, 4,
        "without a cursor the table is built again"
    );
}

#[test]
fn a_panic_gives_the_database_free_at_once() {
    struct Panicking;
    impl Projection for Panicking {
        type Event = Noted;
        type State = Connection;
        type Error = rusqlite::Error;

        fn name(&self) -> &str {
            TABLE.name
        }

        fn reset(&mut self, database: &mut Connection) -> rusqlite::Result<()> {
            let mut table = TABLE;
            table.reset(database)
        }

        fn apply(
            &mut self,
            database: &mut Connection,
            noted: &Delivered<Noted>,
        ) -> rusqlite::Result<()> {
            let mut table = TABLE;
            table.apply(database, noted)?;
            panic!("as it should");
        }
    }
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut panicking = store.project(Panicking, database(&store));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        panicking.catch_up().unwrap()
    }));
    assert!(caught.is_err(), "it is the caller's to catch");
    let mut runner = store.project(TABLE, database(&store));
    runner.catch_up().unwrap();
    assert_eq!(
        (
            count(runner.model(), "table"),
            count(panicking.model(), "table")
        ),
        (3, 3),
        "what was begun is undone, although the one that panicked is still there"
    );
}

#[test]
fn the_cursor_does_not_move_without_the_transaction() {
    struct Ending;
    impl Projection for Ending {
        type Event = Noted;
        type State = Connection;
        type Error = rusqlite::Error;

        fn name(&self) -> &str {
            "ending"
        }

        fn reset(&mut self, _: &mut Connection) -> rusqlite::Result<()> {
            Ok(())
        }

        fn apply(
            &mut self,
            database: &mut Connection,
            _: &Delivered<Noted>,
        ) -> rusqlite::Result<()> {
            database.execute_batch("ROLLBACK")
        }
    }
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut runner = store
        .project(Ending, database(&store))
        .batch(1)
        .retry(Retry::NEVER);
    match runner.catch_up() {
        Err(ProjectionError::Model { .. }) => {}
        other => panic!("rows and cursor would not be one: {other:?}"),
    }
    let progress = database(&store).progress("ending").unwrap().unwrap();
    assert_eq!(progress.applied(), 0);
}

#[test]
fn an_error_of_the_database_is_the_runners() {
    let store = new_store();
    note(&store, "a", 1);
    let mut runner = store.project(TABLE, database(&store)).retry(Retry::NEVER);
    runner.catch_up().unwrap();
    let dropped = "DROP TABLE \"table\"";
    runner.model().connection().execute_batch(dropped).unwrap();
    note(&store, "a", 2);
    match runner.catch_up() {
        Err(ProjectionError::Apply { event, .. }) => assert_eq!(event.version, 2),
        other => panic!("the table is gone: {other:?}"),
    }
}

#[test]
fn a_new_database_may_be_opened_by_several_at_once() {
    for _ in 0..20 {
        let store = new_store();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| database(&store));
            }
        });
    }
}

#[test]
fn a_cursor_that_cannot_be_read_is_none() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    for cursor in ["", "{}", "null"] {
        let mut runner = store.project(TABLE, database(&store));
        runner.catch_up().unwrap();
        let database = runner.model().connection();
        let sql = "UPDATE tributary_projections SET progress = ?1";
        database.execute(sql, [cursor]).unwrap();
        let status = runner.catch_up().unwrap();
        assert_eq!(
            (status.applied, count(runner.model(), "table")),
            (3, 3),
            "{cursor:?}: the table is built again"
        );
    }
}

#[test]
fn a_cursor_is_what_was_written_or_is_none() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut runner = store.project(TABLE, database(&store));
    runner.catch_up().unwrap();
    let select = "SELECT progress FROM tributary_projections";
    let update = "UPDATE tributary_projections SET progress = ?1";
    let read = |database: &Sqlite| -> String {
        database
            .connection()
            .query_row(select, [], |row| row.get(0))
            .unwrap()
    };
    let whole = read(runner.model());
    for at in 0..whole.len() {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(flipped) = String::from_utf8(bytes) else {
            continue;
        };
        runner
            .model()
            .connection()
            .execute(update, [&flipped])
            .unwrap();
        let progress = runner.model_mut().progress("table").unwrap();
        assert_eq!(progress, None, "{flipped:?} is not what was written");
    }
    let newer = "tributary cursor 3 ";
    let checksum = crc32fast::hash(format!("{newer}\n").as_bytes());
    let newer = format!("{newer}{checksum:08x}\n");
    runner
        .model()
        .connection()
        .execute(update, [&newer])
        .unwrap();
    let refused = runner.model_mut().progress("table").unwrap_err();
    let why = std::error::Error::source(&refused).map(ToString::to_string);
    assert!(
        why.is_some_and(|why| why.contains("written by a newer version")),
        "{refused:?}"
    );
    assert_eq!(read(runner.model()), newer, "and stays");
}

#[test]
fn a_cursor_that_was_never_given_out_means_nothing() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut runner = store.project(TABLE, database(&store));
    let mut position = runner.catch_up().unwrap().position.unwrap();
    let before = position.to_uuid().to_string();
    // As after a power cut that took the end of the journal, and not the database.
    position.sequence = Sequence::new(position.sequence.number() + 7, 0);
    let sql = "UPDATE tributary_projections SET progress = replace(progress, ?1, ?2)";
    let values = params![before, position.to_uuid().to_string()];
    runner.model().connection().execute(sql, values).unwrap();
    for applied in [3, 4] {
        let status = runner.catch_up().unwrap();
        assert_eq!(
            (status.applied, count(runner.model(), "table")),
            (applied, applied),
            "the table is built again, and goes on"
        );
        note(&store, "a", 4);
    }
}
