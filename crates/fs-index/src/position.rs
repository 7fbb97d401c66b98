//! Positions in the local ingestion order.
//!
//! ```text
//!   63            16 15     0   63                        0
//!  | transaction no. | event  | | epoch, drawn at random   |
//!  +------ sequence ----------+ +--------------------------+   = 16 bytes of a UUID, big endian
//! ```
//!
//! **Invariant**: within one epoch, positions sort as events were first seen by this working copy, and a number is
//! never given to two events. Positions of different epochs are never compared; meeting one is an error.

use std::fmt;
use std::io;

use fs_io::Random;
use uuid::Uuid;

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

    /// Returns the place before which nothing of this one's transaction or of a later one lies, but what is before it.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The place in the journal.
    pub sequence: Sequence,
    /// The epoch in which the place means something.
    pub epoch: Epoch,
}

impl Position {
    /// Reads a position from its UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        let (sequence, epoch) = uuid.as_u64_pair();
        Self {
            sequence: Sequence(sequence),
            epoch: Epoch(epoch),
        }
    }

    /// Writes the position as a UUID whose order is that of the sequence within an epoch.
    pub fn as_uuid(self) -> Uuid {
        Uuid::from_u64_pair(self.sequence.0, self.epoch.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_uuid().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_survives_its_uuid(number in 0u64..1 << 48, event: u16, epoch: u64) {
            let position = Position { sequence: Sequence::new(number, event), epoch: Epoch::from_u64(epoch) };
            prop_assert_eq!(Position::from_uuid(position.as_uuid()), position);
            prop_assert_eq!(position.sequence.number(), number);
            prop_assert_eq!(position.sequence.event(), event);
        }

        #[test]
        fn within_an_epoch_uuids_sort_by_number_then_event(a in (0u64..1 << 48, any::<u16>()), b in (0u64..1 << 48, any::<u16>()), epoch: u64) {
            let uuid = |(number, event)| Position { sequence: Sequence::new(number, event), epoch: Epoch::from_u64(epoch) }.as_uuid();
            prop_assert_eq!(uuid(a).cmp(&uuid(b)), a.cmp(&b), "the text of positions sorts as the journal does");
        }
    }
}
