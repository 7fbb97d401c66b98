//! `trib forks`

use fs_format::{StreamId, TransactionId};
use fs_merge::{Branch, ForkContext, ForkId, Transaction, forks};
use fs_store::FileEventStore;
use serde::Serialize;

use crate::commands::events::{EventOut, line};
use crate::outcome::Ending;
use crate::output::{Output, plain};

#[derive(Serialize)]
struct ForkOut<'a> {
    fork_id: &'a ForkId,
    streams: Vec<StreamOut<'a>>,
    branches: Vec<BranchOut<'a>>,
    common: Vec<TransactionId>,
    on_top: Vec<TransactionId>,
}

#[derive(Serialize)]
struct StreamOut<'a> {
    stream_id: &'a StreamId,
    base_version: u64,
}

#[derive(Serialize)]
struct BranchOut<'a> {
    head: TransactionId,
    transactions: Vec<TransactionId>,
    events: Vec<EventOut<'a>>,
}

pub(crate) fn run(store: &FileEventStore, output: &mut Output) -> anyhow::Result<Ending> {
    let forks = forks(store)?;
    let answer: Vec<_> = forks.iter().map(fork_out).collect();
    output.answer(&answer, || {
        let mut blocks: Vec<_> = forks.iter().map(text).collect();
        if blocks.is_empty() {
            blocks.push("no fork is open".to_owned());
        }
        blocks.join("\n\n")
    })?;
    Ok(Ending::Fine)
}

fn fork_out(fork: &ForkContext) -> ForkOut<'_> {
    ForkOut {
        fork_id: &fork.id,
        streams: fork
            .streams
            .iter()
            .map(|stream| StreamOut {
                stream_id: &stream.stream_id,
                base_version: stream.base_version,
            })
            .collect(),
        branches: fork.branches.iter().map(branch_out).collect(),
        common: ids(&fork.common),
        on_top: ids(&fork.on_top),
    }
}

fn branch_out(branch: &Branch) -> BranchOut<'_> {
    BranchOut {
        head: branch.head,
        transactions: ids(&branch.transactions),
        events: branch.events().map(|event| EventOut::new(event)).collect(),
    }
}

fn ids(transactions: &[Transaction]) -> Vec<TransactionId> {
    transactions
        .iter()
        .map(|transaction| transaction.transaction_id)
        .collect()
}

fn text(fork: &ForkContext) -> String {
    let streams: Vec<_> = fork
        .streams
        .iter()
        .map(|stream| {
            format!(
                "{} (after version {})",
                plain(stream.stream_id.as_str()),
                stream.base_version
            )
        })
        .collect();
    let mut lines = vec![format!("fork {} on {}", fork.id, streams.join(", "))];
    if !fork.common.is_empty() {
        lines.push("  below every branch, and in conflict too".to_owned());
        fork.common
            .iter()
            .for_each(|transaction| tell(transaction, &mut lines));
    }
    for branch in &fork.branches {
        lines.push(format!("  branch {}", branch.head));
        branch
            .transactions
            .iter()
            .for_each(|transaction| tell(transaction, &mut lines));
    }
    if !fork.on_top.is_empty() {
        lines.push(format!(
            "  {} transaction(s) appended on top since",
            fork.on_top.len()
        ));
    }
    if let Some(branch) = fork.branches.first() {
        lines.push(format!("  settle it with `trib resolve {} --keep {}`, or with events of your own by `--events FILE`", fork.id, branch.head));
    }
    lines.join("\n")
}

/// Adds what a transaction did and who wrote it.
fn tell(transaction: &Transaction, lines: &mut Vec<String>) {
    lines.push(format!(
        "    {}  by replica {}",
        transaction.created_at, transaction.replica_id
    ));
    let events = transaction.events.iter();
    lines.extend(events.map(|event| format!("      {}", line(event))));
}
