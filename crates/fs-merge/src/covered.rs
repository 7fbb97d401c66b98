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
//! So a transaction lacks, of each chain, what lies from some place on, and that holds for *seen or settled with* too:
//! x and y, not exposed both of them, are in an unsettled conflict when x is exposed or covered by other settlers than y,
//! and that is when y stands above all that x, or a settler that covers x, has. Of the transactions of one chain, an
//! early exposed one lacks more than a later one, and the last that is covered has the fewest settlers: these
//! two alone are compared with the others.

use std::collections::BTreeSet;

use fs_dag::{Cover, Dag, TxIx};

use crate::chains::{Chains, below};

/// The settlers of a stream that cover what no other does.
pub(crate) struct Settlers<'a> {
    dag: &'a Dag,
    covers: Vec<Cover>,
}

/// Below what all lies that a transaction does not conflict with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// What an exposed transaction descends from.
    By(TxIx),
    /// What these settlers cover, by their numbers.
    Settled(Vec<usize>),
}

impl<'a> Settlers<'a> {
    /// Takes the heads of what each settler covers, and drops those that cover only what another does.
    pub(crate) fn new(dag: &'a Dag, heads: &mut Vec<Vec<TxIx>>) -> Self {
        let covers: Vec<_> = heads.iter().map(|heads| dag.cover(heads)).collect();
        let is_within = |nth: usize, other: usize| {
            let mut heads = heads[nth].iter();
            heads.all(|head| dag.is_covered(&covers[other], *head))
        };
        let is_needed: Vec<bool> = (0..covers.len())
            .map(|nth| {
                let mut others = (0..covers.len()).filter(|other| *other != nth);
                // Of two that cover the same, the first counts.
                !others
                    .any(|other| is_within(nth, other) && (other < nth || !is_within(other, nth)))
            })
            .collect();
        let mut needed = is_needed.iter();
        heads.retain(|_| needed.next().is_some_and(|needed| *needed));
        let covers = covers.into_iter().zip(is_needed);
        Self {
            dag,
            covers: covers
                .filter_map(|(cover, needed)| needed.then_some(cover))
                .collect(),
        }
    }

    /// Returns whether no settler covers `ix`.
    pub(crate) fn is_exposed(&self, ix: TxIx) -> bool {
        let mut covers = self.covers.iter();
        !covers.any(|cover| self.dag.is_covered(cover, ix))
    }

    /// Returns the first position of a chain that is exposed.
    fn exposed_from(&self, chain: u32) -> u32 {
        let lengths = self.covers.iter().map(|cover| cover.length(chain));
        lengths.max().unwrap_or(0)
    }

    /// Returns which settlers cover `ix`.
    fn covering(&self, ix: TxIx) -> Vec<usize> {
        let covering = self.covers.iter().enumerate();
        let covering = covering.filter(|(_, cover)| self.dag.is_covered(cover, ix));
        covering.map(|(nth, _)| nth).collect()
    }

    /// Returns how many transactions of a chain, from its beginning, are seen.
    fn seen_of(&self, seen: &Seen, chain: u32) -> u32 {
        match seen {
            Seen::By(ix) => below(self.dag, *ix, chain),
            Seen::Settled(settlers) => {
                let lengths = settlers.iter().map(|nth| self.covers[*nth].length(chain));
                lengths.max().unwrap_or(0)
            }
        }
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
    let lacking = lacking(settlers, others, any_marked);
    if lacking.is_empty() {
        return;
    }
    for (chain, on_chain) in those.iter() {
        let Some(first) = on_chain.first().map(|member| member.position) else {
            continue;
        };
        let end = settlers.exposed_from(chain);
        let mut start = end;
        for seen in &lacking {
            if start <= first {
                break;
            }
            start = start.min(settlers.seen_of(seen, chain));
        }
        let from = on_chain.partition_point(|member| member.position < start);
        let covered = on_chain[from..]
            .iter()
            .take_while(|member| member.position < end);
        members.extend(covered.map(|member| member.ix));
    }
}

/// Returns, for those of `others` that lack the most, below what all lies that they do not conflict with.
fn lacking(settlers: &Settlers<'_>, others: &Chains, any_marked: bool) -> BTreeSet<Seen> {
    let mut found = BTreeSet::new();
    for (chain, on_chain) in others.iter() {
        let exposed_from = settlers.exposed_from(chain);
        let exposed = on_chain.partition_point(|member| member.position < exposed_from);
        if let Some(first) = on_chain.get(exposed).filter(|_| any_marked) {
            found.insert(Seen::By(first.ix));
        }
        if let Some(last) = exposed.checked_sub(1).and_then(|last| on_chain.get(last)) {
            let covering = settlers.covering(last.ix);
            // What all settlers cover shares one with everything that is covered.
            if covering.len() < settlers.covers.len() {
                found.insert(Seen::Settled(covering));
            }
        }
    }
    found
}
