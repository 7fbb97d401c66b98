//! How a runner stands.

use fs_index::{Completeness, Position};

use crate::projection::rebuild::Rebuild;

/// What a runner is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has not begun, or has ended.
    #[default]
    Stopped,
    /// It waits for another runner to give up the leadership.
    Waiting,
    /// It applies what was there.
    CatchingUp,
    /// It builds the state again from the first event.
    Rebuilding(Rebuild),
    /// It has applied everything and waits for more.
    Following,
    /// Something failed, and it pauses before it tries again.
    Retrying {
        /// How many times it was tried.
        attempts: u32,
    },
}

/// How a runner stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// The place in the ingestion order up to which events were applied.
    pub position: Option<Position>,
    /// Events applied since the state was empty.
    pub applied: u64,
    /// Transactions that are in the store and were not dealt with, as of the last look.
    pub lag: u64,
    /// Events applied per second, since the runner last began to apply after a wait.
    pub rate: f64,
    /// Events that were set aside.
    pub set_aside: usize,
    /// What is known to be missing from the history that events are taken from, as of the last look.
    pub completeness: Completeness,
    /// Why the state was built from the first event, the last time this runner did so.
    pub rebuilt: Option<Rebuild>,
}
