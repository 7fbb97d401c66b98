//! Stale reads: decisions taken on a stream that was written concurrently.
//!
//! A stale read is reported, not a fork: nothing was written twice, but somebody decided without knowing. Two that settle the
//! stream and do not know of each other are the other way round: a conflict, and no stale read.
//!
//! n decisions beside n writers are n² pairs, so pairs are not listed. Decisions and writers of a stream stand together until all that follow
//! descend from all of them:
//!
//! ```text
//!        .-- D1 --.       .-- D2 --.       two stale reads of one stream: D1, decided while W1 and W2
//!   -- R           >-- M            >--    wrote, and D2, while W3 did
//!        '- W1 W2 '       '-- W3 --'
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fs_dag::{Dag, TxIx};
use fs_format::{StreamId, TransactionId};
use fs_index::History;
use fs_store::{FileEventStore, RefreshError};
use serde::Serialize;

use crate::detect::Shape;
use crate::frontier::Frontier;
use crate::participants;

/// Decisions on a stream, and who wrote it without knowing of them, or they of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StaleRead {
    /// The stream.
    pub stream_id: StreamId,
    /// Who read the stream and did not write it, in canonical order: each concurrently with one or more of the writers.
    pub transactions: Vec<TransactionId>,
    /// Who wrote it, in canonical order: each concurrently with one or more of the readers, and in no conflict with these.
    pub written_by: Vec<TransactionId>,
    /// How many more of both there are that are not named. None among those of a store; a fork names, beside its own, [`StaleRead::MAX_OTHERS`] of each
    /// at most.
    pub left_out: u64,
}

impl StaleRead {
    /// Most readers, and most writers, that a fork names beside its own.
    pub const MAX_OTHERS: usize = 16;
}

/// Returns the stale reads of a store, by stream, then in canonical order.
///
/// # Errors
/// [`RefreshError`].
///
/// # Complexity
/// One look at each header; O(k log k) for k who read or write a stream that somebody only read, and for each of them, at most, the others that it descends
/// from or that descend from it, and of which none is below another.
pub fn stale_reads(store: &FileEventStore) -> Result<Vec<StaleRead>, RefreshError> {
    store.with_history(stale_reads_in)
}

/// Who takes part in a stream.
#[derive(Clone, Copy)]
struct Party {
    ix: TxIx,
    reads: bool,
    settles: bool,
}

pub(crate) fn stale_reads_in(history: &History) -> Vec<StaleRead> {
    let dag = history.dag();
    let mut readers: BTreeMap<&StreamId, Vec<TxIx>> = BTreeMap::new();
    for (ix, member) in history.canonical() {
        let declared = member.declared().streams.iter();
        for (stream_id, _) in declared.filter(|(_, base)| base.writes == 0) {
            readers.entry(stream_id).or_default().push(ix);
        }
    }
    let mut found = Vec::new();
    for (stream_id, readers) in readers {
        let party = |ix: TxIx, reads: bool| Party {
            ix,
            reads,
            settles: participants::settles(history.get(ix).declared(), stream_id),
        };
        let writers = history.writes(stream_id).iter();
        let writers = writers.map(|write| party(write.transaction, false));
        let mut parties: Vec<_> = writers
            .chain(readers.into_iter().map(|ix| party(ix, true)))
            .collect();
        parties.retain(|party| dag.rank(party.ix).is_some());
        parties.sort_unstable_by_key(|party| dag.rank(party.ix));
        let apart = apart(dag, &parties);
        parties.retain(|party| apart.contains(&party.ix));
        for together in divided(dag, &parties) {
            let ids = |reads: bool| {
                let those = together.iter().filter(|party| party.reads == reads);
                those.map(|party| dag.id(party.ix)).collect()
            };
            found.push(StaleRead {
                stream_id: stream_id.clone(),
                transactions: ids(true),
                written_by: ids(false),
                left_out: 0,
            });
        }
    }
    found
}

/// Selects the readers that some writer is concurrent with, and these writers; two that both settle do not count.
fn apart(dag: &Dag, parties: &[Party]) -> BTreeSet<TxIx> {
    let mut found = BTreeSet::new();
    let is_ancestor = |a: TxIx, b: TxIx| dag.is_ancestor(a, b);
    let is_descendant = |a: TxIx, b: TxIx| dag.is_ancestor(b, a);
    let plain_readers = |party: &&Party| !party.reads || !party.settles;
    let settling_readers = |party: &&Party| party.reads == party.settles;
    let plain = parties.iter().filter(plain_readers);
    add_apart(plain.clone(), is_ancestor, &mut found);
    add_apart(plain.rev(), is_descendant, &mut found);
    let settling = parties.iter().filter(settling_readers);
    add_apart(settling.clone(), is_ancestor, &mut found);
    add_apart(settling.rev(), is_descendant, &mut found);
    found
}

/// Adds those that do not have all of the other kind before them that came earlier.
fn add_apart<'a>(
    parties: impl Iterator<Item = &'a Party>,
    is_before: impl Fn(TxIx, TxIx) -> bool,
    found: &mut BTreeSet<TxIx>,
) {
    let (mut readers, mut writers) = (Frontier::default(), Frontier::default());
    for party in parties {
        let (own, others) = match party.reads {
            true => (&mut readers, &mut writers),
            false => (&mut writers, &mut readers),
        };
        if !others.is_all_before(party.ix, &is_before) {
            found.insert(party.ix);
        }
        own.pass(party.ix, &is_before);
        own.push(party.ix);
    }
}

/// Divides parties in canonical order wherever all that follow descend from all before.
fn divided<'a>(dag: &Dag, parties: &'a [Party]) -> Vec<&'a [Party]> {
    let is_before = |a: TxIx, b: TxIx| dag.is_ancestor(a, b);
    // Each descends from all of those before it.
    let mut groups: Vec<(usize, Frontier)> = Vec::new();
    for (place, party) in parties.iter().enumerate() {
        let (mut first, mut frontier) = (place, None);
        while let Some((start, last)) =
            groups.pop_if(|(_, group)| !group.is_all_before(party.ix, is_before))
        {
            first = start;
            // What is outermost of the last group is so of all.
            frontier.get_or_insert(last);
        }
        let mut frontier: Frontier = frontier.unwrap_or_default();
        frontier.pass(party.ix, is_before);
        frontier.push(party.ix);
        groups.push((first, frontier));
    }
    let ends = groups.iter().skip(1).map(|(start, _)| *start);
    let ends = ends.chain([parties.len()]);
    let groups = groups.iter().zip(ends);
    groups
        .map(|((start, _), end)| &parties[*start..end])
        .collect()
}

/// The stale reads of a history, and who has part in them.
pub(crate) struct StaleReads {
    all: Vec<StaleRead>,
    by_party: HashMap<TransactionId, Vec<Part>>,
}

/// A place in one of the lists of a stale read.
#[derive(Clone, Copy)]
struct Part {
    stale_read: usize,
    reads: bool,
    place: usize,
}

impl StaleReads {
    pub(crate) fn of(history: &History) -> Self {
        let all = stale_reads_in(history);
        let mut by_party: HashMap<_, Vec<Part>> = HashMap::new();
        for (stale_read, stale) in all.iter().enumerate() {
            for (reads, ids) in [(true, &stale.transactions), (false, &stale.written_by)] {
                for (place, id) in ids.iter().enumerate() {
                    let part = Part {
                        stale_read,
                        reads,
                        place,
                    };
                    by_party.entry(*id).or_default().push(part);
                }
            }
        }
        Self { all, by_party }
    }

    /// Selects those that a transaction of the fork has part in, each with the parties of the fork and some others.
    ///
    /// # Complexity
    /// O(k log k) for k parts that transactions of the fork have in stale reads.
    pub(crate) fn touching(&self, dag: &Dag, fork: &Shape) -> Vec<StaleRead> {
        let mut own: BTreeMap<usize, [BTreeSet<usize>; 2]> = BTreeMap::new();
        let of_fork = fork.members.iter().chain(&fork.on_top);
        let parts = of_fork.flat_map(|ix| self.by_party.get(&dag.id(*ix)));
        for part in parts.flatten() {
            let [readers, writers] = own.entry(part.stale_read).or_default();
            let places = if part.reads { readers } else { writers };
            places.insert(part.place);
        }
        let found = own.into_iter().map(|(stale_read, [readers, writers])| {
            let stale = &self.all[stale_read];
            let transactions = some_of(&stale.transactions, readers);
            let written_by = some_of(&stale.written_by, writers);
            let all = stale.transactions.len() + stale.written_by.len();
            let left_out = all - transactions.len() - written_by.len();
            StaleRead {
                stream_id: stale.stream_id.clone(),
                transactions,
                written_by,
                left_out: left_out as u64,
            }
        });
        found.collect()
    }
}

/// Returns those at some places, and the first of the others.
fn some_of(all: &[TransactionId], mut places: BTreeSet<usize>) -> Vec<TransactionId> {
    let others = (0..all.len()).filter(|place| !places.contains(place));
    let others: Vec<_> = others.take(StaleRead::MAX_OTHERS).collect();
    places.extend(others);
    places.into_iter().map(|place| all[place]).collect()
}
