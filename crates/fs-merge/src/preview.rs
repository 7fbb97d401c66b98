//! The forks that a merge would make, told before it is made.
//!
//! **Invariant**: nothing is written. What is told is what [`forks`](crate::forks) would tell with the incoming files
//! among those of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use fs_dag::TxIx;
use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::{Incoming, Merged, Omission, OmissionKind, RejectedFile};
use fs_store::{FileEventStore, OpenError, Progress, StateError};

use crate::detect::{ForkId, Shape, shapes};
use crate::quiet;
use crate::unsure::Missing;

/// What a merge would do to the forks of a store.
#[derive(Clone, Debug)]
pub struct MergePreview {
    /// How many transactions would arrive.
    pub arriving: u64,
    /// The forks that are open now and would be as they are, in canonical order.
    pub open: Vec<ForkOutline>,
    /// The forks that would be open and are not now, in canonical order. One that is open now and would grow by another
    /// branch is among them, under the name it would have.
    pub new: Vec<ForkOutline>,
    /// The forks that are open now and would be settled, in canonical order.
    pub settled: Vec<ForkId>,
    /// Files that would be left out of the history and are not left out now, by path.
    pub troubles: Vec<RejectedFile>,
    /// Whether one of these may hold a transaction, which then has no part in any fork that is told.
    pub is_partial: bool,
    /// What is missing here or below what would arrive, and may be in conflict with what would arrive.
    pub in_the_way: Vec<Omission>,
    /// Why it cannot be told what was accepted to be missing, so that all of it counts as missing.
    pub unread_acceptance: Option<Arc<StateError>>,
}

/// A fork without its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkOutline {
    /// The name that it has wherever it has these heads.
    pub id: ForkId,
    /// The streams in conflict, in byte order.
    pub streams: Vec<StreamId>,
    /// One for each head, in canonical order of the heads.
    pub branches: Vec<BranchOutline>,
    /// The forks open now that it would take in.
    pub takes_in: Vec<ForkId>,
    /// What is missing and makes it [unsure](crate::ForkContext::unsure).
    pub unsure: Vec<Omission>,
}

/// A branch of a fork without its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchOutline {
    /// The newest transaction.
    pub head: TransactionId,
    /// Who appended it; nil for a merge transaction.
    pub replica_id: ReplicaId,
    /// The time by the hybrid logical clock.
    pub created_at: Timestamp,
    /// How many transactions the branch has.
    pub transactions: u64,
    /// How many of them would arrive.
    pub arriving: u64,
}

/// A fork of the present, by its ids.
struct Present {
    id: ForkId,
    members: BTreeSet<TransactionId>,
}

/// Tells which forks the store at `root` would have with `incoming` files, and touches nothing.
///
/// `expected` are paths below `events/` of files that the present commit has and the work tree has not. What they hold is in the way where the store
/// does not have it.
///
/// # Errors
/// As [`FileEventStore::preview`].
///
/// # Complexity
/// Where no fork is open, as far as was told before ([`forks`](crate::forks)), what arrives and what the other side did not
/// have. Else the history is loaded once. A store whose index is not up to date is read as a whole.
pub fn preview_merge(
    root: impl AsRef<Path>,
    incoming: Vec<Incoming>,
    expected: &[String],
    progress: Progress,
) -> Result<MergePreview, OpenError> {
    let preview = FileEventStore::preview(root, incoming, progress)?;
    let is_quiet = quiet::is_quiet_in(&preview)?;
    let (accepted, unread_acceptance) = match preview.accepted() {
        Ok(accepted) => (accepted, None),
        Err(error) => (BTreeSet::new(), Some(Arc::new(error))),
    };
    let foreseen = preview.load(is_quiet)?;
    let now = foreseen.history();
    let present: Vec<Present> = shapes(now)
        .into_iter()
        .map(|shape| Present {
            members: shape.members.iter().map(|ix| now.dag().id(*ix)).collect(),
            id: shape.id,
        })
        .collect();
    let mut merged = foreseen.merge();
    merged.omissions.retain(|omission| {
        let id = omission.transaction_id;
        id.is_none_or(|id| !accepted.contains(&id))
    });
    let is_missing = |id: &TransactionId| {
        let mut omissions = merged.omissions.iter();
        let is_listed = omissions.any(|it| it.transaction_id == Some(*id));
        !is_listed && !accepted.contains(id) && merged.history.find(*id).is_none()
    };
    let expected: Vec<Omission> = expected
        .iter()
        .filter_map(|path| {
            let id = fs_format::check_name(path).ok()?.transaction_id();
            is_missing(&id).then(|| Omission {
                kind: OmissionKind::Missing,
                transaction_id: Some(id),
                path: path.clone(),
            })
        })
        .collect();
    merged.omissions.extend(expected);
    let missing = Missing::new(&merged.history, &merged.omissions);
    let outlines = shapes(&merged.history).into_iter().map(|shape| {
        let unsure = missing.makes_unsure(&shape);
        outline(&merged, &present, &shape, unsure)
    });
    let (open, new): (Vec<_>, Vec<_>) =
        outlines.partition(|fork| present.iter().any(|it| it.id == fork.id));
    let goes_on = |id: &ForkId| {
        open.iter().any(|fork| fork.id == *id) || new.iter().any(|fork| fork.takes_in.contains(id))
    };
    let settled = present
        .iter()
        .map(|it| it.id.clone())
        .filter(|id| !goes_on(id))
        .collect();
    Ok(MergePreview {
        arriving: merged.arrived.len() as u64,
        settled,
        open,
        new,
        is_partial: merged
            .rejected_files
            .iter()
            .any(|trouble| trouble.may_hide(&merged.history)),
        in_the_way: in_the_way(&merged),
        unread_acceptance,
        troubles: merged.rejected_files,
    })
}

/// Returns what is missing and does not lie below all that arrives: it may have written what arrives writes too.
///
/// # Complexity
/// O(n a) for n transactions that name what is missing and a that arrive; nothing where nothing is missing.
fn in_the_way(merged: &Merged) -> Vec<Omission> {
    let dag = merged.history.dag();
    let arrived = merged.arrived.iter();
    let arrived: Vec<_> = arrived.filter_map(|id| dag.index_of(*id)).collect();
    let mut children: BTreeMap<_, Vec<_>> = BTreeMap::new();
    if !merged.omissions.is_empty() {
        for (child, parent) in dag.missing_parents() {
            children.entry(parent).or_default().push(child);
        }
    }
    let omissions = merged.omissions.iter().filter(|omission| {
        let id = omission.transaction_id;
        let children = id.and_then(|id| children.get(&id));
        let is_above = |arrived: &TxIx| {
            let mut children = children.into_iter().flatten();
            let is_here = |child: &TxIx| !merged.arrived.contains(&dag.id(*child));
            children.any(|child| is_here(child) && dag.is_ancestor(*child, *arrived))
        };
        !arrived.iter().all(is_above)
    });
    omissions.cloned().collect()
}

fn outline(
    merged: &Merged,
    present: &[Present],
    shape: &Shape,
    unsure: Vec<Omission>,
) -> ForkOutline {
    let (history, dag) = (&merged.history, merged.history.dag());
    let branches = shape.heads.iter().zip(shape.branches(dag));
    let branches = branches.map(|(head, branch)| {
        let newest = history.get(*head);
        let arriving = branch
            .iter()
            .filter(|ix| merged.arrived.contains(&dag.id(**ix)));
        BranchOutline {
            head: newest.id(),
            replica_id: newest.replica_id(),
            created_at: newest.created_at(),
            arriving: arriving.count() as u64,
            transactions: branch.len() as u64,
        }
    });
    let members: BTreeSet<_> = shape.members.iter().map(|ix| dag.id(*ix)).collect();
    let takes_in = present
        .iter()
        .filter(|it| it.id != shape.id && !it.members.is_disjoint(&members));
    ForkOutline {
        id: shape.id.clone(),
        streams: shape.streams.keys().cloned().collect(),
        branches: branches.collect(),
        takes_in: takes_in.map(|it| it.id.clone()).collect(),
        unsure,
    }
}
