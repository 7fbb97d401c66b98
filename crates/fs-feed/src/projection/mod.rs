//! Projections: read models that follow the events and are never wrong.
//!
//! ```text
//!   events --(a batch at a time)--> Projection::apply --> state  \
//!                                                                  one transaction of the ReadModel
//!                                            Progress (the cursor) /
//! ```
//!
//! A [`Projection`] says what an event does to a state. A [`ReadModel`] is where that state lives together with its cursor:
//! [`Snapshot`] in memory or in a file, `Sqlite` in a database (feature `sqlite`), or any other that can change both at
//! once. A [`Runner`] takes the events from one to the other: to the end ([`Runner::catch_up`]) or on and on
//! ([`Runner::follow`]).
//!
//! **Invariant**: the state of a read model is the fold of exactly the events up to its cursor, each applied once, whenever
//! the process is killed. Where that cannot be kept (events went away, the projection is another, the order changed behind
//! it), the state is reset and built again from the first event.
//!
//! *Not done here*: exactly-once effects outside of the read model, such as mails; see [`FileEventStore::checkpoint`] and
//! the named consumers, which are at least once.

mod batch;
mod dead_letter;
mod error;
mod idle;
mod model;
mod policy;
mod progress;
mod projector;
mod rebuild;
mod run;
mod runner;
mod snapshot;
mod source;
#[cfg(feature = "sqlite")]
mod sqlite;
mod status;
mod wait;

pub use dead_letter::DeadLetter;
pub use error::ProjectionError;
pub use model::{CommitError, ReadModel};
pub use policy::{OnFailure, OnUnknown, Retry};
pub use progress::Progress;
pub use projector::{Delivered, Order, Projection};
pub use rebuild::Rebuild;
pub use runner::Runner;
pub use snapshot::{Format, Snapshot, SnapshotError};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use status::{Phase, Status};

#[cfg(doc)]
use fs_store::FileEventStore;
