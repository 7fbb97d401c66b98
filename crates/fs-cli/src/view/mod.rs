//! Forks as people see them: a small graph, then the events of the branches side by side.
//!
//! **Invariant**: what is shown follows from the fork and the [`View`] alone. Where the output is no terminal, neither
//! the clock nor the size of a window has a part in it. Nothing that others wrote reaches a terminal as a control
//! character.

mod columns;
mod fork;
mod graph;
mod order;
mod time;
mod wrap;

use std::io::{IsTerminal, stdout};

use console::Term;
use fs_io::System;

pub(crate) use fork::{fork_text, settle_text};
pub(crate) use order::in_order;

/// The width where nothing tells another.
const DEFAULT_WIDTH: usize = 100;

/// A window that is narrower still is written to as if it had this width.
const MIN_WIDTH: usize = 40;

/// Stands where something is left out.
pub(crate) const ELLIPSIS: &str = "…";

/// How much is shown at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Of one kind, where each thing takes a line.
    pub(crate) lines: usize,
    pub(crate) forks: usize,
    /// Of a fork, and other things that are listed of it.
    pub(crate) branches: usize,
    /// Of a branch, the newest; a transaction without events counts as one.
    events: usize,
    /// The graph has a column for each branch in each of its lines, so it is not drawn of more than this.
    drawn_branches: usize,
    drawn_transactions: usize,
}

impl Extent {
    /// What a person can read.
    pub(crate) const READABLE: Self = Self {
        lines: 20,
        forks: 10,
        branches: 8,
        events: 20,
        drawn_branches: 8,
        drawn_transactions: 100,
    };

    /// Returns what a command shows with `--all`, or without it.
    pub(crate) fn of_flag(all: bool) -> Self {
        if all { Self::ALL } else { Self::READABLE }
    }

    /// Everything but graphs that are wider than they are good for.
    pub(crate) const ALL: Self = Self {
        lines: usize::MAX,
        forks: usize::MAX,
        branches: usize::MAX,
        events: usize::MAX,
        drawn_branches: 32,
        drawn_transactions: usize::MAX,
    };
}

/// Who looks: how wide the text may be, and from which time on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// In columns of a terminal.
    width: usize,
    /// Nanoseconds since 1970, on a terminal: times are shown as ages.
    now: Option<i64>,
    pub(crate) extent: Extent,
}

impl View {
    /// Returns the view of who reads standard output.
    pub(crate) fn of_output() -> Self {
        let is_terminal = stdout().is_terminal();
        let told = std::env::var("COLUMNS").ok();
        let told = told.and_then(|told| told.trim().parse().ok());
        let measured = || Some(usize::from(Term::stdout().size_checked()?.1));
        let width = told.or_else(|| is_terminal.then(measured).flatten());
        Self {
            width: width.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH),
            extent: Extent::READABLE,
            now: is_terminal.then(|| System::real().clock.now_unix_nanos()),
        }
    }
}
