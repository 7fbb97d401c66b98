//! Settling forks: the resolver decides, a merge transaction records it.
//!
//! **Invariant**: nothing here picks a winner. A merge transaction is a pure function of the fork and the outcome, so
//! two clones that settle the same fork alike write the same file, and git merges it with itself.

use std::collections::BTreeMap;

use fs_dag::{Dag, TxIx};
use fs_format::{
    Event, EventId, FormatVersion, Header, JsonError, Parent, ReplicaId, StreamBase, StreamId,
    Timestamp, TransactionId,
};
use fs_index::{History, Undecodable};
use fs_store::{AppendError, FileEventStore, MergeDraft, ReadError, SettleError};

use crate::detect::{ForkId, Shape, shapes};
use crate::fork::{Fork, forks};
use crate::resolver::{Outcome, Resolution, Resolver};

/// What a reconciliation did, fork by fork.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Forks that were settled.
    pub settled: Vec<Settled>,
    /// Forks that the resolver left open, each with its reason.
    pub declined: Vec<Declined>,
}

/// A fork that was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The fork.
    pub fork_id: ForkId,
    /// The merge transaction.
    pub transaction_id: TransactionId,
    /// The streams that are settled by it.
    pub resolved: Vec<StreamId>,
}

/// A fork that was left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// The fork.
    pub fork_id: ForkId,
    /// Why.
    pub reason: String,
}

/// A fork that was not settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The forks could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The fork is not as it was when it was decided upon.
    #[error("fork {fork_id} changed while it was decided upon; look at the forks again")]
    ForkChanged {
        /// The fork.
        fork_id: ForkId,
    },
    /// The outcome cannot be written.
    #[error("the outcome for fork {fork_id} cannot be written")]
    Outcome {
        /// The fork.
        fork_id: ForkId,
        /// What is wrong with it.
        source: JsonError,
    },
    /// The newest transaction below the fork is at the end of time.
    #[error(
        "fork {fork_id} cannot be settled: a transaction of it is dated at the end of the range of times"
    )]
    ClockExhausted {
        /// The fork.
        fork_id: ForkId,
    },
    /// A transaction of the fork cannot be read any more.
    #[error(transparent)]
    Damaged(#[from] Undecodable),
    /// The merge transaction could not be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Asks the resolver about every open fork and settles those it decides.
///
/// Each fork is settled by a transaction of its own; one that is declined stays open and is reported. A fork that the
/// settlement of another changed into a different one is left to the next call.
///
/// # Errors
/// [`ReconcileError`]; forks settled before it stay settled.
pub fn reconcile(
    store: &FileEventStore,
    resolver: &impl Resolver,
) -> Result<Report, ReconcileError> {
    let mut report = Report::default();
    let mut open = forks(store)?;
    let ids: Vec<_> = open.iter().map(|fork| fork.id.clone()).collect();
    for fork_id in ids {
        let Some(fork) = open.iter().find(|fork| fork.id == fork_id) else {
            continue;
        };
        match resolver.resolve(fork) {
            Resolution::Resolve(outcome) => {
                report.settled.push(settle(store, fork, &outcome)?);
                open = forks(store)?;
            }
            Resolution::Unresolvable(reason) => report.declined.push(Declined { fork_id, reason }),
        }
    }
    Ok(report)
}

/// Settles one fork with this outcome.
///
/// # Errors
/// [`ReconcileError::ForkChanged`] when the fork is not any more as `fork` says: it was settled, it grew, or something
/// was appended on top of it.
pub fn settle(
    store: &FileEventStore,
    fork: &Fork,
    outcome: &Outcome,
) -> Result<Settled, ReconcileError> {
    let prepared = store.settle(|history| prepare(history, fork, outcome));
    let transaction_id = prepared.map_err(|error| match error {
        SettleError::Declined(error) => error,
        SettleError::Append(error) => ReconcileError::Append(error),
        _ => ReconcileError::ForkChanged {
            fork_id: fork.id.clone(),
        },
    })?;
    Ok(Settled {
        fork_id: fork.id.clone(),
        transaction_id,
        resolved: fork
            .streams
            .iter()
            .map(|stream| stream.stream_id.clone())
            .collect(),
    })
}

fn prepare(
    history: &History,
    fork: &Fork,
    outcome: &Outcome,
) -> Result<MergeDraft, ReconcileError> {
    let changed = || ReconcileError::ForkChanged {
        fork_id: fork.id.clone(),
    };
    let shape = shapes(history)
        .into_iter()
        .find(|shape| shape.id == fork.id)
        .ok_or_else(changed)?;
    if !is_as_seen(history, &shape, fork) {
        return Err(changed());
    }
    draft(history, &shape, outcome)
}

/// Returns whether a fork consists of what the resolver saw.
fn is_as_seen(history: &History, shape: &Shape, fork: &Fork) -> bool {
    let dag = history.dag();
    let same = |now: &[TxIx], seen: &[crate::fork::Transaction]| {
        now.iter()
            .map(|ix| dag.id(*ix))
            .eq(seen.iter().map(|transaction| transaction.transaction_id))
    };
    let branches = shape.heads.iter().map(|head| shape.branch(dag, *head));
    shape
        .streams
        .keys()
        .eq(fork.streams.iter().map(|stream| &stream.stream_id))
        && shape.heads.len() == fork.branches.len()
        && branches
            .zip(&fork.branches)
            .all(|(now, seen)| same(&now, &seen.transactions))
        && same(&shape.on_top, &fork.on_top)
}

/// Makes the merge transaction of a fork and an outcome.
fn draft(
    history: &History,
    shape: &Shape,
    outcome: &Outcome,
) -> Result<MergeDraft, ReconcileError> {
    let dag = history.dag();
    let newest = shape.newest(dag);
    let mut parents: Vec<_> = newest
        .iter()
        .map(|ix| history.get(*ix))
        .map(|parent| Parent {
            transaction_id: parent.id(),
            content_hash: Some(parent.content_hash()),
        })
        .collect();
    parents.sort_by_key(|parent| parent.transaction_id);
    let last = newest
        .iter()
        .map(|ix| history.get(*ix).header().created_at)
        .max();
    let created_at = last
        .and_then(|last: Timestamp| last.successor())
        .ok_or_else(|| ReconcileError::ClockExhausted {
            fork_id: shape.id.clone(),
        })?;
    let mut heads: Vec<_> = shape.heads.iter().map(|head| dag.id(*head)).collect();
    heads.sort_unstable();
    let mut stream_bases = BTreeMap::new();
    for stream_id in shape
        .streams
        .keys()
        .chain(outcome.events.iter().map(|event| &event.stream_id))
    {
        stream_bases
            .entry(stream_id.clone())
            .or_insert_with(|| StreamBase {
                version: version_below(history, dag, stream_id, &newest),
                writes: 0,
            });
    }
    let mut events = Vec::with_capacity(outcome.events.len());
    for event in &outcome.events {
        let base = stream_bases
            .get_mut(&event.stream_id)
            .expect("every event's stream was entered just above");
        base.writes += 1;
        events.push(Event {
            event_id: EventId::from_uuid(Default::default()),
            stream_id: event.stream_id.clone(),
            stream_version: base.version + base.writes,
            event_type: event.event_type.clone().into(),
            event_data: event.event_data.clone(),
            metadata: event.metadata.clone(),
        });
    }
    let header = Header {
        format_version: FormatVersion::V3,
        transaction_id: TransactionId::from_parts(created_at.unix_millis(), [0; 10]),
        replica_id: ReplicaId::NIL,
        replica_seq: Some(0),
        created_at,
        recorded_at: None,
        parents,
        stream_bases,
        command_id: None,
        resolves: shape
            .streams
            .keys()
            .map(|stream_id| (stream_id.clone(), heads.clone()))
            .collect(),
        metadata: outcome
            .metadata()
            .map_err(|source| ReconcileError::Outcome {
                fork_id: shape.id.clone(),
                source,
            })?,
    };
    Ok(MergeDraft { header, events })
}

/// Counts the events of a stream in `newest` and their ancestors.
fn version_below(history: &History, dag: &Dag, stream_id: &StreamId, newest: &[TxIx]) -> u64 {
    let is_below = |ix: TxIx| {
        newest
            .iter()
            .any(|above| *above == ix || dag.is_ancestor(ix, *above))
    };
    history
        .writes(stream_id)
        .iter()
        .filter(|write| is_below(write.transaction))
        .map(|write| write.count)
        .sum()
}
