//! The store of a project, and the issues in it.
//!
//! **Invariant**: issues are read in canonical order, so clones that hold the same files show the same.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use eventcore::{CommandError, CommandLogic, RetryPolicy, StreamId, execute};
use fs_merge::{ForkContext, typed_forks};
use fs_store::{FileEventStore, OpenError, STORE_DIR, StoredEvent, report};
use issue_tracker::{IssueEvent, PREFIX};

/// A project whose issues are kept.
#[derive(Debug)]
pub(crate) struct Project {
    store: FileEventStore,
}

/// The events of an issue, each as it is stored and as it is meant.
pub(crate) type History = Vec<(StoredEvent, IssueEvent)>;

impl Project {
    /// Creates a store in `here`, unless there is one.
    pub(crate) fn create(here: &Path) -> Result<Self> {
        let store = FileEventStore::create(here.join(STORE_DIR))?;
        Ok(Self { store })
    }

    /// Finds the store of the project that `here` is in.
    pub(crate) fn find(here: &Path) -> Result<Self> {
        match FileEventStore::discover(here) {
            Ok(store) => Ok(Self { store }),
            Err(OpenError::NoneAbove { from }) => bail!(
                "no issues are kept in {} or above; start with `issue-tracker init`",
                from.display()
            ),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a command; an error tells what is behind a failure of the store, for which EventCore's own has no room.
    pub(crate) async fn execute(&self, command: impl CommandLogic) -> Result<()> {
        let Err(error) = execute(&self.store, command, RetryPolicy::new()).await else {
            return Ok(());
        };
        match (&error, self.store.last_failure()) {
            (CommandError::EventStoreError(_), Some(cause)) => bail!(report(&*cause)),
            _ => Err(error.into()),
        }
    }

    pub(crate) fn store(&self) -> &FileEventStore {
        &self.store
    }

    pub(crate) fn root(&self) -> &Path {
        self.store.root()
    }

    /// Returns the streams of all issues.
    pub(crate) fn streams(&self) -> Result<Vec<StreamId>> {
        let streams = self.store.streams()?.into_iter();
        let names = streams.map(|(stream_id, _)| stream_id.as_str().to_owned());
        let issues = names.filter(|name| name.starts_with(PREFIX));
        Ok(issues
            .filter_map(|name| StreamId::try_new(name).ok())
            .collect())
    }

    /// Returns the issue whose id begins with `beginning`.
    pub(crate) fn issue(&self, beginning: &str) -> Result<StreamId> {
        let mut found = self.streams()?;
        found.retain(|stream| short(stream.as_ref()).starts_with(beginning));
        match found.as_slice() {
            [issue] => Ok(issue.clone()),
            [] => bail!(
                "there is no issue {beginning:?}; `issue-tracker list --all` lists all of them"
            ),
            several => {
                let ids: Vec<_> = several.iter().map(|issue| short(issue.as_ref())).collect();
                bail!("{beginning:?} can be any of the issues {}", ids.join(", "))
            }
        }
    }

    /// Returns the events of an issue in canonical order.
    pub(crate) fn history(&self, issue: &StreamId) -> Result<History> {
        let events = self.store.stream_events(&native(issue)?)?;
        let meant = events.into_iter().map(|stored| {
            let cannot = || format!("cannot read event {}", stored.event_id);
            let event = self.store.decode(&stored).with_context(cannot)?;
            let event = event.with_context(cannot)?;
            Ok((stored, event))
        });
        meant.collect()
    }

    /// Returns all issues in the order in which they were opened, those first that cannot be read.
    pub(crate) fn list(&self) -> Result<Vec<(StreamId, Result<History>)>> {
        let streams = self.streams()?.into_iter();
        let read = streams.map(|stream| {
            let history = self.history(&stream);
            (stream, history)
        });
        let mut list: Vec<_> = read.collect();
        // Those opened at the same time stay in the order of their streams.
        list.sort_by_key(|(_, history)| {
            let first = history.as_ref().ok().and_then(|history| history.first());
            first.map(|(opened, _)| opened.created_at)
        });
        Ok(list)
    }

    /// Returns the open forks; `merge` tells of those that cannot be read.
    pub(crate) fn forks(&self) -> Result<Vec<ForkContext<IssueEvent>>> {
        let forks = typed_forks::<IssueEvent>(&self.store)?;
        Ok(forks.into_iter().filter_map(Result::ok).collect())
    }
}

/// Returns a stream for a new issue.
///
/// Whoever works offline cannot ask for the next number, so the id is random.
pub(crate) fn new_issue() -> Result<StreamId> {
    let mut id = [0; 4];
    let random = fs_io::System::real().random;
    random.fill(&mut id).context("cannot make an id")?;
    Ok(StreamId::try_new(format!(
        "{PREFIX}{:08x}",
        u32::from_be_bytes(id)
    ))?)
}

/// Returns the id of an issue as people type it.
pub(crate) fn short(stream: &str) -> &str {
    stream.strip_prefix(PREFIX).unwrap_or(stream)
}

/// Returns the stream as the store names it.
pub(crate) fn native(issue: &StreamId) -> Result<fs_format::StreamId> {
    let name: &str = issue.as_ref();
    Ok(fs_format::StreamId::new(name)?)
}
