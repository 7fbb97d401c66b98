//! The unsettled conflicts of one stream, kept up as transactions arrive.
//!
//! Two concurrent transactions conflict if both write the stream, or if both settle it and at least one of the two
//! writes it. A settler settles those whose sides are both among the heads that it lists for the stream, or below them; these
//! it *covers*. The pairs are never listed: two branches of n
//! writers each have n² of them. What is wanted is who is in one.
//!
//! Transactions are taken in so that each comes after its ancestors. A transaction is *exposed* until a settler arrives
//! that covers it. Whoever is exposed has no conflict settled, so once it is in a conflict it stays in it: it is *marked*, and
//! that is decided when the later of the two arrives.
//!
//! ```text
//!      A1 -- A2           A1, A2 arrive: each descends from all writers, both are clear.
//!     /        \          B1 arrives and lacks A1 and A2: these two are marked, and so is B1.
//! R --          M         M settles: R, A1, A2, B1 are not exposed any more. What of them is still in conflict
//!     \-- B1 --/          is worked out when it is asked for (covered.rs).
//! ```
//!
//! Writers that are not marked are ordered by ancestry, each above the one before. So whom of them a new writer lacks
//! are the last of a list, and each is taken off once. Whether it lacks any writer at all is asked of the newest, in a
//! stack: those it has seen are taken off until there is one that it has not; it stands in for them.
//!
//! **Invariant**: the answer depends on the set of transactions only.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::{Dag, TxIx};

use crate::chains::Chains;
use crate::covered::{Settlers, add_covered};
use crate::frontier::Frontier;
use crate::participants::Part;

/// Who is in an unsettled conflict on one stream, or may be found out to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conflicts {
    writers: Role,
    /// Writers that are not marked, each an ancestor of the next.
    clear: Vec<TxIx>,
    /// In the order of arrival, perhaps twice; whoever is exposed and not among them is in no conflict.
    marked: Vec<TxIx>,
    /// Few streams are ever settled.
    settling: Option<Box<Settling>>,
}

/// Those who settle the stream.
#[derive(Clone, Debug, Default)]
struct Settling {
    /// What the settlers cover: the heads of each, among them all that no other's heads cover.
    covering: Vec<Vec<TxIx>>,
    writing: Role,
    /// Those of them that are not marked, each an ancestor of the next.
    clear_writing: Vec<TxIx>,
    accepting: Role,
    /// Those of them that are not marked, by chain: they do not conflict with each other.
    clear_accepting: BTreeMap<u32, Vec<TxIx>>,
}

/// The transactions that take part in one way.
#[derive(Clone, Debug, Default)]
struct Role {
    chains: Chains,
    newest: Frontier,
}

impl Role {
    /// Returns whether `ix`, which nobody here descends from and which is pushed next, descends from all.
    ///
    /// # Complexity
    /// O(1), taken over all that are ever pushed.
    fn is_all_below_next(&mut self, dag: &Dag, ix: TxIx) -> bool {
        self.newest.pass(ix, |a, b| dag.is_ancestor(a, b))
    }

    /// Returns whether `ix`, which nobody here descends from and which is not one of them, descends from all.
    ///
    /// # Complexity
    /// As [`Frontier::is_all_before`].
    fn is_all_below_other(&mut self, dag: &Dag, ix: TxIx) -> bool {
        self.newest.is_all_before(ix, |a, b| dag.is_ancestor(a, b))
    }

    fn push(&mut self, dag: &Dag, ix: TxIx) {
        if let Some(at) = dag.chain(ix) {
            self.chains.push(at, ix);
            self.newest.push(ix);
        }
    }
}

/// Moves what `ix` does not descend from off the end.
fn take_unseen(dag: &Dag, sequence: &mut Vec<TxIx>, ix: TxIx, unseen: &mut Vec<TxIx>) {
    while let Some(last) = sequence.pop() {
        if dag.is_ancestor(last, ix) {
            sequence.push(last);
            break;
        }
        unseen.push(last);
    }
}

impl Conflicts {
    /// Takes in a transaction that nobody taken in before descends from; returns whether it conflicts with one of them.
    ///
    /// `heads` are those of what it settles ([`settled_heads`](crate::participants::settled_heads)), if it does.
    ///
    /// # Complexity
    /// O(log c) for c chains, taken over all arrivals; for one that settles h heads, what these have not in common beside.
    pub(crate) fn take_in(
        &mut self,
        dag: &Dag,
        ix: TxIx,
        part: Part,
        heads: impl FnOnce() -> Vec<TxIx>,
    ) -> bool {
        let mut in_conflict = false;
        if part.writes() {
            in_conflict |= !self.writers.is_all_below_next(dag, ix);
            take_unseen(dag, &mut self.clear, ix, &mut self.marked);
        }
        if part.settles() {
            let settling = self.settling.get_or_insert_default();
            in_conflict |= settling.take_in(dag, ix, part, &mut self.marked);
            settling.cover(dag, heads());
        }
        if part.writes() {
            self.writers.push(dag, ix);
        }
        if in_conflict {
            self.marked.push(ix);
        } else if part.writes() {
            self.clear.push(ix);
        }
        in_conflict
    }

    /// Returns who is in an unsettled conflict.
    ///
    /// # Complexity
    /// With w participants on c chains and k results: O(k log k + c log w) and what it takes to find out what the settlers cover ([`Settlers::new`]), and, of
    /// what the first exposed and the last covered participant of each chain have seen or are settled with, what they do not have in common. What was
    /// marked and is not exposed any more is gone through once.
    pub(crate) fn members(&mut self, dag: &Dag) -> BTreeSet<TxIx> {
        let Some(settling) = &mut self.settling else {
            return self.marked.iter().copied().collect();
        };
        let settlers = Settlers::new(dag, &mut settling.covering);
        self.marked.sort_unstable();
        self.marked.dedup();
        self.marked.retain(|ix| settlers.is_exposed(*ix));
        let any_marked = !self.marked.is_empty();
        let mut members: BTreeSet<TxIx> = self.marked.iter().copied().collect();
        let (writers, writing, accepting) = (
            &self.writers.chains,
            &settling.writing.chains,
            &settling.accepting.chains,
        );
        for (those, others) in [
            (writers, writers),
            (accepting, writing),
            (writing, accepting),
        ] {
            add_covered(&settlers, those, others, any_marked, &mut members);
        }
        members
    }

    /// Returns who writes or settles the stream; who does both is among the first.
    pub(crate) fn participants(&self) -> impl Iterator<Item = &Chains> {
        let accepting = self.settling.iter().map(|them| &them.accepting.chains);
        std::iter::once(&self.writers.chains).chain(accepting)
    }
}

impl Settling {
    fn take_in(&mut self, dag: &Dag, ix: TxIx, part: Part, marked: &mut Vec<TxIx>) -> bool {
        take_unseen(dag, &mut self.clear_writing, ix, marked);
        let mut in_conflict = false;
        if part.writes() {
            in_conflict |= !self.writing.is_all_below_next(dag, ix);
            if !self.accepting.is_all_below_other(dag, ix) {
                in_conflict = true;
                for sequence in self.clear_accepting.values_mut() {
                    take_unseen(dag, sequence, ix, marked);
                }
                self.clear_accepting
                    .retain(|_, sequence| !sequence.is_empty());
            }
            self.writing.push(dag, ix);
            if !in_conflict {
                self.clear_writing.push(ix);
            }
        } else {
            in_conflict |= !self.writing.is_all_below_other(dag, ix);
            self.accepting.push(dag, ix);
            if let Some(at) = dag.chain(ix).filter(|_| !in_conflict) {
                self.clear_accepting.entry(at.chain).or_default().push(ix);
            }
        }
        in_conflict
    }

    /// Adds what a settler covers.
    fn cover(&mut self, dag: &Dag, heads: Vec<TxIx>) {
        let cover = dag.cover(&heads);
        let is_within = |heads: &Vec<TxIx>| heads.iter().all(|head| dag.is_covered(&cover, *head));
        while self.covering.last().is_some_and(is_within) {
            self.covering.pop();
        }
        if !heads.is_empty() {
            self.covering.push(heads);
        }
    }
}
