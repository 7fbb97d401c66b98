//! Answers, as text for people or as JSON for programs.
//!
//! Lists are JSON lines; everything else is one JSON object or array.

use std::io::{self, BufWriter, Stdout, Write};

use anyhow::Context;
use serde::Serialize;

use crate::printable;

pub(crate) use crate::printable::{plain, plain_name};

/// Where answers go.
pub(crate) struct Output {
    json: bool,
    out: BufWriter<Checked>,
    changed: Option<String>,
}

/// Standard output, which tells of every error.
struct Checked(Stdout);

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fs_io::check_stdout()?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// An answer that could not be printed.
#[derive(Debug)]
pub(crate) struct NotPrinted(io::Error);

impl std::fmt::Display for NotPrinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cannot write to standard output")
    }
}

impl std::error::Error for NotPrinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl NotPrinted {
    /// Returns whether who reads the answers has gone away, as `head` does.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            out: BufWriter::new(Checked(io::stdout())),
            changed: None,
        }
    }

    /// Remembers what was done already, and what to do about it, for the case that the answer cannot be printed.
    pub(crate) fn changed(&mut self, what: impl Into<String>) {
        self.changed = Some(what.into());
    }

    /// Returns what was done already.
    pub(crate) fn what_changed(&self) -> Option<&str> {
        self.changed.as_deref()
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
            printable::lines(&text())
        };
        self.write(|out| writeln!(out, "{}", line.trim_end_matches('\n')))
    }

    /// Prints a line for people; nothing when answers are JSON.
    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        if self.json {
            return Ok(());
        }
        self.write(|out| writeln!(out, "{}", printable::lines(line)))
    }

    /// Asks a question, to be answered on the same line.
    pub(crate) fn ask(&mut self, question: &str) -> anyhow::Result<()> {
        self.write(|out| write!(out, "{}", printable::lines(question)))?;
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
        write: impl FnOnce(&mut BufWriter<Checked>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        Ok(write(&mut self.out).map_err(NotPrinted)?)
    }

    /// Says on standard error what is worth knowing beside the answer.
    pub(crate) fn note(&self, note: &str) {
        #[derive(Serialize)]
        struct Note<'a> {
            note: &'a str,
        }
        match serde_json::to_string(&Note { note }) {
            Ok(line) if self.json => to_stderr(&line),
            _ => to_stderr(&format!("note: {}", printable::lines(note))),
        }
    }

    /// Tells a failure on standard error.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        #[derive(Serialize)]
        struct Failure {
            error: String,
            causes: Vec<String>,
        }
        let causes = causes(error);
        if self.json
            && let Ok(line) = serde_json::to_string(&Failure {
                error: error.to_string(),
                causes: causes.clone(),
            })
        {
            to_stderr(&line);
            return;
        }
        to_stderr(&format!("error: {}", printable::lines(&error.to_string())));
        for cause in causes {
            to_stderr(&format!("  because: {}", printable::lines(&cause)));
        }
    }
}

/// Returns the causes of an error, but for those that it, or a cause before, names itself.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said.push_str(&cause);
            causes.push(cause);
        }
    }
    causes
}

/// Prints a line on standard error; where that is closed or full, nobody is left to be told.
pub(crate) fn to_stderr(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Says how many there are of what is named in the singular.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}
