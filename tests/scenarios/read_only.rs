//! A store that may be read and not written: a directory of somebody else's, a mounted snapshot.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_feed::Feed as _;
use fs_feed::projection::{Order, ProjectionError, Snapshot};
use fs_store::{FileEventStore, StateError, StoreOptions};
use scenarios::World;
use scenarios::answers::{Answers, Ingestion, copy_dir};
use scenarios::seen::{Place, Seen};

#[test]
fn a_read_only_directory_can_be_opened_for_reading() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1, 2]);
    let elsewhere = world.clone(&clone, "elsewhere");
    elsewhere.work("issue", &[3]);
    clone.merge(&elsewhere);
    for index in ["whole", "outdated", "missing"] {
        let root = world.path().join(index);
        copy_dir(&clone.root(), &root);
        match index {
            "outdated" => {
                FileEventStore::create(&root).unwrap();
                elsewhere.work("issue", &[4]);
                copy_dir(&elsewhere.root().join("events"), &root.join("events"));
            }
            "missing" => {
                fs::remove_dir_all(root.join("index")).unwrap();
                fs::remove_dir_all(root.join("local")).unwrap();
            }
            _ => drop(FileEventStore::create(&root).unwrap()),
        }
        let expected = Answers::of_files(&root);
        let Some(read_only) = ReadOnly::new(&world, &root) else {
            return;
        };
        let store = FileEventStore::open(&read_only.0)
            .unwrap_or_else(|error| panic!("index {index}: it can be opened: {error:?}"));
        let answers = Answers::of(&store).unwrap();
        answers.assert_same(&expected, &format!("index {index}"));
        let ingestion = Ingestion::of(&store).unwrap();
        ingestion.assert_covers(&answers);
        assert_eq!(
            Ingestion::of(&store).unwrap(),
            ingestion,
            "index {index}: positions of one handle stay"
        );
        store.refresh().unwrap();
        store.status().unwrap();
        assert!(store.verify().unwrap().is_ok());
        let position = store.ingested_events(None, &fs_store::All, 1).unwrap()[0].position;
        let refused = store.save_checkpoint("mirror", position);
        let is_told = match &refused {
            Err(StateError::ReadOnly { root }) => *root == read_only.0,
            Err(StateError::Write { .. }) => index == "whole",
            _ => false,
        };
        assert!(
            is_told,
            "index {index}: a checkpoint would be lost: {refused:?}"
        );
        let refused = store.append(
            fs_store::Append::new()
                .event(scenarios::stream_id("issue"), "Counted", "9")
                .unwrap(),
        );
        let refused = refused.expect_err("nobody can append here").to_string();
        assert!(
            refused.contains(read_only.0.to_str().unwrap()),
            "index {index}: the error names the store: {refused}"
        );
        let refused = store.consumer("agent");
        assert!(
            refused.is_err(),
            "index {index}: what is acknowledged where nothing is kept would be shown again"
        );
        let mut runner = store.project(
            Seen::new(Order::Ingestion, Place::Json),
            Snapshot::in_memory(),
        );
        match runner.catch_up() {
            // Nobody can lead here.
            Err(ProjectionError::Lease(_)) => assert_eq!(index, "whole"),
            // What this process keeps to itself lies elsewhere, the lease too.
            Ok(status) => {
                let applied = usize::try_from(status.applied).unwrap();
                assert_eq!(
                    applied,
                    answers.canonical.len(),
                    "index {index}: all is applied"
                );
            }
            Err(other) => panic!("index {index}: {other:?}"),
        }
        Answers::of(&store)
            .unwrap()
            .assert_same(&expected, &format!("index {index}, after a refused append"));
    }
}

#[test]
fn what_was_accepted_is_missed_by_nobody_where_nothing_can_be_written() {
    let world = World::new();
    let clone = world.init("clone");
    let first = clone.work("issue", &[1, 2]).remove(0).transaction_id;
    fs::remove_file(clone.event_file(&first.relative_path())).unwrap();
    clone.store().forget(&[first]).unwrap();
    let Some(read_only) = ReadOnly::new(&world, &clone.root()) else {
        return;
    };
    let whole = StoreOptions::default().refuse_incomplete();
    let store = whole.open(&read_only.0).unwrap();
    let accepted = store.status().unwrap().accepted;
    assert_eq!(accepted.len(), 1, "it is listed: {accepted:?}");
    assert!(
        store.forget(&[first]).is_err(),
        "nothing can be accepted here"
    );
}

/// A place where a directory cannot be written: root ignores modes, so it is given a mount.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(world: &World, root: &Path) -> Option<Self> {
        let place = world.path().join("read-only");
        fs::create_dir_all(&place).unwrap();
        let mount = |args: &[&str]| {
            let mut mount = Command::new("mount");
            let status = mount
                .args(args)
                .arg(&place)
                .stderr(std::process::Stdio::null())
                .status();
            status.is_ok_and(|status| status.success())
        };
        if mount(&["--bind", root.to_str().unwrap()]) {
            let mounted = Self(place.clone());
            if mount(&["-o", "remount,bind,ro"]) {
                return Some(mounted);
            }
        }
        let changed = Command::new("chmod").args(["-R", "a-w"]).arg(root).status();
        if changed.is_ok_and(|status| status.success())
            && fs::write(root.join("probe"), "").is_err()
        {
            return Some(Self(root.to_owned()));
        }
        eprintln!("skipped: this user writes everywhere and cannot mount anything");
        None
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        if self.0.ends_with("read-only") {
            let _ = Command::new("umount").arg(&self.0).status();
        } else {
            let _ = Command::new("chmod")
                .args(["-R", "u+w"])
                .arg(&self.0)
                .status();
        }
    }
}
