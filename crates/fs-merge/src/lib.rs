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

mod above;
mod chains;
mod conflict;
mod covered;
mod detect;
mod fork;
mod guard;
mod lineage;
mod open;
mod participants;
mod reconcile;
mod resolver;
mod shape;
mod stale;

pub use above::{Effect, descends_from_all, effect};
pub use detect::{ForkId, Shape};
pub use fork::{Branch, Fork, ForkedStream, Transaction, forks, open_forks};
pub use guard::reject_appends_to_forks;
pub use lineage::Lineage;
pub use open::{Course, OpenForks};
pub use reconcile::{Declined, ReconcileError, Report, Settled, reconcile, settle};
pub use resolver::{Outcome, Resolution, Resolver};
pub use stale::{StaleRead, stale_reads};
