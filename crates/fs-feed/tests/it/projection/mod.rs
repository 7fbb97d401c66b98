//! Projections: read models that are the fold of exactly the events up to their cursor.

mod failures;
mod following;
mod leadership;
mod models;
mod rebuilds;
#[cfg(feature = "sqlite")]
mod sqlite;
mod trouble;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use eventcore::{Event, StreamId};
use fs_feed::projection::{Delivered, Order, Projection};
use fs_store::{Append, FileEventStore, Select};
use serde::{Deserialize, Serialize};

use crate::support::{account, stream};

/// Something that was noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) book: StreamId,
    pub(crate) number: u64,
}

impl Event for Noted {
    fn stream_id(&self) -> &StreamId {
        &self.book
    }

    fn event_type_name() -> &'static str {
        "Noted"
    }
}

/// The numbers of each book, in the order in which they were applied.
pub(crate) type Books = BTreeMap<String, Vec<u64>>;

/// Notes down what was noted.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) order: Order,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            name: "ledger",
            version: 1,
            order: Order::Ingestion,
        }
    }
}

impl Projection for Ledger {
    type Event = Noted;
    type State = Books;
    type Error = Infallible;

    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn order(&self) -> Order {
        self.order
    }

    fn reset(&mut self, books: &mut Books) -> Result<(), Infallible> {
        books.clear();
        Ok(())
    }

    fn apply(&mut self, books: &mut Books, noted: &Delivered<Noted>) -> Result<(), Infallible> {
        let book = books.entry(noted.event.book.to_string()).or_default();
        book.push(noted.event.number);
        Ok(())
    }
}

/// As a ledger, of the books whose names begin with a text.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(pub(crate) &'static str);

impl Projection for Shelf {
    type Event = Noted;
    type State = Books;
    type Error = Infallible;

    fn name(&self) -> &str {
        "shelf"
    }

    fn select(&self) -> Arc<dyn Select + Send + Sync> {
        Arc::new(Beginning(self.0))
    }

    fn reset(&mut self, books: &mut Books) -> Result<(), Infallible> {
        books.clear();
        Ok(())
    }

    fn apply(&mut self, books: &mut Books, noted: &Delivered<Noted>) -> Result<(), Infallible> {
        Ledger::default().apply(books, noted)
    }
}

struct Beginning(&'static str);

impl Select for Beginning {
    fn stream(&self, stream_id: &str) -> bool {
        stream_id.starts_with(self.0)
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }
}

pub(crate) fn note(store: &FileEventStore, book: &str, number: u64) {
    note_all(store, book, number..=number);
}

/// Notes numbers down in one transaction.
pub(crate) fn note_all(store: &FileEventStore, book: &str, numbers: impl IntoIterator<Item = u64>) {
    let mut append = Append::new();
    for number in numbers {
        let noted = Noted {
            book: account(book),
            number,
        };
        let data = serde_json::to_string(&noted).unwrap();
        append = append.event(stream(book), "Noted", &data).unwrap();
    }
    store.append(append).unwrap();
}

pub(crate) fn books(of: &[(&str, &[u64])]) -> Books {
    let books = of.iter();
    books
        .map(|(book, numbers)| ((*book).to_owned(), numbers.to_vec()))
        .collect()
}
