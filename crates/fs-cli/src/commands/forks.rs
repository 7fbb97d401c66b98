//! `trib forks`

use fs_format::{Json, ReplicaId, StreamId, Timestamp, TransactionId};
use fs_merge::{BlockedFork, Branch, ForkContext, ForkId, ForkedStream, StaleRead, Transaction};
use fs_store::{FileEventStore, report};
use serde::Serialize;

use crate::commands::events::EventOut;
use crate::commands::find::{self, named};
use crate::outcome::Ending;
use crate::output::{Output, plain};
use crate::view::{View, fork_text, in_order, settle_text};

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Fork(ForkOut<'a>),
    Blocked(BlockedOut),
}

/// A fork that cannot be shown.
#[derive(Serialize)]
struct BlockedOut {
    fork_id: ForkId,
    /// What names the damage.
    blocked: String,
}

#[derive(Serialize)]
struct ForkOut<'a> {
    fork_id: &'a ForkId,
    streams: Vec<StreamOut<'a>>,
    branches: Vec<BranchOut<'a>>,
    common: Vec<TransactionId>,
    on_top: Vec<TransactionId>,
    transactions: Vec<TransactionOut<'a>>,
    stale_reads: &'a [StaleRead],
}

#[derive(Serialize)]
struct StreamOut<'a> {
    stream_id: &'a StreamId,
    base_version: u64,
    fork_point: &'a [TransactionId],
}

#[derive(Serialize)]
struct BranchOut<'a> {
    head: TransactionId,
    transactions: Vec<TransactionId>,
    events: Vec<EventOut<'a>>,
}

#[derive(Serialize)]
struct TransactionOut<'a> {
    transaction_id: TransactionId,
    replica_id: ReplicaId,
    created_at: Timestamp,
    after: &'a [TransactionId],
    metadata: &'a Json<'static>,
    settles: &'a [StreamId],
    author: Option<&'a str>,
    reason: Option<&'a str>,
}

pub(crate) fn run(
    store: &FileEventStore,
    name: Option<&str>,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let mut open = find::open(store)?;
    if let Some(name) = name {
        open = named(open, name)?;
    }
    let shown = open.forks.iter().map(|fork| Item::Fork(fork.into()));
    let blocked = open.blocked.iter().map(|fork| Item::Blocked(fork.into()));
    let answer: Vec<_> = shown.chain(blocked).collect();
    output.answer(&answer, || {
        let view = View::of_output();
        let whole = |fork| format!("{}\n\n{}", fork_text(fork, &view), settle_text(fork));
        let mut blocks: Vec<_> = open.forks.iter().map(whole).collect();
        let blocked = open.blocked.iter().map(BlockedOut::from);
        blocks.extend(blocked.map(|it| format!("{}\n\n  {}", it.blocked, find::UNBLOCK)));
        if blocks.is_empty() {
            blocks.push("no fork is open".to_owned());
        }
        blocks.join("\n\n")
    })?;
    Ok(if open.blocked.is_empty() {
        Ending::Fine
    } else {
        Ending::Damaged
    })
}

impl From<&BlockedFork> for BlockedOut {
    fn from(fork: &BlockedFork) -> Self {
        Self {
            fork_id: fork.fork_id().clone(),
            blocked: plain(&report(fork)),
        }
    }
}

impl<'a> From<&'a ForkContext> for ForkOut<'a> {
    fn from(fork: &'a ForkContext) -> Self {
        let transactions = in_order(fork).into_iter();
        Self {
            fork_id: &fork.id,
            streams: fork.streams.iter().map(StreamOut::from).collect(),
            branches: fork.branches.iter().map(BranchOut::from).collect(),
            common: ids(&fork.common),
            on_top: ids(&fork.on_top),
            transactions: transactions.map(TransactionOut::from).collect(),
            stale_reads: &fork.stale_reads,
        }
    }
}

impl<'a> From<&'a ForkedStream> for StreamOut<'a> {
    fn from(stream: &'a ForkedStream) -> Self {
        Self {
            stream_id: &stream.stream_id,
            base_version: stream.base_version,
            fork_point: &stream.fork_point,
        }
    }
}

impl<'a> From<&'a Branch> for BranchOut<'a> {
    fn from(branch: &'a Branch) -> Self {
        Self {
            head: branch.head,
            transactions: ids(&branch.transactions),
            events: branch.events().map(|event| EventOut::new(event)).collect(),
        }
    }
}

impl<'a> From<&'a Transaction> for TransactionOut<'a> {
    fn from(it: &'a Transaction) -> Self {
        let decision = it.decision.as_ref();
        Self {
            transaction_id: it.transaction_id,
            replica_id: it.replica_id,
            created_at: it.created_at,
            after: &it.after,
            metadata: &it.metadata,
            settles: &it.settles,
            author: decision.and_then(|of| of.author.as_deref()),
            reason: decision.and_then(|of| of.reason.as_deref()),
        }
    }
}

fn ids(transactions: &[Transaction]) -> Vec<TransactionId> {
    let ids = transactions.iter().map(|it| it.transaction_id);
    ids.collect()
}
