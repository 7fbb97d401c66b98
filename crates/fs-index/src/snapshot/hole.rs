//! Where a stream has a hole, since something below its events is missing.
//!
//! ```text
//!    A -- P -- C        P is not there, or its file is damaged: C is there and says that it is missing.
//!    s:1  s:2  s:3      The stream s is known to have a hole: C's base version is 2, and one event is below C.
//! ```
//!
//! **Invariant**: a hole is told by what is there alone.

use std::collections::{BTreeSet, HashMap};

use fs_dag::TxIx;
use fs_format::{StreamId, TransactionId};

use crate::snapshot::history::History;

impl History {
    /// Returns the parent that is missing below a transaction of `stream_id` where events of the stream are known to be
    /// missing; `None` where no hole is known.
    ///
    /// A hole is known where a transaction that writes the stream has a missing parent, and where one that declares it
    /// stands, at whatever distance, on a missing parent and has a base version of more events than are below it. Parents
    /// that are among `accepted` count for nothing.
    ///
    /// # Complexity
    /// O(|V| + |E| + d c) for d transactions that declare the stream and c chains.
    pub fn hole(
        &self,
        stream_id: &StreamId,
        accepted: &BTreeSet<TransactionId>,
    ) -> Option<TransactionId> {
        let dag = self.dag();
        // By transaction: a missing parent of its own or of an ancestor.
        let mut below: HashMap<TxIx, TransactionId> = HashMap::new();
        for (child, parent) in dag.missing_parents() {
            if !accepted.contains(&parent) {
                below.entry(child).or_insert(parent);
            }
        }
        if below.is_empty() {
            return None;
        }
        let orphans: BTreeSet<TransactionId> = below.keys().map(|ix| dag.id(*ix)).collect();
        let mut events = EventsByChain::default();
        for (ix, member) in self.canonical() {
            if !below.contains_key(&ix)
                && let Some(missing) = dag.parents(ix).find_map(|parent| below.get(&parent))
            {
                below.insert(ix, *missing);
            }
            let Some(base) = member.declared().base_of(stream_id) else {
                continue;
            };
            if let Some(missing) = below.get(&ix) {
                let is_orphan = base.writes > 0 && orphans.contains(&member.id());
                if is_orphan || base.version > events.below(self, ix) {
                    return Some(*missing);
                }
            }
            events.add(self, ix, base.writes);
        }
        None
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
        let sum = |(chain, sums): (&u32, &Vec<(u32, u64)>)| {
            let highest = history.dag().highest_on_chain(ix, *chain)?;
            let covered = sums.partition_point(|(position, _)| *position <= highest);
            sums.get(covered.checked_sub(1)?).map(|(_, sum)| *sum)
        };
        self.0.iter().filter_map(sum).sum()
    }
}
