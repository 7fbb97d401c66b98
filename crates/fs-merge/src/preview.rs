//! The forks that a merge would make, told before it is made.
//!
//! **Invariant**: nothing is written. What is told is what [`forks`](crate::forks) would tell with the incoming files
//! among those of the store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use fs_dag::{Dag, TxIx};
use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::{History, Incoming, Merged, Omission, OmissionKind, RejectedFile};
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

/// The forks of the present, in canonical order.
struct Present {
    ids: Vec<ForkId>,
    /// By member: the place of its fork.
    forks: HashMap<TransactionId, usize>,
}

impl Present {
    fn of(history: &History) -> Self {
        let (dag, shapes) = (history.dag(), shapes(history));
        let forks = shapes.iter().enumerate().flat_map(|(place, shape)| {
            let members = shape.members.iter();
            members.map(move |ix| (dag.id(*ix), place))
        });
        Self {
            forks: forks.collect(),
            ids: shapes.iter().map(|shape| shape.id.clone()).collect(),
        }
    }

    /// Returns the others that have a member in common with a fork.
    fn taken_in_by(&self, dag: &Dag, shape: &Shape) -> Vec<ForkId> {
        let members = shape.members.iter();
        let places = members.filter_map(|ix| self.forks.get(&dag.id(*ix)));
        let places: BTreeSet<usize> = places.copied().collect();
        let ids = places.into_iter().map(|place| self.ids[place].clone());
        ids.filter(|id| *id != shape.id).collect()
    }
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
    let present = Present::of(now);
    let mut merged = foreseen.merge();
    merged.omissions.retain(|omission| {
        let id = omission.transaction_id;
        id.is_none_or(|id| !accepted.contains(&id))
    });
    let omissions = merged.omissions.iter();
    let listed: HashSet<_> = omissions.filter_map(|it| it.transaction_id).collect();
    let is_missing = |id: &TransactionId| {
        !listed.contains(id) && !accepted.contains(id) && merged.history.find(*id).is_none()
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
    let present_ids: HashSet<&ForkId> = present.ids.iter().collect();
    let (open, new): (Vec<_>, Vec<_>) = outlines.partition(|fork| present_ids.contains(&fork.id));
    let taken_in = new.iter().flat_map(|fork| &fork.takes_in);
    let going_on: HashSet<&ForkId> = open.iter().map(|fork| &fork.id).chain(taken_in).collect();
    let settled = present.ids.iter().filter(|id| !going_on.contains(id));
    let settled = settled.cloned().collect();
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
/// Nothing where nothing is missing. O(n log n) for n transactions that name what is missing, and what arrives first is gone through once; where several
/// name one transaction and none of them lies below all that arrives, it is gone through for each of these, up to the first that lies below none.
fn in_the_way(merged: &Merged) -> Vec<Omission> {
    if merged.omissions.is_empty() {
        return Vec::new();
    }
    let dag = merged.history.dag();
    let has_arrived = |ix: TxIx| merged.arrived.contains(&dag.id(ix));
    let arrived = merged.arrived.iter().filter_map(|id| dag.index_of(*id));
    // What lies below these lies below all that arrives.
    let first: Vec<_> = arrived
        .filter(|ix| !dag.parents(*ix).any(has_arrived))
        .collect();
    let common = dag.common(&first);
    let mut children: HashMap<TransactionId, Vec<TxIx>> = HashMap::new();
    for (child, parent) in dag.missing_parents() {
        if !has_arrived(child) {
            children.entry(parent).or_default().push(child);
        }
    }
    // The place of one that some omission does not lie below, where the next is looked for.
    let mut last = 0;
    let mut is_below_all = |children: &[TxIx]| {
        if children.iter().any(|child| dag.is_covered(&common, *child)) {
            return true;
        }
        let is_above = |first: TxIx| children.iter().any(|child| dag.is_ancestor(*child, first));
        let order = (last..first.len()).chain(0..last);
        let not_above = order.into_iter().find(|place| !is_above(first[*place]));
        last = not_above.unwrap_or(last);
        not_above.is_none()
    };
    let omissions = merged.omissions.iter().filter(|omission| {
        let id = omission.transaction_id;
        let children = id.and_then(|id| children.get(&id));
        !first.is_empty() && !children.is_some_and(|children| is_below_all(children))
    });
    omissions.cloned().collect()
}

fn outline(
    merged: &Merged,
    present: &Present,
    shape: &Shape,
    unsure: Vec<Omission>,
) -> ForkOutline {
    let (history, dag) = (&merged.history, merged.history.dag());
    let counts = shape.branch_counts(dag, |ix| merged.arrived.contains(&dag.id(ix)));
    let branches = shape.heads.iter().zip(counts);
    let branches = branches.map(|(head, (transactions, arriving))| {
        let newest = history.get(*head);
        BranchOutline {
            head: newest.id(),
            replica_id: newest.replica_id(),
            created_at: newest.created_at(),
            arriving,
            transactions,
        }
    });
    ForkOutline {
        id: shape.id.clone(),
        streams: shape.streams.keys().cloned().collect(),
        branches: branches.collect(),
        takes_in: present.taken_in_by(dag, shape),
        unsure,
    }
}
