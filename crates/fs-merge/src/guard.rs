//! Refusing appends to forked streams.

use std::sync::Arc;

use fs_format::StreamId;
use fs_index::History;
use fs_store::{ForkDetector, OnFork};

use crate::detect::with_open_forks;

/// Returns the policy that refuses appends to streams with an open fork, for
/// [`StoreOptions::on_fork`](fs_store::StoreOptions::on_fork).
pub fn reject_appends_to_forks() -> OnFork {
    OnFork::Reject(Arc::new(Detector))
}

#[derive(Debug)]
struct Detector;

impl ForkDetector for Detector {
    fn forked<'a>(&self, history: &History, streams: &[&'a StreamId]) -> Option<&'a StreamId> {
        with_open_forks(history, |open| {
            let mut streams = streams.iter().copied();
            streams.find(|stream_id| open.fork_of(stream_id).is_some())
        })
    }
}
