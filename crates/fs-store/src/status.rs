//! Is all well with the store?

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::TxIx;
use fs_format::{ReplicaId, Timestamp, TransactionId};
use fs_index::{Completeness, Epoch, History, Omission, RejectedFile, Scan, Snapshot};

use crate::error::RefreshError;
use crate::heads_above::HeadsAbove;
use crate::identity::{Found, Identity};
use crate::identity_conflict::{Pair, identity_conflicts};
use crate::repeated_command::{RepeatedCommand, repeated_commands};
use crate::rewritten::Rewritten;
use crate::store::{FileEventStore, Inner};

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
    pub incomplete: Vec<RejectedFile>,
    /// Files that cannot be used, each with its reason.
    pub quarantined: Vec<RejectedFile>,
    /// What answers lack, but for what was accepted.
    pub completeness: Completeness,
    /// What [`forget`](FileEventStore::forget) accepted in this working copy and is missing or damaged still; it is in none
    /// of the lists above.
    pub accepted: Vec<Omission>,
    /// Transactions whose files were rewritten since this working copy read them.
    pub rewritten: Vec<Rewritten>,
    /// Commands that a transaction carried out though one below it had done so: what was done more than once. They stay listed.
    pub repeated_commands: Vec<RepeatedCommand>,
    /// Replicas whose transactions form no chain. They stay listed; whether anything is to be done, each says.
    pub replica_conflicts: Vec<ReplicaIdentityConflict>,
    /// Transactions that a power cut had taken and this handle has written again, as
    /// [`recovered`](FileEventStore::recovered).
    pub recovered: Vec<TransactionId>,
    /// Transactions that a power cut had taken and that wait in the log of a store that is open for reading only: answers lack
    /// them, until it is opened where it may be written to.
    pub unrecovered: Vec<TransactionId>,
    /// How many transactions are kept that are not in the history, as [`vanished`](FileEventStore::vanished) lists them.
    pub vanished: u64,
    /// Replicas whose transactions are dated more than a second ahead of this machine's clock.
    pub clock_ahead: Vec<ClockAhead>,
    /// When the store was found on another machine, on another device and in another boot than before. It was moved there, or its disk was
    /// cloned, which cannot be told apart: if the other one is still in use, [`adopt`](FileEventStore::adopt) an identity here, which also ends
    /// this.
    pub moved: Option<Timestamp>,
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

/// Two transactions of one replica that cannot be of one writer: they have the same number, or neither descends from the other and nothing
/// is missing at or below the later one. What [`read_by_replica`](FileEventStore::read_by_replica) tells are the same conflicts.
///
/// Of each replica one conflict is reported: the first that is not past, else the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaIdentityConflict {
    /// The replica.
    pub replica_id: ReplicaId,
    /// The two transactions, in canonical order.
    pub transactions: [TransactionId; 2],
    /// Whether anything is to be done about it.
    pub state: ConflictState,
}

/// How a replica identity conflict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictState {
    /// This working copy still appends as the replica, as another does or did:
    /// [`adopt`](FileEventStore::adopt) ends that.
    Ours,
    /// Others share the replica, and nothing descends from both transactions yet: each of those others is to
    /// [`adopt`](FileEventStore::adopt) an identity of its own.
    Theirs,
    /// This working copy does not append as the replica, and either has ceased to, or something was appended since that
    /// descends from both. Nothing is to be done here; the history stays as it is.
    Past,
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
    /// A clock that runs ahead does not: order and versions hold all the same. Nor does a command that was repeated, a replica identity conflict that
    /// is past, a transaction that was written again, or one that vanished, as many do at every `git switch`.
    pub fn is_clean(&self) -> bool {
        self.dangling.is_empty()
            && self.completeness.is_complete()
            && self.incomplete.is_empty()
            && self.quarantined.is_empty()
            && self.rewritten.is_empty()
            && self
                .replica_conflicts
                .iter()
                .all(|conflict| conflict.state == ConflictState::Past)
    }
}

impl FileEventStore {
    /// Looks at every file of the store and reports what it found.
    ///
    /// Files that are known are compared by inode, length and times, and by content where those differ;
    /// [`verify`](FileEventStore::verify) reads them all.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn status(&self) -> Result<StoreStatus, RefreshError> {
        self.inner.refresh(Scan::Contents)?;
        let read = |snapshot: &Snapshot| {
            let shared = snapshot.shared_commands()?;
            Ok((snapshot.clone(), snapshot.history()?, shared))
        };
        let (snapshot, history, shared) = self.inner.ask_present(read)?;
        let (history, omissions) = (&*history, self.inner.omissions_in(&snapshot)?);
        let (omissions, accepted) = self.inner.split_accepted(&omissions)?;
        let accepted_ids: BTreeSet<_> = accepted.iter().map(|it| it.transaction_id).collect();
        let is_accepted = |id: Option<TransactionId>| id.is_some() && accepted_ids.contains(&id);
        let dag = history.dag();
        let (incomplete, quarantined) = snapshot
            .rejected_files()
            .filter(|trouble| !is_accepted(trouble.transaction_id()))
            .cloned()
            .partition(|trouble| trouble.reason.is_incomplete());
        let kept = self.inner.kept_paths()?.into_keys();
        let vanished = kept.filter(|id| history.find(*id).is_none()).count() as u64;
        let now = self.inner.system.clock.now_unix_nanos();
        let replicas = self.inner.replicas();
        Ok(StoreStatus {
            transactions: history.len() as u64,
            events: history.event_count(),
            streams: history.streams().count() as u64,
            heads: dag.heads().into_iter().map(|ix| dag.id(ix)).collect(),
            dangling: dag
                .missing_parents()
                .into_iter()
                .filter(|(_, missing)| !is_accepted(Some(*missing)))
                .map(|(ix, missing)| Dangling {
                    transaction_id: dag.id(ix),
                    missing,
                })
                .collect(),
            incomplete,
            quarantined,
            completeness: Completeness::of(&omissions).while_unconfirmed(snapshot.unconfirmed()),
            accepted,
            rewritten: self.inner.rewritten(history)?,
            repeated_commands: repeated_commands(history, shared),
            replica_conflicts: replica_conflicts(history, &replicas),
            moved: replicas.moved,
            recovered: self.recovered(),
            unrecovered: self.inner.unrecovered(history),
            vanished,
            clock_ahead: clock_ahead(history, now),
            epoch: history.epoch(),
            topology_generation: history.topology_generation(),
        })
    }
}

/// The replicas of this working copy.
#[derive(Debug, Default)]
struct Replicas {
    /// As which it appends.
    own: BTreeSet<ReplicaId>,
    /// As which it has ceased to append.
    retired: BTreeSet<ReplicaId>,
    /// When they moved here with the store.
    moved: Option<Timestamp>,
}

impl Inner {
    /// Returns what the log of a store that may not be written to has, and its files have not.
    fn unrecovered(&self, history: &History) -> Vec<TransactionId> {
        let unrecovered = self.apart.iter().flat_map(|apart| &apart.unrecovered);
        let lost = unrecovered.filter(|id| history.find(**id).is_none());
        lost.copied().collect()
    }

    /// Returns the replicas of this working copy as its file names them now, whichever process wrote it.
    fn replicas(&self) -> Replicas {
        let mut replicas = Replicas::default();
        replicas.own.extend(self.options.replica_id);
        match Identity::load(&self.system, &self.layout).map(Found::into_identity) {
            Ok(identity) => {
                if self.options.replica_id.is_none() {
                    replicas.own.extend(identity.replicas());
                }
                replicas.retired.extend(identity.retired());
                replicas.moved = identity.moved();
            }
            // The next append says so.
            Err(error) => tracing::warn!(%error, "it is not known who this working copy is"),
        }
        replicas
    }
}

/// Returns of each replica in an identity conflict the first that is not past, else the first.
fn replica_conflicts(history: &History, replicas: &Replicas) -> Vec<ReplicaIdentityConflict> {
    let dag = history.dag();
    let conflicts = identity_conflicts(history);
    if conflicts.is_empty() {
        return Vec::new();
    }
    let heads = HeadsAbove::new(dag);
    let is_known_to_some = |pair: [TxIx; 2]| heads.any_above(pair);
    let mut found = Vec::new();
    for (replica_id, pairs) in conflicts {
        let mut conflicts = pairs.into_iter().map(|Pair { earlier, later }| {
            let state = if replicas.own.contains(&replica_id) {
                ConflictState::Ours
            } else if replicas.retired.contains(&replica_id) || is_known_to_some([earlier, later]) {
                ConflictState::Past
            } else {
                ConflictState::Theirs
            };
            ReplicaIdentityConflict {
                replica_id,
                transactions: [dag.id(earlier), dag.id(later)],
                state,
            }
        });
        let first = conflicts.next();
        let is_settled = |conflict: &ReplicaIdentityConflict| conflict.state == ConflictState::Past;
        let pressing = match &first {
            Some(first) if is_settled(first) => conflicts.find(|it| !is_settled(it)),
            _ => None,
        };
        found.extend(pressing.or(first));
    }
    found
}

fn clock_ahead(history: &History, now: i64) -> Vec<ClockAhead> {
    let mut newest = BTreeMap::new();
    for (_, member) in history.canonical() {
        let created_at = member.created_at();
        let entry = newest.entry(member.replica_id()).or_insert(created_at);
        *entry = created_at.max(*entry);
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
