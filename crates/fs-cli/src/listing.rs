//! Lists for people: of each kind as much as can be read, and how to see the rest.
//!
//! **Invariant**: what is left out is counted, and a command is named that shows it.

use crate::output::counted;
use crate::view::{ELLIPSIS, Extent};

/// Most items of a list within a line.
pub(crate) const MAX_ITEMS: usize = 8;

/// The lines of an answer.
pub(crate) struct Listing {
    lines: Vec<String>,
    extent: Extent,
    /// What shows everything.
    command: &'static str,
}

impl Listing {
    /// Returns a listing without lines; `command` is what shows all of what a readable one leaves out.
    pub(crate) fn new(extent: Extent, command: &'static str) -> Self {
        Self {
            lines: Vec::new(),
            extent,
            command,
        }
    }

    /// Names another command for the kinds that follow.
    pub(crate) fn shows_all_by(&mut self, command: &'static str) {
        self.command = command;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line that is there whatever the extent.
    pub(crate) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Adds a line for each item of a kind, which is named in the singular.
    pub(crate) fn list(&mut self, kind: &str, items: impl Iterator<Item = String>) {
        let mut items = items;
        self.lines.extend(items.by_ref().take(self.extent.lines));
        let left_out = items.count() as u64;
        if left_out > 0 {
            let more = counted(left_out, &format!("more {kind}"));
            self.lines
                .push(format!("{ELLIPSIS} {more}: `{}` lists all", self.command));
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.lines.join("\n")
    }
}

/// Joins the first items of a list, and says how many are left out.
pub(crate) fn joined(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let left_out = items.len().saturating_sub(most);
    let mut shown: Vec<_> = items.take(most).collect();
    if left_out > 0 {
        shown.push(format!("{ELLIPSIS} {left_out} more"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: usize = Extent::READABLE.lines;

    #[test]
    fn what_is_left_out_is_counted_with_the_command_that_shows_it() {
        let lines = |extent, count: usize| {
            let mut listing = Listing::new(extent, "trib status --all");
            listing.list("stale read", (0..count).map(|nth| nth.to_string()));
            listing.line("clean");
            listing
                .into_text()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let shown = lines(Extent::READABLE, LINES + 2);
        assert_eq!(
            shown[LINES..],
            [
                "… 2 more stale reads: `trib status --all` lists all",
                "clean"
            ]
        );
        assert_eq!(
            lines(Extent::READABLE, LINES).len(),
            LINES + 1,
            "nothing is left out"
        );
        assert_eq!(lines(Extent::ALL, 99).len(), 100);
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(joined(names.into_iter(), 2), "a, b, … 1 more");
    }
}
