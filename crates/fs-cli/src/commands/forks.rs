//! `trib forks`

use fs_format::{StreamId, TransactionId};
use fs_merge::{Branch, Fork, ForkId, forks};
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

fn fork_out(fork: &Fork) -> ForkOut<'_> {
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
        on_top: fork
            .on_top
            .iter()
            .map(|transaction| transaction.transaction_id)
            .collect(),
    }
}

fn branch_out(branch: &Branch) -> BranchOut<'_> {
    BranchOut {
        head: branch.head,
        transactions: branch
            .transactions
            .iter()
            .map(|transaction| transaction.transaction_id)
            .collect(),
        events: branch.events().map(EventOut::new).collect(),
    }
}

fn text(fork: &Fork) -> String {
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
    for branch in &fork.branches {
        lines.push(format!("  branch {}", branch.head));
        for transaction in &branch.transactions {
            lines.push(format!(
                "    {}  by replica {}",
                transaction.created_at, transaction.replica_id
            ));
            lines.extend(
                transaction
                    .events
                    .iter()
                    .map(|event| format!("      {}", line(event))),
            );
        }
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
