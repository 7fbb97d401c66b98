//! The transactions of the journal that are in no segment yet, in memory.
//!
//! **Invariant**: it answers as a segment of the same transactions would.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fs_format::{CommandId, StreamId, TransactionId};

use crate::segment::{Entry, Located, Posting};

#[derive(Debug, Default)]
pub(crate) struct Tail {
    entries: BTreeMap<u64, Entry>,
    ids: BTreeSet<(u128, u64)>,
    children: BTreeSet<(u128, u64)>,
    streams: BTreeMap<StreamId, BTreeSet<u64>>,
    types: HashMap<Box<str>, Vec<u64>>,
    commands: HashMap<CommandId, Vec<u64>>,
}

impl Tail {
    /// Adds a transaction; numbers ascend.
    pub(crate) fn push(&mut self, entry: Entry) {
        let number = entry.number;
        self.ids.insert((entry.id.as_u128(), number));
        for parent in &entry.parents {
            self.children.insert((parent.as_u128(), number));
        }
        for (stream_id, _) in &entry.writes {
            match self.streams.get_mut(stream_id) {
                Some(numbers) => _ = numbers.insert(number),
                None => {
                    _ = self
                        .streams
                        .insert(stream_id.clone(), BTreeSet::from([number]))
                }
            }
        }
        for event_type in &entry.event_types {
            self.types
                .entry(event_type.clone())
                .or_default()
                .push(number);
        }
        if let Some(command_id) = &entry.command_id {
            self.commands
                .entry(command_id.clone())
                .or_default()
                .push(number);
        }
        self.entries.insert(number, entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns all transactions, by number.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values()
    }

    pub(crate) fn transaction(&self, number: u64) -> Option<Located> {
        self.entries.get(&number).map(Located::of)
    }

    pub(crate) fn transactions_from(&self, number: u64) -> impl Iterator<Item = Located> {
        self.entries
            .range(number..)
            .map(|(_, entry)| Located::of(entry))
    }

    pub(crate) fn numbers_of(&self, id: TransactionId) -> Vec<u64> {
        numbers(&self.ids, id)
    }

    pub(crate) fn ids_between(
        &self,
        low: u128,
        high: u128,
    ) -> impl Iterator<Item = (TransactionId, u64)> {
        let numbers = self.ids.range((low, 0)..=(high, u64::MAX));
        numbers.filter_map(|(_, number)| Some((self.entries.get(number)?.id, *number)))
    }

    pub(crate) fn children(&self, parent: TransactionId) -> Vec<u64> {
        numbers(&self.children, parent)
    }

    pub(crate) fn commands(&self, id: &CommandId) -> &[u64] {
        self.commands.get(id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn numbers_of_type(&self, event_type: &str) -> &[u64] {
        self.types.get(event_type).map_or(&[], Vec::as_slice)
    }

    /// Returns who writes a stream, by number.
    pub(crate) fn postings(&self, stream_id: &StreamId) -> Vec<Posting> {
        let numbers = self.streams.get(stream_id).into_iter().flatten();
        numbers
            .filter_map(|number| self.entries.get(number))
            .filter_map(|entry| {
                let writes = &entry.writes;
                let at = writes.binary_search_by(|(id, _)| id.cmp(stream_id)).ok()?;
                let (_, count) = writes[at];
                Some(Posting {
                    created_at: entry.created_at,
                    number: entry.number,
                    count,
                })
            })
            .collect()
    }

    /// Returns the streams from `first` on, in byte order.
    pub(crate) fn streams_from<'a>(&'a self, first: &'a str) -> impl Iterator<Item = &'a StreamId> {
        self.streams
            .keys()
            .skip_while(move |stream_id| stream_id.as_str() < first)
    }
}

fn numbers(pairs: &BTreeSet<(u128, u64)>, id: TransactionId) -> Vec<u64> {
    let id = id.as_u128();
    pairs
        .range((id, 0)..=(id, u64::MAX))
        .map(|(_, number)| *number)
        .collect()
}
