//! Who is covered by a settler and still in conflict.
//!
//! A conflict is settled once one settler covers both sides. What a settler covers has all its ancestors in it, so it is a
//! prefix of each chain, and only the settlers count that cover what no other does. The settlers that cover a
//! transaction are fewer the higher it stands.
//!
//! ```text
//!   chain   a  b  c  d  e  f          two settlers, M with 4 of the chain, N with 2:
//!           M  M  M  M  .  .          M covers a to d, N covers a and b; e and f are exposed.
//!           N  N  .  .  .  .
//! ```
//!
//! So what a transaction has *seen or is settled with* is a prefix of each chain too: x and y, not exposed both of them, are in an unsettled
//! conflict when x is exposed or covered by other settlers than y, and that is when y stands above all that x, or a settler that covers x, has. Of
//! the transactions of one chain, the first that is exposed has seen the least, and the last that is covered has the fewest settlers: what these have
//! seen or are settled with, and all others of the kind, is one prefix of each chain. What is covered beyond it is in conflict with one of them.

use std::collections::BTreeSet;

use fs_dag::{Cover, Covers, Dag, Holding, TxIx};

use crate::chains::Chains;

/// The settlers of a stream that cover what no other does.
pub(crate) struct Settlers<'a> {
    dag: &'a Dag,
    covers: Covers,
    /// What one or another covers.
    any: Cover,
}

impl<'a> Settlers<'a> {
    /// Takes the heads of what each settler covers, and drops those that cover only what another does.
    ///
    /// # Complexity
    /// As [`Covers::new`], and for each settler as many more as cover that of its heads which the fewest cover.
    pub(crate) fn new(dag: &'a Dag, heads: &mut Vec<Vec<TxIx>>) -> Self {
        let mut distinct = BTreeSet::new();
        heads.retain(|heads| distinct.insert(heads.clone()));
        let covers = heads.iter().map(|heads| dag.cover(heads)).collect();
        let covers = Covers::new(covers);
        let is_needed: Vec<bool> = (0..heads.len())
            .map(|nth| is_needed(dag, &covers, heads, nth))
            .collect();
        let mut needed = is_needed.iter();
        heads.retain(|_| needed.next().is_some_and(|needed| *needed));
        let all = covers.as_slice().iter().zip(is_needed);
        let left = all.filter(|(_, needed)| *needed);
        let left: Vec<_> = left.map(|(cover, _)| cover.clone()).collect();
        let covers = Covers::new(left);
        Self {
            dag,
            any: joined(covers.as_slice()),
            covers,
        }
    }

    /// Returns whether no settler covers `ix`.
    pub(crate) fn is_exposed(&self, ix: TxIx) -> bool {
        !self.dag.is_covered(&self.any, ix)
    }

    /// Returns what all of `others` have seen or are settled with; `None` where there is nothing that one of them lacks.
    fn seen_by_all(&self, others: &Chains, any_marked: bool) -> Option<Cover> {
        let mut settled: BTreeSet<Vec<usize>> = BTreeSet::new();
        let mut common: Option<Cover> = None;
        let mut keep = |seen: Cover| {
            common = Some(match &common {
                Some(common) => common.common(&seen),
                None => seen,
            });
        };
        for (chain, on_chain) in others.iter() {
            let exposed_from = self.any.length(chain);
            let exposed = on_chain.partition_point(|member| member.position < exposed_from);
            if let Some(first) = on_chain.get(exposed).filter(|_| any_marked) {
                keep(self.dag.cover(&[first.ix]));
            }
            let last = exposed.checked_sub(1).and_then(|last| on_chain.get(last));
            // What all settlers cover shares one with everything that is covered.
            let holding = last.map(|last| self.covers.holding(self.dag, last.ix));
            if let Some(Holding::Some(mut numbers)) = holding {
                numbers.sort_unstable();
                settled.insert(numbers);
            }
        }
        for numbers in settled {
            let covers = self.covers.as_slice();
            let covers: Vec<_> = numbers.iter().map(|nth| covers[*nth].clone()).collect();
            keep(joined(&covers));
        }
        common
    }
}

fn joined(covers: &[Cover]) -> Cover {
    let begin = Cover::default();
    covers.iter().fold(begin, |all, cover| all.joined(cover))
}

/// Returns whether no other covers all that one does; of several that cover the same, the first counts.
fn is_needed(dag: &Dag, covers: &Covers, heads: &[Vec<TxIx>], nth: usize) -> bool {
    let is_within = |nth: usize, other: usize| {
        let mut heads = heads[nth].iter();
        heads.all(|head| dag.is_covered(&covers.as_slice()[other], *head))
    };
    let rarest = heads[nth]
        .iter()
        .min_by_key(|head| covers.count_holding(dag, **head));
    match rarest.map(|head| covers.holding(dag, *head)) {
        Some(Holding::Some(others)) => {
            let mut others = others.into_iter().filter(|other| *other != nth);
            !others.any(|other| is_within(nth, other) && (other < nth || !is_within(other, nth)))
        }
        // It covers no more than all do.
        Some(Holding::All) | None => nth == 0 && (1..heads.len()).all(|other| is_within(other, 0)),
    }
}

/// Adds those of `those` that are not exposed and in an unsettled conflict with one of `others`, each of which conflicts
/// with whatever of `those` is concurrent.
///
/// `any_marked` says whether some exposed transaction is in a conflict.
pub(crate) fn add_covered(
    settlers: &Settlers<'_>,
    those: &Chains,
    others: &Chains,
    any_marked: bool,
    members: &mut BTreeSet<TxIx>,
) {
    let Some(seen) = settlers.seen_by_all(others, any_marked) else {
        return;
    };
    for (chain, on_chain) in those.iter() {
        let (start, end) = (seen.length(chain), settlers.any.length(chain));
        let from = on_chain.partition_point(|member| member.position < start);
        let covered = on_chain[from..]
            .iter()
            .take_while(|member| member.position < end);
        members.extend(covered.map(|member| member.ix));
    }
}
