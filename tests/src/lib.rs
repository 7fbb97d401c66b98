//! The world that scenarios play in: git repositories with stores in them, cut off from the machine's configuration.
//!
//! Everything panics with what failed: these are tests.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "scenarios set up and damage real files"
)]

pub mod answers;
pub mod dice;
pub mod seen;
pub mod worker;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fs_format::StreamId;
use fs_index::Position;
use fs_merge::{ForkContext, forks};
use fs_store::{All, Append, Appended, ExpectedVersion, FileEventStore, StoredEvent};
use fs_testing::git;
use tempfile::TempDir;

/// A directory of repositories that goes away with it.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
}

/// A git repository with a store in `.tributary/`.
#[derive(Debug)]
pub struct Repository {
    dir: PathBuf,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Returns an empty world.
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Returns an empty world in a directory.
    pub fn within(directory: &Path) -> Self {
        Self {
            dir: tempfile::tempdir_in(directory).unwrap(),
        }
    }

    /// Returns an empty world on a disk in memory where there is one, for what is synced often and need not be.
    pub fn in_memory() -> Self {
        Self {
            dir: tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap()),
        }
    }

    /// Returns the directory of the world.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Creates a repository with an empty, committed store.
    pub fn init(&self, name: &str) -> Repository {
        let repository = Repository {
            dir: self.dir.path().join(name),
        };
        fs::create_dir(&repository.dir).unwrap();
        repository.git(&["init", "--quiet"]);
        FileEventStore::create(repository.root()).unwrap();
        repository.commit("create the store");
        repository
    }

    /// Clones a repository.
    pub fn clone(&self, from: &Repository, name: &str) -> Repository {
        self.clone_with(from, name, &[])
    }

    /// Clones a repository with settings of its own, as `core.autocrlf=true`.
    pub fn clone_with(&self, from: &Repository, name: &str, settings: &[&str]) -> Repository {
        let settings = settings.iter().flat_map(|setting| ["--config", setting]);
        let options: Vec<_> = settings.collect();
        self.cloned(&options, from.dir.as_os_str(), name)
    }

    /// Clones the newest commit of a repository, without those before it.
    pub fn clone_shallow(&self, from: &Repository, name: &str) -> Repository {
        // A path would be cloned whole.
        let url = format!("file://{}", from.dir.display());
        self.cloned(&["--depth", "1"], url.as_ref(), name)
    }

    fn cloned(&self, options: &[&str], from: &OsStr, name: &str) -> Repository {
        let dir = self.dir.path().join(name);
        let mut command = git();
        command.args(["clone", "--quiet"]).args(options);
        succeed(command.arg(from).arg(&dir));
        Repository { dir }
    }
}

impl Repository {
    /// Returns the work tree.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Returns the root of the store.
    pub fn root(&self) -> PathBuf {
        self.dir.join(".tributary")
    }

    /// Returns the path of a file below `events/`.
    pub fn event_file(&self, relative: &str) -> PathBuf {
        self.root().join("events").join(relative)
    }

    /// Opens the store as a process of its own would.
    pub fn store(&self) -> FileEventStore {
        FileEventStore::open(self.root()).unwrap()
    }

    /// Runs git here; panics when it fails.
    pub fn git(&self, args: &[&str]) -> String {
        let output = succeed(git().current_dir(&self.dir).args(args));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs git here; returns whether it succeeded.
    pub fn try_git(&self, args: &[&str]) -> bool {
        git()
            .current_dir(&self.dir)
            .args(args)
            .output()
            .unwrap()
            .status
            .success()
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Merges another repository's main branch.
    pub fn merge(&self, other: &Repository) {
        self.git(&[
            "pull",
            "--quiet",
            "--no-rebase",
            "--no-edit",
            other.dir.to_str().unwrap(),
            "main",
        ]);
    }

    /// Appends one event with the data `n` to a stream, by a process of its own.
    pub fn append(&self, stream: &str, n: u64) -> Appended {
        append(&self.store(), stream, n)
    }

    /// Appends events and commits them, as somebody who works offline does.
    pub fn work(&self, stream: &str, numbers: &[u64]) -> Vec<Appended> {
        let appended = numbers.iter().map(|n| self.append(stream, *n)).collect();
        self.commit("work");
        appended
    }

    /// Returns the open forks.
    pub fn forks(&self) -> Vec<ForkContext> {
        forks(&self.store()).unwrap()
    }
}

/// Appends one event with the data `n` to a stream.
pub fn append(store: &FileEventStore, stream: &str, n: u64) -> Appended {
    let event = Append::new()
        .event(stream_id(stream), "Counted", &n.to_string())
        .unwrap();
    store.append(event).unwrap()
}

/// Appends one event to `written` that was decided upon `read`.
pub fn decide(store: &FileEventStore, read: &str, written: &str, n: u64) -> Appended {
    let version = store
        .streams()
        .unwrap()
        .into_iter()
        .find(|(stream, _)| stream.as_str() == read)
        .map_or(0, |(_, version)| version);
    let event = Append::new()
        .event(stream_id(written), "Decided", &n.to_string())
        .unwrap();
    store
        .append(event.expect(stream_id(read), ExpectedVersion::Exact(version)))
        .unwrap()
}

/// Returns the data of a stream's events.
pub fn numbers(store: &FileEventStore, stream: &str) -> Vec<u64> {
    store
        .stream_events(&stream_id(stream))
        .unwrap()
        .iter()
        .map(number)
        .collect()
}

/// Returns the data of an event that [`append`] made.
pub fn number(event: &StoredEvent) -> u64 {
    event.event_data.decode().unwrap()
}

/// Returns everything after a position, in ingestion order.
pub fn ingested(store: &FileEventStore, after: Option<Position>) -> Vec<StoredEvent> {
    let events = store.ingested_events(after, &All, usize::MAX);
    events.unwrap().into_inner()
}

/// Returns a stream id.
pub fn stream_id(text: &str) -> StreamId {
    StreamId::new(text).unwrap()
}

fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
