//! `trib forks`

use fs_format::{CommandId, Json, ReplicaId, StreamId, Timestamp, TransactionId};
use fs_merge::{BlockedFork, Branch, ForkContext, ForkId, ForkedStream, StaleRead, Transaction};
use fs_store::{FileEventStore, Omission, report};
use serde::Serialize;

use crate::commands::events::EventOut;
use crate::commands::find::{self, named};
use crate::outcome::Ending;
use crate::output::{Output, counted, plain};
use crate::view::{ELLIPSIS, Extent, View, fork_text, in_order, settle_text};

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
    unsure: Vec<MissingOut>,
    repeated_commands: Vec<CommandOut<'a>>,
}

/// A transaction that is missing, and may have a part in a fork.
#[derive(Serialize)]
pub(crate) struct MissingOut {
    transaction_id: Option<TransactionId>,
    /// Its file, or where that would be.
    pub(crate) path: String,
}

/// A command that several members of a fork carried out.
#[derive(Serialize)]
struct CommandOut<'a> {
    command_id: &'a CommandId,
    transactions: Vec<TransactionId>,
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
    command_id: Option<&'a CommandId>,
    metadata: &'a Json<'static>,
    settles: &'a [StreamId],
    author: Option<&'a str>,
    reason: Option<&'a str>,
}

pub(crate) fn run(
    store: &FileEventStore,
    name: Option<&str>,
    all: bool,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let mut open = find::open(store)?;
    if let Some(name) = name {
        open = named(open, name)?;
    }
    let shown = open.forks.iter().map(|fork| Item::Fork(fork.into()));
    let blocked = open.blocked.iter().map(|fork| Item::Blocked(fork.into()));
    let answer: Vec<_> = shown.chain(blocked).collect();
    let ending = if open.blocked.is_empty() {
        Ending::Fine
    } else {
        Ending::Damaged
    };
    let printed = output.answer(&answer, || {
        let mut view = View::of_output();
        view.extent = Extent::of_flag(all);
        let whole = |fork| format!("{}\n\n{}", fork_text(fork, &view), settle_text(fork, &view));
        let shown = open.forks.iter().take(view.extent.forks);
        let mut blocks: Vec<_> = shown.map(whole).collect();
        let left_out = open.forks.len() - blocks.len();
        if left_out > 0 {
            let forks = counted(left_out as u64, "more fork");
            blocks.push(format!("{ELLIPSIS} {forks}: `trib forks FORK` shows one, `trib forks --all` everything, `trib status` lists their names"));
        }
        let blocked = open.blocked.iter().map(BlockedOut::from);
        blocks.extend(blocked.map(|it| format!("{}\n\n  {}", it.blocked, find::UNBLOCK)));
        if blocks.is_empty() {
            blocks.push("no fork is open".to_owned());
        }
        blocks.join("\n\n")
    });
    ending.once_printed(printed, output)
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
            unsure: fork.unsure.iter().map(MissingOut::from).collect(),
            repeated_commands: fork
                .repeated_commands()
                .into_iter()
                .map(|(command_id, transactions)| CommandOut {
                    command_id,
                    transactions,
                })
                .collect(),
        }
    }
}

impl From<&Omission> for MissingOut {
    fn from(it: &Omission) -> Self {
        Self {
            transaction_id: it.transaction_id,
            path: format!("events/{}", it.path),
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
            command_id: it.command_id.as_ref(),
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
