//! The history in memory: the DAG, the streams it makes, and the ingestion order.
//!
//! **Invariant**: streams and versions are a function of the set of transactions; numbers are a function of the
//! journal. Nothing else goes in.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use fs_dag::{Dag, Node, TxIx};
use fs_format::{DecodeError, Event, StreamId, TransactionId};

use crate::position::{Epoch, Position, RunningHash, Sequence};
use crate::snapshot::derived::Derived;
use crate::state::State;
use crate::stored::Provenance;
use crate::stored::Stored;

/// The events that one transaction adds to one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The transaction.
    pub transaction: TxIx,
    /// The version of the stream below it: the first event has `base + 1`.
    pub base: u64,
    /// How many events it adds.
    pub count: u64,
}

/// An event where it stands: decoded, with its computed version and its place in the ingestion order.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// What it has in common with all events of its transaction.
    pub provenance: Provenance<'a>,
    /// The event; its `stream_version` is what its writer thought.
    pub event: Event<'a>,
    /// The canonical version, counted from 1.
    pub version: u64,
    /// The place in this working copy's ingestion order.
    pub position: Position,
}

/// A transaction in memory whose bytes are not those that were verified.
#[derive(Debug, thiserror::Error)]
#[error("transaction {transaction_id} does not decode any more; refresh the store")]
pub struct Undecodable {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// What is wrong with it.
    pub source: DecodeError,
}

/// The transactions of a store and what follows from them.
#[derive(Debug, Default)]
pub struct History {
    dag: Dag,
    stored: Vec<Arc<Stored>>,
    by_number: BTreeMap<u64, TxIx>,
    streams: BTreeMap<StreamId, Vec<Write>>,
    events: u64,
    epoch: Option<Epoch>,
    generation: u64,
    derived: Derived,
}

impl History {
    /// Calls `look` with what was worked out from this history, or from less of it, by earlier calls with the same type;
    /// with its default at first, and whenever another call is at work on it.
    ///
    /// So a layer above can keep up with a history that grows, instead of looking at all of it again.
    pub fn derived<D: Any + Default + Send, T>(&self, look: impl FnOnce(&mut D) -> T) -> T {
        self.derived.with(look)
    }

    /// Builds the history of these transactions.
    pub(crate) fn build(
        stored: impl IntoIterator<Item = Arc<Stored>>,
        epoch: Option<Epoch>,
        generation: u64,
    ) -> Self {
        let mut history = Self {
            epoch,
            generation,
            ..Self::default()
        };
        history.extend(stored.into_iter().collect());
        history
    }

    /// Adds transactions that are not there yet; returns whether the canonical order changed behind one that was.
    pub(crate) fn extend(&mut self, batch: Vec<Arc<Stored>>) -> bool {
        let arrival = self.dag.extend(batch.iter().map(|stored| {
            Node {
                id: stored.header.transaction_id,
                replica_id: stored.header.replica_id,
                created_at: stored.header.created_at,
                parents: stored
                    .header
                    .parents
                    .iter()
                    .map(|parent| parent.transaction_id)
                    .collect(),
            }
        }));
        debug_assert!(
            arrival.duplicates.is_empty(),
            "callers add a transaction once"
        );
        for stored in batch {
            let ix = self
                .dag
                .index_of(stored.id())
                .expect("it was added just above");
            debug_assert_eq!(
                ix.as_usize(),
                self.stored.len(),
                "indexes are dense and in insertion order"
            );
            self.by_number.insert(stored.number, ix);
            self.stored.push(stored);
        }
        if arrival.reordered && !arrival.is_inserted {
            self.rebuild_streams();
            return true;
        }
        let mut added = arrival.added;
        added.sort_by_key(|ix| self.dag.rank(*ix));
        for ix in &added {
            self.push_writes(*ix);
        }
        if arrival.reordered {
            self.sort_writes_of(&added);
        }
        arrival.reordered
    }

    /// Puts the writes of transactions where they belong that are not the last in canonical order.
    ///
    /// # Complexity
    /// O(w) for the w writes of the streams that these write, so that one that writes nothing costs nothing.
    fn sort_writes_of(&mut self, added: &[TxIx]) {
        let written = added.iter().flat_map(|ix| {
            let bases = self.stored[ix.as_usize()].header.stream_bases.iter();
            bases.filter(|(_, base)| base.writes > 0)
        });
        let streams: BTreeSet<&StreamId> = written.map(|(stream_id, _)| stream_id).collect();
        for stream_id in streams {
            let Some(writes) = self.streams.get_mut(stream_id) else {
                continue;
            };
            writes.sort_by_key(|write| self.dag.rank(write.transaction));
            let mut version = 0;
            for write in writes {
                write.base = version;
                version += write.count;
            }
        }
    }

    fn rebuild_streams(&mut self) {
        self.streams.clear();
        self.events = 0;
        for ix in self.dag.order().to_vec() {
            self.push_writes(ix);
        }
    }

    fn push_writes(&mut self, ix: TxIx) {
        if self.dag.rank(ix).is_none() {
            return;
        }
        let stored = &self.stored[ix.as_usize()];
        self.events += stored.event_count();
        for (stream_id, base) in stored
            .header
            .stream_bases
            .iter()
            .filter(|(_, base)| base.writes > 0)
        {
            let writes = self.streams.entry(stream_id.clone()).or_default();
            let version = writes.last().map_or(0, |last| last.base + last.count);
            writes.push(Write {
                transaction: ix,
                base: version,
                count: base.writes,
            });
        }
    }

    /// Returns whether this is the history of a state.
    pub(crate) fn is_as_of(&self, state: &State) -> bool {
        self.epoch == Some(state.epoch)
            && self.generation == state.generation
            && self.last_ingested() == state.last
    }

    pub(crate) fn set_epoch(&mut self, epoch: Epoch, generation: u64) {
        self.epoch = Some(epoch);
        self.generation = generation;
    }

    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    pub(crate) fn shared(&self) -> &[Arc<Stored>] {
        &self.stored
    }

    /// Returns the transaction DAG.
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// Returns a transaction by its index in the DAG.
    pub fn get(&self, ix: TxIx) -> &Stored {
        &self.stored[ix.as_usize()]
    }

    /// Returns a transaction by its id.
    pub fn find(&self, id: TransactionId) -> Option<&Stored> {
        self.dag.index_of(id).map(|ix| self.get(ix))
    }

    /// Returns the number of transactions.
    pub fn len(&self) -> usize {
        self.stored.len()
    }

    /// Returns whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// Returns the number of events in canonical order.
    pub fn event_count(&self) -> u64 {
        self.events
    }

    /// Returns the epoch of this working copy's positions; `None` before the first journal was written.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// Returns how often the canonical order has changed behind something already ingested.
    pub fn topology_generation(&self) -> u64 {
        self.generation
    }

    /// Returns the transactions in canonical order.
    pub fn canonical(&self) -> impl DoubleEndedIterator<Item = (TxIx, &Stored)> {
        self.dag.order().iter().map(|ix| (*ix, self.get(*ix)))
    }

    /// Returns the transactions numbered `number` or higher, in ingestion order.
    pub fn ingested_from(&self, number: u64) -> impl Iterator<Item = (TxIx, &Stored)> {
        self.by_number
            .range((Bound::Included(number), Bound::Unbounded))
            .map(|(_, ix)| (*ix, self.get(*ix)))
    }

    /// Returns the highest number given so far; 0 when there is none.
    pub fn last_number(&self) -> u64 {
        self.by_number
            .last_key_value()
            .map_or(0, |(number, _)| *number)
    }

    /// Returns every stream with its version, in byte order of the stream ids.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamId, u64)> {
        self.streams
            .iter()
            .map(|(stream_id, writes)| (stream_id, version_of(writes)))
    }

    /// Returns who writes `stream_id`, in canonical order; empty when nobody does.
    pub fn writes(&self, stream_id: &StreamId) -> &[Write] {
        self.streams.get(stream_id).map_or(&[], Vec::as_slice)
    }

    /// Returns the last transaction in ingestion order, with the running hash of the journal there.
    pub(crate) fn last_ingested(&self) -> Option<(u64, RunningHash)> {
        let (number, ix) = self.by_number.last_key_value()?;
        Some((*number, self.get(*ix).running_hash))
    }

    /// Returns the place behind everything in the ingestion order; `None` when there is nothing.
    pub fn ingestion_end(&self) -> Option<Position> {
        let (number, hash) = self.last_ingested()?;
        Some(Position {
            sequence: Sequence::behind(number),
            proof: hash.proof(self.epoch?),
        })
    }

    /// Returns whether a position is one of this history, and everything before it is what it was when the position was given out.
    pub fn holds(&self, position: Position) -> bool {
        let sequence = position.sequence;
        let stored = self.by_number.get(&sequence.number());
        let stored = stored.map(|ix| self.get(*ix));
        stored.zip(self.epoch).is_some_and(|(stored, epoch)| {
            sequence.is_within(stored.event_count)
                && stored.running_hash.proof(epoch) == position.proof
        })
    }

    /// Returns the number of events of `stream_id`.
    pub fn version(&self, stream_id: &StreamId) -> u64 {
        version_of(self.writes(stream_id))
    }

    /// Returns the version that `stream_id` has after the transaction `ix`, canonically; `None` when it writes none of it.
    pub fn version_after(&self, ix: TxIx, stream_id: &StreamId) -> Option<u64> {
        self.write_of(ix, stream_id)
            .map(|write| write.base + write.count)
    }

    fn write_of(&self, ix: TxIx, stream_id: &StreamId) -> Option<&Write> {
        let rank = self.dag.rank(ix)?;
        let writes = self.streams.get(stream_id)?;
        let at = writes
            .binary_search_by_key(&Some(rank), |write| self.dag.rank(write.transaction))
            .ok()?;
        writes.get(at)
    }

    /// Returns the events of the transaction `ix`, each with its version and position.
    ///
    /// # Errors
    /// An item is an error only when the bytes in memory are not those that were verified.
    pub fn placed(&self, ix: TxIx) -> impl Iterator<Item = Result<Placed<'_>, Undecodable>> {
        let stored = self.get(ix);
        let mut seen: BTreeMap<StreamId, u64> = BTreeMap::new();
        let proof = stored
            .running_hash
            .proof(self.epoch.unwrap_or(Epoch::from_u64(0)));
        (0u16..=u16::MAX)
            .zip(stored.events())
            .map(move |(place, event)| {
                let event = event.map_err(|source| Undecodable {
                    transaction_id: stored.id(),
                    source,
                })?;
                let count = match seen.get_mut(&event.stream_id) {
                    Some(count) => count,
                    None => {
                        let base = self
                            .write_of(ix, &event.stream_id)
                            .map_or(0, |write| write.base);
                        seen.entry(event.stream_id.clone()).or_insert(base)
                    }
                };
                *count += 1;
                let position = Position {
                    sequence: Sequence::new(stored.number, place),
                    proof,
                };
                Ok(Placed {
                    provenance: stored.provenance(),
                    version: *count,
                    event,
                    position,
                })
            })
    }

    /// Returns the events of `stream_id` with versions above `after`, in canonical order.
    ///
    /// # Errors
    /// As [`History::placed`].
    ///
    /// # Complexity
    /// O(log w) to find the first of the stream's w writers, then the transactions that write it from there on.
    pub fn stream_after<'a>(
        &'a self,
        stream_id: &StreamId,
        after: u64,
    ) -> impl Iterator<Item = Result<Placed<'a>, Undecodable>> {
        let writes = self.writes(stream_id);
        let first = writes.partition_point(|write| write.base + write.count <= after);
        let wanted = stream_id.clone();
        writes[first..]
            .iter()
            .flat_map(|write| self.placed(write.transaction))
            .filter(move |placed| match placed {
                Ok(placed) => placed.event.stream_id == wanted && placed.version > after,
                Err(_) => true,
            })
    }
}

fn version_of(writes: &[Write]) -> u64 {
    writes.last().map_or(0, |last| last.base + last.count)
}

#[cfg(test)]
mod tests {
    use fs_format::{
        EventId, FormatVersion, Header, Json, ReplicaId, StreamBase, Timestamp, encode,
    };

    use super::*;

    fn stream(name: &str) -> StreamId {
        StreamId::new(name).unwrap()
    }

    /// Returns a transaction without parents that adds so many events to each of these streams.
    fn transaction(number: u64, streams: &[(&str, u64)]) -> Arc<Stored> {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        let base = |writes| StreamBase { version: 0, writes };
        let header = Header {
            format_version: FormatVersion::V3,
            transaction_id: TransactionId::from_parts(0, random),
            replica_id: ReplicaId::NIL,
            replica_seq: Some(number),
            created_at: Timestamp::from_unix_nanos(i64::try_from(number).unwrap()).unwrap(),
            recorded_at: None,
            parents: Vec::new(),
            stream_bases: streams
                .iter()
                .map(|(name, writes)| (stream(name), base(*writes)))
                .collect(),
            command_id: None,
            resolves: BTreeMap::new(),
            metadata: Json::empty_object(),
        };
        let mut event_ids = (1..).map(|nth| EventId::from_uuid(uuid::Uuid::from_u128(nth)));
        let of_stream = |(name, writes): &(&str, u64)| {
            let event = |stream_version| Event {
                event_id: event_ids.next().unwrap(),
                stream_id: stream(name),
                stream_version,
                event_type: "Counted".into(),
                event_data: Json::compact("1").unwrap(),
                metadata: Json::empty_object(),
            };
            (1..=*writes).map(event).collect::<Vec<_>>()
        };
        let events: Vec<_> = streams.iter().flat_map(of_stream).collect();
        let mut stored = Stored::of_encoded_bytes(encode(&header, &events).unwrap());
        stored.number = number;
        Arc::new(stored)
    }

    #[test]
    fn what_arrives_in_between_counts_where_it_stands() {
        let all = [
            transaction(1, &[("s", 2), ("t", 1)]),
            transaction(2, &[("s", 1)]),
            transaction(3, &[("s", 3)]),
            transaction(4, &[("t", 2), ("u", 1)]),
            transaction(5, &[("s", 1), ("t", 1)]),
        ];
        for order in [[0, 4, 1, 2, 3], [1, 3, 4, 0, 2], [4, 3, 2, 1, 0]] {
            let mut history = History::build([Arc::clone(&all[order[0]])], None, 0);
            history.extend(vec![Arc::clone(&all[order[1]])]);
            let rest = order[2..].iter().map(|nth| Arc::clone(&all[*nth]));
            for stored in rest {
                history.extend(vec![stored]);
            }
            let writes = |name| {
                let writes = history.writes(&stream(name)).iter();
                let place = |write: &Write| (history.get(write.transaction).number, write.base);
                writes.map(place).collect::<Vec<_>>()
            };
            assert_eq!(writes("s"), [(1, 0), (2, 2), (3, 3), (5, 6)], "{order:?}");
            assert_eq!(writes("t"), [(1, 0), (4, 1), (5, 3)], "{order:?}");
            assert_eq!(writes("u"), [(4, 0)], "{order:?}");
        }
    }
}
