//! Merge transactions: what a decision about a fork is written as.
//!
//! **Invariant**: a merge transaction is a pure function of the fork and the outcome, so two clones that settle the
//! same fork alike write the same file, and git merges it with itself. Nothing is written about a fork that is not as
//! it was when it was decided upon.

use fs_dag::TxIx;
use fs_format::{Event, StreamId, TransactionId};
use fs_index::{History, Omission};
use fs_store::{FileEventStore, MergeDraft, SettleError};

use crate::detect::{Shape, with_open_forks};
use crate::draft::{drafts, version_below};
use crate::fork::{ForkContext, ForkedStream, Transaction};
use crate::outcome::Outcome;
use crate::report::{Planned, PlannedStep, ReconcileError, Settled};
use crate::unsure::Missing;

/// Settles one fork with this outcome.
///
/// A fork whose newest transactions are more than a transaction may have parents is settled in steps: merge transactions
/// without events join as many as they may, and the last one of all is the decision. Two clones take the same steps.
///
/// # Errors
/// [`ReconcileError::Unsure`] when the fork may be none for what is missing, unless it is to be settled
/// [`anyway`](ForkContext::anyway). Likewise [`AppendError::Hole`](fs_store::AppendError::Hole), within
/// [`ReconcileError::Append`], when the outcome expects a version of a stream of which a part is known to be missing.
/// [`ReconcileError::ForkChanged`] when the fork is not any more as `fork` says: it was settled, it grew, or something
/// was appended on top of it. [`ReconcileError::VersionConflict`] when a stream is not where the outcome expects it.
/// Unless it is [`ReconcileError::Append`] with an unknown outcome, nothing was written.
pub fn settle<E>(
    store: &FileEventStore,
    fork: &ForkContext<E>,
    outcome: &Outcome,
) -> Result<Settled, ReconcileError> {
    let settled = store
        .settle(|history, omissions| Ok(prepare(store, history, omissions, fork, outcome)?.drafts));
    let mut written = settled.map_err(|error| match error {
        SettleError::Declined(error) => error,
        SettleError::Append(error) => ReconcileError::Append(error),
        _ => ReconcileError::ForkChanged {
            fork_id: fork.id.clone(),
        },
    })?;
    let transaction_id = written.pop().ok_or_else(|| ReconcileError::ForkChanged {
        fork_id: fork.id.clone(),
    })?;
    Ok(Settled {
        fork_id: fork.id.clone(),
        transaction_id,
        steps: written,
        resolved: resolved(fork),
    })
}

/// Returns what [`settle`] would write, and writes nothing.
///
/// # Errors
/// As [`settle`].
pub fn plan<E>(
    store: &FileEventStore,
    fork: &ForkContext<E>,
    outcome: &Outcome,
) -> Result<Planned, ReconcileError> {
    store.with_history_and_omissions(|history, omissions| {
        Ok(prepare(store, history, omissions, fork, outcome)?.planned(fork))
    })?
}

fn resolved<E>(fork: &ForkContext<E>) -> Vec<StreamId> {
    let streams = fork.streams.iter();
    streams.map(|stream| stream.stream_id.clone()).collect()
}

/// Merge transactions that can be written, in a history that has the fork as it was decided upon.
pub(crate) struct Prepared {
    /// The steps and, at the end, the decision.
    pub(crate) drafts: Vec<MergeDraft>,
    /// Each of them.
    encoded: Vec<fs_format::Encoded>,
    /// The newest transactions of the fork, below which the decision's conflicts are none.
    pub(crate) newest: Vec<TransactionId>,
}

impl Prepared {
    pub(crate) fn planned<E>(mut self, fork: &ForkContext<E>) -> Planned {
        let encoded = self.encoded.pop().expect("the decision is always there");
        let transaction_id = encoded.transaction_id;
        let written = fs_format::decode(&encoded.bytes);
        let written = written.expect("what was just encoded decodes");
        let events = written.events.into_iter().map(|event| Event {
            event_type: event.event_type.into_owned().into(),
            event_data: event.event_data.into_owned(),
            metadata: event.metadata.into_owned(),
            ..event
        });
        Planned {
            fork_id: fork.id.clone(),
            transaction_id,
            resolved: resolved(fork),
            path: transaction_id.relative_path(),
            header: written.header,
            events: events.collect(),
            bytes: encoded.bytes,
            steps: self.encoded.into_iter().map(PlannedStep::from).collect(),
        }
    }
}

pub(crate) fn prepare<E>(
    store: &FileEventStore,
    history: &History,
    omissions: &[Omission],
    fork: &ForkContext<E>,
    outcome: &Outcome,
) -> Result<Prepared, ReconcileError> {
    let shape = shape_as_seen(history, fork).ok_or_else(|| ReconcileError::ForkChanged {
        fork_id: fork.id.clone(),
    })?;
    if !fork.is_settled_anyway {
        let missing = Missing::new(history, omissions).makes_unsure(&shape);
        if !missing.is_empty() {
            let fork_id = fork.id.clone();
            return Err(ReconcileError::Unsure { fork_id, missing });
        }
        store.refuse_holes(outcome.checked())?;
    }
    let newest = shape.newest(history.dag());
    let (drafts, encoded) = drafts(history, &shape, &newest, outcome)?
        .into_iter()
        .unzip();
    Ok(Prepared {
        drafts,
        encoded,
        newest: newest.iter().map(|ix| history.dag().id(*ix)).collect(),
    })
}

/// Returns the fork as it is now, if it consists of what the resolver saw, with as many events below it.
///
/// # Complexity
/// No other fork is looked at.
pub(crate) fn shape_as_seen<E>(history: &History, fork: &ForkContext<E>) -> Option<Shape> {
    // Were one of its streams in another fork now, it would not be the same.
    let stream_id = &fork.streams.first()?.stream_id;
    let shape = with_open_forks(history, |open| open.shape_of(stream_id).cloned())?;
    is_as_seen(history, &shape, fork).then_some(shape)
}

fn is_as_seen<E>(history: &History, shape: &Shape, fork: &ForkContext<E>) -> bool {
    if shape.id != fork.id {
        return false;
    }
    let dag = history.dag();
    let ids = |now: &[TxIx]| now.iter().map(|ix| dag.id(*ix)).collect::<Vec<_>>();
    let seen = |seen: &[&Transaction<E>]| {
        let seen = seen.iter().map(|transaction| transaction.transaction_id);
        seen.collect::<Vec<_>>()
    };
    let newest = shape.newest(dag);
    let cover = dag.cover(&newest);
    let is_same_stream = |(now, seen): (&StreamId, &ForkedStream<E>)| {
        // An older transaction may arrive late, and be below the fork.
        *now == seen.stream_id && version_below(history, now, &cover) == seen.version()
    };
    ids(&shape.members) == seen(&fork.members())
        && ids(&shape.on_top) == seen(&fork.on_top.iter().collect::<Vec<_>>())
        && shape.streams.len() == fork.streams.len()
        && shape.streams.keys().zip(&fork.streams).all(is_same_stream)
}
