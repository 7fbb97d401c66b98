//! What is kept in a database beside the store, and brought up to date before it is shown.
//!
//! **Invariant**: what is shown holds every event that was there at the call, and is all as of one moment, whoever keeps the database:
//! this process, or one that follows. The database lies in the store's `local/`, which git does not carry; when it is deleted, it is built again.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fs_feed::Feed as _;
use fs_feed::projection::{
    OnFailure, Projection, ProjectionError, ReadModel as _, Rebuild, Runner, Sqlite,
};
use fs_io::Deadline;
use fs_store::{LeaseError, ReadError};
use issue_tracker::Issues;
use rusqlite::Connection;

use crate::cli::project::Project;

/// So many events that this program cannot read are set aside; more are a sign of something else.
const SET_ASIDE: usize = 1000;

/// How long one turn waits for the process that keeps the database.
const TURN: Duration = Duration::from_millis(50);

/// How long that process may take to catch up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the database.
pub(crate) fn database(project: &Project) -> Result<Sqlite> {
    let path: PathBuf = project.root().join("local").join("board.db");
    let cannot = || {
        let path = path.display();
        format!("cannot open {path}; if it is damaged, delete it: it is built again")
    };
    Sqlite::open(&path).with_context(cannot)
}

/// Returns what keeps the tables of a projection.
pub(crate) fn runner<P>(
    project: &Project,
    projection: P,
    rebuild: bool,
) -> Result<Runner<P, Sqlite>>
where
    P: Projection<State = Connection>,
{
    let runner = project
        .store()
        .project(projection, database(project)?)
        .on_failure(OnFailure::SetAside { at_most: SET_ASIDE });
    Ok(if rebuild { runner.rebuild() } else { runner })
}

/// Brings the tables of a projection up to date, or waits until the process that follows has done so, and reads them; returns
/// also why they were built from the first event, if they were.
pub(crate) fn read<P, T>(
    project: &Project,
    projection: P,
    rebuild: bool,
    read: impl Fn(&mut Sqlite) -> Result<T>,
) -> Result<(T, Option<Rebuild>)>
where
    P: Projection<State = Connection>,
{
    let name = projection.name().to_owned();
    let mut runner = runner(project, projection, rebuild)?.lease_timeout(TURN);
    let deadline = Deadline::after(PATIENCE);
    let mut rebuilt = None;
    loop {
        match runner.catch_up() {
            Ok(status) => rebuilt = status.rebuilt,
            Err(ProjectionError::Lease(LeaseError::Held { .. }))
                if !rebuild && !deadline.is_over() => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(answer) = read_if_caught_up(project, runner.model_mut(), &name, &read)? {
            return Ok((answer, rebuilt));
        }
    }
}

/// Reads the tables of a projection, all of them as of one moment, unless the store has something that they lack.
pub(crate) fn read_if_caught_up<T>(
    project: &Project,
    database: &mut Sqlite,
    name: &str,
    read: impl Fn(&mut Sqlite) -> Result<T>,
) -> Result<Option<T>> {
    database.connection().execute_batch("BEGIN")?;
    let answer = match is_caught_up(project, database, name) {
        Ok(true) => read(database).map(Some),
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    database.connection().execute_batch("ROLLBACK")?;
    answer
}

fn is_caught_up(project: &Project, database: &mut Sqlite, name: &str) -> Result<bool> {
    let Some(progress) = database.progress(name)? else {
        return Ok(false);
    };
    // While the tables are being built in canonical order there is no position, so every event is missing.
    match project
        .store()
        .ingested_events(progress.position(), &Issues, 1)
    {
        Ok(missing) => Ok(missing.is_empty()),
        Err(ReadError::StalePosition(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
