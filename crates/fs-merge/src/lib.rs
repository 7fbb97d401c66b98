//! Fork detection, reconciliation and merge transactions.
//!
//! Streams that were written concurrently are forks. [`forks`] shows them as an application needs to see them;
//! [`reconcile`] asks the application's [`Resolver`] and records each decision as a merge transaction. [`policy`] has
//! resolvers to choose from. The crate `fs-testing` tests resolvers.
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
mod commuting;
mod conflict;
pub mod convergence;
mod covered;
mod detect;
mod draft;
mod effects;
mod event;
mod fork;
mod frontier;
mod guard;
mod lineage;
mod load;
mod merge;
mod nearest;
mod open;
mod outcome;
mod participants;
pub mod policy;
mod preview;
mod quiet;
mod reconcile;
mod report;
mod resolver;
mod run;
mod shape;
mod stale;
mod unsure;

pub use above::descends_from_all;
pub use detect::{ForkId, Shape};
pub use event::{BlockedFork, ForkEvent, Raw, ReadAs};
pub use fork::{Branch, Decision, ForkContext, ForkedStream, Transaction};
pub use guard::reject_appends_to_forks;
pub use lineage::Lineage;
pub use load::{OpenFork, forks, open_forks, typed_forks};
pub use merge::{plan, settle};
pub use open::{Course, OpenForks};
pub use outcome::{Outcome, OutcomeError, OutcomeEvent};
pub use preview::{BranchOutline, ForkOutline, MergePreview, preview_merge};
pub use reconcile::{Reconcile, reconcile};
pub use report::{
    Contradiction, Declined, Failed, NotSettled, Planned, PlannedStep, ReconcileError, Report,
    Settled,
};
pub use resolver::{AsyncResolver, Resolution, Resolver};
pub use stale::{StaleRead, stale_reads};
