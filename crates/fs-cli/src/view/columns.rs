//! What the branches did, side by side where there is room, and one below the other where there is not.

use fs_merge::{ForkContext, Transaction};

use crate::commands::events::line;
use crate::view::View;
use crate::view::fork::{decided, who_in_short};
use crate::view::wrap::{pad, wrap};

/// A column that is narrower is hard to read.
const MIN_COLUMN: usize = 36;

/// What stands between two columns.
const BETWEEN: &str = " │ ";

/// Returns the lines of the branches.
pub(crate) fn branches(fork: &ForkContext, view: &View) -> Vec<String> {
    let count = fork.branches.len().max(1);
    let between = BETWEEN.chars().count() * (count - 1);
    let width = view.width.saturating_sub(between) / count;
    if width >= MIN_COLUMN {
        beside(&all(fork, view, width), width)
    } else {
        all(fork, view, view.width).join(&String::new())
    }
}

/// Returns what transactions did that stand in no branch, under a heading.
pub(crate) fn others(heading: &str, of: &[Transaction], view: &View) -> Vec<String> {
    let mut lines = vec![heading.to_owned()];
    lines.extend(told(of, view, view.width));
    lines
}

fn all(fork: &ForkContext, view: &View, width: usize) -> Vec<Vec<String>> {
    let branches = fork.branches.iter().enumerate();
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
    for it in of {
        let who = decided(it).unwrap_or_else(|| who_in_short(it));
        let mut parts: Vec<_> = (who != by).then(|| who.clone()).into_iter().collect();
        parts.extend(it.events.iter().map(|event| line(event)));
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
