//! Who below a settler is still in conflict.
//!
//! A conflict is settled once a settler descends from both; a settler's ancestors are among those of a settler above it,
//! so only the settlers count that no other descends from. What each of them has below it is a prefix of each
//! chain, and so the settlers above a transaction are fewer the higher it stands.
//!
//! ```text
//!   chain   a  b  c  d  e  f          two settlers, M with 4 of the chain below it, N with 2:
//!           M  M  M  M  .  .          M is above a to d, N above a and b; e and f are exposed.
//!           N  N  .  .  .  .
//! ```
//!
//! So a transaction lacks, of each chain, what lies from some place on, and that holds for *seen or settled with* too:
//! x and y, not exposed both of them, are in an unsettled conflict when x is exposed or below other settlers than y,
//! and that is when y stands above all that x, or a settler above x, has below it. Of the transactions of one chain, an
//! early exposed one lacks more than a later one, and the last that is covered has the fewest settlers above it: these
//! two alone are compared with the others.

use std::collections::BTreeSet;

use fs_dag::{Dag, TxIx};

use crate::chains::{Chains, below};

/// The settlers of a stream that no other settler descends from.
pub(crate) struct Settlers<'a> {
    dag: &'a Dag,
    newest: &'a [TxIx],
}

impl<'a> Settlers<'a> {
    pub(crate) fn new(dag: &'a Dag, newest: &'a [TxIx]) -> Self {
        Self { dag, newest }
    }

    /// Returns whether no settler descends from `ix`.
    pub(crate) fn is_exposed(&self, ix: TxIx) -> bool {
        !self
            .newest
            .iter()
            .any(|settler| self.dag.is_ancestor(ix, *settler))
    }

    /// Returns the first position of a chain that is exposed.
    fn exposed_from(&self, chain: u32) -> u32 {
        most_below(self.dag, self.newest, chain)
    }

    fn above(&self, ix: TxIx) -> Vec<TxIx> {
        let settlers = self.newest.iter().copied();
        settlers
            .filter(|settler| self.dag.is_ancestor(ix, *settler))
            .collect()
    }
}

fn most_below(dag: &Dag, set: &[TxIx], chain: u32) -> u32 {
    set.iter()
        .map(|ix| below(dag, *ix, chain))
        .max()
        .unwrap_or(0)
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
            start = start.min(most_below(settlers.dag, seen, chain));
        }
        let from = on_chain.partition_point(|member| member.position < start);
        let covered = on_chain[from..]
            .iter()
            .take_while(|member| member.position < end);
        members.extend(covered.map(|member| member.ix));
    }
}

/// Returns, for those of `others` that lack the most, the transactions below which all is that they do not conflict with:
/// the exposed one itself, or the settlers above one that is covered.
fn lacking(settlers: &Settlers<'_>, others: &Chains, any_marked: bool) -> BTreeSet<Vec<TxIx>> {
    let mut found = BTreeSet::new();
    for (chain, on_chain) in others.iter() {
        let exposed_from = settlers.exposed_from(chain);
        let exposed = on_chain.partition_point(|member| member.position < exposed_from);
        if let Some(first) = on_chain.get(exposed).filter(|_| any_marked) {
            found.insert(vec![first.ix]);
        }
        if let Some(last) = exposed.checked_sub(1).and_then(|last| on_chain.get(last)) {
            let above = settlers.above(last.ix);
            // Whoever has all settlers above it shares one with everything that is covered.
            if above.len() < settlers.newest.len() {
                found.insert(above);
            }
        }
    }
    found
}
