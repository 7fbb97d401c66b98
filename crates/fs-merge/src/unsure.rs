//! Forks that may be none: what is missing could relate their sides, or settle them.
//!
//! A transaction that is not here has no edges here, so what only it connects seems concurrent. What is known of it is who
//! names it as a parent, and the time in its id.
//!
//! ```text
//!   X -- (m) -- C -- Y     C names m, which is missing, and Y descends from C. X was written before C and not on top
//!                          of it: m may stand on X, and then X and Y are no conflict.
//!
//!   X --.
//!       (m)                m is missing and was written after X and Y: it may settle them.
//!   Y --'
//! ```
//!
//! **Invariant**: of what is known to be missing, whatever was in it, a conflict that would be none is in a fork that is
//! unsure. The rule is stated in docs/format.md; times are believed in format 3 only, where a child is dated after its parents.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::{Cover, Dag, TxIx};
use fs_format::{FormatVersion, StreamId, Timestamp, TransactionId};
use fs_index::{History, Omission};

use crate::chains::Chains;
use crate::detect::Shape;
use crate::participants::{settled_by, settled_heads};

/// Most omissions that are named for one fork: with one it is unsure, and each fork may be so for all that is missing.
const MAX_NAMED: usize = 16;

/// What is missing from a history, ready to be held against its forks.
pub(crate) struct Missing<'a> {
    history: &'a History,
    omissions: Vec<Known<'a>>,
    /// The places in `omissions`, those of the latest [`Known::reach`] last.
    by_reach: Vec<usize>,
    settlers: BTreeMap<&'a StreamId, Vec<TxIx>>,
}

/// What is known of a transaction that is missing.
struct Known<'a> {
    omission: &'a Omission,
    /// Who names it as a parent.
    children: Vec<TxIx>,
    /// It was not written after this millisecond.
    latest_millis: u64,
    /// What was written after this millisecond, and is dated, it makes no fork of unsure.
    reach: u64,
}

/// A transaction in conflict, as far as times say where it may stand.
struct Member {
    ix: TxIx,
    /// Whatever descends from it is dated later; `None` where clocks may run backwards.
    created_at: Option<Timestamp>,
    /// The id of whatever descends from it has this millisecond or a later one.
    millis: u64,
}

impl<'a> Missing<'a> {
    pub(crate) fn new(history: &'a History, omissions: &'a [Omission]) -> Self {
        let dag = history.dag();
        let mut children: BTreeMap<TransactionId, Vec<TxIx>> = BTreeMap::new();
        let mut settlers: BTreeMap<&StreamId, Vec<TxIx>> = BTreeMap::new();
        if !omissions.is_empty() {
            for (child, parent) in dag.missing_parents() {
                // What is on a cycle has no place in the history.
                if dag.rank(child).is_some() {
                    children.entry(parent).or_default().push(child);
                }
            }
            for (ix, member) in history.canonical() {
                for stream_id in settled_by(member.declared()) {
                    settlers.entry(stream_id).or_default().push(ix);
                }
            }
        }
        let known = omissions.iter().map(|omission| {
            let children = omission.transaction_id.and_then(|id| children.remove(&id));
            let children = children.unwrap_or_default();
            let latest_millis = latest_millis(omission);
            let dated = children.iter().map(|child| {
                let created_at = date(history.get(*child));
                created_at.map_or(u64::MAX, |it| it.unix_millis())
            });
            Known {
                reach: dated.max().unwrap_or(0).max(latest_millis),
                children,
                latest_millis,
                omission,
            }
        });
        let omissions: Vec<_> = known.collect();
        let mut by_reach: Vec<_> = (0..omissions.len()).collect();
        by_reach.sort_by_key(|nth| omissions[*nth].reach);
        Self {
            history,
            omissions,
            by_reach,
            settlers,
        }
    }

    /// Returns what of it makes a fork unsure, in its order: no more than [`MAX_NAMED`], the latest first.
    ///
    /// # Complexity
    /// Nothing where nothing is missing. Else, with k members of the fork on c chains, O(k log k), and O(log k) for each omission
    /// that was named or written after the first member. Where a member or one of s settlers of its streams descends from who
    /// names it, O(c (log k + c) + s c) at most.
    pub(crate) fn makes_unsure(&self, shape: &Shape) -> Vec<Omission> {
        if self.omissions.is_empty() {
            return Vec::new();
        }
        let mut alike = BTreeSet::new();
        let streams = shape.streams.iter().filter_map(|(stream_id, members)| {
            let settlers = self.settlers.get(stream_id).map_or(&[][..], Vec::as_slice);
            // Whoever writes many streams is in conflict on many, with the same others.
            let is_new = !settlers.is_empty() || alike.insert(members);
            is_new.then(|| Stream::new(self.history, stream_id, members, settlers))
        });
        let streams: Vec<_> = streams.collect();
        let first = streams.iter().map(|stream| stream.first_millis).min();
        let reaching = self.by_reach.iter().rev().copied();
        let reaching = reaching.take_while(|nth| first <= Some(self.omissions[*nth].reach));
        let in_the_way = reaching.filter(|nth| {
            let known = &self.omissions[*nth];
            let mut streams = streams.iter();
            streams.any(|stream| stream.may_be_settled_by(known) || stream.may_be_related_by(known))
        });
        let mut named: Vec<_> = in_the_way.take(MAX_NAMED).collect();
        named.sort_unstable();
        let omission = |nth: usize| self.omissions[nth].omission.clone();
        named.into_iter().map(omission).collect()
    }
}

/// Those in conflict on one stream, and its settlers.
struct Stream<'a> {
    dag: &'a Dag,
    history: &'a History,
    stream_id: &'a StreamId,
    /// By the time of what may settle them, then in canonical order.
    members: Vec<Member>,
    chains: Chains,
    settlers: &'a [TxIx],
    /// The members, the settlers, and all below these.
    below: Cover,
    /// No member was written before this millisecond.
    first_millis: u64,
    /// From this millisecond on, there may be two members neither of which is below the other.
    apart_from: Option<u64>,
}

impl<'a> Stream<'a> {
    fn new(
        history: &'a History,
        stream_id: &'a StreamId,
        members: &BTreeSet<TxIx>,
        settlers: &'a [TxIx],
    ) -> Self {
        let dag = history.dag();
        let mut members: Vec<_> = members.iter().map(|ix| Member::of(history, *ix)).collect();
        members.sort_unstable_by_key(|member| dag.rank(member.ix));
        let chains = Chains::new(dag, members.iter().map(|member| member.ix));
        let all = members.iter().map(|member| member.ix);
        let all: Vec<_> = settlers.iter().copied().chain(all).rev().collect();
        members.sort_by_key(|member| member.millis);
        let mut pairs = members.iter().zip(members.iter().skip(1));
        let apart = pairs.find(|(a, b)| !dag.is_ancestor(a.ix, b.ix));
        Self {
            dag,
            history,
            stream_id,
            settlers,
            below: dag.cover(&all),
            first_millis: members.first().map_or(u64::MAX, |member| member.millis),
            apart_from: apart.map(|(_, later)| later.millis),
            members,
            chains,
        }
    }

    /// Returns whether a missing transaction, or a missing one below it, may settle a conflict.
    fn may_be_settled_by(&self, known: &Known<'_>) -> bool {
        if self
            .apart_from
            .is_none_or(|millis| known.latest_millis < millis)
        {
            return false;
        }
        if !self.names_one_below(known) {
            return true;
        }
        let is_early = |member: &&Member| member.millis <= known.latest_millis;
        let early = self.members.iter().take_while(is_early);
        // What descends from who names it does not lie below it.
        let mut early = early.filter(|member| !self.is_above(known, member.ix));
        let Some(mut newest) = early.next().map(|member| member.ix) else {
            return false;
        };
        early.any(|member| {
            let is_above = self.dag.is_ancestor(newest, member.ix);
            newest = member.ix;
            !is_above
        })
    }

    /// Returns whether a member, a settler or what is below one names a missing transaction.
    fn names_one_below(&self, known: &Known<'_>) -> bool {
        let mut children = known.children.iter();
        children.any(|child| self.dag.is_covered(&self.below, *child))
    }

    fn is_above(&self, known: &Known<'_>, ix: TxIx) -> bool {
        let mut children = known.children.iter();
        children.any(|child| *child == ix || self.dag.is_ancestor(*child, ix))
    }

    /// Returns whether a conflict may be none since a missing transaction stands on one side of it and below the other, or
    /// below who settles the other.
    fn may_be_related_by(&self, known: &Known<'_>) -> bool {
        let mut children = known.children.iter();
        children.any(|child| {
            if !self.dag.is_covered(&self.below, *child) {
                return false;
            }
            let candidates = self.candidates(*child);
            !candidates.is_empty()
                && (self.is_apart_from_one_above(*child, &candidates)
                    || self.is_uncovered_by_one_above(*child, &candidates))
        })
    }

    /// Returns those that a missing parent of `child` may stand on: on each chain the newest, as it is below the fewest.
    fn candidates(&self, child: TxIx) -> Vec<TxIx> {
        let latest = date(self.history.get(child));
        let may_be_below = |ix: TxIx| {
            let is_above = child == ix || self.dag.is_ancestor(child, ix);
            let earliest = Member::of(self.history, ix).created_at;
            let is_later = earliest
                .zip(latest)
                .is_some_and(|(own, latest)| own > latest);
            !is_above && !is_later
        };
        let newest = self.chains.iter().filter_map(|(_, on_chain)| {
            let count = on_chain.partition_point(|member| may_be_below(member.ix));
            on_chain.get(count.checked_sub(1)?).map(|member| member.ix)
        });
        newest.collect()
    }

    fn is_apart_from_one_above(&self, child: TxIx, candidates: &[TxIx]) -> bool {
        // On each chain the first that descends from the child, as it has the fewest below it.
        let mut above = self.chains.iter().filter_map(|(_, on_chain)| {
            let is_below = |ix: TxIx| child != ix && !self.dag.is_ancestor(child, ix);
            let first = on_chain.partition_point(|member| is_below(member.ix));
            on_chain.get(first).map(|member| member.ix)
        });
        above.any(|above| {
            let mut candidates = candidates.iter();
            candidates.any(|candidate| !self.dag.is_ancestor(*candidate, above))
        })
    }

    fn is_uncovered_by_one_above(&self, child: TxIx, candidates: &[TxIx]) -> bool {
        let mut above = self
            .settlers
            .iter()
            .filter(|settler| child == **settler || self.dag.is_ancestor(child, **settler));
        above.any(|settler| {
            let declared = self.history.get(*settler).declared();
            let heads = settled_heads(self.dag, *settler, declared, self.stream_id);
            let cover = self.dag.cover(&heads);
            let mut candidates = candidates.iter();
            candidates.any(|candidate| !self.dag.is_covered(&cover, *candidate))
        })
    }
}

impl Member {
    fn of(history: &History, ix: TxIx) -> Self {
        let it = history.get(ix);
        let created_at = date(it);
        // Writers that take the id from another clock than `created_at` are not known; this costs nothing.
        let millis = created_at.map(|at| at.unix_millis().min(it.id().unix_millis()));
        Self {
            ix,
            created_at,
            millis: millis.unwrap_or(0),
        }
    }
}

/// Returns a time that is later than those of all parents; `None` where clocks may run backwards.
fn date(of: fs_index::Member<'_>) -> Option<Timestamp> {
    (of.format_version() == FormatVersion::V3).then_some(of.created_at())
}

/// Returns the last millisecond that the id of a missing transaction can have.
fn latest_millis(omission: &Omission) -> u64 {
    match omission.transaction_id {
        Some(id) => id.unix_millis(),
        None => {
            // A directory is called as the ids in it begin.
            let digits = omission.path.chars().filter(|digit| *digit != '/');
            let digits: String = digits.chain(std::iter::repeat('f')).take(12).collect();
            u64::from_str_radix(&digits, 16).unwrap_or(u64::MAX)
        }
    }
}
