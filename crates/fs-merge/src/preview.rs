//! The forks that a merge would make, told before it is made.
//!
//! **Invariant**: nothing is written. What is told is what [`forks`](crate::forks) would tell with the incoming files
//! among those of the store.

use std::collections::BTreeSet;
use std::path::Path;

use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::{Incoming, Merged, Trouble};
use fs_store::{FileEventStore, OpenError, Progress};

use crate::detect::{ForkId, Shape, shapes};
use crate::quiet;

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
    pub troubles: Vec<Trouble>,
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
/// # Errors
/// As [`FileEventStore::preview`].
///
/// # Complexity
/// Where no fork is open, as far as was told before ([`forks`](crate::forks)), what arrives and what the other side did not
/// have. Else the history is loaded once. A store whose index is not up to date is read as a whole.
pub fn preview_merge(
    root: impl AsRef<Path>,
    incoming: Vec<Incoming>,
    progress: Progress,
) -> Result<MergePreview, OpenError> {
    let preview = FileEventStore::preview(root, incoming, progress)?;
    let is_quiet = quiet::is_quiet_in(&preview)?;
    let foreseen = preview.load(is_quiet)?;
    let now = foreseen.history();
    let present: Vec<Present> = shapes(now)
        .into_iter()
        .map(|shape| Present {
            members: shape.members.iter().map(|ix| now.dag().id(*ix)).collect(),
            id: shape.id,
        })
        .collect();
    let merged = foreseen.merge();
    let outlines = shapes(&merged.history)
        .into_iter()
        .map(|shape| outline(&merged, &present, &shape));
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
        troubles: merged.troubles,
    })
}

fn outline(merged: &Merged, present: &[Present], shape: &Shape) -> ForkOutline {
    let (history, dag) = (&merged.history, merged.history.dag());
    let branches = shape.heads.iter().zip(shape.branches(dag));
    let branches = branches.map(|(head, branch)| {
        let header = history.get(*head).header();
        let arriving = branch
            .iter()
            .filter(|ix| merged.arrived.contains(&dag.id(**ix)));
        BranchOutline {
            head: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
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
    }
}
