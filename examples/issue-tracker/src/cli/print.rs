//! Issues for people to read.
//!
//! **Invariant**: what arrives by git is text of others; no control character of it reaches the terminal.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use eventcore::StreamId;
use fs_feed::projection::Sqlite;
use fs_merge::{Resolution, Resolver as _};
use issue_tracker::{Activity, Issue, IssueEvent, Rules};

use crate::cli::kept;
use crate::cli::project::{History, Project, native, short};

/// Lists the open issues or all, one a line; `!` marks those that were changed on several sides and are not settled, which
/// are listed in any case.
pub(crate) fn list(project: &Project, all: bool, out: &mut impl Write) -> Result<ExitCode> {
    let forks = project.forks()?;
    for (stream, history) in project.list()? {
        let native = native(&stream)?;
        let is_forked = forks.iter().any(|fork| fork.involves(&native));
        let line = match history {
            Ok(history) => {
                let issue = amount(&history);
                if issue.is_closed && !all && !is_forked {
                    continue;
                }
                line(&issue)
            }
            Err(error) => format!("({error:#})"),
        };
        let mark = if is_forked { '!' } else { ' ' };
        let id = plain(short(stream.as_ref()));
        writeln!(out, "{id}{mark} {}", plain(&line))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows an issue: how it is, what happened to it, and what is not settled about it.
pub(crate) fn show(project: &Project, stream: &StreamId, out: &mut impl Write) -> Result<ExitCode> {
    let history = project.history(stream)?;
    let id = plain(short(stream.as_ref()));
    writeln!(out, "{id}  {}", plain(&line(&amount(&history))))?;
    for (stored, event) in &history {
        let at = stored.created_at.to_string();
        let minute = at.get(..16).unwrap_or(&at).replace('T', " ");
        let (by, change) = (plain(&event.by), plain(&event.change.to_string()));
        writeln!(out, "  {minute}  {by} {change}")?;
    }
    let stream = native(stream)?;
    let forks = project.forks()?;
    for fork in forks.iter().filter(|fork| fork.involves(&stream)) {
        let open = match Rules::default().resolve(fork) {
            Resolution::Resolve(_) => "settle it with `issue-tracker merge`".to_owned(),
            Resolution::Unresolvable(reason) => plain(&reason),
        };
        writeln!(out, "  changed on several sides: {open}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns what a history amounts to.
fn amount(history: &History) -> Issue {
    let events = history.iter().map(|(_, event)| event);
    events.fold(Issue::default(), Issue::after)
}

/// Returns an issue in one line.
pub(crate) fn line(issue: &Issue) -> String {
    let mut line = match &issue.title {
        Some(title) => title.clone(),
        None => "(opened in a part of the history that is not here)".to_owned(),
    };
    for label in &issue.labels {
        line.push_str(&format!(" #{label}"));
    }
    if let Some(name) = &issue.assignee {
        line.push_str(&format!(" @{name}"));
    }
    match issue.comments.len() {
        0 => {}
        1 => line.push_str(", 1 comment"),
        count => line.push_str(&format!(", {count} comments")),
    }
    if issue.is_closed {
        line.push_str(", closed");
    }
    line
}

/// Tells who has done what how often, one person a line.
pub(crate) fn activity(project: &Project, out: &mut impl Write) -> Result<ExitCode> {
    let read = |database: &mut Sqlite| Ok(Activity::counts(database.connection())?);
    let (counts, _) = kept::read(project, Activity, false, read)?;
    for of_one in counts.chunk_by(|(one, ..), (other, ..)| one == other) {
        let (person, ..) = &of_one[0];
        let counts: Vec<_> = of_one
            .iter()
            .map(|(_, kind, count)| format!("{count} {kind}"))
            .collect();
        writeln!(out, "{}: {}", plain(person), counts.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells which of the events that are kept do not decode.
pub(crate) fn schema_check(project: &Project, out: &mut impl Write) -> Result<ExitCode> {
    let report = project.store().check_schema::<IssueEvent>()?;
    writeln!(out, "{report}")?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(4)
    })
}

/// Makes text safe to print.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}
