//! Merge transactions, whose ids are derived from their content.
//!
//! **Invariant**: the bytes are a function of the fork and its resolution, whoever writes them; two clones that settle a
//! fork alike write the same file.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::encode::{check, sealed, write};
use crate::id::with_version;
use crate::write::Identity;
use crate::{ContentHash, EncodeError, Encoded, Event, EventId, Header, ReplicaId, TransactionId};

/// What in a merge transaction is not as every clone that decides alike writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeFlaw {
    /// `replica_seq` is not 0.
    #[error("its replica_seq is not 0")]
    Sequence,
    /// There is a `recorded_at`.
    #[error("it has a recorded_at")]
    RecordedAt,
    /// The id of the transaction is not the one that is derived.
    #[error("its id does not follow from its content")]
    TransactionId,
    /// The id of some event is not the one that is derived.
    #[error("the ids of its events do not follow from its content")]
    EventIds,
    /// `author` is no string.
    #[error("its author is not a string")]
    Author,
    /// `reason` is no string.
    #[error("its reason is not a string")]
    Reason,
}

/// Returns what is not as the rules of merge transactions have it; such a transaction is read all the same.
pub fn check_merge(header: &Header, events: &[Event<'_>]) -> Vec<MergeFlaw> {
    #[derive(Default, Deserialize)]
    struct Decision<'a> {
        #[serde(borrow)]
        author: Option<&'a RawValue>,
        #[serde(borrow)]
        reason: Option<&'a RawValue>,
    }
    let is_text = |raw: Option<&RawValue>| raw.is_none_or(|raw| raw.get().starts_with('"'));
    // What does not parse has a key twice.
    let decision: Option<Decision<'_>> = serde_json::from_str(header.metadata.as_str()).ok();
    let (author, reason) = decision.map_or((false, false), |it| {
        (is_text(it.author), is_text(it.reason))
    });
    let derived = seed(
        &Header {
            recorded_at: None,
            ..header.clone()
        },
        events,
    );
    let ids = derived.ok().map(|seed| {
        let id = identity(header, random_bits(&seed)).transaction_id;
        let mut events = (0..=u32::MAX).zip(events);
        let follow = events.all(|(at, event)| event.event_id == event_id(&seed, at));
        (id == header.transaction_id, follow)
    });
    let (id, event_ids) = ids.unwrap_or((false, false));
    let holds = [
        (MergeFlaw::Sequence, header.replica_seq == Some(0)),
        (MergeFlaw::RecordedAt, header.recorded_at.is_none()),
        (MergeFlaw::TransactionId, id),
        (MergeFlaw::EventIds, event_ids),
        (MergeFlaw::Author, author),
        (MergeFlaw::Reason, reason),
    ];
    let broken = holds.into_iter().filter(|(_, holds)| !holds);
    broken.map(|(flaw, _)| flaw).collect()
}

/// Encodes a merge transaction in format 3.
///
/// Of the draft, `transaction_id`, `replica_id`, `replica_seq`, `recorded_at` and the ids of the events are ignored: the
/// writer is [`ReplicaId::NIL`] with sequence 0, no wall clock is recorded, and the ids come from a hash of the rest.
///
/// # Errors
/// As [`crate::encode`].
pub fn encode_merge(header: &Header, events: &[Event<'_>]) -> Result<Encoded, EncodeError> {
    let draft = Header {
        recorded_at: None,
        ..header.clone()
    };
    let seed = seed(&draft, events)?;
    let identity = identity(&draft, random_bits(&seed));
    check(&draft, events, identity.transaction_id)?;
    let ids: Vec<_> = (0..=u32::MAX)
        .zip(events)
        .map(|(at, _)| event_id(&seed, at))
        .collect();
    let lines = write(&draft, events, identity, |at| ids[at])?;
    sealed(lines, events.len(), identity.transaction_id)
}

/// The hash over the header and the events as they are without derived ids.
fn seed(draft: &Header, events: &[Event<'_>]) -> Result<ContentHash, EncodeError> {
    let identity = identity(draft, [0; 10]);
    check(draft, events, identity.transaction_id)?;
    let nil = EventId::from_uuid(uuid::Uuid::nil());
    let lines = write(draft, events, identity, |_| nil)?;
    Ok(ContentHash::of_bytes(lines.as_bytes()))
}

fn identity(draft: &Header, random: [u8; 10]) -> Identity {
    Identity {
        transaction_id: TransactionId::from_parts(draft.created_at.unix_millis(), random),
        replica_id: ReplicaId::NIL,
        replica_seq: 0,
    }
}

fn random_bits(seed: &ContentHash) -> [u8; 10] {
    let mut random = [0; 10];
    random.copy_from_slice(&seed.as_bytes()[..10]);
    random
}

/// The id of the event at place `at`: a UUID of version 8.
fn event_id(seed: &ContentHash, at: u32) -> EventId {
    let mut input = [0; 36];
    input[..32].copy_from_slice(seed.as_bytes());
    input[32..].copy_from_slice(&at.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&ContentHash::of_bytes(&input).as_bytes()[..16]);
    EventId::from_uuid(with_version(bytes, 8))
}
