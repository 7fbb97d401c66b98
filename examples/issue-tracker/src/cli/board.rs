//! The board for people to read, once or on and on.

use fs_feed::Feed as _;
use std::io::{self, IsTerminal as _, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use fs_feed::projection::{Phase, Projection as _, ReadModel as _, Rebuild, Sqlite, Status};
use issue_tracker::{Board, Issue};
use tokio_util::sync::CancellationToken;

use crate::cli::kept;
use crate::cli::print::{line, plain};
use crate::cli::project::{Project, short};

/// How long another command that keeps the board is waited for.
const LEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where an issue stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Open,
    InProgress,
    Closed,
}

impl Column {
    const ALL: [Self; 3] = [Self::Open, Self::InProgress, Self::Closed];

    fn of(issue: &Issue) -> Self {
        match (issue.is_closed, &issue.assignee) {
            (true, _) => Self::Closed,
            (false, Some(_)) => Self::InProgress,
            (false, None) => Self::Open,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in progress",
            Self::Closed => "closed",
        }
    }
}

/// Brings the board up to date and shows it; tells why it was built again, if it was.
pub(crate) fn show(
    project: &Project,
    all: bool,
    rebuild: bool,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let read = |database: &mut Sqlite| view(project, database, all);
    let (view, rebuilt) = kept::read(project, Board, rebuild, read)?;
    out.write_all(view.as_bytes())?;
    out.flush()?;
    if let Some(reason) = rebuilt.and_then(told) {
        eprintln!("the board was built again: {reason}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the board, and shows it again whenever it has changed, until Ctrl-C.
pub(crate) async fn follow(
    project: &Project,
    all: bool,
    rebuild: bool,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let stop = CancellationToken::new();
    let runner = kept::runner(project, Board, rebuild)?
        .lease_timeout(LEASE_TIMEOUT)
        .stop_on(stop.clone());
    let mut status = runner.status();
    let mut database = kept::database(project)?;
    let mut changes = project.store().changes()?;
    let mut shown = String::new();
    let mut following = pin!(runner.follow_async());
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            (_, ended) = &mut following => {
                ended?;
                return Ok(ExitCode::SUCCESS);
            }
            interrupted = &mut interrupted, if !stop.is_cancelled() => {
                stop.cancel();
                interrupted?;
                continue;
            }
            Ok(()) = status.changed() => {}
            // A settlement without events moves no cursor, but takes a mark away.
            changed = changes.next() => changed?,
        }
        let status = status.borrow_and_update().clone();
        if status.phase != Phase::Following {
            continue;
        }
        let read = |database: &mut Sqlite| {
            let progress = database.progress(Board.name())?;
            let applied = progress.map_or(0, |progress| progress.applied());
            Ok((view(project, database, all)?, applied))
        };
        // Where more has come meanwhile, or is on the board already, the status is about to change again.
        let board = kept::read_if_caught_up(project, &mut database, Board.name(), read)?;
        let board = board.filter(|(_, applied)| *applied == status.applied);
        if let Some((view, _)) = board.filter(|(view, _)| *view != shown) {
            draw(&view, &status, out)?;
            shown = view;
        }
    }
}

fn draw(view: &str, status: &Status, out: &mut impl Write) -> Result<()> {
    // On a terminal, in the place of the board before.
    let before = if io::stdout().is_terminal() {
        "\x1b[H\x1b[2J"
    } else {
        "\n"
    };
    write!(out, "{before}{view}")?;
    out.flush()?;
    let position = status
        .position
        .map_or(0, |position| position.sequence.number());
    eprintln!(
        "position {position}, {} behind, {} events applied, {:.0} a second",
        status.lag, status.applied, status.rate
    );
    Ok(())
}

/// Reads the board; `!` marks the issues that were changed on several sides and are not settled.
fn view(project: &Project, database: &mut Sqlite, all: bool) -> Result<String> {
    let forks = project.forks()?;
    let issues = Board::issues(database.connection())?;
    let mut view = String::new();
    for column in Column::ALL {
        let in_column = issues
            .iter()
            .filter(|(_, issue)| Column::of(issue) == column);
        let (name, count) = (column.name(), in_column.clone().count());
        view.push_str(&format!("{name} ({count})\n"));
        for (stream, issue) in in_column {
            let native = fs_format::StreamId::new(stream.as_str())?;
            let is_forked = forks.iter().any(|fork| fork.involves(&native));
            if column == Column::Closed && !all && !is_forked {
                continue;
            }
            let mark = if is_forked { '!' } else { ' ' };
            let (id, line) = (plain(short(stream)), plain(&line(issue)));
            view.push_str(&format!("  {id}{mark} {line}\n"));
        }
    }
    let progress = database.progress(Board.name())?;
    let set_aside = progress.map_or(0, |progress| progress.dead_letters().len());
    if set_aside > 0 {
        let note = "cannot be read: `issue-tracker schema-check` names them";
        view.push_str(&format!("not on the board: {set_aside} that {note}\n"));
    }
    Ok(view)
}

/// Returns why the board was built from the first event, where that is no matter of course.
fn told(reason: Rebuild) -> Option<&'static str> {
    match reason {
        Rebuild::Topology { .. } => Some("events came that sort before those on it"),
        Rebuild::Epoch { .. } => Some("events went away, or the index is a new one"),
        Rebuild::Version { .. } | Rebuild::Order => Some("another version had kept it"),
        _ => None,
    }
}
