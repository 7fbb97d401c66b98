//! Positions in the local ingestion order.
//!
//! ```text
//!   63            16 15     0   63                                  0
//!  | transaction no. | event  | | proof: running hash XOR epoch      |
//!  +------ sequence ----------+ +------------------------------------+   = 16 bytes of a UUID, big endian
//! ```
//!
//! The running hash goes over the journal, from its name to the transaction: which were ingested, with what content, in what order. It
//! is kept beside each transaction and never changes. The epoch is another random number whenever something goes away. So a position is
//! that of one place of one journal, and where the store was put back to an earlier state and went on otherwise, the same number has
//! another proof.
//!
//! **Invariant**: positions of one journal and epoch sort as events were first seen by this working copy, and a number is never given to
//! two events. Whether a position holds is asked of the index ([`Index::sequence_of`](crate::Snapshot::sequence_of)); two that do compare.

use std::fmt;
use std::io;

use fs_format::{ContentHash, TransactionId};
use fs_io::Random;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The random name of one journal file.
pub type JournalId = [u8; 16];

/// A period in which no transaction that was ingested has gone away; drawn at random, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Returns the epoch written as `value`.
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// Draws an epoch.
    pub(crate) fn draw(random: &dyn Random) -> io::Result<Self> {
        let mut bytes = [0; 8];
        while bytes == [0; 8] {
            random.fill(&mut bytes)?;
        }
        Ok(Self(u64::from_be_bytes(bytes)))
    }

    /// Returns the number by which the epoch is written.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The running hash of a journal at one of its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunningHash(u64);

impl RunningHash {
    /// Returns the hash before the first transaction of a journal.
    pub(crate) fn of_empty(journal: &JournalId) -> Self {
        Self(Uuid::from_bytes(*journal).as_u64_pair().0)
    }

    /// Returns the hash at the next transaction.
    #[must_use]
    pub(crate) fn then(self, number: u64, id: TransactionId, content: &ContentHash) -> Self {
        let hash = Sha256::new()
            .chain_update(self.0.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .chain_update(id.as_uuid().as_bytes())
            .chain_update(content.as_bytes())
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        Self(u64::from_be_bytes(first))
    }

    pub(crate) fn from_u64(value: u64) -> Self {
        Self(value)
    }

    pub(crate) fn to_u64(self) -> u64 {
        self.0
    }

    /// Returns what a position at this transaction carries.
    ///
    /// Both numbers are random, so two pairs that differ have the same proof once in 2^64; nothing has to be hashed to read an event.
    pub(crate) fn proof(self, epoch: Epoch) -> Proof {
        Proof(self.0 ^ epoch.0)
    }
}

/// What a position carries to prove that everything before it was ingested as it was when the position was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proof(u64);

/// The place of an event in the ingestion journal: the transaction's number (from 1) and the event's place in it
/// (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(u64);

impl Sequence {
    /// Returns the place of event `event` of transaction number `number`.
    ///
    /// Numbers have 48 bits and a transaction at most 65,536 events, so nothing is cut off.
    pub fn new(number: u64, event: u16) -> Self {
        Self(number << 16 | u64::from(event))
    }

    /// Returns the place behind all events of transaction number `number`.
    pub(crate) fn behind(number: u64) -> Self {
        Self::new(number, u16::MAX)
    }

    /// Returns whether this is the place of one of so many events, or the one behind all of them.
    pub(crate) fn is_within(self, events: u32) -> bool {
        u32::from(self.event()) < events || self.event() == u16::MAX
    }

    /// Returns the place before which everything lies that is before this one, and nothing else.
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Returns the number of the transaction, counted from 1.
    pub fn number(self) -> u64 {
        self.0 >> 16
    }

    /// Returns the place of the event within its transaction, counted from 0.
    pub fn event(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

/// A cursor of this working copy's ingestion order, written as a UUID.
///
/// It is the place of an event, or the one behind all events of a transaction, and proves what it stands on. A store takes it as long as
/// everything that it had ingested up to there is what it was. It is refused ([`StalePosition`]) when events went
/// away, when the index was built anew, and when the store was put back to an earlier state in which this place was not there yet.
///
/// Positions sort by their sequence. Of two that a store would not both take, the order says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The place in the journal.
    pub sequence: Sequence,
    /// What proves that this is still that place.
    pub proof: Proof,
}

impl Position {
    /// Reads a position from its UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        let (sequence, proof) = uuid.as_u64_pair();
        Self {
            sequence: Sequence(sequence),
            proof: Proof(proof),
        }
    }

    /// Writes the position as a UUID; the UUIDs sort as the positions do.
    pub fn to_uuid(self) -> Uuid {
        Uuid::from_u64_pair(self.sequence.0, self.proof.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_uuid().fmt(f)
    }
}

/// A position that stands on something else than what this store has ingested.
///
/// Nothing can be read from there: its holder may have seen events that are not there any more, and would miss others that came in
/// their place. What was derived from them is to be forgotten, and the reading begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "position {position} is none of this store's{}: events were removed, the index was rebuilt, or the store was put back to an earlier state since; start again from the beginning",
    epoch.map(|epoch| format!(" in its present epoch {epoch}")).unwrap_or_default()
)]
pub struct StalePosition {
    /// The position that was asked for.
    pub position: Position,
    /// The present epoch.
    pub epoch: Option<Epoch>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(number: u64, event: u16, proof: u64) -> Position {
        Position {
            sequence: Sequence::new(number, event),
            proof: Proof(proof),
        }
    }

    proptest! {
        #[test]
        fn a_position_survives_its_uuid(number in 0u64..1 << 48, event: u16, proof: u64) {
            let position = position(number, event, proof);
            prop_assert_eq!(Position::from_uuid(position.to_uuid()), position);
            prop_assert_eq!(position.sequence.number(), number);
            prop_assert_eq!(position.sequence.event(), event);
        }

        #[test]
        fn uuids_sort_by_number_then_event(a in (0u64..1 << 48, any::<u16>()), b in (0u64..1 << 48, any::<u16>()), proofs: [u64; 2]) {
            prop_assume!(a != b);
            let uuid = |(number, event), proof| position(number, event, proof).to_uuid();
            prop_assert_eq!(uuid(a, proofs[0]).cmp(&uuid(b, proofs[1])), a.cmp(&b), "the text of positions sorts as the journal does");
        }
    }

    #[test]
    fn a_running_hash_tells_what_came_before() {
        let id = |n: u8| TransactionId::from_parts(1_795_000_000_000, [n; 10]);
        let content = |n: u8| ContentHash::from_bytes([n; 32]);
        let run = |journal: u8, came: &[(u64, u8, u8)]| {
            let begin = RunningHash::of_empty(&[journal; 16]);
            came.iter().fold(begin, |hash, (number, of, with)| {
                hash.then(*number, id(*of), &content(*with))
            })
        };
        let known = run(1, &[(1, 1, 1), (2, 2, 2), (3, 3, 3)]);
        assert_eq!(known, run(1, &[(1, 1, 1), (2, 2, 2), (3, 3, 3)]));
        for (what, other) in [
            (
                "another journal",
                run(2, &[(1, 1, 1), (2, 2, 2), (3, 3, 3)]),
            ),
            ("another order", run(1, &[(1, 2, 2), (2, 1, 1), (3, 3, 3)])),
            (
                "another transaction",
                run(1, &[(1, 1, 1), (2, 4, 2), (3, 3, 3)]),
            ),
            (
                "another content",
                run(1, &[(1, 1, 1), (2, 2, 4), (3, 3, 3)]),
            ),
            ("another number", run(1, &[(1, 1, 1), (2, 2, 2), (4, 3, 3)])),
            ("fewer", run(1, &[(1, 1, 1), (3, 3, 3)])),
        ] {
            assert_ne!(known, other, "{what} before a place shows in its hash");
        }
        let epoch = Epoch::from_u64;
        assert_ne!(
            known.proof(epoch(1)),
            known.proof(epoch(2)),
            "an epoch refuses what was proved in another"
        );
    }
}
