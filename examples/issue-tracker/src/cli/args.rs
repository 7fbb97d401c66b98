//! What can be typed.

use clap::builder::NonEmptyStringValueParser as NonEmpty;
use clap::{Parser, Subcommand};

/// Issues of a project, kept in its git repository.
#[derive(Debug, Parser)]
#[command(
    name = "issue-tracker",
    version,
    max_term_width = 110,
    after_help = "An issue is named by the beginning of its id. Exit codes: 0 fine, 1 error, 2 usage, 4 conflicts are left open, or events cannot be read."
)]
pub(crate) struct Args {
    /// Who you are; by default who git says you are
    #[arg(long = "as", global = true, value_name = "NAME", env = "ISSUE_TRACKER_AS", value_parser = NonEmpty::new())]
    pub(crate) author: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start to keep issues in this directory
    Init,
    /// Open an issue and print its id
    Open {
        /// What it is about
        #[arg(value_parser = NonEmpty::new())]
        title: String,
    },
    /// Say something about an issue
    Comment {
        /// The issue
        issue: String,
        /// What there is to say
        #[arg(value_parser = NonEmpty::new())]
        text: String,
    },
    /// Assign an issue to somebody
    Assign {
        /// The issue
        issue: String,
        /// To whom
        #[arg(required_unless_present = "nobody", conflicts_with = "nobody", value_parser = NonEmpty::new())]
        to: Option<String>,
        /// Take it from whoever has it
        #[arg(long)]
        nobody: bool,
    },
    /// Add labels
    Label {
        /// The issue
        issue: String,
        /// The labels
        #[arg(required = true, value_parser = NonEmpty::new())]
        labels: Vec<String>,
    },
    /// Remove labels
    Unlabel {
        /// The issue
        issue: String,
        /// The labels
        #[arg(required = true, value_parser = NonEmpty::new())]
        labels: Vec<String>,
    },
    /// Give an issue another title
    Retitle {
        /// The issue
        issue: String,
        /// What it is about
        #[arg(value_parser = NonEmpty::new())]
        title: String,
        /// Settle with it what a merge left open
        #[arg(long)]
        settle: bool,
    },
    /// Close an issue
    Close {
        /// The issue
        issue: String,
    },
    /// Reopen an issue
    Reopen {
        /// The issue
        issue: String,
    },
    /// List the open issues, and those that are not settled after a merge
    List {
        /// The closed ones too
        #[arg(long)]
        all: bool,
    },
    /// Show the issues in columns, from a database that is kept in step with them
    Board {
        /// The closed ones too
        #[arg(long)]
        all: bool,
        /// Stay, and show it again whenever it has changed, until Ctrl-C
        #[arg(long)]
        follow: bool,
        /// Build the database from the first event, instead of going on with it
        #[arg(long)]
        rebuild: bool,
    },
    /// Show who has done how much
    Activity,
    /// Show an issue with its history
    Show {
        /// The issue
        issue: String,
    },
    /// Try every event that is kept, and tell which this program cannot read; exit with 4 if any
    SchemaCheck,
    /// After a git merge, settle what was changed on both sides, as far as the rules decide it
    Merge {
        /// Also while a part of the history is missing, as after a cherry-pick
        #[arg(long)]
        anyway: bool,
        /// Commit to git what is settled, and nothing else that is staged
        #[arg(long)]
        commit: bool,
    },
}
