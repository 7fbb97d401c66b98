//! What can be typed.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

/// The environment variable that names the store.
pub(crate) const STORE_VARIABLE: &str = "TRIB_STORE";

/// The exit codes in short; the table is in the README.
const EXIT_CODES: &str = "Exit codes: 0 fine, 1 error, 2 usage, 3 decided on something else, 4 not clean, 5 damaged or incomplete, 6 stored and not told.";

/// An event store that merges like git.
#[derive(Debug, Parser)]
#[command(
    name = "trib",
    version,
    max_term_width = 110,
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    /// The store; without it the nearest `.tributary/` upwards
    #[arg(long, global = true, value_name = "DIR", env = STORE_VARIABLE, value_parser = directory())]
    pub(crate) store: Option<PathBuf>,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Exit with 5 where something is known to be missing from the answer; what would write does nothing then
    #[arg(long, global = true)]
    pub(crate) strict: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Command {
    /// Returns whether an answer is given from the events, which may lack some.
    pub(crate) fn answers_from_events(&self) -> bool {
        !matches!(
            self,
            Self::Init { .. }
                | Self::MergeCheck { .. }
                | Self::Restore { .. }
                | Self::Forget { .. }
                | Self::Adopt
                | Self::Fence
                | Self::Demo { .. }
        )
    }

    /// Returns whether something is decided on what is there and written down.
    pub(crate) fn decides(&self) -> bool {
        match self {
            Self::Append(_) => true,
            Self::Consume(args) => args.advance || args.ack.is_some(),
            Self::Resolve(args) => !args.dry_run,
            _ => false,
        }
    }

    /// Returns whether the answer has no end.
    pub(crate) fn follows(&self) -> bool {
        matches!(self, Self::Events(args) if args.follow)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the store of a project, in its `.tributary`; with --store DIR, one in DIR
    Init {
        /// The project; by default this directory
        project: Option<PathBuf>,
    },
    /// Append one transaction
    Append(AppendArgs),
    /// Read a stream in canonical order
    Read {
        /// The stream
        stream: String,
    },
    /// Read everything, in the order in which this working copy saw it
    Events(EventsArgs),
    /// List the streams with their versions
    Streams,
    /// Read as a named consumer: what it has not acknowledged yet, in the order of `events`
    Consume(ConsumeArgs),
    /// List the transactions in canonical order
    Log {
        /// By replica and its own count, with what is missing of it
        #[arg(long)]
        by_replica: bool,
    },
    /// Tell which events no longer decode, and what those of each type look like; exit with 4 if any does not, or is of no known type
    ///
    /// What decodes is what JSON Schemas of the application say. Without them only the shapes are shown, and where they differ.
    SchemaCheck(SchemaCheckArgs),
    /// Tell whether all is well
    Status {
        /// Exit with 4 when it is not
        #[arg(long)]
        check: bool,

        /// List everything, and what `trib forget` accepted to be missing or damaged, too
        #[arg(long)]
        all: bool,
    },
    /// Show the open forks: who wrote what, side by side, and how to settle them
    Forks {
        /// One fork, or those that involve a stream; all without it
        #[arg(value_name = "FORK|STREAM")]
        fork: Option<String>,
        /// All there is, and not as much as a person can read
        #[arg(long)]
        all: bool,
    },
    /// Settle a fork, on all its streams at once; asks on a terminal what to do when no choice is given
    Resolve(ResolveArgs),
    /// Tell which forks a `git merge REV` would make, and touch nothing; exit with 4 if any
    ///
    /// The transaction files of REV are read from git and taken together with those that are here.
    MergeCheck {
        /// The commit, branch or tag to be merged
        #[arg(value_name = "REV")]
        revision: String,
    },
    /// Bring transactions back whose files went away, as by `git reset`; without any, list them
    Restore {
        /// The transactions
        #[arg(value_name = "TX")]
        transactions: Vec<String>,
        /// All that can be brought back
        #[arg(long, conflicts_with = "transactions")]
        all: bool,
        /// Commit to git what is brought back, and nothing else that is staged
        #[arg(long)]
        commit: bool,
    },
    /// Let go of transactions that are missing, damaged or went away
    ///
    /// What is kept of them is deleted, and this working copy does not miss them any more: they make no answer incomplete and no append
    /// refused. `trib status --all` lists them. One that comes back is taken in as ever.
    Forget {
        /// The transactions
        #[arg(value_name = "TX", required_unless_present = "all")]
        transactions: Vec<String>,
        /// All that went away and are kept
        #[arg(long, conflicts_with = "transactions")]
        all: bool,
    },
    /// Take a fresh identity, where another working copy appends as the same replica
    Adopt,
    /// Keep programs of eventcore-fs, which do not see what is appended here, from opening the store
    Fence,
    /// Check every file, hash and link
    Verify {
        /// List everything, and not as much as a person can read
        #[arg(long)]
        all: bool,
    },
    /// Print what two clones compare to learn whether they hold the same history
    Digest {
        /// Compare every file first with what was read of it, also those that were written to in their place
        #[arg(long)]
        files: bool,
    },
    /// Watch two git clones append offline, merge, and settle their conflict
    Demo {
        /// A directory that does not exist yet
        #[arg(default_value = "tributary-demo")]
        dir: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct AppendArgs {
    /// The stream
    #[arg(required_unless_present = "transaction", requires = "event_type")]
    pub(crate) stream: Option<String>,

    /// The type of the event
    #[arg(value_name = "TYPE", requires = "data")]
    pub(crate) event_type: Option<String>,

    /// The data of the event, a JSON text; `-` reads it from standard input
    #[arg(allow_negative_numbers = true)]
    pub(crate) data: Option<String>,

    /// The version that the stream is expected to have: a number, `new` or `any`
    #[arg(long, value_name = "N|new|any", value_parser = expected, conflicts_with = "transaction")]
    pub(crate) expect: Option<Expect>,

    /// Check --expect against what is there, also where a part of the stream is missing
    #[arg(long)]
    pub(crate) anyway: bool,

    /// Names the command, so that appending it again changes nothing
    #[arg(long, value_name = "ID", conflicts_with = "transaction")]
    pub(crate) command_id: Option<String>,

    /// Metadata of the event; may be given several times
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = key_value, conflicts_with = "transaction")]
    pub(crate) metadata: Vec<(String, String)>,

    /// A whole transaction over any number of streams from a file, `-` for standard input:
    /// {"events":[{"stream_id","event_type","event_data","metadata"?}],"expect":{"stream":3},"command_id"?,"metadata"?}
    #[arg(long, value_name = "FILE", conflicts_with = "stream")]
    pub(crate) transaction: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// In canonical order, the same in every clone
    #[arg(long, conflicts_with = "after")]
    pub(crate) canonical: bool,

    /// Go on with what is appended by any process or arrives by git, until --limit, Ctrl-C, or a new epoch (exit code 1)
    #[arg(long, conflicts_with = "canonical")]
    pub(crate) follow: bool,

    /// Start after this position, as an earlier line gave it
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<uuid::Uuid>,

    /// Stop after this many events
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// Only streams that match this pattern: `*`, `?`, `[a-z]`
    #[arg(long, value_name = "GLOB")]
    pub(crate) stream: Option<glob::Pattern>,

    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("change").conflicts_with("list"))]
pub(crate) struct ConsumeArgs {
    /// The consumer; it begins before the first event when there is none of this name
    #[arg(required_unless_present = "list", conflicts_with = "list", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,

    /// Show at most so many events
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with_all = ["ack", "reset", "remove", "list"])]
    pub(crate) limit: usize,

    /// Acknowledge everything up to this position, as an earlier line gave it, and show nothing
    #[arg(long, value_name = "POSITION", group = "change")]
    pub(crate) ack: Option<uuid::Uuid>,

    /// Acknowledge what is shown, at once: no other process is shown it, and nobody again if this one fails
    #[arg(long, group = "change")]
    pub(crate) advance: bool,

    /// Begin before the first event again, also where the history was replaced by another
    #[arg(long, group = "change")]
    pub(crate) reset: bool,

    /// Forget the consumer
    #[arg(long, group = "change")]
    pub(crate) remove: bool,

    /// List the consumers of this working copy
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaCheckArgs {
    /// A JSON Schema document whose `$defs` have the schema of each event type's data by its name; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,

    /// An event type that the application knows; may be given several times. Without any, and without schemas, all are known
    #[arg(long = "known", value_name = "TYPE")]
    pub(crate) known: Vec<String>,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("choice"))]
pub(crate) struct ResolveArgs {
    /// The fork, or a stream that one fork involves
    #[arg(value_name = "FORK|STREAM", conflicts_with = "all")]
    pub(crate) fork: Option<String>,

    /// Append the events of the branch with this head again as the outcome
    #[arg(long, value_name = "TX", group = "choice")]
    pub(crate) keep: Option<String>,

    /// Let all branches stand as they are; no event is appended
    #[arg(long, group = "choice")]
    pub(crate) accept: bool,

    /// Keep the branch whose head is the last in canonical order
    #[arg(long, group = "choice")]
    pub(crate) latest: bool,

    /// Append these events as the outcome, `-` for standard input:
    /// {"events":[{"stream_id","event_type","event_data","metadata"?}],"expect":{"stream":3}?}
    #[arg(long, value_name = "FILE", group = "choice")]
    pub(crate) events: Option<PathBuf>,

    /// Ask what to do, one fork after the other, also where there is no terminal
    #[arg(long, short, group = "choice")]
    pub(crate) interactive: bool,

    /// Every open fork, with --accept or --latest
    #[arg(long, conflicts_with_all = ["keep", "events"])]
    pub(crate) all: bool,

    /// Settle forks too that may be none for what is missing
    #[arg(long)]
    pub(crate) anyway: bool,

    /// Show the transaction that would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Commit to git what is written, and nothing else that is staged
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) commit: bool,

    /// Why; recorded in the merge transaction
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,

    /// Who decided; recorded in the merge transaction, and nobody without this
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) author: Option<String>,
}

/// What the caller knows of a stream's version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expect(pub(crate) fs_store::ExpectedVersion);

pub(crate) fn expected(text: &str) -> Result<Expect, String> {
    use fs_store::ExpectedVersion;
    match text {
        "new" => Ok(Expect(ExpectedVersion::New)),
        "any" => Ok(Expect(ExpectedVersion::Any)),
        number => number
            .parse()
            .map(|version| Expect(ExpectedVersion::Exact(version)))
            .map_err(|_| "give a number, `new` or `any`".to_owned()),
    }
}

/// Takes an empty name too, of which clap would say that it was typed.
fn directory() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give it as KEY=VALUE".to_owned()),
    }
}
