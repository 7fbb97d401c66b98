//! How far a projection has come.

use fs_index::{Epoch, Position};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::page::IndexSnapshotId;
use crate::projection::dead_letter::DeadLetter;
use crate::projection::projector::Order;

/// How far a projection has come: what a read model keeps beside its state, and changes with it.
///
/// To a read model this is opaque; it is stored by way of serde and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The version of the projection that built the state.
    pub(crate) version: u32,
    /// The epoch of the cursor; `None` as long as there was no journal.
    epoch: Option<u64>,
    /// The topology generation that the state was built in.
    pub(crate) generation: u64,
    pub(crate) order: Order,
    pub(crate) cursor: Cursor,
    pub(crate) applied: u64,
    pub(crate) dead_letters: Vec<DeadLetter>,
}

/// The place behind the last event that was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cursor {
    /// In the ingestion order.
    Ingested(Option<Uuid>),
    /// In the canonical order, while the state is built in that: so many whole transactions, and so many events of the
    /// next one. Within an epoch and a generation that order only grows at its end, as long as the place in the ingestion order up to
    /// which it was known holds.
    Canonical {
        transactions: usize,
        events: usize,
        known: Option<Uuid>,
    },
}

impl Progress {
    /// Returns the beginning.
    pub(crate) fn new(version: u32, order: Order, snapshot_id: &IndexSnapshotId) -> Self {
        Self {
            version,
            epoch: snapshot_id.epoch.map(Epoch::as_u64),
            generation: snapshot_id.generation,
            order,
            cursor: match order {
                Order::Ingestion => Cursor::Ingested(None),
                Order::Canonical => Cursor::Canonical {
                    transactions: 0,
                    events: 0,
                    known: None,
                },
            },
            applied: 0,
            dead_letters: Vec::new(),
        }
    }

    /// Returns the place in the ingestion order up to which events were dealt with; `None` before the first, and while
    /// the state is built in canonical order.
    pub fn position(&self) -> Option<Position> {
        match self.cursor {
            Cursor::Ingested(position) => position.map(Position::from_uuid),
            Cursor::Canonical { .. } => None,
        }
    }

    /// Returns how many events were applied since the state was empty.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Returns the events that were set aside since the state was empty, in the order of the events.
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.dead_letters
    }

    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.epoch.map(Epoch::from_u64)
    }

    /// Moves to a place of an epoch.
    pub(crate) fn move_to(&mut self, cursor: Cursor, epoch: Option<Epoch>) {
        self.cursor = cursor;
        self.epoch = epoch.map(Epoch::as_u64);
    }
}
