//! Which transactions show that two working copies appended as one replica.
//!
//! Two transactions of one replica are in conflict when they have the same number, or when neither descends from the other and
//! nothing is missing at or below the later one, in canonical order. What is missing below it might be the link between the two.
//!
//! ```text
//!      1 --- 2 --- 3          3 and 3' have one number. 4' descends from 2 and 3', and not from 3: were something missing
//!             \               below 4', that alone would show nothing.
//!              3' --- 4'
//! ```
//!
//! Merge transactions are nobody's own, and formats 1 and 2 have no numbers: they are in no such conflict.
//!
//! **Invariant**: a function of the files alone. Whoever tells of such conflicts tells of these.

use std::collections::{BTreeMap, HashMap, HashSet};

use fs_dag::TxIx;
use fs_format::ReplicaId;
use fs_index::{History, Member};

/// Two transactions of one replica that cannot be of one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The first in canonical order.
    pub(crate) earlier: TxIx,
    /// The other.
    pub(crate) later: TxIx,
}

/// Returns for each replica what of its transactions is in conflict: of each the nearest earlier one by its number and by descent, in the
/// canonical order of the later ones.
///
/// # Complexity
/// O(n log n + e) for n transactions and e edges.
pub(crate) fn identity_conflicts(history: &History) -> BTreeMap<ReplicaId, Vec<Pair>> {
    let dag = history.dag();
    let above_gaps = above_gaps(history);
    let mut by_number: HashMap<(ReplicaId, u64), TxIx> = HashMap::new();
    // Some of each replica, among them all that no other of them descends from.
    let mut newest: HashMap<ReplicaId, Vec<TxIx>> = HashMap::new();
    let mut conflicts: BTreeMap<ReplicaId, Vec<Pair>> = BTreeMap::new();
    for (later, member) in history.canonical() {
        let Some((replica_id, number)) = counted(member) else {
            continue;
        };
        let mut found = |earlier| {
            let of_replica = conflicts.entry(replica_id).or_default();
            of_replica.push(Pair { earlier, later });
        };
        let of_same_number = by_number.insert((replica_id, number), later);
        of_same_number.into_iter().for_each(&mut found);
        let newest = newest.entry(replica_id).or_default();
        while newest.last().is_some_and(|it| dag.is_ancestor(*it, later)) {
            newest.pop();
        }
        let is_complete = !above_gaps.contains(&later);
        let unrelated = newest.last().copied().filter(|_| is_complete);
        unrelated
            .filter(|it| of_same_number != Some(*it))
            .into_iter()
            .for_each(&mut found);
        newest.push(later);
    }
    conflicts
}

/// Returns the transactions a parent of which is missing, and all that descend from one.
///
/// # Complexity
/// O(n + e) for n transactions and e edges.
pub(crate) fn above_gaps(history: &History) -> HashSet<TxIx> {
    let dag = history.dag();
    let missing = dag.missing_parents().into_iter();
    let mut above: HashSet<TxIx> = missing.map(|(ix, _)| ix).collect();
    for (ix, _) in history.canonical() {
        if dag.parents(ix).any(|parent| above.contains(&parent)) {
            above.insert(ix);
        }
    }
    above
}

/// Returns whose transaction it is and its place in the count of that writer; `None` where it has none.
pub(crate) fn counted(member: Member<'_>) -> Option<(ReplicaId, u64)> {
    let (replica_id, number) = (member.replica_id(), member.replica_seq()?);
    (!replica_id.is_nil()).then_some((replica_id, number))
}
