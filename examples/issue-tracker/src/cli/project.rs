//! The store of a project, and the issues in it.
//!
//! **Invariant**: issues are read in canonical order, so clones that hold the same files show the same.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use eventcore::StreamId;
use fs_format::Timestamp;
use fs_merge::{ForkContext, typed_forks};
use fs_store::{FileEventStore, OpenError, StoredEvent};
use issue_tracker::{Issue, IssueEvent};

/// Where the store lies in a project: where `trib` looks for it too.
const DIRECTORY: &str = ".tributary";

/// What the name of an issue's stream begins with.
const PREFIX: &str = "issue-";

/// A project whose issues are kept.
#[derive(Debug)]
pub(crate) struct Project {
    store: FileEventStore,
}

/// An issue in a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) opened_at: Timestamp,
    pub(crate) stream: StreamId,
    pub(crate) issue: Issue,
}

impl Project {
    /// Creates a store in `here`, unless there is one.
    pub(crate) fn create(here: &Path) -> Result<Self> {
        let store = FileEventStore::open(here.join(DIRECTORY))?;
        Ok(Self { store })
    }

    /// Finds the store of the project that `here` is in.
    pub(crate) fn find(here: &Path) -> Result<Self> {
        for directory in here.ancestors() {
            match FileEventStore::open_existing(directory.join(DIRECTORY)) {
                Ok(store) => return Ok(Self { store }),
                Err(OpenError::NotAStore { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bail!(
            "no issues are kept in {} or above; start with `issue-tracker init`",
            here.display()
        )
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

    /// Returns the events of an issue, each as it is stored and as it is meant.
    pub(crate) fn history(&self, issue: &StreamId) -> Result<Vec<(StoredEvent, IssueEvent)>> {
        let events = self.store.stream_events(&native(issue)?)?;
        let meant = events.into_iter().map(|stored| {
            let event = stored.event_data.decode();
            let event = event.with_context(|| format!("cannot read event {}", stored.event_id))?;
            Ok((stored, event))
        });
        meant.collect()
    }

    /// Returns all issues, in the order in which they were opened.
    pub(crate) fn list(&self) -> Result<Vec<Listed>> {
        let mut list = Vec::new();
        for stream in self.streams()? {
            let history = self.history(&stream)?;
            let Some((first, _)) = history.first() else {
                continue;
            };
            list.push(Listed {
                opened_at: first.created_at,
                stream,
                issue: history
                    .iter()
                    .fold(Issue::default(), |issue, (_, event)| issue.after(event)),
            });
        }
        // Those opened at the same time stay in the order of their streams.
        list.sort_by_key(|listed| listed.opened_at);
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
