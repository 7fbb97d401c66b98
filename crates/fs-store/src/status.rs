//! Is all well with the store?

use std::collections::BTreeMap;

use fs_dag::TxIx;
use fs_format::{ReplicaId, Timestamp, TransactionId};
use fs_index::{Depth, Epoch, History, Trouble};

use crate::error::RefreshError;
use crate::store::FileEventStore;

/// How far ahead of the wall clock a transaction may be dated before the status says so.
const CLOCK_TOLERANCE_NANOS: i64 = 1_000_000_000;

/// The state of a store, without its forks (fs-merge adds those).
#[derive(Clone, Debug)]
pub struct StoreStatus {
    /// How many transactions are in the history.
    pub transactions: u64,
    /// How many events they hold.
    pub events: u64,
    /// How many streams they write.
    pub streams: u64,
    /// The transactions that no other descends from, in canonical order.
    pub heads: Vec<TransactionId>,
    /// Transactions whose parents are not there.
    pub dangling: Vec<Dangling>,
    /// Files that are empty or cut: the trace of a power cut, or of a checkout that is still running.
    pub incomplete: Vec<Trouble>,
    /// Files that cannot be used, each with its reason.
    pub quarantined: Vec<Trouble>,
    /// Replicas whose transactions form no chain.
    pub replica_conflicts: Vec<ReplicaIdentityConflict>,
    /// Replicas whose transactions are dated more than a second ahead of this machine's clock.
    pub clock_ahead: Vec<ClockAhead>,
    /// The epoch of this working copy's positions.
    pub epoch: Option<Epoch>,
    /// How often the canonical order has changed behind something already ingested.
    pub topology_generation: u64,
}

/// A transaction one of whose parents is not in the history; its events are readable all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dangling {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// The parent that is missing.
    pub missing: TransactionId,
}

/// Two transactions of one replica of which neither descends from the other, as far as can be told: where a parent is
/// missing below the later one, only two of the same sequence are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaIdentityConflict {
    /// The replica.
    pub replica_id: ReplicaId,
    /// The two transactions, in canonical order.
    pub transactions: [TransactionId; 2],
}

/// A replica whose clock runs ahead of this machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockAhead {
    /// The replica.
    pub replica_id: ReplicaId,
    /// The time of its newest transaction.
    pub created_at: Timestamp,
}

impl StoreStatus {
    /// Returns whether nothing in the store asks for somebody's attention.
    ///
    /// A clock that runs ahead does not: order and versions hold all the same.
    pub fn is_clean(&self) -> bool {
        self.dangling.is_empty()
            && self.incomplete.is_empty()
            && self.quarantined.is_empty()
            && self.replica_conflicts.is_empty()
    }
}

impl FileEventStore {
    /// Looks at every file of the store and reports what it found.
    ///
    /// Files that are known are compared by length and time, and by content where those differ;
    /// [`verify`](FileEventStore::verify) reads them all.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn status(&self) -> Result<StoreStatus, RefreshError> {
        self.inner.refresh(Depth::Files)?;
        let history = &*self.inner.history()?;
        let index = self.inner.index();
        let dag = history.dag();
        let (incomplete, quarantined) = index
            .troubles()
            .cloned()
            .partition(|trouble| trouble.reason.is_incomplete());
        let now = self.inner.system.clock.now_unix_nanos();
        Ok(StoreStatus {
            transactions: history.len() as u64,
            events: history.event_count(),
            streams: history.streams().count() as u64,
            heads: dag.heads().into_iter().map(|ix| dag.id(ix)).collect(),
            dangling: dag
                .missing_parents()
                .into_iter()
                .map(|(ix, missing)| Dangling {
                    transaction_id: dag.id(ix),
                    missing,
                })
                .collect(),
            incomplete,
            quarantined,
            replica_conflicts: replica_conflicts(history),
            clock_ahead: clock_ahead(history, now),
            epoch: history.epoch(),
            topology_generation: history.topology_generation(),
        })
    }
}

/// Finds replicas whose format-3 transactions are no chain; the first break of each.
fn replica_conflicts(history: &History) -> Vec<ReplicaIdentityConflict> {
    let dag = history.dag();
    let dangling: Vec<_> = dag
        .missing_parents()
        .into_iter()
        .map(|(ix, _)| ix)
        .collect();
    let is_complete = |ix| {
        !dangling
            .iter()
            .any(|it| *it == ix || dag.is_ancestor(*it, ix))
    };
    let mut last: BTreeMap<ReplicaId, (TxIx, Option<u64>)> = BTreeMap::new();
    let mut conflicts = BTreeMap::new();
    for (ix, stored) in history.canonical() {
        let header = stored.header();
        if header.replica_id.is_nil() || header.replica_seq.is_none() {
            continue;
        }
        let sequence = header.replica_seq;
        if let Some((before, sequence_before)) = last.insert(header.replica_id, (ix, sequence))
            && !dag.is_ancestor(before, ix)
            && (sequence == sequence_before || is_complete(ix))
        {
            conflicts
                .entry(header.replica_id)
                .or_insert([dag.id(before), dag.id(ix)]);
        }
    }
    conflicts
        .into_iter()
        .map(|(replica_id, transactions)| ReplicaIdentityConflict {
            replica_id,
            transactions,
        })
        .collect()
}

fn clock_ahead(history: &History, now: i64) -> Vec<ClockAhead> {
    let mut newest = BTreeMap::new();
    for (_, stored) in history.canonical() {
        let header = stored.header();
        let entry = newest.entry(header.replica_id).or_insert(header.created_at);
        *entry = header.created_at.max(*entry);
    }
    let ahead = |created_at: &Timestamp| {
        created_at.unix_nanos().saturating_sub(now) > CLOCK_TOLERANCE_NANOS
    };
    newest
        .into_iter()
        .filter(|(_, created_at)| ahead(created_at))
        .map(|(replica_id, created_at)| ClockAhead {
            replica_id,
            created_at,
        })
        .collect()
}
