//! A backup restored over the same path: the working copy forgets what it did, and gets it back by a pull.

use std::fs;
use std::path::Path;

use fs_store::{All, ReadError};
use scenarios::answers::{Ingestion, assert_true_to_its_files, copy_dir};
use scenarios::{Repository, World, ingested, numbers};

/// What a restore does with the directory.
#[derive(Clone, Copy, Debug)]
enum Restore {
    /// Puts another in its place.
    Replaced,
    /// Puts the old contents into it.
    InPlace,
}

/// When somebody appends.
#[derive(Clone, Copy, Debug)]
enum Append {
    /// After what was lost has come back.
    After,
    /// Before and after: what comes back was not known.
    BeforeAndAfter,
}

#[test]
fn a_directory_that_is_replaced_by_its_backup_goes_on_after_the_pull() {
    check(Restore::Replaced, Append::After);
}

#[test]
fn a_directory_that_is_replaced_by_its_backup_goes_on_before_the_pull() {
    check(Restore::Replaced, Append::BeforeAndAfter);
}

#[test]
fn a_directory_whose_contents_are_restored_goes_on_after_the_pull() {
    check(Restore::InPlace, Append::After);
}

#[test]
fn a_directory_whose_contents_are_restored_goes_on_before_the_pull() {
    check(Restore::InPlace, Append::BeforeAndAfter);
}

/// Restores a backup and checks that appends go on.
fn check(restore: Restore, append: Append) {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1, 2]);
    let backup = world.path().join("backup");
    copy_dir(clone.path(), &backup);

    clone.work("lost", &[3, 4]);
    let elsewhere = world.clone(&clone, "elsewhere");
    let position = ingested(&clone.store(), None).last().unwrap().position;
    bring_back(restore, &backup, clone.path());
    assert_eq!(
        numbers(&clone.store(), "lost"),
        Vec::<u64>::new(),
        "the backup is older than that"
    );
    if let Append::BeforeAndAfter = append {
        clone.work("issue", &[5]);
    }
    clone.merge(&elsewhere);
    clone.work("lost", &[6]);
    clone.work("issue", &[7]);

    let store = clone.store();
    let status = store.status().unwrap();
    assert_eq!(
        status.replica_conflicts,
        [],
        "a writer that was set back does not go on where it was: {restore:?}, {append:?}"
    );
    assert!(status.is_clean(), "{restore:?}, {append:?}: {status:?}");
    let issue: &[u64] = match append {
        Append::After => &[1, 2, 7],
        Append::BeforeAndAfter => &[1, 2, 5, 7],
    };
    assert_eq!(
        (numbers(&store, "issue"), numbers(&store, "lost")),
        (issue.to_vec(), vec![3, 4, 6]),
        "nothing that was committed is lost, and appends go on"
    );
    assert_stale_or_same(&store, position);
    assert_true_to_its_files(&store);
    assert_merges(&elsewhere, &clone);
}

/// Checks that a position of before the restore is refused, or means what it meant.
fn assert_stale_or_same(store: &fs_store::FileEventStore, position: fs_index::Position) {
    match store.ingested_events(Some(position), &All, usize::MAX) {
        Err(ReadError::StalePosition(_)) => {}
        Err(error) => panic!("a position is refused as stale or answered: {error}"),
        Ok(after) => {
            let all = Ingestion::of(store).unwrap();
            let data: Vec<_> = ingested(store, None)
                .iter()
                .filter(|event| event.position <= position)
                .map(scenarios::number)
                .collect();
            assert_eq!(
                (data, all.0.len() - after.len()),
                (vec![1, 2, 3, 4], 4),
                "a consumer at a position that is good has seen what lies before it"
            );
        }
    }
}

fn assert_merges(elsewhere: &Repository, clone: &Repository) {
    elsewhere.merge(clone);
    assert_eq!(
        elsewhere.store().digest().unwrap(),
        clone.store().digest().unwrap(),
        "other clones agree"
    );
    assert_eq!(elsewhere.store().status().unwrap().replica_conflicts, []);
}

fn bring_back(restore: Restore, backup: &Path, to: &Path) {
    match restore {
        Restore::Replaced => fs::remove_dir_all(to).unwrap(),
        Restore::InPlace => empty(to),
    }
    copy_dir(backup, to);
}

/// Deletes every file below a directory and keeps the directories.
fn empty(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            empty(&entry.path());
        } else {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}
