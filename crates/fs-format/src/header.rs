//! The first line of a file: who wrote the transaction, when, on top of what, and on which streams it decided.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::{CommandId, ContentHash, Json, ReplicaId, StreamId, Timestamp, TransactionId};

/// The version of a file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FormatVersion {
    /// Of eventcore-fs: no hash at all.
    V1,
    /// Of eventcore-fs: the header records a hash of the events.
    V2,
    /// Sealed; the only one that is written.
    V3,
}

impl FormatVersion {
    /// Returns the number that stands in the file.
    pub fn number(self) -> u64 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// A transaction that was a head of the store when its child was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parent {
    /// Its id.
    pub transaction_id: TransactionId,
    /// Its content hash; `None` in formats 1 and 2, which do not record it.
    pub content_hash: Option<ContentHash>,
}

/// What a transaction declares of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct StreamBase {
    /// The version that was decided on: how many events the stream had, from 0.
    pub version: u64,
    /// How many events the transaction adds; 0 for a stream that was only read.
    pub writes: u64,
}

/// The header of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format of the file.
    pub format_version: FormatVersion,
    /// The id of the transaction, which also names its file.
    pub transaction_id: TransactionId,
    /// The writer; [`ReplicaId::NIL`] for merge transactions.
    pub replica_id: ReplicaId,
    /// The place in the chain of the writer's transactions; `None` in formats 1 and 2, which do not record it.
    pub replica_seq: Option<u64>,
    /// The instant by the hybrid logical clock: later than that of every parent.
    pub created_at: Timestamp,
    /// The wall clock, where `created_at` runs ahead of it.
    pub recorded_at: Option<Timestamp>,
    /// The heads of the store when it was written; ascending by id.
    pub parents: Vec<Parent>,
    /// Every stream that the transaction writes or was decided on.
    pub stream_bases: BTreeMap<StreamId, StreamBase>,
    /// The caller's idempotency key.
    pub command_id: Option<CommandId>,
    /// The streams whose forks it settles, each with the transactions that it settles, ascending by id.
    pub resolves: BTreeMap<StreamId, Vec<TransactionId>>,
    /// The caller's own: a JSON object.
    pub metadata: Json<'static>,
}
