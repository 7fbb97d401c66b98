//! What a decision about a fork is written as, and the steps before it where a fork has very many branches.
//!
//! ```text
//!   H1 .. H4096  H4097 .. H5000        more heads than a transaction may have parents
//!     \   |   /      \    |    /
//!        S1           |    |           a step: no event, the conflicts between its heads stand
//!          `--------- M ---`           the decision
//! ```
//!
//! **Invariant**: all of it follows from the fork and the outcome, the steps from the fork alone, so two clones write the same
//! files. Whoever goes on after some of the steps writes the same rest.

use std::collections::BTreeMap;

use fs_dag::{Cover, TxIx};
use fs_format::{
    Encoded, Event, EventId, FormatVersion, Header, Json, Parent, ReplicaId, StreamBase, StreamId,
    Timestamp, TransactionId, limits,
};
use fs_index::History;
use fs_store::MergeDraft;

use crate::detect::Shape;
use crate::outcome::Outcome;
use crate::report::ReconcileError;

/// A parent of a merge transaction: one of the newest transactions of the fork, or a step that joins several.
struct Top {
    created_at: Timestamp,
    replica_id: ReplicaId,
    parent: Parent,
    /// The newest transactions that it is, or joins.
    joined: Vec<TxIx>,
}

impl Top {
    fn of(history: &History, ix: TxIx) -> Self {
        let member = history.get(ix);
        Self {
            created_at: member.created_at(),
            replica_id: member.replica_id(),
            parent: Parent {
                transaction_id: member.id(),
                content_hash: Some(member.content_hash()),
            },
            joined: vec![ix],
        }
    }
}

/// Makes the merge transactions of a fork and an outcome: the steps, and at the end the decision.
///
/// `newest` are the newest transactions of the fork.
pub(crate) fn drafts(
    history: &History,
    shape: &Shape,
    newest: &[TxIx],
    outcome: &Outcome,
) -> Result<Vec<(MergeDraft, Encoded)>, ReconcileError> {
    let mut written = Vec::new();
    let mut tops: Vec<_> = newest.iter().map(|ix| Top::of(history, *ix)).collect();
    loop {
        tops.sort_by_key(|top| (top.created_at, top.replica_id, top.parent.transaction_id));
        let is_step = tops.len() > limits::MAX_PARENTS;
        let rest = tops.split_off(tops.len().min(limits::MAX_PARENTS));
        let joined: Vec<_> = tops
            .iter()
            .flat_map(|top| top.joined.iter().copied())
            .collect();
        let mut draft = join(history, shape, &tops, &joined);
        if !is_step {
            decide(history, shape, &mut draft, &joined, outcome)?;
        }
        let encoded = fs_format::encode_merge(&draft.header, &draft.events);
        let encoded = encoded.map_err(|source| ReconcileError::Outcome {
            fork_id: shape.id.clone(),
            source,
        })?;
        let step = Top {
            created_at: draft.header.created_at,
            replica_id: draft.header.replica_id,
            parent: Parent {
                transaction_id: encoded.transaction_id,
                content_hash: Some(encoded.content_hash),
            },
            joined,
        };
        written.push((draft, encoded));
        if !is_step {
            return Ok(written);
        }
        tops = rest;
        tops.push(step);
    }
}

/// Makes the transaction that settles the conflicts below some of the newest and writes nothing.
fn join(history: &History, shape: &Shape, tops: &[Top], joined: &[TxIx]) -> MergeDraft {
    let dag = history.dag();
    let cover = dag.cover(joined);
    let mut parents: Vec<_> = tops.iter().map(|top| top.parent).collect();
    parents.sort_by_key(|parent| parent.transaction_id);
    let last = tops.iter().map(|top| top.created_at).max();
    let created_at = last.map_or(Timestamp::MIN, |last| last.of_next_child());
    let heads = shape
        .heads
        .iter()
        .filter(|head| dag.is_covered(&cover, **head));
    let mut heads: Vec<_> = heads.map(|head| dag.id(*head)).collect();
    heads.sort_unstable();
    let streams = shape.streams.keys();
    let stream_bases = streams.clone().map(|stream_id| {
        let version = version_below(history, stream_id, &cover);
        (stream_id.clone(), StreamBase { version, writes: 0 })
    });
    let header = Header {
        format_version: FormatVersion::V3,
        transaction_id: TransactionId::from_parts(created_at.unix_millis(), [0; 10]),
        replica_id: ReplicaId::NIL,
        replica_seq: Some(0),
        created_at,
        recorded_at: None,
        parents,
        stream_bases: stream_bases.collect(),
        command_id: None,
        resolves: streams
            .map(|stream_id| (stream_id.clone(), heads.clone()))
            .collect(),
        metadata: Json::empty_object(),
    };
    let events = Vec::new();
    MergeDraft { header, events }
}

/// Adds an outcome to the transaction that settles all.
fn decide(
    history: &History,
    shape: &Shape,
    draft: &mut MergeDraft,
    newest: &[TxIx],
    outcome: &Outcome,
) -> Result<(), ReconcileError> {
    let fork_id = || shape.id.clone();
    let cover = history.dag().cover(newest);
    let stream_bases: &mut BTreeMap<_, _> = &mut draft.header.stream_bases;
    for stream_id in outcome.expected.keys().chain(outcome.written()) {
        stream_bases
            .entry(stream_id.clone())
            .or_insert_with(|| StreamBase {
                version: version_below(history, stream_id, &cover),
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
    for event in &outcome.events {
        let base = stream_bases
            .get_mut(&event.stream_id)
            .expect("every event's stream was entered just above");
        base.writes += 1;
        draft.events.push(Event {
            event_id: EventId::from_uuid(Default::default()),
            stream_id: event.stream_id.clone(),
            stream_version: base.version + base.writes,
            event_type: event.event_type.clone().into(),
            event_data: event.event_data.clone(),
            metadata: event.metadata.clone(),
        });
    }
    draft.header.metadata =
        outcome
            .header_metadata()
            .map_err(|source| ReconcileError::Metadata {
                fork_id: fork_id(),
                source,
            })?;
    Ok(())
}

/// Counts the events of a stream that are covered.
pub(crate) fn version_below(history: &History, stream_id: &StreamId, cover: &Cover) -> u64 {
    let writes = history.writes(stream_id).iter();
    let below = writes.filter(|write| history.dag().is_covered(cover, write.transaction));
    below.map(|write| write.count).sum()
}
