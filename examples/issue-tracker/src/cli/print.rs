//! Issues for people to read.
//!
//! **Invariant**: what arrives by git is text of others; no control character of it reaches the terminal.

use std::process::ExitCode;

use anyhow::Result;
use eventcore::StreamId;
use fs_merge::{Resolution, Resolver as _};
use issue_tracker::{Issue, Rules};

use crate::cli::project::{Project, native, short};

/// Lists the issues, one a line; `!` marks those that were changed on several sides and are not settled.
pub(crate) fn list(project: &Project, all: bool) -> Result<ExitCode> {
    let forks = project.forks()?;
    for listed in project.list()? {
        let issue = &listed.issue;
        if issue.is_closed && !all {
            continue;
        }
        let stream = native(&listed.stream)?;
        let mark = if forks.iter().any(|fork| fork.involves(&stream)) {
            '!'
        } else {
            ' '
        };
        println!(
            "{}{mark} {}",
            short(listed.stream.as_ref()),
            plain(&line(issue))
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows an issue: how it is, what happened to it, and what is not settled about it.
pub(crate) fn show(project: &Project, stream: &StreamId) -> Result<ExitCode> {
    let history = project.history(stream)?;
    let issue = history
        .iter()
        .fold(Issue::default(), |issue, (_, event)| issue.after(event));
    println!("{}  {}", short(stream.as_ref()), plain(&line(&issue)));
    for (stored, event) in &history {
        let at = stored.created_at.to_string();
        let minute = at.get(..16).unwrap_or(&at).replace('T', " ");
        println!(
            "  {minute}  {} {}",
            plain(&event.by),
            plain(&event.change.to_string())
        );
    }
    let stream = native(stream)?;
    for fork in project
        .forks()?
        .iter()
        .filter(|fork| fork.involves(&stream))
    {
        let open = match Rules::default().resolve(fork) {
            Resolution::Resolve(_) => "settle it with `issue-tracker merge`".to_owned(),
            Resolution::Unresolvable(reason) => plain(&reason),
        };
        println!("  changed on several sides: {open}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns an issue in one line.
fn line(issue: &Issue) -> String {
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
