//! Merge transactions: what a decision about a fork is written as.
//!
//! **Invariant**: a merge transaction is a pure function of the fork and the outcome, so two clones that settle the
//! same fork alike write the same file, and git merges it with itself. Nothing is written about a fork that is not as
//! it was when it was decided upon.

use std::collections::BTreeMap;

use fs_dag::{Dag, TxIx};
use fs_format::{
    Event, EventId, FormatVersion, Header, Parent, ReplicaId, StreamBase, StreamId, Timestamp,
    TransactionId,
};
use fs_index::History;
use fs_store::{FileEventStore, MergeDraft, SettleError};

use crate::detect::{Shape, shapes};
use crate::fork::{ForkContext, ForkedStream, Transaction};
use crate::outcome::Outcome;
use crate::participants::settled_by;
use crate::report::{Planned, ReconcileError, Settled};

/// Settles one fork with this outcome.
///
/// # Errors
/// [`ReconcileError::ForkChanged`] when the fork is not any more as `fork` says: it was settled, it grew, or something
/// was appended on top of it. [`ReconcileError::VersionConflict`] when a stream is not where the outcome expects it.
/// Unless it is [`ReconcileError::Append`] with an unknown outcome, nothing was written.
pub fn settle<E>(
    store: &FileEventStore,
    fork: &ForkContext<E>,
    outcome: &Outcome,
) -> Result<Settled, ReconcileError> {
    let settled = store.settle(|history| Ok(prepare(history, fork, outcome)?.draft));
    let transaction_id = settled.map_err(|error| match error {
        SettleError::Declined(error) => error,
        SettleError::Append(error) => ReconcileError::Append(error),
        _ => ReconcileError::ForkChanged {
            fork_id: fork.id.clone(),
        },
    })?;
    Ok(Settled {
        fork_id: fork.id.clone(),
        transaction_id,
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
    store.with_history(|history| Ok(prepare(history, fork, outcome)?.planned(fork)))?
}

fn resolved<E>(fork: &ForkContext<E>) -> Vec<StreamId> {
    let streams = fork.streams.iter();
    streams.map(|stream| stream.stream_id.clone()).collect()
}

/// A merge transaction that can be written, in a history that has the fork as it was decided upon.
pub(crate) struct Prepared {
    pub(crate) draft: MergeDraft,
    encoded: fs_format::Encoded,
    /// The newest transactions of the fork: the parents.
    newest: Vec<TxIx>,
    /// The open forks of the history.
    pub(crate) shapes: Vec<Shape>,
}

impl Prepared {
    pub(crate) fn planned<E>(self, fork: &ForkContext<E>) -> Planned {
        let transaction_id = self.encoded.transaction_id;
        let written = fs_format::decode(&self.encoded.bytes);
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
            bytes: self.encoded.bytes,
        }
    }

    /// Returns whether another open fork will not be the same once this is written.
    ///
    /// It is drawn in by an event on one of its streams, and by a conflict of this transaction with one of its members.
    pub(crate) fn disturbs(&self, history: &History, other: &Shape) -> bool {
        let dag = history.dag();
        let header = &self.draft.header;
        let writes = |header: &Header, stream_id: &StreamId| {
            let base = header.stream_bases.get(stream_id);
            base.is_some_and(|base| base.writes > 0)
        };
        let is_below = |ix: TxIx| {
            let newest = self.newest.iter();
            newest
                .into_iter()
                .any(|top| *top == ix || dag.is_ancestor(ix, *top))
        };
        let conflicts = |member: TxIx| {
            let theirs = history.get(member).header();
            let settled: Vec<_> = settled_by(theirs).collect();
            header.stream_bases.keys().any(|stream_id| {
                let (we_write, they_write) = (writes(header, stream_id), writes(theirs, stream_id));
                let both_settle =
                    header.resolves.contains_key(stream_id) && settled.contains(&stream_id);
                we_write && they_write || both_settle && (we_write || they_write)
            })
        };
        let mut streams = other.streams.keys();
        let mut members = other.members.iter().copied();
        streams.any(|stream_id| writes(header, stream_id))
            || members.any(|member| !is_below(member) && conflicts(member))
    }
}

pub(crate) fn prepare<E>(
    history: &History,
    fork: &ForkContext<E>,
    outcome: &Outcome,
) -> Result<Prepared, ReconcileError> {
    let changed = || ReconcileError::ForkChanged {
        fork_id: fork.id.clone(),
    };
    let shapes = shapes(history);
    let shape = shapes
        .iter()
        .find(|shape| shape.id == fork.id)
        .ok_or_else(changed)?;
    if !is_as_seen(history, shape, fork) {
        return Err(changed());
    }
    let newest = shape.newest(history.dag());
    let draft = draft(history, shape, &newest, outcome)?;
    let encoded = fs_format::encode_merge(&draft.header, &draft.events).map_err(|source| {
        ReconcileError::Outcome {
            fork_id: fork.id.clone(),
            source,
        }
    })?;
    Ok(Prepared {
        draft,
        encoded,
        newest,
        shapes,
    })
}

/// Returns whether a fork consists of what the resolver saw, and has as many events below it.
pub(crate) fn is_as_seen<E>(history: &History, shape: &Shape, fork: &ForkContext<E>) -> bool {
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
    let is_same_stream = |(now, seen): (&StreamId, &ForkedStream<E>)| {
        // An older transaction may arrive late, and be below the fork.
        *now == seen.stream_id && version_below(history, dag, now, &newest) == seen.version()
    };
    ids(&shape.members) == seen(&fork.members())
        && ids(&shape.on_top) == seen(&fork.on_top.iter().collect::<Vec<_>>())
        && shape.streams.len() == fork.streams.len()
        && shape.streams.keys().zip(&fork.streams).all(is_same_stream)
}

/// Makes the merge transaction of a fork and an outcome.
fn draft(
    history: &History,
    shape: &Shape,
    newest: &[TxIx],
    outcome: &Outcome,
) -> Result<MergeDraft, ReconcileError> {
    let dag = history.dag();
    let fork_id = || shape.id.clone();
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
    let created_at = last.map_or(Timestamp::MIN, |last| last.of_next_child());
    let mut heads: Vec<_> = shape.heads.iter().map(|head| dag.id(*head)).collect();
    heads.sort_unstable();
    let mut stream_bases = BTreeMap::new();
    let declared = shape.streams.keys().chain(outcome.expected.keys());
    for stream_id in declared.chain(outcome.written()) {
        stream_bases
            .entry(stream_id.clone())
            .or_insert_with(|| StreamBase {
                version: version_below(history, dag, stream_id, newest),
                writes: 0,
            });
    }
    for (stream_id, expected) in &outcome.expected {
        let actual = stream_bases.get(stream_id).map_or(0, |base| base.version);
        if let Some(expected) = expected.version().filter(|expected| *expected != actual) {
            return Err(ReconcileError::VersionConflict {
                fork_id: fork_id(),
                stream_id: stream_id.clone(),
                expected,
                actual,
            });
        }
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
            .header_metadata()
            .map_err(|source| ReconcileError::Metadata {
                fork_id: fork_id(),
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
