//! The history in memory: the DAG, the streams it makes, and the ingestion order. Its bytes stay in the journal.
//!
//! **Invariant**: streams and versions are a function of the set of transactions; numbers are a function of the
//! journal. Nothing else goes in.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fs_dag::{Dag, Node, TxIx};
use fs_format::{
    ContentHash, Event, FormatVersion, ReplicaId, StreamBase, StreamId, Timestamp, TransactionId,
};

use crate::error::IndexError;
use crate::links::Declared;
use crate::log::journal::JournalReader;
use crate::log::record::{self, Place, Record};
use crate::position::{Epoch, Position, RunningHash, Sequence};
use crate::snapshot::derived::Derived;
use crate::state::State;
use crate::stored::Provenance;
use crate::stored::Stored;
use crate::table::segment::{FLAT, GraphRow};

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

/// A transaction whose record cannot be read, or holds other bytes than were verified.
#[derive(Debug, thiserror::Error)]
#[error("transaction {transaction_id} cannot be read any more; refresh the store")]
pub struct Undecodable {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// What is wrong with it.
    pub source: Box<IndexError>,
}

/// The transactions of a store and what follows from them, without what they hold: that is read where it is asked for.
#[derive(Clone, Debug, Default)]
pub struct History {
    dag: Dag,
    /// By index in the DAG.
    rows: Vec<Row>,
    /// What the rows declare, one after another.
    declared: Vec<(StreamId, StreamBase)>,
    /// Few transactions settle anything.
    resolves: HashMap<usize, BTreeMap<StreamId, Vec<TransactionId>>>,
    /// Every stream that is declared, so that each name is in memory once.
    names: HashSet<StreamId>,
    /// How many rows have a number. They are the first ones, and the numbers ascend; the rows behind them are those of a preview.
    numbered: usize,
    streams: BTreeMap<StreamId, Vec<Write>>,
    events: u64,
    epoch: Option<Epoch>,
    generation: u64,
    /// Where the records are; `None` for what no journal has.
    journal: Option<JournalReader>,
    derived: Derived,
}

/// What is known of a transaction besides what the DAG knows.
#[derive(Clone, Copy, Debug)]
struct Row {
    number: u64,
    running_hash: RunningHash,
    content_hash: ContentHash,
    replica_seq: Option<u64>,
    /// Where its record lies in the journal.
    offset: u64,
    len: u32,
    event_count: u32,
    /// Where in `declared` what it declares begins; it ends where that of the next begins.
    declared_at: usize,
    parents: u16,
    format_version: FormatVersion,
    flags: u8,
}

/// A transaction of a [`History`].
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    history: &'a History,
    ix: TxIx,
}

impl<'a> Member<'a> {
    fn row(self) -> &'a Row {
        &self.history.rows[self.ix.as_usize()]
    }

    /// Returns the id.
    pub fn id(self) -> TransactionId {
        self.history.dag.id(self.ix)
    }

    /// Returns who wrote it.
    pub fn replica_id(self) -> ReplicaId {
        self.history.dag.key(self.ix).replica_id
    }

    /// Returns its place in the chain of its writer's transactions, where its format records one.
    pub fn replica_seq(self) -> Option<u64> {
        self.row().replica_seq
    }

    /// Returns when it was written.
    pub fn created_at(self) -> Timestamp {
        self.history.dag.key(self.ix).created_at
    }

    /// Returns the format of its file.
    pub fn format_version(self) -> FormatVersion {
        self.row().format_version
    }

    /// Returns the hash by which children refer to it.
    pub fn content_hash(self) -> ContentHash {
        self.row().content_hash
    }

    /// Returns the number it got when this working copy first saw it, counted from 1.
    pub fn number(self) -> u64 {
        self.row().number
    }

    /// Returns how many events it holds.
    pub fn event_count(self) -> u64 {
        u64::from(self.row().event_count)
    }

    /// Returns the path of its file below `events/`, with `/` between the parts.
    pub fn relative_path(self) -> String {
        let place = match self.row().flags & FLAT {
            0 => Place::Sharded,
            _ => Place::Flat,
        };
        place.path(self.id())
    }

    /// Returns what it declares of streams.
    pub fn declared(self) -> Declared<'a> {
        static NONE: BTreeMap<StreamId, Vec<TransactionId>> = BTreeMap::new();
        let (history, row) = (self.history, self.row());
        let next = history.rows.get(self.ix.as_usize() + 1);
        let end = next.map_or(history.declared.len(), |next| next.declared_at);
        Declared {
            format_version: row.format_version,
            parents: usize::from(row.parents),
            streams: &history.declared[row.declared_at..end],
            resolves: history.resolves.get(&self.ix.as_usize()).unwrap_or(&NONE),
        }
    }
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
        rows: impl IntoIterator<Item = GraphRow>,
        epoch: Option<Epoch>,
        generation: u64,
    ) -> Self {
        let mut history = Self {
            epoch,
            generation,
            ..Self::default()
        };
        history.extend(rows);
        history
    }

    /// Adds transactions that are not there yet; returns whether the canonical order changed behind one that was.
    pub(crate) fn extend(&mut self, batch: impl IntoIterator<Item = GraphRow>) -> bool {
        let Self {
            dag,
            rows,
            declared,
            resolves,
            names,
            numbered,
            ..
        } = self;
        let arrival = dag.extend(batch.into_iter().map(|it| {
            let (row, links) = (it.row, it.links);
            if !links.resolves.is_empty() {
                resolves.insert(rows.len(), links.resolves);
            }
            let follows = |last: &Row| last.number < row.number;
            if *numbered == rows.len() && rows.last().is_none_or(follows) {
                *numbered += 1;
            }
            rows.push(Row {
                number: row.number,
                running_hash: row.running_hash,
                content_hash: it.content_hash,
                replica_seq: links.replica_seq,
                offset: row.offset,
                len: row.len,
                event_count: row.event_count,
                declared_at: declared.len(),
                parents: u16::try_from(links.parents.len()).unwrap_or(u16::MAX),
                format_version: links.format_version,
                flags: row.flags,
            });
            declared.extend(links.streams.into_iter().map(|(stream_id, base)| {
                let known = names.get(&stream_id).cloned();
                let stream_id = known.unwrap_or_else(|| {
                    names.insert(stream_id.clone());
                    stream_id
                });
                (stream_id, base)
            }));
            Node {
                id: row.id,
                replica_id: row.replica_id,
                created_at: row.created_at,
                parents: links.parents,
            }
        }));
        debug_assert!(
            arrival.duplicates.is_empty(),
            "callers add a transaction once"
        );
        debug_assert_eq!(
            self.dag.len(),
            self.rows.len(),
            "indexes are dense and in insertion order"
        );
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
        let written = added
            .iter()
            .flat_map(|ix| self.get(*ix).declared().writes());
        let streams: BTreeSet<StreamId> = written.map(|(stream_id, _)| stream_id.clone()).collect();
        for stream_id in &streams {
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
        self.events += self.get(ix).event_count();
        let place = self.rows[ix.as_usize()].declared_at;
        let end = place + self.get(ix).declared().streams.len();
        for at in place..end {
            let (stream_id, base) = &self.declared[at];
            if base.writes == 0 {
                continue;
            }
            let writes = match self.streams.get_mut(stream_id) {
                Some(writes) => writes,
                None => self.streams.entry(stream_id.clone()).or_default(),
            };
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

    /// Says where the records are.
    pub(crate) fn set_journal(&mut self, journal: JournalReader) {
        self.journal = Some(journal);
    }

    /// Reserves memory for `count` more transactions.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.rows.reserve(count);
        self.declared.reserve(count);
    }

    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Returns the transaction DAG.
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// Returns a transaction by its index in the DAG.
    pub fn get(&self, ix: TxIx) -> Member<'_> {
        Member { history: self, ix }
    }

    /// Returns a transaction by its id.
    pub fn find(&self, id: TransactionId) -> Option<Member<'_>> {
        self.dag.index_of(id).map(|ix| self.get(ix))
    }

    /// Returns the number of transactions.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
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
    pub fn canonical(&self) -> impl DoubleEndedIterator<Item = (TxIx, Member<'_>)> {
        self.dag.order().iter().map(|ix| (*ix, self.get(*ix)))
    }

    /// Returns the transactions numbered `number` or higher, in ingestion order.
    pub fn ingested_from(&self, number: u64) -> impl Iterator<Item = (TxIx, Member<'_>)> {
        let numbered = &self.rows[..self.numbered];
        let first = numbered.partition_point(|row| row.number < number);
        let found = self.dag.indices_from(first).take(self.numbered - first);
        found.map(|ix| (ix, self.get(ix)))
    }

    /// Returns the highest number given so far; 0 when there is none.
    pub fn last_number(&self) -> u64 {
        self.last_ingested().map_or(0, |(number, _)| number)
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
        let last = self.rows[..self.numbered].last()?;
        Some((last.number, last.running_hash))
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
        let numbered = &self.rows[..self.numbered];
        let at = numbered.binary_search_by_key(&sequence.number(), |row| row.number);
        let row = at.ok().map(|at| &numbered[at]);
        row.zip(self.epoch).is_some_and(|(row, epoch)| {
            sequence.is_within(row.event_count) && row.running_hash.proof(epoch) == position.proof
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

    /// Reads the transaction `ix`.
    ///
    /// # Errors
    /// When its record cannot be read, or holds other bytes than were verified.
    pub fn load(&self, ix: TxIx) -> Result<Stored, Undecodable> {
        let (row, transaction_id) = (&self.rows[ix.as_usize()], self.dag.id(ix));
        let undecodable = |source| Undecodable {
            transaction_id,
            source: Box::new(source),
        };
        let journal = self.journal.as_ref().ok_or_else(|| {
            let path = self.get(ix).relative_path().into();
            undecodable(IndexError::NoJournal { path })
        })?;
        let payload = journal.read(row.offset, row.len).map_err(undecodable)?;
        let stored = payload.and_then(|payload| match record::parse(&payload)? {
            Record::Arrived(arrived) => Stored::of_record(*arrived, &payload).ok(),
            _ => None,
        });
        let is_it = |it: &Stored| (it.number, it.id()) == (row.number, transaction_id);
        stored.filter(is_it).ok_or_else(|| {
            let path = journal.path().to_owned();
            undecodable(IndexError::Damaged { path })
        })
    }

    /// Returns the events of a transaction of this history, each with its version and position.
    ///
    /// # Errors
    /// An item is an error only when the bytes in memory are not those that were verified.
    pub fn placed<'a>(
        &'a self,
        stored: &'a Stored,
    ) -> impl Iterator<Item = Result<Placed<'a>, Undecodable>> {
        let ix = self.dag.index_of(stored.id());
        let mut seen: BTreeMap<StreamId, u64> = BTreeMap::new();
        let proof = stored
            .running_hash
            .proof(self.epoch.unwrap_or(Epoch::from_u64(0)));
        (0u16..=u16::MAX)
            .zip(stored.events())
            .map(move |(place, event)| {
                let event = event.map_err(|_| Undecodable {
                    transaction_id: stored.id(),
                    source: Box::new(IndexError::Damaged {
                        path: stored.relative_path().into(),
                    }),
                })?;
                let count = match seen.get_mut(&event.stream_id) {
                    Some(count) => count,
                    None => {
                        let write = ix.and_then(|ix| self.write_of(ix, &event.stream_id));
                        let base = write.map_or(0, |write| write.base);
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
    fn transaction(number: u64, streams: &[(&str, u64)]) -> GraphRow {
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
        stored.graph_row()
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
            let mut history = History::build([all[order[0]].clone()], None, 0);
            history.extend([all[order[1]].clone()]);
            let rest = order[2..].iter().map(|nth| all[*nth].clone());
            for stored in rest {
                history.extend([stored]);
            }
            let writes = |name| {
                let writes = history.writes(&stream(name)).iter();
                let place = |write: &Write| (history.get(write.transaction).number(), write.base);
                writes.map(place).collect::<Vec<_>>()
            };
            assert_eq!(writes("s"), [(1, 0), (2, 2), (3, 3), (5, 6)], "{order:?}");
            assert_eq!(writes("t"), [(1, 0), (4, 1), (5, 3)], "{order:?}");
            assert_eq!(writes("u"), [(4, 0)], "{order:?}");
        }
    }
}
