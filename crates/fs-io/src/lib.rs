//! The seam between the store and the operating system.
//!
//! Everything above reaches files, the clock and randomness through a [`System`], and writes through the few protocols of this
//! crate: [`publish`], [`publish_all`], [`replace`], [`create_dirs`] and [`make_durable`]. A [`Disk`] offers single operations only, so that the
//! simulated one (feature `sim`) runs the very protocols that the real one runs.
//!
//! **Invariant:** the only place that touches files, the clock or randomness; replaceable as a whole by a simulated system that
//! can lose power between, and in the middle of, any two operations.
//!
//! # Limitations
//! No retries: a write or sync that failed is reported once and never repeated here, because a repeated sync says that all is
//! well when the data is gone. No reading or watching of directories in depth, no knowledge of what the files contain.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "this crate is the one place that may touch files, the clock and randomness"
)]

mod disk;
mod error;
mod lock;
mod private;
mod publish;
mod real;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod site;
mod system;
mod watch;

pub use disk::{Created, DirEntry, Disk, File, FileId, FileKind, Stat};
pub use error::{ReadError, RenameError};
pub use lock::{LockError, LockGuard, Wait};
pub use private::PrivateDir;
pub use publish::{
    CreateDirsError, NewFile, PublishError, Published, ReplaceError, Step, SyncPolicy, create_dirs,
    make_all_durable, make_durable, publish, publish_all, replace, replace_knowing_itself,
};
pub use real::check_stdout;
pub use site::{MAX_SITE_BYTES, Ownership, Site};
pub use system::{Clock, Machine, Random, System};
pub use watch::{Changed, Deadline, Watch};
