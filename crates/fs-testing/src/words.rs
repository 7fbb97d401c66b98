//! Short names for transactions, and what they do in words.
//!
//! **Invariant**: a transaction has one name throughout a story. Two decisions that say the same write the same events and
//! metadata.

use std::collections::BTreeMap;

use fs_format::{Header, Json, TransactionId};
use fs_merge::{ForkContext, Outcome, Resolution};
use fs_store::StoredEvent;

/// The names of transactions in a story: `t1`, `t2`, ... and, for merge transactions, `m1`, `m2`, ...
#[derive(Debug, Default)]
pub(crate) struct Names {
    of: BTreeMap<TransactionId, String>,
    ordinary: usize,
    merges: usize,
}

impl Names {
    pub(crate) fn contains(&self, id: TransactionId) -> bool {
        self.of.contains_key(&id)
    }

    /// Names a transaction, unless it has a name.
    pub(crate) fn name(&mut self, header: &Header) {
        if self.contains(header.transaction_id) {
            return;
        }
        let (letter, count) = if header.replica_id.is_nil() {
            ('m', &mut self.merges)
        } else {
            ('t', &mut self.ordinary)
        };
        *count += 1;
        self.of
            .insert(header.transaction_id, format!("{letter}{count}"));
    }

    pub(crate) fn get(&self, id: TransactionId) -> String {
        let name = self.of.get(&id).cloned();
        name.unwrap_or_else(|| id.to_string())
    }

    pub(crate) fn list(&self, ids: impl IntoIterator<Item = TransactionId>) -> String {
        let names: Vec<_> = ids.into_iter().map(|id| self.get(id)).collect();
        names.join(" ")
    }

    /// Says which fork this is: its streams and heads.
    pub(crate) fn fork<E>(&self, fork: &ForkContext<E>) -> String {
        let streams: Vec<_> = fork
            .streams
            .iter()
            .map(|of| of.stream_id.as_str())
            .collect();
        let heads: Vec<_> = fork.branches.iter().map(|of| self.get(of.head)).collect();
        format!("{} on {}", heads.join(" | "), streams.join(", "))
    }

    /// Says what a transaction did.
    pub(crate) fn transaction(&self, header: &Header, events: &[&StoredEvent]) -> String {
        let name = self.get(header.transaction_id);
        if !header.replica_id.is_nil() {
            return format!("{name}: {}", did(events, &header.metadata));
        }
        let streams: Vec<_> = header.resolves.keys().map(|id| id.as_str()).collect();
        let heads = header.resolves.values().next();
        let heads: Vec<_> = heads
            .into_iter()
            .flatten()
            .map(|id| self.get(*id))
            .collect();
        format!(
            "{name}, which settles {} on {}: {}",
            heads.join(" | "),
            streams.join(", "),
            did(events, &header.metadata)
        )
    }
}

/// Says what events a transaction has, apart from versions and ids, and its metadata.
pub(crate) fn did(events: &[&StoredEvent], metadata: &Json<'_>) -> String {
    let events = events.iter().map(|event| {
        (
            event.event_type.as_str(),
            event.stream_id.as_str(),
            event.event_data.as_str(),
        )
    });
    sentence(events, metadata)
}

/// Says what a resolver answered.
pub(crate) fn answer(resolution: &Resolution) -> String {
    match resolution {
        Resolution::Unresolvable(reason) => format!("declined: {reason}"),
        Resolution::Resolve(outcome) => outcome_in_words(outcome),
    }
}

fn outcome_in_words(outcome: &Outcome) -> String {
    let events = outcome.events().iter();
    let events = events.map(|event| {
        (
            event.event_type.as_str(),
            event.stream_id.as_str(),
            event.event_data.as_str(),
        )
    });
    let metadata = outcome.header_metadata();
    sentence(events, &metadata.unwrap_or_else(|_| Json::empty_object()))
}

fn sentence<'a>(
    events: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    metadata: &Json<'_>,
) -> String {
    let events: Vec<_> = events
        .map(|(event_type, stream_id, data)| format!("{event_type} {data} on {stream_id}"))
        .collect();
    let events = if events.is_empty() {
        "no event".to_owned()
    } else {
        events.join(", ")
    };
    if metadata.is_empty_object() {
        events
    } else {
        format!("{events}, with metadata {metadata}")
    }
}
