//! Fork detection, reconciliation and merge transactions.
//!
//! Streams that were written concurrently are forks. [`forks`] shows them as an application needs to see them;
//! [`reconcile`] asks the application's [`Resolver`] and records each decision as a merge transaction.
//!
//! **Invariant**: this crate never picks a winner by itself, and everything it says depends on the set of
//! transactions only.

#![forbid(unsafe_code)]

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod conflict;
mod detect;
mod fork;
mod guard;
mod participants;
mod preview;
mod reconcile;
mod resolver;
mod stale;

pub use detect::ForkId;
pub use fork::{Branch, Fork, ForkedStream, Transaction, forks, open_forks};
pub use guard::reject_appends_to_forks;
pub use preview::{BranchOutline, ForkOutline, MergePreview, preview_merge};
pub use reconcile::{Declined, ReconcileError, Report, Settled, reconcile, settle};
pub use resolver::{Outcome, Resolution, Resolver};
pub use stale::{StaleRead, stale_reads};
