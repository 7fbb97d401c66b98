//! The table: on the screen and as `docs/benchmarks.md`.
//!
//! **Invariant**: every row that was asked for is in it, also one that missed its bound or could not be measured.

use crate::arguments::Arguments;
use crate::line::Line;
use crate::machine::Facts;
use crate::rows;

/// Everything that was measured.
pub(crate) struct Report {
    arguments: Arguments,
    facts: Facts,
    lines: Vec<Line>,
}

const HEADINGS: [&str; 7] = [
    "what",
    "at",
    "Tributary",
    "against",
    "ratio",
    "must be",
    "verdict",
];

impl Report {
    pub(crate) fn new(arguments: Arguments, facts: Facts) -> Self {
        Self {
            arguments,
            facts,
            lines: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Returns the table, its columns aligned.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![HEADINGS.map(str::to_owned)];
        rows.extend(self.lines.iter().map(Line::cells));
        let width = |column: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
        let mut table = String::new();
        for (at, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths);
            let cells: Vec<_> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            table.push_str(&format!("| {} |\n", cells.join(" | ")));
            if at == 0 {
                let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
                table.push_str(&format!("|-{}-|\n", rules.join("-|-")));
            }
        }
        table
    }

    /// Returns the whole document.
    pub(crate) fn document(&self) -> String {
        let command = match self.arguments {
            Arguments { quick: true, .. } => "cargo xtask bench rivals --quick",
            Arguments { large: true, .. } => "cargo xtask bench rivals --large",
            _ => "cargo xtask bench rivals",
        };
        let mut how = format!(
            "Written by `{command}`; do not edit. Times are medians of up to {} rounds, in which the contenders take turns; a \
             ratio compares medians of one run. Where the bound says \"at least\", the ratio tells how many times faster \
             Tributary is; where it says \"at most\" or \"under\", how many times as much it takes. Of two rivals the faster \
             one counts.",
            self.arguments.rounds
        );
        if !self.arguments.large {
            how += " A store of 1,000,000 transactions is made and measured with `--large` only; this run was without.";
        }
        let mut about = String::new();
        for row in rows::ALL {
            let item = wrapped(&format!("`{}`: {}", row.name, row.about));
            about += &format!("- {}\n", item.trim_end().replace('\n', "\n  "));
        }
        format!(
            "# Benchmarks\n\n{}\n{}\n## Where\n\n{}\n## What is measured\n\n{}\n{about}\n\
             ## To repeat it\n\n```sh\n{command}\n```\n\n{}",
            wrapped(&how),
            self.table(),
            self.facts,
            wrapped(WORKLOAD),
            wrapped(REPEATING),
        )
    }
}

const WORKLOAD: &str = "A transaction has one event of some 70 bytes of JSON. A hundred tenants take turns and each account gets \
    ten events, so that one tenant has 1 % of all, scattered evenly. All three stores are filled with the same events in the same \
    order; one that is appended to has at least the size that stands in the table, and at most twice that. eventcore-sqlite runs \
    with `journal_mode=WAL` and `synchronous=FULL`, on a connection that its interface lets a caller configure; eventcore-fs has \
    nothing to choose, and is not measured at 100,000, where it overflows the stack. Each operation checks its own result.";

const REPEATING: &str = "`--only ROW` measures one row of the list above (give it again for another), `--rounds N` sets the \
    rounds, `--quick` takes small stores, which proves that it works and nothing else. With `--only` or `--quick` this page is not \
    written. The stores are kept in `target/bench-rivals` for the next run. Leave the machine alone meanwhile, and do not delete \
    stores before a run: ext4 creates files many times slower for minutes after tens of thousands were deleted.";

/// Returns a paragraph in lines that are no wider than those of the other documents.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_ascii_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= 120 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}
