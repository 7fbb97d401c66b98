//! Answers, as text for people or as JSON for programs.
//!
//! Lists are JSON lines; everything else is one JSON object or array.

use std::io::{self, BufWriter, Write};

use anyhow::Context;
use serde::Serialize;

/// Where answers go.
pub(crate) struct Output {
    json: bool,
    out: BufWriter<anstream::Stdout>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            out: BufWriter::new(anstream::stdout()),
        }
    }

    /// Gives one answer: `value` as JSON, or the text that `text` makes.
    pub(crate) fn answer(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let line = if self.json {
            serde_json::to_string(value).context("cannot write the answer as JSON")?
        } else {
            text()
        };
        self.write(|out| writeln!(out, "{}", line.trim_end_matches('\n')))
    }

    /// Prints a line for people; nothing when answers are JSON.
    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        if self.json {
            return Ok(());
        }
        self.write(|out| writeln!(out, "{line}"))
    }

    /// Tells something beside the answer, on standard error.
    pub(crate) fn note(&self, text: &str) {
        #[derive(Serialize)]
        struct Note<'a> {
            note: &'a str,
        }
        match serde_json::to_string(&Note { note: text }) {
            Ok(line) if self.json => anstream::eprintln!("{line}"),
            _ => anstream::eprintln!("note: {text}"),
        }
    }

    /// Asks a question, to be answered on the same line.
    pub(crate) fn ask(&mut self, question: &str) -> anyhow::Result<()> {
        self.write(|out| write!(out, "{question}"))?;
        self.flush()
    }

    /// Returns whether answers are for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Lets those who wait for an answer have what there is of it.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.write(|out| out.flush())
    }

    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        self.flush()
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<anstream::Stdout>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        write(&mut self.out).context("cannot write to standard output")
    }

    /// Tells a failure on standard error.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        #[derive(Serialize)]
        struct Failure {
            error: String,
            causes: Vec<String>,
        }
        let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
        if self.json
            && let Ok(line) = serde_json::to_string(&Failure {
                error: error.to_string(),
                causes: causes.clone(),
            })
        {
            anstream::eprintln!("{line}");
            return;
        }
        anstream::eprintln!("error: {error}");
        for cause in causes {
            anstream::eprintln!("  because: {cause}");
        }
    }
}

/// Makes text safe to print: control characters, as stream ids may hold them, are escaped.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// Says how many there are of what is named in the singular.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// Returns an error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
