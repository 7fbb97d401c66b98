//! What a recorder has received and not stored yet.
//!
//! **Invariant**: what is held here fits into one transaction, by every limit of the format, and stays as it is from the first try to store
//! it until it is stored.

use fs_format::{Json, StreamId};
use serde::Serialize;

use crate::recorder::error::Refusal;
use crate::recorder::mark::{GAP_TYPE, Gap, metadata};
use fs_store::Append;

/// What an event takes beside its data and type, about.
const EVENT_BYTES: usize = 192;

/// When so many bytes wait, no more are received before they are stored. A transaction of this size still goes into the log.
const ENOUGH_BYTES: usize = 192 << 10;

/// The most bytes of one item. With what may wait already, the longest stream id at each event, every name escaped, and a header with the most
/// parents, a file stays below its limit.
const MOST_ITEM_BYTES: usize = 8 << 20;

/// What a recorder was not able to store, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unstored<T> {
    /// An item that was received.
    Item(T),
    /// So many items that were dropped before they were received, and whose gap is not marked.
    Dropped(u64),
}

#[derive(Debug)]
enum Entry<T> {
    Item {
        item: T,
        event_type: String,
        data: Json<'static>,
    },
    Dropped(u64),
}

#[derive(Debug)]
pub(crate) struct Pending<T> {
    entries: Vec<Entry<T>>,
    bytes: usize,
}

impl<T> Pending<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            bytes: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether another item may be received. After a gap one may always, so that holes next to each other are one.
    pub(crate) fn has_room(&self) -> bool {
        matches!(self.entries.last(), Some(Entry::Dropped(_))) || self.bytes < ENOUGH_BYTES
    }

    /// Adds an item, or gives it back with the reason why it cannot be stored; a hole is in its place then.
    pub(crate) fn push(
        &mut self,
        item: T,
        event_type: &(dyn for<'a> Fn(&'a T) -> &'a str + Send),
    ) -> Result<(), (T, Refusal)>
    where
        T: Serialize,
    {
        let name = event_type(&item).to_owned();
        match encoded(&item, &name) {
            Ok(data) => {
                self.bytes += data.as_str().len() + name.len() + EVENT_BYTES;
                self.entries.push(Entry::Item {
                    item,
                    event_type: name,
                    data,
                });
                Ok(())
            }
            Err(refusal) => {
                self.drop_out(1);
                Err((item, refusal))
            }
        }
    }

    /// Notes that so many items were dropped here.
    pub(crate) fn drop_out(&mut self, count: u64) {
        match self.entries.last_mut() {
            Some(Entry::Dropped(before)) => *before = before.saturating_add(count),
            _ => {
                self.bytes += EVENT_BYTES;
                self.entries.push(Entry::Dropped(count));
            }
        }
    }

    /// Returns how many items are held.
    pub(crate) fn items(&self) -> usize {
        let entries = self.entries.iter();
        entries
            .filter(|entry| matches!(entry, Entry::Item { .. }))
            .count()
    }

    /// Adds to `append` the events that follow number `last`; returns the number of the last one, or `None` when there is none so high.
    pub(crate) fn write(
        &self,
        append: &mut Append,
        stream_id: &StreamId,
        mut last: u64,
    ) -> Option<u64> {
        for entry in &self.entries {
            let from = last.checked_add(1)?;
            let (event_type, event_data, metadata) = match entry {
                Entry::Item {
                    event_type, data, ..
                } => {
                    last = from;
                    (event_type.clone(), data.clone(), metadata(from))
                }
                Entry::Dropped(count) => {
                    last = last.checked_add(*count)?;
                    let gap = Gap { from, to: last };
                    (GAP_TYPE.to_owned(), gap.data(), Json::empty_object())
                }
            };
            append.push(stream_id.clone(), event_type, event_data, metadata);
        }
        Some(last)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    pub(crate) fn into_unstored(self) -> Vec<Unstored<T>> {
        let entries = self.entries.into_iter();
        entries
            .map(|entry| match entry {
                Entry::Item { item, .. } => Unstored::Item(item),
                Entry::Dropped(count) => Unstored::Dropped(count),
            })
            .collect()
    }
}

fn encoded<T: Serialize>(item: &T, event_type: &str) -> Result<Json<'static>, Refusal> {
    if event_type == GAP_TYPE {
        return Err(Refusal::ReservedType);
    }
    let text = serde_json::to_string(item).map_err(Refusal::Unserializable)?;
    let bytes = text.len() + event_type.len();
    if bytes > MOST_ITEM_BYTES || event_type.len() > ENOUGH_BYTES {
        return Err(Refusal::TooLarge {
            bytes,
            limit: MOST_ITEM_BYTES,
        });
    }
    Json::compact(&text).map_err(Refusal::Json)
}
