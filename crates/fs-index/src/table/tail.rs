//! The transactions of the journal that are in no segment yet, in memory.
//!
//! ```text
//!   | chunk: 32 transactions | 16 | 4 | 2 |   <- the next one; it takes in the chunks before it that are no larger
//! ```
//!
//! What is added while nobody else holds the last chunk goes into it. Beside a snapshot, it begins a chunk of its own, and what the two share
//! stays as it is. So there are O(log n) chunks of n transactions, and each is copied O(log n) times.
//!
//! **Invariant**: it answers as a segment of the same transactions would, and a clone of it the same for ever.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use fs_format::{CommandId, StreamId, TransactionId};

use crate::table::segment::{Entry, GraphRow, Key, Posting, TxRow, command_key};

/// The transactions by number, in chunks that clones share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    chunks: Vec<Arc<Chunk>>,
}

impl Tail {
    /// Adds a transaction; numbers ascend.
    pub(crate) fn push(&mut self, entry: Entry) {
        let entry = Arc::new(entry);
        if let Some(own) = self.chunks.last_mut().and_then(Arc::get_mut) {
            return own.push(entry);
        }
        let mut youngest = Chunk::default();
        youngest.push(entry);
        while let Some(before) = self.chunks.pop_if(|it| it.len() <= youngest.len()) {
            let mut merged = Chunk::clone(&before);
            let entries = youngest.entries.into_values();
            entries.for_each(|entry| merged.push(entry));
            youngest = merged;
        }
        self.chunks.push(Arc::new(youngest));
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    /// Returns all transactions, by number.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let chunks = self.chunks.iter();
        chunks.flat_map(|chunk| chunk.entries.values().map(Arc::as_ref))
    }

    pub(crate) fn transaction(&self, number: u64) -> Option<TxRow> {
        let mut chunks = self.chunks.iter();
        let entry = chunks.find_map(|chunk| chunk.entries.get(&number))?;
        Some(TxRow::of(entry))
    }

    pub(crate) fn transactions_from(&self, number: u64) -> impl Iterator<Item = TxRow> {
        let chunks = self.chunks.iter();
        let entries = chunks.flat_map(move |chunk| chunk.entries.range(number..));
        entries.map(|(_, entry)| TxRow::of(entry))
    }

    pub(crate) fn graph_from(&self, number: u64) -> impl Iterator<Item = GraphRow> {
        let chunks = self.chunks.iter();
        let entries = chunks.flat_map(move |chunk| chunk.entries.range(number..));
        entries.map(|(_, entry)| GraphRow::of(entry))
    }

    /// Returns the transactions behind a key, by key.
    ///
    /// # Complexity
    /// O(n log n) for n transactions.
    pub(crate) fn behind(&self, after: Option<&Key>) -> VecDeque<TxRow> {
        let rows = self.entries().map(TxRow::of);
        let mut behind: Vec<_> = rows
            .filter(|row| after.is_none_or(|after| row.key() > *after))
            .collect();
        behind.sort_by_key(TxRow::key);
        behind.into()
    }

    pub(crate) fn numbers_of(&self, id: TransactionId) -> Vec<u64> {
        self.collect(|chunk| numbers(&chunk.ids, id))
    }

    pub(crate) fn ids_between(&self, low: u128, high: u128) -> Vec<(TransactionId, u64)> {
        let id = |chunk: &Chunk, number: u64| Some((chunk.entries.get(&number)?.id, number));
        self.collect(|chunk| {
            let pairs = chunk.ids.range((low, 0)..=(high, u64::MAX));
            pairs.filter_map(move |(_, number)| id(chunk, *number))
        })
    }

    pub(crate) fn children(&self, parent: TransactionId) -> Vec<u64> {
        self.collect(|chunk| numbers(&chunk.children, parent))
    }

    pub(crate) fn commands(&self, id: &CommandId) -> Vec<u64> {
        self.collect(|chunk| chunk.commands.get(id).into_iter().flatten().copied())
    }

    /// Returns every command's key and the number of its transaction.
    pub(crate) fn command_pairs(&self) -> impl Iterator<Item = ([u8; 16], u64)> {
        let pair = |entry: &Entry| Some((command_key(entry.command_id.as_ref()?), entry.number));
        self.entries().filter_map(pair)
    }

    pub(crate) fn numbers_of_type(&self, event_type: &str) -> Vec<u64> {
        self.collect(|chunk| chunk.types.get(event_type).into_iter().flatten().copied())
    }

    /// Returns who writes a stream, by number.
    pub(crate) fn postings(&self, stream_id: &StreamId) -> Vec<Posting> {
        let posting = |entry: &Entry| {
            let writes = &entry.writes;
            let at = writes.binary_search_by(|(id, _)| id.cmp(stream_id)).ok()?;
            let (_, count) = writes[at];
            Some(Posting {
                created_at: entry.created_at,
                number: entry.number,
                count,
            })
        };
        self.collect(|chunk| {
            let numbers = chunk.streams.get(stream_id).into_iter().flatten();
            let entries = numbers.filter_map(|number| chunk.entries.get(number));
            entries.filter_map(|entry| posting(entry))
        })
    }

    /// Adds the streams whose ids start with `prefix`.
    pub(crate) fn add_streams(&self, prefix: &str, to: &mut BTreeSet<StreamId>) {
        for chunk in &self.chunks {
            let from = chunk.streams.keys().skip_while(|id| id.as_str() < prefix);
            let with_prefix = from.take_while(|id| id.as_str().starts_with(prefix));
            to.extend(with_prefix.cloned());
        }
    }

    fn collect<'a, T, I: IntoIterator<Item = T>>(&'a self, of: impl Fn(&'a Chunk) -> I) -> Vec<T> {
        self.chunks.iter().flat_map(|chunk| of(chunk)).collect()
    }
}

/// Transactions that follow each other.
#[derive(Clone, Debug, Default)]
struct Chunk {
    entries: BTreeMap<u64, Arc<Entry>>,
    ids: BTreeSet<(u128, u64)>,
    children: BTreeSet<(u128, u64)>,
    streams: BTreeMap<StreamId, Vec<u64>>,
    types: HashMap<Box<str>, Vec<u64>>,
    commands: HashMap<CommandId, Vec<u64>>,
}

impl Chunk {
    fn push(&mut self, entry: Arc<Entry>) {
        let number = entry.number;
        self.ids.insert((entry.id.as_u128(), number));
        for parent in &entry.links.parents {
            self.children.insert((parent.as_u128(), number));
        }
        for (stream_id, _) in &entry.writes {
            match self.streams.get_mut(stream_id) {
                Some(numbers) => numbers.push(number),
                None => _ = self.streams.insert(stream_id.clone(), vec![number]),
            }
        }
        for event_type in &entry.event_types {
            let numbers = self.types.entry(event_type.clone()).or_default();
            numbers.push(number);
        }
        if let Some(command_id) = &entry.command_id {
            let numbers = self.commands.entry(command_id.clone()).or_default();
            numbers.push(number);
        }
        self.entries.insert(number, entry);
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}

fn numbers(pairs: &BTreeSet<(u128, u64)>, id: TransactionId) -> impl Iterator<Item = u64> {
    let id = id.as_u128();
    let pairs = pairs.range((id, 0)..=(id, u64::MAX));
    pairs.map(|(_, number)| *number)
}
