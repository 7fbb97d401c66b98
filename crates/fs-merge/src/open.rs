//! The open forks of a history that grows.
//!
//! Conflicts are kept stream by stream ([`Conflicts`]). A stream in which an arrival may have changed who is in conflict is
//! looked at anew, and with it the forks that it was or is a part of; all others stay as they are.
//!
//! ```text
//!   arrivals --> conflicts of their streams --> streams that changed --> forks with a stream or a member in common
//! ```
//!
//! **Invariant**: the open forks are those of the set of transactions, whatever they were before and in whatever order it
//! grew. Nothing is kept of what a history says but the numbers of its transactions; that they are the same is
//! checked each time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fs_dag::{Dag, TxIx};
use fs_format::StreamId;
use fs_index::{Declared, Position};

use crate::conflict::Conflicts;
use crate::detect::{ForkId, Shape};
use crate::lineage::Lineage;
use crate::participants::{Part, parts, settled_heads};
use crate::shape::{put_on_top, shape};

/// How a history was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It is what was known, and perhaps more; only that was looked at.
    Grown,
    /// All of it was looked at.
    Recomputed,
}

/// The open forks of a history, kept up to date as it grows.
///
/// It holds for one history at a time: the [`TxIx`] in it are that history's.
#[derive(Clone, Debug, Default)]
pub struct OpenForks {
    /// How many transactions were taken in.
    count: usize,
    /// Their [`Dag::stamp_of_first`].
    stamp: u64,
    /// The place behind them in the ingestion order.
    end: Option<Position>,
    slots: HashMap<StreamId, usize>,
    streams: Vec<Stream>,
    forks: BTreeMap<u64, Open>,
    /// The key of the next fork; keys say nothing.
    next_key: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    stream_id: StreamId,
    conflicts: Conflicts,
    /// Who is in conflict, as of the last look.
    members: BTreeSet<TxIx>,
    /// The fork it is part of.
    fork: Option<u64>,
    is_changed: bool,
}

#[derive(Clone, Debug)]
struct Open {
    slots: Vec<usize>,
    shape: Shape,
}

impl OpenForks {
    /// Returns the open forks of the empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether these are the open forks of this very history, which has not grown.
    ///
    /// A history with the same transactions that was put together in another order may number them otherwise; it is not
    /// the same here.
    ///
    /// # Complexity
    /// O(1).
    pub fn are_of(&self, history: &impl Lineage) -> bool {
        let dag = history.dag();
        self.count == dag.len()
            && self.stamp == dag.stamp_of_first(self.count)
            && self.end == history.ingestion_end()
    }

    /// Takes in what `history` has and was not known; returns whether that was all it took.
    ///
    /// The whole history is looked at ([`Course::Recomputed`]) when it is not what was known and more:
    /// - another history is given: some transactions are gone, or there is another epoch, the store was put back, or they are numbered otherwise;
    /// - a transaction arrived that a known one has for a parent, so that ancestry among the known may be another.
    ///
    /// Arrivals that are dated before known ones, or whose own parents are missing, are no such case.
    ///
    /// # Complexity
    /// For each stream that an arrival takes part in: O(log c) for c chains of the stream's participants, taken over
    /// all arrivals, when it makes and settles no conflict on the stream. A stream where one does is looked at once a
    /// call, at the cost of the forks that it is and was part of: with k members in them, s settlers of it that cover what
    /// no other does, h heads of these, O(k log k + c (c + s + h)) at most. From nothing it is the sum of the former over all
    /// transactions, and the latter once for each stream that was ever forked.
    pub fn extend(&mut self, history: &impl Lineage) -> Course {
        let dag = history.dag();
        let course = if self.are_of_the_beginning_of(history) {
            Course::Grown
        } else {
            *self = Self::default();
            Course::Recomputed
        };
        let arrived = if self.count == 0 {
            dag.order().to_vec()
        } else {
            let mut arrived: Vec<_> = dag.indices_from(self.count).collect();
            arrived.retain(|ix| dag.rank(*ix).is_some());
            arrived.sort_unstable_by_key(|ix| dag.rank(*ix));
            arrived
        };
        let mut changed = Vec::new();
        let mut on_top = Vec::new();
        for ix in arrived {
            let declared = history.declared(ix);
            for (stream_id, part) in parts(declared) {
                self.take_in(
                    dag,
                    (ix, part),
                    (stream_id, declared),
                    &mut changed,
                    &mut on_top,
                );
            }
        }
        self.look_at(history, changed);
        for (slot, ix) in on_top {
            let fork = self.streams[slot].fork;
            if let Some(open) = fork.and_then(|fork| self.forks.get_mut(&fork)) {
                put_on_top(dag, &mut open.shape, ix);
            }
        }
        self.count = dag.len();
        self.stamp = dag.stamp_of_first(self.count);
        self.end = history.ingestion_end();
        course
    }

    /// Returns whether `history` has grown from what was taken in, and ancestry among that is what it was.
    fn are_of_the_beginning_of(&self, history: &impl Lineage) -> bool {
        let dag = history.dag();
        let is_known = |ix: TxIx| ix.as_usize() < self.count;
        self.count == 0
            || self.count <= dag.len()
                && self.stamp == dag.stamp_of_first(self.count)
                && self.end.is_none_or(|end| history.holds(end))
                && !dag
                    .indices_from(self.count)
                    .any(|arrived| dag.children(arrived).any(is_known))
    }

    fn take_in(
        &mut self,
        dag: &Dag,
        (ix, part): (TxIx, Part),
        (stream_id, declared): (&StreamId, Declared<'_>),
        changed: &mut Vec<usize>,
        on_top: &mut Vec<(usize, TxIx)>,
    ) {
        if part == Part::Reads {
            return;
        }
        let slot = self.slot(stream_id);
        let stream = &mut self.streams[slot];
        let heads = || settled_heads(dag, ix, declared, stream_id);
        let is_conflict = stream.conflicts.take_in(dag, ix, part, heads);
        if stream.is_changed {
            return;
        }
        if is_conflict || part.settles() && stream.fork.is_some() {
            stream.is_changed = true;
            changed.push(slot);
        } else if stream.fork.is_some() {
            // It writes, and conflicts with no other writer of the stream: it descends from all of them.
            on_top.push((slot, ix));
        }
    }

    fn slot(&mut self, stream_id: &StreamId) -> usize {
        if let Some(slot) = self.slots.get(stream_id) {
            return *slot;
        }
        let slot = self.streams.len();
        self.slots.insert(stream_id.clone(), slot);
        self.streams.push(Stream {
            stream_id: stream_id.clone(),
            conflicts: Conflicts::default(),
            members: BTreeSet::new(),
            fork: None,
            is_changed: false,
        });
        slot
    }

    /// Finds out who is in conflict on the `changed` streams, and which forks that makes.
    fn look_at(&mut self, history: &impl Lineage, changed: Vec<usize>) {
        for slot in &changed {
            let stream = &mut self.streams[*slot];
            stream.members = stream.conflicts.members(history.dag());
            stream.is_changed = false;
        }
        let mut affected = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut waiting = changed;
        while let Some(slot) = waiting.pop() {
            if !affected.insert(slot) {
                continue;
            }
            let fork = self.streams[slot].fork.take();
            if let Some(open) = fork.and_then(|fork| self.forks.remove(&fork)) {
                waiting.extend(open.slots);
            }
            self.add_connected(history, slot, &mut seen, &mut waiting);
        }
        seen.clear();
        let mut grouped: BTreeSet<usize> = BTreeSet::new();
        for slot in affected {
            if self.streams[slot].members.is_empty() || !grouped.insert(slot) {
                continue;
            }
            let mut slots = Vec::new();
            let mut waiting = vec![slot];
            while let Some(slot) = waiting.pop() {
                slots.push(slot);
                let mut connected = Vec::new();
                self.add_connected(history, slot, &mut seen, &mut connected);
                connected.retain(|slot| grouped.insert(*slot));
                waiting.append(&mut connected);
            }
            self.enter(history.dag(), slots);
        }
    }

    /// Adds the streams that members of a stream not in `seen` are in conflict on; `seen` has them then.
    fn add_connected(
        &self,
        history: &impl Lineage,
        slot: usize,
        seen: &mut BTreeSet<TxIx>,
        found: &mut Vec<usize>,
    ) {
        for member in &self.streams[slot].members {
            if !seen.insert(*member) {
                continue;
            }
            for (stream_id, _) in parts(history.declared(*member)) {
                let other = self.slots.get(stream_id);
                found.extend(other.filter(|other| self.streams[**other].members.contains(member)));
            }
        }
    }

    fn enter(&mut self, dag: &Dag, slots: Vec<usize>) {
        let key = self.next_key;
        self.next_key += 1;
        for slot in &slots {
            self.streams[*slot].fork = Some(key);
        }
        let of_fork = || slots.iter().map(|slot| &self.streams[*slot]);
        let streams = of_fork()
            .map(|stream| (stream.stream_id.clone(), stream.members.clone()))
            .collect();
        let participants = of_fork().flat_map(|stream| stream.conflicts.participants());
        let shape = shape(dag, streams, participants);
        self.forks.insert(key, Open { slots, shape });
    }

    /// Returns how many forks are open.
    pub fn len(&self) -> usize {
        self.forks.len()
    }

    /// Returns whether no fork is open.
    pub fn is_empty(&self) -> bool {
        self.forks.is_empty()
    }

    /// Returns the name of the fork that a stream is part of; `None` when it is in no conflict.
    pub fn fork_of(&self, stream_id: &StreamId) -> Option<&ForkId> {
        self.shape_of(stream_id).map(|shape| &shape.id)
    }

    /// Returns the fork that a stream is part of; `None` when it is in no conflict.
    ///
    /// # Complexity
    /// O(log f) for f open forks.
    pub(crate) fn shape_of(&self, stream_id: &StreamId) -> Option<&Shape> {
        let stream = &self.streams[*self.slots.get(stream_id)?];
        self.forks.get(&stream.fork?).map(|open| &open.shape)
    }

    /// Returns the open forks, in canonical order of their first members; `dag` is that of the history last taken in.
    pub fn shapes(&self, dag: &Dag) -> Vec<&Shape> {
        let mut shapes: Vec<_> = self.forks.values().map(|open| &open.shape).collect();
        shapes.sort_by(|a, b| place(dag, a).cmp(&place(dag, b)));
        shapes
    }
}

fn place<'a>(dag: &Dag, shape: &'a Shape) -> (Option<usize>, &'a ForkId) {
    let first = shape.members.first();
    (first.and_then(|ix| dag.rank(*ix)), &shape.id)
}
