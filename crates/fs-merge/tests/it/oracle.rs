//! The definition of a fork, word by word, over all pairs of transactions.
//!
//! Two conflicts are connected when they share a transaction or a stream: whoever settles one conflict of a stream
//! descends from the other too, and settles it with the first.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{FormatVersion, StreamId, TransactionId};

use crate::model::Model;

/// A stale read: the stream, who read it, who wrote it.
pub(crate) type Stale = (StreamId, Vec<TransactionId>, Vec<TransactionId>);

/// A fork as far as it follows from the definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Each with the ids of the transactions that write it below the fork, once for each event.
    pub(crate) streams: Vec<(StreamId, Vec<TransactionId>)>,
    pub(crate) branches: Vec<(TransactionId, Vec<TransactionId>)>,
    pub(crate) common: Vec<TransactionId>,
    pub(crate) on_top: Vec<TransactionId>,
}

/// The shape of a fork, by ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedShape {
    /// Each with who is in conflict on it, in canonical order.
    pub(crate) streams: Vec<(StreamId, Vec<TransactionId>)>,
    pub(crate) members: Vec<TransactionId>,
    pub(crate) heads: Vec<TransactionId>,
    pub(crate) on_top: Vec<TransactionId>,
}

/// An open conflict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Conflict {
    pub(crate) stream_id: StreamId,
    pub(crate) a: usize,
    pub(crate) b: usize,
}

pub(crate) struct Oracle<'a> {
    model: &'a Model,
    /// In canonical order.
    order: Vec<usize>,
    /// By index: all that a transaction descends from.
    ancestors: Vec<BTreeSet<usize>>,
}

/// A connected set of conflicts.
struct Set {
    members: Vec<usize>,
    streams: BTreeMap<StreamId, BTreeSet<usize>>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(model: &'a Model) -> Self {
        let mut ancestors: Vec<BTreeSet<usize>> = Vec::new();
        for tx in &model.transactions {
            let mut above = BTreeSet::new();
            for parent in &tx.parents {
                if !model.transactions[*parent].lost {
                    above.insert(*parent);
                    above.extend(&ancestors[*parent]);
                }
            }
            ancestors.push(above);
        }
        let mut waiting: Vec<_> = model.present().map(|(index, _)| index).collect();
        waiting.sort_by_key(|index| {
            let tx = &model.transactions[*index];
            (tx.created_at, tx.replica_id, tx.id)
        });
        let mut order: Vec<usize> = Vec::new();
        while !waiting.is_empty() {
            let is_ready = |index: &usize| {
                let mut above = ancestors[*index].iter();
                above.all(|ancestor| order.contains(ancestor))
            };
            let next = waiting.iter().position(is_ready).unwrap();
            order.push(waiting.remove(next));
        }
        Self {
            model,
            order,
            ancestors,
        }
    }

    fn is_ancestor(&self, a: usize, b: usize) -> bool {
        self.ancestors[b].contains(&a)
    }

    fn is_concurrent(&self, a: usize, b: usize) -> bool {
        a != b && !self.is_ancestor(a, b) && !self.is_ancestor(b, a)
    }

    fn writes(&self, index: usize, stream_id: &StreamId) -> bool {
        self.model.transactions[index]
            .streams
            .get(stream_id)
            .is_some_and(|writes| *writes > 0)
    }

    fn settles(&self, index: usize, stream_id: &StreamId) -> bool {
        let tx = &self.model.transactions[index];
        match tx.format_version {
            FormatVersion::V3 => tx.resolves.contains(stream_id),
            FormatVersion::V1 | FormatVersion::V2 => {
                tx.parents.len() > 1 && self.writes(index, stream_id)
            }
        }
    }

    fn streams(&self) -> BTreeSet<StreamId> {
        let named = self
            .model
            .present()
            .flat_map(|(_, tx)| tx.streams.keys().chain(&tx.resolves));
        named.cloned().collect()
    }

    fn is_conflict(&self, a: usize, b: usize, stream_id: &StreamId) -> bool {
        let writes = |index| self.writes(index, stream_id);
        let settles = |index| self.settles(index, stream_id);
        self.is_concurrent(a, b)
            && (writes(a) && writes(b) || settles(a) && settles(b) && (writes(a) || writes(b)))
    }

    fn is_settled(&self, conflict: &Conflict) -> bool {
        self.order.iter().any(|index| {
            let covered = self.covered(*index);
            self.settles(*index, &conflict.stream_id)
                && covered.contains(&conflict.a)
                && covered.contains(&conflict.b)
        })
    }

    /// Returns what a settler lists and has below it, and what is below that; in older formats all that is below it.
    fn covered(&self, settler: usize) -> BTreeSet<usize> {
        let tx = &self.model.transactions[settler];
        if tx.format_version != FormatVersion::V3 {
            return self.ancestors[settler].clone();
        }
        let listed = tx.listed.iter();
        let counted = listed.filter(|listed| self.is_ancestor(**listed, settler));
        counted
            .flat_map(|listed| self.ancestors[*listed].iter().chain([listed]))
            .copied()
            .collect()
    }

    /// Returns all open conflicts; `a` comes before `b` in canonical order.
    pub(crate) fn open_conflicts(&self) -> BTreeSet<Conflict> {
        let mut found = BTreeSet::new();
        for stream_id in self.streams() {
            for (at, a) in self.order.iter().enumerate() {
                for b in &self.order[at + 1..] {
                    let conflict = Conflict {
                        stream_id: stream_id.clone(),
                        a: *a,
                        b: *b,
                    };
                    if self.is_conflict(*a, *b, &stream_id) && !self.is_settled(&conflict) {
                        found.insert(conflict);
                    }
                }
            }
        }
        found
    }

    /// Returns the connected sets of open conflicts.
    fn connected(&self) -> Vec<Vec<Conflict>> {
        let mut sets: Vec<Vec<Conflict>> = Vec::new();
        for conflict in self.open_conflicts() {
            let touches = |set: &Vec<Conflict>| {
                set.iter().any(|other| {
                    other.stream_id == conflict.stream_id
                        || [other.a, other.b].contains(&conflict.a)
                        || [other.a, other.b].contains(&conflict.b)
                })
            };
            let (joined, apart): (Vec<_>, Vec<_>) = sets.into_iter().partition(touches);
            let mut joined: Vec<_> = joined.into_iter().flatten().collect();
            joined.push(conflict);
            sets = apart;
            sets.push(joined);
        }
        sets
    }

    /// Returns the open forks in canonical order of their first members.
    pub(crate) fn forks(&self) -> Vec<Expected> {
        self.sets().iter().map(|set| self.fork(set)).collect()
    }

    /// Returns the shapes of the open forks in the same order.
    pub(crate) fn shapes(&self) -> Vec<ExpectedShape> {
        let ids = |indices: &[usize]| self.model.ids(indices);
        let shape = |set: &Set| ExpectedShape {
            streams: set
                .streams
                .iter()
                .map(|(stream_id, members)| {
                    let members = self.in_order(|index| members.contains(&index));
                    (stream_id.clone(), ids(&members))
                })
                .collect(),
            members: ids(&set.members),
            heads: ids(&self.heads(set)),
            on_top: ids(&self.on_top(set)),
        };
        self.sets().iter().map(shape).collect()
    }

    fn sets(&self) -> Vec<Set> {
        let mut sets: Vec<_> = self
            .connected()
            .iter()
            .map(|conflicts| {
                let mut streams: BTreeMap<StreamId, BTreeSet<usize>> = BTreeMap::new();
                for conflict in conflicts {
                    let of_stream = streams.entry(conflict.stream_id.clone()).or_default();
                    of_stream.extend([conflict.a, conflict.b]);
                }
                let members =
                    self.in_order(|index| streams.values().any(|those| those.contains(&index)));
                Set { members, streams }
            })
            .collect();
        sets.sort_by_key(|set| self.rank(set.members[0]));
        sets
    }

    fn heads(&self, set: &Set) -> Vec<usize> {
        let is_below = |index: usize| {
            set.members
                .iter()
                .any(|other| self.is_ancestor(index, *other))
        };
        self.in_order(|index| set.members.contains(&index) && !is_below(index))
    }

    fn on_top(&self, set: &Set) -> Vec<usize> {
        let takes_part = |index: usize| {
            let mut streams = set.streams.keys();
            streams.any(|stream_id| self.writes(index, stream_id) || self.settles(index, stream_id))
        };
        let is_above = |index: usize| {
            let mut members = set.members.iter();
            members.any(|member| self.is_ancestor(*member, index))
        };
        self.in_order(|index| !set.members.contains(&index) && is_above(index) && takes_part(index))
    }

    fn fork(&self, set: &Set) -> Expected {
        let heads = self.heads(set);
        let branch = |head: usize| {
            self.in_order(|index| {
                set.members.contains(&index)
                    && (index == head || self.is_ancestor(index, head))
                    && !heads
                        .iter()
                        .filter(|other| **other != head)
                        .all(|other| self.is_ancestor(index, *other))
            })
        };
        let branches: Vec<_> = heads.iter().map(|head| (*head, branch(*head))).collect();
        let common = self.in_order(|index| {
            set.members.contains(&index) && heads.iter().all(|head| self.is_ancestor(index, *head))
        });
        Expected {
            streams: set
                .streams
                .iter()
                .map(|(stream_id, members)| {
                    (stream_id.clone(), self.events_below(stream_id, members))
                })
                .collect(),
            branches: branches
                .iter()
                .map(|(head, branch)| (self.model.transactions[*head].id, self.model.ids(branch)))
                .collect(),
            common: self.model.ids(&common),
            on_top: self.model.ids(&self.on_top(set)),
        }
    }

    /// Returns who wrote the events of a stream below all of its newest members in conflict.
    fn events_below(&self, stream_id: &StreamId, members: &BTreeSet<usize>) -> Vec<TransactionId> {
        let newest: Vec<_> = members
            .iter()
            .filter(|member| {
                !members
                    .iter()
                    .any(|other| self.is_ancestor(**member, *other))
            })
            .collect();
        let below = self.in_order(|index| newest.iter().all(|top| self.is_ancestor(index, **top)));
        below
            .into_iter()
            .flat_map(|index| {
                let tx = &self.model.transactions[index];
                let count = tx.streams.get(stream_id).copied().unwrap_or(0);
                (0..count).map(|_| tx.id)
            })
            .collect()
    }

    /// Returns the stale reads, readers and writers: by stream, then in canonical order.
    pub(crate) fn stale_reads(&self) -> Vec<Stale> {
        let mut found = Vec::new();
        for stream_id in self.streams() {
            let reads =
                |index: usize| self.model.transactions[index].streams.get(&stream_id) == Some(&0);
            let is_pair = |reader: usize, writer: usize| {
                reads(reader)
                    && self.writes(writer, &stream_id)
                    && self.is_concurrent(writer, reader)
                    && !self.is_conflict(writer, reader, &stream_id)
            };
            let apart = self.in_order(|one| {
                let mut others = self.order.iter().copied();
                others.any(|other| is_pair(one, other) || is_pair(other, one))
            });
            let mut together: Vec<usize> = Vec::new();
            for (place, one) in apart.iter().enumerate() {
                together.push(*one);
                let (before, behind) = apart.split_at(place + 1);
                let descends = |later: &usize| {
                    let mut before = before.iter();
                    before.all(|earlier| self.is_ancestor(*earlier, *later))
                };
                if behind.iter().all(descends) {
                    let all = std::mem::take(&mut together).into_iter();
                    let (readers, writers): (Vec<_>, Vec<_>) = all.partition(|one| reads(*one));
                    let ids = [readers, writers].map(|those| self.model.ids(&those));
                    let [readers, writers] = ids;
                    found.push((stream_id.clone(), readers, writers));
                }
            }
        }
        found
    }

    fn in_order(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        self.order
            .iter()
            .copied()
            .filter(|index| wanted(*index))
            .collect()
    }

    fn rank(&self, index: usize) -> Option<usize> {
        self.order.iter().position(|other| *other == index)
    }
}
