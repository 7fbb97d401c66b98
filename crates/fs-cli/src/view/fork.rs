//! A fork from its title to the commands that settle it.

use std::collections::BTreeMap;

use fs_merge::{ForkContext, StaleRead, Transaction};

use crate::output::{plain, plain_name};
use crate::view::columns::{branches, others};
use crate::view::graph::draw;
use crate::view::{View, wrap};

/// By how much all below the title is moved to the right.
const INDENT: usize = 2;

/// Returns a fork with all that there is to know before it is settled.
pub(crate) fn fork_text(fork: &ForkContext, view: &View) -> String {
    let inner = View {
        width: view.width - INDENT,
        ..*view
    };
    let mut blocks = vec![draw(fork, &inner)];
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
    let stale = fork.stale_reads.iter();
    let stale: Vec<_> = stale
        .flat_map(|stale| wrap::wrap(&stale_text(stale), inner.width))
        .collect();
    if !stale.is_empty() {
        blocks.push(stale);
    }
    let blocks = blocks.iter().map(|block| indented(block));
    let blocks = std::iter::once(title(fork)).chain(blocks);
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// Returns the name of a fork and where it lies.
fn title(fork: &ForkContext) -> String {
    let streams = fork.streams.iter().map(|stream| {
        let name = plain_name(stream.stream_id.as_str());
        format!("{name} (after version {})", stream.base_version)
    });
    let streams = streams.collect::<Vec<_>>().join(", ");
    format!("fork {} on {streams}", fork.id)
}

/// Returns the commands that settle a fork.
pub(crate) fn settle_text(fork: &ForkContext) -> String {
    let command = |choice: &str| format!("  trib resolve {} {choice}", fork.id);
    let latest = fork.latest().map(|branch| branch.head);
    let mut lines = vec!["settle it with one of".to_owned()];
    for (nth, branch) in fork.branches.iter().enumerate() {
        let keep = command(&format!("--keep {}", branch.head));
        let (nth, is_latest) = (nth + 1, latest == Some(branch.head));
        let latest = if is_latest { ", as --latest does" } else { "" };
        lines.push(format!("{keep}   branch {nth}{latest}"));
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

fn stale_text(stale: &StaleRead) -> String {
    let written_by = stale.written_by.iter().map(ToString::to_string);
    format!(
        "stale read: {} decided on {} without having seen what {} wrote",
        stale.transaction_id,
        plain_name(stale.stream_id.as_str()),
        written_by.collect::<Vec<_>>().join(", ")
    )
}

fn indented(lines: &[String]) -> String {
    let indented = lines.iter().map(|line| match line.as_str() {
        "" => String::new(),
        line => format!("{:INDENT$}{line}", ""),
    });
    indented.collect::<Vec<_>>().join("\n")
}
