//! The rebuildable local index of an event store.
//!
//! It watches `events/`, keeps an ingestion journal with the bytes of every transaction it has seen, and answers from
//! memory what the files add up to: canonical order, streams and versions, positions.
//!
//! **Invariant**: `index/` may be deleted at any moment; nothing is lost but time, and a new epoch tells consumers so.
//! Within an epoch, no event is given two positions, none is skipped, and nothing that was read is read otherwise.

#![forbid(unsafe_code)]

mod bytes;
mod claims;
mod error;
mod examine;
mod frame;
mod history;
mod index;
mod ingest;
mod journal;
mod layout;
mod position;
mod record;
mod scan;
mod stored;
mod survey;
mod trouble;
mod vanished;

pub use error::IndexError;
pub use history::{History, Placed, Undecodable, Write};
pub use index::{Depth, Index, Observed, StalePosition};
pub use journal::JournalId;
pub use layout::Layout;
pub use position::{Epoch, Position, Sequence};
pub use record::Origin;
pub use stored::Stored;
pub use trouble::{Reason, Trouble};
