//! What decisions would do to other forks if they were written.
//!
//! A decision draws another fork in by an event on one of its streams, and by a conflict with one of its members.
//!
//! **Invariant**: a fork that would change is told, as [`OpenForks`](crate::OpenForks) would show it once they are written.

use std::collections::HashMap;

use fs_dag::TxIx;
use fs_format::{StreamId, TransactionId};
use fs_index::{History, Links};

use crate::detect::Shape;
use crate::merge::Prepared;
use crate::participants::{Part, parts};

/// The effects of some decisions, by stream.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    decisions: Vec<Vec<TransactionId>>,
    by_stream: HashMap<StreamId, Vec<Effect>>,
}

#[derive(Debug)]
struct Effect {
    part: Part,
    /// The place in `decisions` of what lies right below.
    decision: usize,
}

impl Effects {
    pub(crate) fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// Adds those of a decision.
    pub(crate) fn add(&mut self, prepared: &Prepared) {
        let Some(draft) = prepared.drafts.last() else {
            return;
        };
        let decision = self.decisions.len();
        self.decisions.push(prepared.newest.clone());
        for (stream_id, part) in parts(Links::of(&draft.header).declared()) {
            let effects = self.by_stream.entry(stream_id.clone()).or_default();
            effects.push(Effect { part, decision });
        }
    }

    /// Returns whether an open fork will not be the same.
    ///
    /// # Complexity
    /// O(p) for p streams that its members take part in, and the decisions that take part in one of these.
    pub(crate) fn change(&self, history: &History, shape: &Shape) -> bool {
        let of = |stream_id: &StreamId| self.by_stream.get(stream_id).into_iter().flatten();
        let writes = |stream_id| of(stream_id).any(|effect| effect.part.writes());
        let conflicts = |member: TxIx| {
            parts(history.get(member).declared()).any(|(stream_id, part)| {
                of(stream_id).any(|effect| {
                    effect.part.conflicts_with(part) && !self.is_below(history, member, effect)
                })
            })
        };
        let mut members = shape.members.iter().copied();
        shape.streams.keys().any(writes) || members.any(conflicts)
    }

    fn is_below(&self, history: &History, member: TxIx, effect: &Effect) -> bool {
        let dag = history.dag();
        let below = self.decisions.get(effect.decision).into_iter().flatten();
        let mut below = below.filter_map(|id| dag.index_of(*id));
        below.any(|newest| newest == member || dag.is_ancestor(member, newest))
    }
}
