//! A fork from its title to the commands that settle it.

use std::collections::BTreeMap;

use fs_format::TransactionId;
use fs_merge::{ForkContext, StaleRead, Transaction};

use crate::listing::joined;
use crate::output::{counted, plain, plain_name};
use crate::view::columns::{branches, others};
use crate::view::graph::draw;
use crate::view::{ELLIPSIS, Extent, View, in_order, wrap};

/// By how much all below the title is moved to the right.
const INDENT: usize = 2;

/// Returns a fork with all that there is to know before it is settled.
pub(crate) fn fork_text(fork: &ForkContext, view: &View) -> String {
    let inner = View {
        width: view.width - INDENT,
        ..*view
    };
    let extent = &view.extent;
    let count = in_order(fork).len();
    let is_drawn =
        fork.branches.len() <= extent.drawn_branches && count <= extent.drawn_transactions;
    let mut blocks = vec![if is_drawn {
        draw(fork, &inner)
    } else {
        vec![format!(
            "{} branches with {count} transactions, too many to be drawn",
            fork.branches.len()
        )]
    }];
    let unsure = unsure_text(fork, extent).into_iter();
    let notes: Vec<_> = unsure.chain(repeated_text(fork, extent)).collect();
    let notes: Vec<_> = notes
        .iter()
        .flat_map(|note| wrap::wrap(note, inner.width))
        .collect();
    if !notes.is_empty() {
        blocks.insert(0, notes);
    }
    if !fork.common.is_empty() {
        blocks.push(others(
            "below all branches, and in conflict too",
            &fork.common,
            &inner,
        ));
    }
    blocks.push(branches(fork, &inner));
    if !fork.on_top.is_empty() {
        let heading = format!("on top, {} transaction(s) since", fork.on_top.len());
        blocks.push(others(&heading, &fork.on_top, &inner));
    }
    let stale = fork.stale_reads.iter().take(extent.branches);
    let mut stale: Vec<_> = stale
        .flat_map(|stale| wrap::wrap(&stale_text(stale, extent), inner.width))
        .collect();
    let left_out = fork.stale_reads.len().saturating_sub(extent.branches);
    if left_out > 0 {
        let reads = counted(left_out as u64, "more stale read");
        stale.push(format!("{ELLIPSIS} {reads}, with `--all`"));
    }
    if !stale.is_empty() {
        blocks.push(stale);
    }
    let blocks = blocks.iter().map(|block| indented(block));
    let blocks = std::iter::once(title(fork, extent)).chain(blocks);
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// Returns the name of a fork and where it lies.
fn title(fork: &ForkContext, extent: &Extent) -> String {
    let streams = fork.streams.iter().map(|stream| {
        let name = plain_name(stream.stream_id.as_str());
        format!("{name} (after version {})", stream.base_version)
    });
    let streams = joined(streams, extent.branches);
    let unsure = if fork.unsure.is_empty() {
        ""
    } else {
        "unsure "
    };
    format!("{unsure}fork {} on {streams}", fork.id)
}

/// Says what is missing, so that the fork may be none.
fn unsure_text(fork: &ForkContext, extent: &Extent) -> Option<String> {
    let missing = fork.unsure.iter();
    let missing = missing.map(|it| format!("events/{}", plain(&it.path)));
    (!fork.unsure.is_empty()).then(|| {
        format!(
            "unsure: it may be no fork, since this is missing or cannot be used: {}; bring that back first (`trib status` says how), or settle it with --anyway",
            joined(missing, extent.branches)
        )
    })
}

/// Says which commands were carried out more than once.
fn repeated_text(fork: &ForkContext, extent: &Extent) -> Vec<String> {
    let repeated = fork.repeated_commands().into_iter().take(extent.branches);
    let repeated = repeated.map(|(command_id, transactions)| {
        let transactions = transactions.iter().map(ToString::to_string);
        format!(
            "command {} was carried out by each of {}",
            plain(command_id.as_str()),
            joined(transactions, extent.branches)
        )
    });
    repeated.collect()
}

/// Returns the commands that settle a fork.
pub(crate) fn settle_text(fork: &ForkContext, view: &View) -> String {
    let command = |choice: &str| format!("  trib resolve {} {choice}", fork.id);
    let latest = fork.latest().map(|branch| branch.head);
    let mut lines = vec!["settle it with one of".to_owned()];
    let shown = fork.branches.iter().take(view.extent.branches);
    for (nth, branch) in shown.enumerate() {
        let keep = command(&format!("--keep {}", branch.head));
        let (nth, is_latest) = (nth + 1, latest == Some(branch.head));
        let latest = if is_latest { ", as --latest does" } else { "" };
        lines.push(format!("{keep}   branch {nth}{latest}"));
    }
    if fork.branches.len() > view.extent.branches {
        lines.push(command("--latest        the branch whose head is the last"));
    }
    lines.push(command("--accept        all as they stand"));
    lines.push(command("--events FILE   events of your own"));
    indented(&lines)
}

/// Returns what a merge transaction decided; `None` for any other.
pub(crate) fn decided(it: &Transaction) -> Option<String> {
    let decision = it.decision.as_ref()?;
    let streams = it.settles.iter().map(|stream| plain_name(stream.as_str()));
    let mut text = format!("settles {}", streams.collect::<Vec<_>>().join(", "));
    if let Some(author) = &decision.author {
        text.push_str(&format!(", decided by {}", plain(author)));
    }
    if let Some(reason) = &decision.reason {
        text.push_str(&format!(": {}", plain(reason)));
    }
    Some(text)
}

/// Returns who appended a transaction: by name where the application recorded one as `author`.
pub(crate) fn who(it: &Transaction) -> String {
    let replica = it.replica_id;
    match author(it) {
        Some(author) => format!("by {author}, replica {replica}"),
        None => format!("by replica {replica}"),
    }
}

/// As [`who`], with a name alone or the beginning of the replica's.
pub(crate) fn who_in_short(it: &Transaction) -> String {
    let replica: String = it.replica_id.to_string().chars().take(8).collect();
    author(it).map_or_else(
        || format!("by replica {replica}…"),
        |author| format!("by {author}"),
    )
}

fn author(it: &Transaction) -> Option<String> {
    let metadata: BTreeMap<String, serde_json::Value> = it.metadata.decode().ok()?;
    Some(plain(metadata.get("author")?.as_str()?))
}

fn stale_text(stale: &StaleRead, extent: &Extent) -> String {
    let ids = |ids: &[TransactionId]| {
        let ids = ids.iter().map(ToString::to_string);
        joined(ids, extent.branches)
    };
    let text = format!(
        "stale read: {} decided on {} without having seen what {} wrote",
        ids(&stale.transactions),
        plain_name(stale.stream_id.as_str()),
        ids(&stale.written_by)
    );
    match stale.left_out {
        0 => text,
        left_out => format!("{text}, and {left_out} more have part in it (`trib status`)"),
    }
}

fn indented(lines: &[String]) -> String {
    let indented = lines.iter().map(|line| match line.as_str() {
        "" => String::new(),
        line => format!("{:INDENT$}{line}", ""),
    });
    indented.collect::<Vec<_>>().join("\n")
}
