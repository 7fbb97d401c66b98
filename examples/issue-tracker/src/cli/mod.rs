//! The program: what was typed, done and answered.

mod args;
mod author;
mod merge;
mod print;
mod project;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use eventcore::{RetryPolicy, execute};
use issue_tracker::{Change, ChangeIssue, OpenIssue};

use crate::cli::args::{Args, Command};
use crate::cli::project::Project;

/// Runs what the command line says; 1 is for what failed, 4 for conflicts that are left open.
pub(crate) async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(ending) => ending,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<ExitCode> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    if let Command::Init = args.command {
        let project = Project::create(&here)?;
        println!(
            "issues are kept in {}; commit it with the project",
            project.root().display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find(&here)?;
    let by = || author::name(args.author.clone());
    let (issue, changes) = match args.command {
        Command::Init => return Ok(ExitCode::SUCCESS),
        Command::List { all } => return print::list(&project, all),
        Command::Show { issue } => return print::show(&project, &project.issue(&issue)?),
        Command::Merge { anyway } => return merge::all(&project, anyway),
        Command::Open { title } => {
            let (issue, by) = (project::new_issue()?, by()?);
            let open = OpenIssue { issue, by, title };
            let id = project::short(open.issue.as_ref()).to_owned();
            execute(project.store(), open, RetryPolicy::new()).await?;
            println!("{id}");
            return Ok(ExitCode::SUCCESS);
        }
        Command::Retitle {
            issue,
            title,
            settle: true,
        } => {
            return merge::by_title(&project, &project.issue(&issue)?, by()?, title);
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
    execute(project.store(), change, RetryPolicy::new()).await?;
    Ok(ExitCode::SUCCESS)
}
