//! What scenarios play with: git repositories with stores in them, processes that are killed, and what is to be seen afterwards.
//!
//! Everything panics with what failed: these are tests.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "scenarios set up and damage real files"
)]

pub mod answers;
pub mod dice;
pub mod seen;
pub mod worker;

use fs_index::Position;
use fs_store::{All, Append, Appended, ExpectedVersion, FileEventStore, StoredEvent};

pub use fs_testing::git::{Repository, World};
pub use fs_testing::stores::{number, numbers, stream_id};

/// Appends one event with the data `n` to a stream.
pub fn append(store: &FileEventStore, stream: &str, n: u64) -> Appended {
    fs_testing::stores::count(store, stream, n)
}

/// Appends one event to `written` that was decided upon `read`.
pub fn decide(store: &FileEventStore, read: &str, written: &str, n: u64) -> Appended {
    let version = store
        .streams()
        .unwrap()
        .into_iter()
        .find(|(stream, _)| stream.as_str() == read)
        .map_or(0, |(_, version)| version);
    let event = Append::new()
        .event(stream_id(written), "Decided", &n.to_string())
        .unwrap();
    store
        .append(event.expect(stream_id(read), ExpectedVersion::Exact(version)))
        .unwrap()
}

/// Returns everything after a position, in ingestion order.
pub fn ingested(store: &FileEventStore, after: Option<Position>) -> Vec<StoredEvent> {
    let events = store.ingested_events(after, &All, usize::MAX);
    events.unwrap().into_inner()
}
