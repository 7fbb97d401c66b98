//! Projections that remember which events they were given, in which order, for every adapter.
//!
//! **Invariant**: the state is the list of the events that were applied, so that one that is applied twice, never or out of
//! order is seen in it.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use eventcore_types::{Event, StreamId};
use fs_feed::projection::{
    Delivered, Format, Order, Progress, Projection, ReadModel, Retry, Snapshot, Sqlite,
};
use fs_format::EventId;
use fs_store::FileEventStore;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// What the events of scenarios hold: anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counted(pub serde_json::Value);

impl Event for Counted {
    fn stream_id(&self) -> &StreamId {
        static NONE: LazyLock<StreamId> = LazyLock::new(|| StreamId::try_new("none").unwrap());
        &NONE
    }

    fn event_type_name() -> &'static str {
        "Counted"
    }
}

/// What becomes of an application of an event, after it has changed the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes well.
    Well,
    /// It fails, and goes well another time.
    Fails,
    /// It panics.
    Panics,
}

/// A projection into a list.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The name.
    pub name: String,
    /// The order.
    pub order: Order,
    /// Of how many applications one does not go well; none with 0.
    pub one_of: u64,
    /// What becomes of it.
    pub fate: Fate,
    /// Which one that is.
    pub dice: Dice,
}

/// The same into a table of a database.
#[derive(Clone, Debug)]
pub struct SeenRows(pub Seen);

/// An event could not be applied, for now.
#[derive(Debug, thiserror::Error)]
pub enum SeenError {
    /// As was wished.
    #[error("not this time")]
    NotThisTime,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

impl Seen {
    /// Returns a projection of a name of its own for each order and place, with which all goes well.
    pub fn new(order: Order, place: Place) -> Self {
        Self {
            name: format!("{order:?}-{place:?}"),
            order,
            one_of: 0,
            fate: Fate::Well,
            dice: Dice::new(0),
        }
    }

    /// Lets one of so many applications meet another fate.
    #[must_use]
    pub fn fated(mut self, one_of: u64, fate: Fate, seed: u64) -> Self {
        (self.one_of, self.fate, self.dice) = (one_of, fate, Dice::new(seed));
        self
    }

    fn meet_fate(&mut self) -> Result<(), SeenError> {
        if self.one_of == 0 || self.dice.below(self.one_of) > 0 {
            return Ok(());
        }
        match self.fate {
            Fate::Well => Ok(()),
            Fate::Fails => Err(SeenError::NotThisTime),
            Fate::Panics => panic!("as was wished"),
        }
    }
}

impl Projection for Seen {
    type Event = Counted;
    type State = Vec<EventId>;
    type Error = SeenError;

    fn name(&self) -> &str {
        &self.name
    }

    fn order(&self) -> Order {
        self.order
    }

    fn reset(&mut self, seen: &mut Vec<EventId>) -> Result<(), SeenError> {
        seen.clear();
        Ok(())
    }

    fn apply(
        &mut self,
        seen: &mut Vec<EventId>,
        event: &Delivered<Counted>,
    ) -> Result<(), SeenError> {
        seen.push(event.stored.event_id);
        self.meet_fate()
    }
}

impl Projection for SeenRows {
    type Event = Counted;
    type State = Connection;
    type Error = SeenError;

    fn name(&self) -> &str {
        &self.0.name
    }

    fn order(&self) -> Order {
        self.0.order
    }

    fn reset(&mut self, database: &mut Connection) -> Result<(), SeenError> {
        let table = &self.0.name;
        database.execute_batch(&format!(
            "DROP TABLE IF EXISTS \"{table}\";
             CREATE TABLE \"{table}\" (place INTEGER PRIMARY KEY, event TEXT NOT NULL) STRICT"
        ))?;
        Ok(())
    }

    fn apply(
        &mut self,
        database: &mut Connection,
        event: &Delivered<Counted>,
    ) -> Result<(), SeenError> {
        let sql = format!("INSERT INTO \"{}\" (event) VALUES (?1)", self.0.name);
        let id = event.stored.event_id.to_string();
        database.prepare_cached(&sql)?.execute(params![id])?;
        self.0.meet_fate()
    }
}

/// Where a state lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a snapshot file in JSON.
    Json,
    /// In a snapshot file in postcard.
    Postcard,
    /// In a database.
    Sqlite,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Postcard, Self::Sqlite];

    /// Opens a snapshot file; for the places that are one.
    pub fn snapshot(self, store: &FileEventStore) -> Snapshot<Vec<EventId>> {
        let format = match self {
            Self::Json => Format::Json,
            Self::Postcard => Format::Postcard,
            Self::Sqlite => panic!("a database is no snapshot"),
        };
        Snapshot::in_file(store, format)
    }

    /// Opens the database.
    pub fn database(root: &Path) -> Sqlite {
        let sqlite = Sqlite::open(root.join("local/seen.db")).expect("the database opens");
        // Nobody cuts the power here.
        let off = sqlite
            .connection()
            .pragma_update(None, "synchronous", "OFF");
        off.expect("it need not be synced");
        sqlite
    }

    /// Reads cursor and state as they lie there, as a process of its own would.
    pub fn read(self, store: &FileEventStore, name: &str) -> (Option<Progress>, Vec<EventId>) {
        if self != Self::Sqlite {
            let mut model = self.snapshot(store);
            let progress = model.progress(name).expect("the image is read");
            return (progress, model.into_state());
        }
        let mut database = Self::database(store.root());
        let progress = database.progress(name).expect("the cursor is read");
        let seen = rows(database.connection(), name).unwrap_or_default();
        (progress, seen)
    }
}

fn rows(database: &Connection, table: &str) -> rusqlite::Result<Vec<EventId>> {
    let sql = format!("SELECT event FROM \"{table}\" ORDER BY place");
    let mut select = database.prepare(&sql)?;
    let rows = select.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| Ok(EventId::parse(&row?).expect("ids are written as ids")))
        .collect()
}

/// Tries again often and at once.
pub fn stubborn() -> Retry {
    Retry {
        times: 100,
        first: Duration::from_micros(1),
        longest: Duration::from_micros(10),
    }
}
