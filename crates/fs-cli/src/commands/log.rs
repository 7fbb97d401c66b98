//! `trib log`

use fs_format::{ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::Outline;
use fs_store::{FileEventStore, ReplicaItem};
use serde::Serialize;

use crate::outcome::Ending;
use crate::output::{Output, plain_name};

/// Transactions that are read at a time.
const PAGE_TRANSACTIONS: usize = 512;

#[derive(Serialize)]
struct TransactionOut<'a> {
    transaction_id: TransactionId,
    replica_id: ReplicaId,
    /// Only by replica; null where the format has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    replica_seq: Option<Option<u64>>,
    created_at: Timestamp,
    parents: Vec<TransactionId>,
    streams: Vec<&'a StreamId>,
}

impl<'a> TransactionOut<'a> {
    fn new(outline: &'a Outline) -> Self {
        Self {
            transaction_id: outline.transaction_id,
            replica_id: outline.replica_id,
            replica_seq: None,
            created_at: outline.created_at,
            parents: outline.parents.clone(),
            streams: outline.streams.iter().collect(),
        }
    }
}

/// Returns a transaction as one line for people.
fn line(outline: &Outline) -> String {
    let streams = outline.streams.iter();
    let streams: Vec<_> = streams
        .map(|stream_id| plain_name(stream_id.as_str()))
        .collect();
    let settles = if outline.settles {
        "  (settles a fork)"
    } else {
        ""
    };
    format!(
        "{}  {}  {}{settles}",
        outline.transaction_id,
        outline.created_at,
        streams.join(", ")
    )
}

pub(crate) fn run(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    let mut pages = store.canonical_pages()?.into_inner();
    loop {
        let page = pages.next_outlines(PAGE_TRANSACTIONS)?;
        if page.is_empty() {
            return Ok(Ending::Fine);
        }
        for outline in &page {
            output.answer(&TransactionOut::new(outline), || line(outline))?;
        }
    }
}

#[derive(Serialize)]
struct GapOut {
    replica_id: ReplicaId,
    gap: Range,
}

#[derive(Serialize)]
struct Range {
    first: u64,
    last: u64,
}

#[derive(Serialize)]
struct ConflictOut {
    replica_id: ReplicaId,
    conflict: Shared,
}

#[derive(Serialize)]
struct Shared {
    replica_seq: u64,
    transactions: Vec<TransactionId>,
}

pub(crate) fn by_replica(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    for feed in store.read_by_replica()? {
        let replica_id = feed.replica_id();
        output.say(&if replica_id.is_nil() {
            "merges".to_owned()
        } else {
            format!("replica {replica_id}")
        })?;
        for item in feed.items() {
            show(item?, output)?;
        }
    }
    Ok(Ending::Fine)
}

fn show(item: ReplicaItem, output: &mut Output) -> anyhow::Result<()> {
    match item {
        ReplicaItem::Transaction { header, .. } => {
            let outline = Outline::of(&header);
            let out = TransactionOut {
                replica_seq: Some(header.replica_seq),
                ..TransactionOut::new(&outline)
            };
            let number = header.replica_seq.filter(|_| !header.replica_id.is_nil());
            let number = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            output.answer(&out, || format!("{number:>8}  {}", line(&outline)))
        }
        ReplicaItem::Gap {
            replica_id,
            first,
            last,
        } => {
            let gap = Range { first, last };
            output.answer(&GapOut { replica_id, gap }, || match last - first {
                0 => format!("{first:>8}  is missing"),
                _ => format!("{first:>8}  to {last} are missing"),
            })
        }
        ReplicaItem::Conflict {
            replica_id,
            sequence,
            transactions,
        } => {
            let count = transactions.len();
            let conflict = Shared {
                replica_seq: sequence,
                transactions,
            };
            output.answer(&ConflictOut { replica_id, conflict }, || {
                format!("{sequence:>8}  is in conflict: {count} transactions are of several working copies that appended as one replica")
            })
        }
        other => anyhow::bail!("cannot show {other:?}; use a newer trib"),
    }
}
