//! What the README says of others, seen from outside.
//!
//! Each test does to the published eventcore-fs 2.1.0 what a test of this repository does to Tributary.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests move and damage files of another store"
)]

use std::fs;
use std::path::{Path, PathBuf};

use eventcore_fs::FileEventStore;
use eventcore_types::{Event, EventStore, StreamId, StreamVersion, StreamWrites, collect_events};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    stream: StreamId,
    n: u64,
}

impl Event for Counted {
    fn stream_id(&self) -> &StreamId {
        &self.stream
    }

    fn event_type_name() -> &'static str {
        "Counted"
    }
}

fn stream(name: &str) -> StreamId {
    StreamId::try_new(name).unwrap()
}

async fn append(store: &FileEventStore, name: &str, version: usize) {
    let event = Counted {
        stream: stream(name),
        n: 1,
    };
    let writes = StreamWrites::new()
        .register_stream(stream(name), StreamVersion::new(version))
        .and_then(|writes| writes.append(event))
        .unwrap();
    assert!(store.append_events(writes).await.is_ok());
}

/// Copies the transaction files that are missing, as a git merge does.
fn merge(from: &Path, to: &Path) {
    for entry in fs::read_dir(from.join("events")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join("events").join(entry.file_name())).unwrap();
    }
}

/// A store with three concurrent appends on one side and two on the other, merged.
async fn diverged(world: &TempDir) -> PathBuf {
    let (left, right) = (world.path().join("left"), world.path().join("right"));
    for (root, count) in [(&left, 3), (&right, 2)] {
        let store = FileEventStore::open(root).unwrap();
        for version in 0..count {
            append(&store, "s", version).await;
        }
    }
    merge(&right, &left);
    left
}

#[tokio::test]
async fn eventcore_fs_shows_a_fork_of_three_and_two_as_two_forks_of_four_transactions() {
    let world = tempfile::tempdir().unwrap();
    let store = FileEventStore::open(diverged(&world).await).unwrap();
    let status = store.status().unwrap();
    let shown: Vec<_> = status
        .forks()
        .iter()
        .map(|fork| fork.transactions().len())
        .collect();
    assert_eq!(shown, [2, 2], "one transaction of five is in no fork");
}

#[tokio::test]
async fn eventcore_fs_forgets_a_fork_at_the_next_append_to_any_stream() {
    let world = tempfile::tempdir().unwrap();
    let store = FileEventStore::open(diverged(&world).await).unwrap();
    assert!(!store.status().unwrap().is_clean());
    append(&store, "another", 0).await;
    assert!(
        store.status().unwrap().is_clean(),
        "nobody settled the fork"
    );
}

#[tokio::test]
async fn eventcore_fs_lets_one_handle_in() {
    let world = tempfile::tempdir().unwrap();
    let _open = FileEventStore::open(world.path()).unwrap();
    assert!(FileEventStore::open(world.path()).is_err());
}

#[tokio::test]
async fn eventcore_fs_does_not_see_what_arrives_while_it_is_open() {
    let world = tempfile::tempdir().unwrap();
    let (left, right) = (world.path().join("left"), world.path().join("right"));
    let open = FileEventStore::open(&left).unwrap();
    append(&FileEventStore::open(&right).unwrap(), "late", 0).await;
    merge(&right, &left);
    let read = open.read_stream::<Counted>(stream("late")).await.unwrap();
    assert_eq!(collect_events(read).await.unwrap().len(), 0);
}

#[tokio::test]
async fn eventcore_fs_does_not_open_with_an_empty_file() {
    let world = tempfile::tempdir().unwrap();
    append(&FileEventStore::open(world.path()).unwrap(), "s", 0).await;
    let file = fs::read_dir(world.path().join("events")).unwrap().next();
    fs::write(file.unwrap().unwrap().path(), "").unwrap();
    assert!(FileEventStore::open(world.path()).is_err());
}

/// A database file is binary to git, whatever is in it.
#[test]
fn git_cannot_merge_two_versions_of_a_database_file() {
    let world = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let mut command = fs_testing::git::git();
        command.current_dir(world.path());
        command.args(args).output().unwrap().status.success()
    };
    let commit = |content: &str| {
        let file = world.path().join("events.db");
        fs::write(file, format!("SQLite format 3\0{content}")).unwrap();
        assert!(git(&["add", "."]) && git(&["commit", "--quiet", "--message", content]));
    };
    assert!(git(&["init", "--quiet"]));
    commit("base");
    assert!(git(&["switch", "--quiet", "--create", "other"]));
    commit("right");
    assert!(git(&["switch", "--quiet", "main"]));
    commit("left");
    assert!(
        !git(&["merge", "--quiet", "--no-edit", "other"]),
        "the merge is a conflict"
    );
}
