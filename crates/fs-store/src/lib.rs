//! The event store: append, read, refresh, identity, durability, and the traits of eventcore-types.
//!
//! A store is a directory of immutable transaction files under `events/`, committed to git. [`FileEventStore`] opens
//! one; its methods block and need no runtime.
//!
//! **Invariant**: `events/` is the only truth, and a reader is never blocked. An append is applied, not applied, or
//! unknown but atomic; nothing is stored behind the caller's back.
//!
//! ```
//! use fs_format::StreamId;
//! use fs_store::{Append, ExpectedVersion, FileEventStore};
//!
//! # let dir = tempfile::tempdir()?;
//! # let root = dir.path().join(".tributary");
//! let store = FileEventStore::create(root)?;
//! let issue = StreamId::new("issue-1")?;
//! let appended = store.append(
//!     Append::new()
//!         .event(issue.clone(), "IssueOpened", r#"{"title": "It rains in"}"#)?
//!         .expect(issue.clone(), ExpectedVersion::New),
//! )?;
//! assert_eq!(appended.versions[&issue], 1);
//! assert_eq!(store.stream_events(&issue)?[0].event_type, "IssueOpened");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod above;
mod accepted;
mod adopt;
mod answer;
mod append;
#[cfg(feature = "async")]
mod blocking;
mod checkpoint;
mod command;
mod commit;
mod completeness;
mod cursor;
mod digest;
mod draft;
mod error;
mod event;
#[cfg(feature = "eventcore")]
mod eventcore;
mod fence;
mod foreign;
mod git_files;
mod group;
mod heads_above;
mod identity;
mod identity_conflict;
mod lease;
mod newer;
mod open;
mod options;
mod pages;
mod preview;
mod read;
mod repeated_command;
mod replicas;
mod report;
mod request;
mod requires;
mod rewritten;
mod runtime;
mod schema;
pub mod sealed;
mod shared_index;
mod state;
mod status;
mod store;
mod vanished;
mod verify;
mod wal;

pub use above::Companion;
pub use adopt::{AdoptError, Adopted};
pub use append::{MergeDraft, SettleError};
#[cfg(feature = "async")]
pub use blocking::blocking;
pub use command::ContentDifference;
pub use completeness::{Answer, Candidate};
pub use cursor::{Cursor, CursorError, CursorLock};
pub use digest::Digest;
pub use error::{
    AppendError, GitBusy, IdentityError, NewerVersion, NoStore, OpenError, ReadError, RefreshError,
    StoreBusy,
};
pub use event::StoredEvent;
pub use fence::FenceError;
pub use fs_index::{Activity, Completeness, Omission, OmissionKind, Progress, Tally, Unconfirmed};
pub use fs_index::{All, Select, Streams};
pub use lease::{Lease, LeaseError};
pub use open::STORE_DIR;
pub use options::{Durability, ForkDetector, OnFork, OnHole, Reads, StoreOptions};
pub use pages::{CanonicalPages, StreamPages};
pub use preview::Preview;
pub use repeated_command::RepeatedCommand;
pub use replicas::{ReplicaFeed, ReplicaItem};
pub use report::report;
pub use request::{Append, Appended, ExpectedVersion};
pub use requires::RequiresError;
pub use rewritten::Rewritten;
pub use schema::{
    Chain, EventDecodeError, Schema, SchemaFailure, SchemaReport, TypeReport, UpcastError, Upcasted,
};
pub use state::StateError;
pub use status::{ClockAhead, ConflictState, Dangling, ReplicaIdentityConflict, StoreStatus};
pub use store::FileEventStore;
pub use vanished::{ForgetError, Obstacle, RestoreError, Vanished, VanishedError, VanishedSummary};
pub use verify::{Problem, Verification};
pub use wal::LogError;
