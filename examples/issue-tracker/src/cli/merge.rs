//! After a git merge: what was decided, and what is left for people to decide.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use eventcore::StreamId;
use fs_merge::{Reconcile, Report, Settled};
use issue_tracker::{IssueEvent, Rules};
use serde::Deserialize;

use crate::cli::commit;
use crate::cli::print::plain;
use crate::cli::project::{Project, native, short};

/// How a command ends that leaves conflicts open, as with `trib`.
const LEFT_OPEN: u8 = 4;

/// Settles what the rules decide and tells what is left open.
///
/// Where a part of the history is missing, what was written one after the other can look as if it was written side by
/// side; so nothing is decided then, unless it is to be done `anyway`.
pub(crate) fn all(
    project: &Project,
    anyway: bool,
    commit: bool,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let omissions = project.store().omissions()?;
    for omission in &omissions {
        writeln!(
            out,
            "the history is not whole: events/{} is missing or cannot be used; merge the branch that has it",
            plain(&omission.path)
        )?;
    }
    if !omissions.is_empty() && !anyway {
        return Ok(ExitCode::from(LEFT_OPEN));
    }
    loop {
        let reconcile = Reconcile::new(project.store());
        let reconcile = if anyway {
            reconcile.anyway()
        } else {
            reconcile
        };
        let report = reconcile.run::<IssueEvent>(&Rules::default())?;
        tell_settled(project, &report.settled, out)?;
        if commit {
            commit::settlements(project, &report.settled);
        }
        // A settlement can draw another fork into its conflict; that one is looked at again.
        if report.changed.is_empty() || report.settled.is_empty() {
            return tell_open(project, &report, out);
        }
    }
}

/// Settles an issue with the title that a person chose.
pub(crate) fn by_title(
    project: &Project,
    issue: &StreamId,
    by: String,
    title: String,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let rules = Rules::with_title(issue.clone(), by, title);
    let report = Reconcile::new(project.store())
        .stream(native(issue)?)
        .run::<IssueEvent>(&rules)?;
    if report.is_empty() {
        bail!(
            "there is nothing to settle about {}; leave out --settle",
            short(issue.as_ref())
        );
    }
    tell_settled(project, &report.settled, out)?;
    tell_open(project, &report, out)
}

/// What a merge transaction says about itself.
#[derive(Deserialize)]
struct Decision {
    reason: String,
}

fn tell_settled(project: &Project, settled: &[Settled], out: &mut impl Write) -> Result<()> {
    if settled.is_empty() {
        return Ok(());
    }
    let headers = project.store().transactions()?;
    for settled in settled {
        let id = settled.transaction_id;
        let header = headers.iter().find(|header| header.transaction_id == id);
        let decision = header.and_then(|header| header.metadata.decode::<Decision>().ok());
        let reason = decision.map_or_else(String::new, |decision| decision.reason);
        writeln!(
            out,
            "{} is settled: {}",
            issues(&settled.resolved),
            plain(&reason)
        )?;
    }
    Ok(())
}

/// Tells what is left open, and how to go on.
fn tell_open(project: &Project, report: &Report, out: &mut impl Write) -> Result<ExitCode> {
    let forks = project.forks()?;
    for declined in &report.declined {
        let fork = forks.iter().find(|fork| fork.id == declined.fork_id);
        let streams = fork.map_or_else(Vec::new, |fork| {
            fork.streams
                .iter()
                .map(|stream| stream.stream_id.clone())
                .collect()
        });
        let issues = issues(&streams);
        writeln!(out, "{issues} is left open: {}", plain(&declined.reason))?;
        writeln!(
            out,
            "  settle it with `issue-tracker retitle {issues} TITLE --settle`"
        )?;
    }
    for failed in &report.failed {
        writeln!(
            out,
            "fork {} is left open: {}",
            failed.fork_id,
            plain(&told(&failed.error))
        )?;
    }
    for fork_id in &report.changed {
        writeln!(
            out,
            "fork {fork_id} changed meanwhile; run `issue-tracker merge` again"
        )?;
    }
    Ok(if report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(LEFT_OPEN)
    })
}

fn issues(streams: &[fs_format::StreamId]) -> String {
    let names: Vec<_> = streams
        .iter()
        .map(|stream| plain(short(stream.as_str())))
        .collect();
    names.join(", ")
}

/// Returns an error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let told: Vec<_> = causes.map(ToString::to_string).collect();
    told.join(": ")
}
