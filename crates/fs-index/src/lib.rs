//! The rebuildable local index of an event store.
//!
//! It watches `events/`, keeps an ingestion journal with the bytes of every transaction it has seen, and answers what
//! the files add up to: canonical order, streams and versions, positions. The answers come from sorted segments of the
//! journal on disk, from its end behind them, which is in memory, and from a cache of events that were read before.
//!
//! **Invariant**: `index/` may be deleted at any moment; nothing is lost but time, and a new epoch tells consumers so.
//! Within an epoch, no event is given two positions, none is skipped, and nothing that was read is read otherwise.

#![forbid(unsafe_code)]

mod append;
mod arrivals;
mod bytes;
mod cache;
mod catalog;
mod catch_up;
mod census;
mod changes;
mod codec;
mod completeness;
mod derived;
mod directories;
mod error;
mod events;
mod file;
mod file_stamp;
mod flush;
mod frame;
mod history;
mod index;
mod ingest;
mod journal;
mod kept_writes;
mod layout;
mod load;
mod look;
mod manifest;
mod parts;
mod pick;
mod position;
mod preview;
mod progress;
mod read;
mod record;
mod recorded;
mod replay;
mod scan;
mod scan_events;
mod segment;
mod snapshot;
mod state;
mod stored;
mod stream_reader;
mod sweep;
mod tail;
mod trouble;
mod vanished;
mod window;
mod working_copy;

pub use completeness::{Completeness, Omission, OmissionKind, Tally};
pub use error::IndexError;
pub use events::RawEvent;
pub use history::{History, Placed, Undecodable, Write};
pub use index::Index;
pub use journal::JournalId;
pub use layout::Layout;
pub use look::{Depth, Observed};
pub use pick::RawEvents;
pub use position::{Epoch, Position, Proof, Sequence, StalePosition};
pub use preview::{Foreseen, Incoming, Merged, Preview};
pub use progress::Progress;
pub use read::{All, Select, Streams};
pub use recorded::Provenance;
pub use scan_events::Effort;
pub use snapshot::{IndexReader, Snapshot};
pub use state::Head;
pub use stored::Stored;
pub use sweep::sweep_temp;
pub use trouble::{Reason, Remedy, Trouble};
pub use vanished::{KeptFile, kept_files};
pub use working_copy::{Activity, Unconfirmed, activity_around, activity_at};
