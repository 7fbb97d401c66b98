//! What the branches did, side by side where there is room, and one below the other where there is not.

use fs_merge::{ForkContext, Transaction};

use crate::commands::events::line;
use crate::output::counted;
use crate::view::fork::{decided, who_in_short};
use crate::view::wrap::{pad, wrap};
use crate::view::{ELLIPSIS, View};

/// A column that is narrower is hard to read.
const MIN_COLUMN: usize = 36;

/// What stands between two columns.
const BETWEEN: &str = " │ ";

/// Returns the lines of the branches.
pub(crate) fn branches(fork: &ForkContext, view: &View) -> Vec<String> {
    let count = fork.branches.len().min(view.extent.branches).max(1);
    let between = BETWEEN.chars().count() * (count - 1);
    let width = view.width.saturating_sub(between) / count;
    let mut lines = if width >= MIN_COLUMN {
        beside(&shown(fork, view, width), width)
    } else {
        shown(fork, view, view.width).join(&String::new())
    };
    let left_out = fork.branches.len().saturating_sub(view.extent.branches);
    if left_out > 0 {
        lines.push(String::new());
        lines.push(format!(
            "{ELLIPSIS} {left_out} more branch(es): `trib forks {} --all` shows them",
            fork.id
        ));
    }
    lines
}

/// Returns what transactions did that stand in no branch, under a heading.
pub(crate) fn others(heading: &str, of: &[Transaction], view: &View) -> Vec<String> {
    let mut lines = vec![heading.to_owned()];
    lines.extend(told(of, view, view.width));
    lines
}

fn shown(fork: &ForkContext, view: &View, width: usize) -> Vec<Vec<String>> {
    let branches = fork.branches.iter().take(view.extent.branches).enumerate();
    let branches = branches.map(|(nth, branch)| {
        let mut lines = vec![format!("branch {}", nth + 1)];
        lines.extend(told(&branch.transactions, view, width));
        lines
    });
    branches.collect()
}

/// Returns what transactions did: when, who where that is somebody else than before, then each event.
fn told(of: &[Transaction], view: &View, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut by = String::new();
    let newest = newest(of, view.extent.events);
    let left_out = of.len() - newest.len();
    if left_out > 0 {
        let transactions = counted(left_out as u64, "earlier transaction");
        lines.push(format!("{ELLIPSIS} {transactions}, with `--all`"));
    }
    for it in newest {
        let who = decided(it).unwrap_or_else(|| who_in_short(it));
        let mut parts: Vec<_> = (who != by).then(|| who.clone()).into_iter().collect();
        let events = it.events.iter().take(view.extent.events);
        parts.extend(events.map(|event| line(event)));
        let left_out = it.events.len().saturating_sub(view.extent.events);
        if left_out > 0 {
            let events = counted(left_out as u64, "more event");
            parts.push(format!("{ELLIPSIS} {events}, with `--all`"));
        }
        if it.events.is_empty() {
            parts.push("no event".to_owned());
        }
        lines.push(view.time(it.created_at));
        for part in parts {
            let wrapped = wrap(&part, width.saturating_sub(2)).into_iter();
            lines.extend(wrapped.map(|line| format!("  {line}")));
        }
        by = who;
    }
    lines
}

/// Returns the newest transactions that hold at most `most` events together; at least one transaction.
fn newest(of: &[Transaction], most: usize) -> &[Transaction] {
    let mut left = most;
    let fits = |it: &&Transaction| {
        let room = left.checked_sub(it.events.len().max(1));
        left = room.unwrap_or(0);
        room.is_some()
    };
    let count = of.iter().rev().take_while(fits).count().max(1);
    &of[of.len().saturating_sub(count)..]
}

fn beside(columns: &[Vec<String>], width: usize) -> Vec<String> {
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row = |nth: usize| {
        let cells = columns.iter().map(|column| {
            let cell = column.get(nth).map_or("", String::as_str);
            pad(cell, width)
        });
        let row = cells.collect::<Vec<_>>().join(BETWEEN);
        row.trim_end().to_owned()
    };
    (0..height).map(row).collect()
}
