//! What is kept up to date about the transactions as a whole: small enough to be read at every open.
//!
//! **Invariant**: it is a function of the journal up to some place, like everything in the index. A clone shares what may be large, so an
//! append beside a snapshot that somebody holds copies the heads and little else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fs_format::{ContentHash, ReplicaId, Timestamp, TransactionId};

use crate::codec::{Fields, Writer};
use crate::log::record::{self, Arrived, Origin, Place, Seen};
use crate::position::{Epoch, Position, RunningHash, Sequence};

/// A transaction that no other descends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it was written.
    pub created_at: Timestamp,
    /// Who wrote it.
    pub replica_id: ReplicaId,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// The hash by which children refer to it.
    pub content_hash: ContentHash,
}

impl Head {
    /// Returns the canonical sort key.
    pub(crate) fn key(&self) -> (Timestamp, ReplicaId, TransactionId) {
        (self.created_at, self.replica_id, self.transaction_id)
    }
}

/// The facts about a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) epoch: Epoch,
    pub(crate) generation: u64,
    pub(crate) next_number: u64,
    /// That of the journal behind the last number that was given.
    pub(crate) running_hash: RunningHash,
    /// The last transaction that has not gone away.
    pub(crate) last: Option<(u64, RunningHash)>,
    /// The boot that the journal was last written in.
    pub(crate) boot_id: Option<String>,
    pub(crate) transactions: u64,
    pub(crate) events: u64,
    pub(crate) heads: BTreeMap<TransactionId, Head>,
    /// Parents that are not there, each with the numbers of its children.
    pub(crate) missing_parents: Arc<BTreeMap<TransactionId, BTreeSet<u64>>>,
    /// By replica of this working copy: sequence and id of the last it appended, which need not be there any more.
    pub(crate) last_appended: BTreeMap<ReplicaId, (u64, TransactionId)>,
    pub(crate) once_vanished: Arc<BTreeSet<TransactionId>>,
    /// Numbers of transactions that vanished and still are in a segment or the tail.
    pub(crate) dead: Arc<BTreeSet<u64>>,
    /// How many files lie flat.
    pub(crate) flat: u64,
    /// Whether what comes and goes has to be judged with a view to all files (a full rebuild), and whether the canonical
    /// order is not that of the keys.
    pub(crate) needs_rebuild: bool,
    /// Files that are left out, and what they looked like.
    pub(crate) rejected: Arc<BTreeMap<String, Seen>>,
}

impl State {
    /// Adds a transaction that is not there, of whose parents these are missing.
    pub(crate) fn add(&mut self, arrived: &Arrived, missing: &[TransactionId]) {
        let (number, summary) = (arrived.number, &arrived.summary);
        let id = summary.id;
        for parent in &summary.links.parents {
            self.heads.remove(parent);
        }
        for parent in missing {
            let missing_parents = Arc::make_mut(&mut self.missing_parents);
            missing_parents.entry(*parent).or_default().insert(number);
        }
        if self.missing_parents.contains_key(&id) {
            Arc::make_mut(&mut self.missing_parents).remove(&id);
        } else {
            let head = Head {
                created_at: summary.created_at,
                replica_id: summary.replica_id,
                transaction_id: id,
                content_hash: arrived.content_hash,
            };
            self.heads.insert(id, head);
        }
        if arrived.origin == Origin::Appended && !summary.replica_id.is_nil() {
            let last = (summary.links.replica_seq.unwrap_or(0), id);
            let known = self.last_appended.entry(summary.replica_id).or_insert(last);
            *known = last.max(*known);
        }
        self.next_number = number + 1;
        self.running_hash = arrived.running_hash;
        self.last = Some((number, arrived.running_hash));
        self.transactions += 1;
        self.events += u64::from(summary.event_count);
        self.flat += u64::from(arrived.place == Place::Flat);
        let path = arrived.place.path(id);
        if self.rejected.contains_key(&path) {
            Arc::make_mut(&mut self.rejected).remove(&path);
        }
    }

    /// Returns the state before anything came.
    pub(crate) fn new(epoch: Epoch, generation: u64, running_hash: RunningHash) -> Self {
        Self {
            epoch,
            generation,
            next_number: 1,
            running_hash,
            last: None,
            boot_id: None,
            transactions: 0,
            events: 0,
            heads: BTreeMap::new(),
            missing_parents: Arc::default(),
            last_appended: BTreeMap::new(),
            once_vanished: Arc::default(),
            dead: Arc::default(),
            flat: 0,
            needs_rebuild: false,
            rejected: Arc::default(),
        }
    }

    /// Returns the place behind everything; `None` when there is nothing.
    pub(crate) fn end(&self) -> Option<Position> {
        self.last.map(|(number, hash)| Position {
            sequence: Sequence::behind(number),
            proof: hash.proof(self.epoch),
        })
    }

    /// Returns whether a transaction has a greater canonical key than this.
    ///
    /// # Complexity
    /// O(h) for h heads. The newest ids are looked at first, so mostly one is enough where the answer is yes.
    pub(crate) fn has_greater_key(&self, key: (Timestamp, ReplicaId, TransactionId)) -> bool {
        self.heads.values().rev().any(|head| head.key() > key)
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.u64(self.epoch.as_u64())
            .u64(self.generation)
            .u64(self.next_number)
            .u64(self.running_hash.to_u64());
        to.option(self.last, |to, (number, hash)| {
            to.u64(number).u64(hash.to_u64());
        });
        to.option(self.boot_id.as_ref(), |to, boot| _ = to.text(boot));
        to.u64(self.transactions).u64(self.events);
        to.list(self.heads.values(), |to, head| {
            to.i64(head.created_at.unix_nanos())
                .replica(head.replica_id)
                .id(head.transaction_id)
                .hash(&head.content_hash);
        });
        to.list(self.missing_parents.iter(), |to, (parent, children)| {
            to.id(*parent);
            to.list(children.iter(), |to, number| _ = to.u64(*number));
        });
        to.list(self.last_appended.iter(), |to, (replica, (seq, id))| {
            to.replica(*replica).u64(*seq).id(*id);
        });
        to.list(self.once_vanished.iter(), |to, id| _ = to.id(*id));
        to.list(self.dead.iter(), |to, number| _ = to.u64(*number));
        to.u64(self.flat).byte(u8::from(self.needs_rebuild));
        record::write_seen(to, &self.rejected);
    }

    pub(crate) fn read(from: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            epoch: Epoch::from_u64(from.u64()?),
            generation: from.u64()?,
            next_number: from.u64()?,
            running_hash: RunningHash::from_u64(from.u64()?),
            last: from.option(|from| Some((from.u64()?, RunningHash::from_u64(from.u64()?))))?,
            boot_id: from.option(|from| from.text().map(str::to_owned))?,
            transactions: from.u64()?,
            events: from.u64()?,
            heads: from.list(|from| {
                let head = Head {
                    created_at: from.time()?,
                    replica_id: from.replica()?,
                    transaction_id: from.id()?,
                    content_hash: from.hash()?,
                };
                Some((head.transaction_id, head))
            })?,
            missing_parents: Arc::new(
                from.list(|from| Some((from.id()?, from.list(Fields::u64)?)))?,
            ),
            last_appended: from.list(|from| Some((from.replica()?, (from.u64()?, from.id()?))))?,
            once_vanished: Arc::new(from.list(Fields::id)?),
            dead: Arc::new(from.list(Fields::u64)?),
            flat: from.u64()?,
            needs_rebuild: from.flag()?,
            rejected: Arc::new(record::read_seen(from)?),
        })
    }
}
