//! The rebuildable local index of an event store.
//!
//! It watches `events/`, keeps an ingestion journal with the bytes of every transaction it has seen, and answers what
//! the files add up to: canonical order, streams and versions, positions. The answers come from sorted segments of the
//! journal on disk, from its end behind them, which is in memory, and from a cache of events that were read before.
//!
//! **Invariant**: `index/` may be deleted at any moment; nothing is lost but time, and a new epoch tells consumers so.
//! Within an epoch, no event is given two positions, none is skipped, and nothing that was read is read otherwise.

#![forbid(unsafe_code)]

mod cache;
mod codec;
mod error;
mod index;
mod ingest;
mod layout;
mod links;
mod log;
mod position;
mod progress;
mod snapshot;
mod state;
mod stored;
mod table;
mod watch;
mod what_if;

pub use error::IndexError;
pub use index::Index;
pub use ingest::sweep::{PATH_LIST_PREFIX, sweep_temp};
pub use ingest::vanished::{KeptFile, kept_files};
pub use layout::Layout;
pub use links::{Declared, Links};
pub use position::{Epoch, JournalId, Position, Proof, Sequence, StalePosition};
pub use progress::Progress;
pub use snapshot::canonical::Outline;
pub use snapshot::completeness::{Completeness, Omission, OmissionKind};
pub use snapshot::events::RawEvent;
pub use snapshot::history::{History, Member, Placed, Undecodable, Write};
pub use snapshot::pick::Budget;
pub use snapshot::pick::RawEvents;
pub use snapshot::select::{All, Select, Streams};
pub use snapshot::tally::Tally;
pub use snapshot::{IndexReader, Snapshot};
pub use state::Head;
pub use stored::Provenance;
pub use stored::Stored;
pub use watch::poll::PollOutcome;
pub use watch::rejected::{Reason, RejectedFile, Remedy};
pub use watch::scan::{Scan, is_racy};
pub use watch::working_copy::{Activity, Unconfirmed, activity_around, activity_at};
pub use what_if::{Foreseen, Incoming, Merged, Preview};
