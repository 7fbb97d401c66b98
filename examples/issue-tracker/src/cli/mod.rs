//! The program: what was typed, done and answered.

mod args;
mod author;
mod board;
mod commit;
mod kept;
mod merge;
mod print;
mod project;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use issue_tracker::{Change, ChangeIssue, OpenIssue};

use crate::cli::args::{Args, Command};
use crate::cli::project::Project;

/// Runs what the command line says; 1 is for what failed, 4 for conflicts that are left open and for
/// events that cannot be read.
pub(crate) async fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut ended = run(Args::parse(), &mut out).await;
    if let Err(error) = out.flush() {
        ended = ended.and(Err(error.into()));
    }
    match ended {
        Ok(ending) => ending,
        // Whoever reads the answer has read enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", print::plain(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn run(args: Args, out: &mut impl Write) -> Result<ExitCode> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    if let Command::Init = args.command {
        let root = Project::create(&here)?.root().display().to_string();
        writeln!(out, "issues are kept in {root}; commit it with the project")?;
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find(&here)?;
    let by = || author::name(args.author.clone());
    let (issue, changes) = match args.command {
        Command::Init => return Ok(ExitCode::SUCCESS),
        Command::List { all } => return print::list(&project, all, out),
        Command::Board {
            all,
            follow: true,
            rebuild,
        } => return board::follow(&project, all, rebuild, out).await,
        Command::Board { all, rebuild, .. } => return board::show(&project, all, rebuild, out),
        Command::Activity => return print::activity(&project, out),
        Command::Show { issue } => return print::show(&project, &project.issue(&issue)?, out),
        Command::SchemaCheck => return print::schema_check(&project, out),
        Command::Merge { anyway, commit } => {
            return merge::all(&project, anyway, commit, out);
        }
        Command::Open { title } => {
            let (issue, by) = (project::new_issue()?, by()?);
            let open = OpenIssue { issue, by, title };
            let id = project::short(open.issue.as_ref()).to_owned();
            project.execute(open).await?;
            writeln!(out, "{id}")?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Retitle {
            issue,
            title,
            settle: true,
        } => {
            return merge::by_title(&project, &project.issue(&issue)?, by()?, title, out);
        }
        Command::Retitle { issue, title, .. } => (issue, vec![Change::Retitled { title }]),
        Command::Comment { issue, text } => (issue, vec![Change::Commented { text }]),
        Command::Assign { issue, to, .. } => (issue, vec![Change::Assigned { to }]),
        Command::Label { issue, labels } => {
            let labelled = labels.into_iter().map(|label| Change::Labelled { label });
            (issue, labelled.collect())
        }
        Command::Unlabel { issue, labels } => {
            let unlabelled = labels.into_iter().map(|label| Change::Unlabelled { label });
            (issue, unlabelled.collect())
        }
        Command::Close { issue } => (issue, vec![Change::Closed]),
        Command::Reopen { issue } => (issue, vec![Change::Reopened]),
    };
    let (issue, by) = (project.issue(&issue)?, by()?);
    let change = ChangeIssue { issue, by, changes };
    project.execute(change).await?;
    Ok(ExitCode::SUCCESS)
}
