//! Where a stream has a hole, since something below its events is missing.
//!
//! ```text
//!    A -- P -- C        P is not there, or its file is damaged: C is there and says that it is missing.
//!    s:1  s:2  s:3      The stream s is known to have a hole: C's base version is 2, and one event is below C.
//! ```
//!
//! **Invariant**: a hole is told by what is there alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fs_dag::TxIx;
use fs_format::{StreamBase, StreamId, TransactionId};

use crate::snapshot::history::History;

impl History {
    /// Returns the streams of some of which events are known to be missing, each with the parent that is missing below the first of its transactions that
    /// says so.
    ///
    /// A hole is known where a transaction that writes the stream has a missing parent, and where one that declares it
    /// stands, at whatever distance, on a missing parent and has a base version of more events than are below it. Parents
    /// that are among `accepted` count for nothing.
    ///
    /// # Complexity
    /// O(|V| + |E| + d log d), d being how often one of the streams is declared, and for each of these times the chains that its writers stand on or
    /// those that its transaction has seen of, whichever are fewer.
    pub fn holes<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a StreamId>,
        accepted: &BTreeSet<TransactionId>,
    ) -> BTreeMap<&'a StreamId, TransactionId> {
        let dag = self.dag();
        let mut found = BTreeMap::new();
        // By transaction: a missing parent of its own or of an ancestor.
        let mut below: HashMap<TxIx, TransactionId> = HashMap::new();
        for (child, parent) in dag.missing_parents() {
            if !accepted.contains(&parent) {
                below.entry(child).or_insert(parent);
            }
        }
        if below.is_empty() {
            return found;
        }
        let orphans: HashSet<TxIx> = below.keys().copied().collect();
        let asked: BTreeSet<&StreamId> = streams.into_iter().collect();
        let asked: Vec<_> = asked.into_iter().collect();
        let places: HashMap<&StreamId, usize> = asked.iter().copied().zip(0..).collect();
        let mut events: Vec<_> = asked.iter().map(|_| EventsByChain::default()).collect();
        for (ix, member) in self.canonical() {
            if !below.contains_key(&ix)
                && let Some(missing) = dag.parents(ix).find_map(|parent| below.get(&parent))
            {
                below.insert(ix, *missing);
            }
            let mut look = |place: usize, base: StreamBase| {
                let (stream_id, events) = (asked[place], &mut events[place]);
                if let Some(missing) = below.get(&ix)
                    && !found.contains_key(stream_id)
                {
                    let is_orphan = base.writes > 0 && orphans.contains(&ix);
                    if is_orphan || base.version > events.below(self, ix) {
                        found.insert(stream_id, *missing);
                    }
                }
                events.add(self, ix, base.writes);
            };
            let declared = member.declared();
            if places.len() < declared.streams.len() {
                let bases = places
                    .iter()
                    .filter_map(|(stream_id, place)| Some((*place, declared.base_of(stream_id)?)));
                bases.for_each(|(place, base)| look(place, base));
            } else {
                let bases = declared
                    .streams
                    .iter()
                    .filter_map(|(stream_id, base)| Some((*places.get(stream_id)?, *base)));
                bases.for_each(|(place, base)| look(place, base));
            }
        }
        found
    }
}

/// How many events of one stream each chain of the DAG holds, up to each of its transactions that write the stream.
#[derive(Default)]
struct EventsByChain(HashMap<u32, Vec<(u32, u64)>>);

impl EventsByChain {
    /// Adds a transaction; transactions come in canonical order.
    fn add(&mut self, history: &History, ix: TxIx, count: u64) {
        if let Some(place) = history.dag().chain(ix).filter(|_| count > 0) {
            let sums = self.0.entry(place.chain).or_default();
            let before = sums.last().map_or(0, |(_, sum)| *sum);
            sums.push((place.position, before + count));
        }
    }

    /// Returns how many of the events that were added belong to ancestors of `ix`.
    fn below(&self, history: &History, ix: TxIx) -> u64 {
        let dag = history.dag();
        let sum = |sums: &Vec<(u32, u64)>, length: u32| {
            let covered = sums.partition_point(|(position, _)| *position < length);
            covered.checked_sub(1).map_or(0, |last| sums[last].1)
        };
        let seen: Vec<_> = dag.seen_chains(ix).take(self.0.len() + 1).collect();
        if seen.len() > self.0.len() {
            let length = |chain: u32| dag.highest_on_chain(ix, chain).map_or(0, |it| it + 1);
            let chains = self.0.iter();
            return chains.map(|(chain, sums)| sum(sums, length(*chain))).sum();
        }
        let seen = seen.into_iter();
        let seen = seen.filter_map(|(chain, length)| Some((self.0.get(&chain)?, length)));
        seen.map(|(sums, length)| sum(sums, length)).sum()
    }
}
