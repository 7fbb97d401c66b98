//! Holes that come and go with git: a damaged file that was committed, a commit that was picked without those before it.

use std::fs;

use fs_store::{Append, AppendError, Appended, ExpectedVersion, FileEventStore};
use scenarios::{Repository, World, append, numbers, stream_id};

/// Appends one event that expects a version of its stream.
fn expecting(store: &FileEventStore, stream: &str, version: u64) -> Result<Appended, AppendError> {
    let append = Append::new()
        .event(stream_id(stream), "Counted", "9")
        .unwrap();
    store.append(append.expect(stream_id(stream), ExpectedVersion::Exact(version)))
}

fn assert_hole(outcome: Result<Appended, AppendError>, what: &str) {
    assert!(
        matches!(outcome, Err(AppendError::Hole { .. })),
        "{what}: a version with a hole proves nothing: {outcome:?}"
    );
}

/// Appends to every stream on the version that it has.
fn assert_no_hole(clone: &Repository, what: &str) {
    let store = clone.store();
    let found = store.completeness().unwrap();
    assert!(found.is_complete(), "{what}: {found}");
    for (stream, version) in store.streams().unwrap() {
        let outcome = expecting(&store, stream.as_str(), version);
        assert!(outcome.is_ok(), "{what}: {stream} is whole: {outcome:?}");
    }
}

#[test]
fn damage_that_was_committed_is_known_in_every_clone_and_accepted_in_one() {
    let world = World::new();
    let there = world.init("there");
    let first = there.work("issue", &[1, 2, 3]).remove(0).transaction_id;
    there.work("other", &[1]);
    let path = there.event_file(&first.relative_path());
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, text.replace("Counted", "Kounted")).unwrap();
    there.commit("damage");
    there.store().status().unwrap();
    let here = world.clone(&there, "here");
    let third = world.clone(&there, "third");
    for clone in [&there, &here] {
        let found = clone.store().completeness().unwrap();
        assert_eq!(
            found.damaged.paths,
            [first.relative_path()],
            "its own bytes say so in every clone: {found}"
        );
        assert_hole(expecting(&clone.store(), "issue", 2), "there and here");
        expecting(&clone.store(), "other", 1).unwrap();
        append(&clone.store(), "issue", 4);
    }
    here.store().forget(&[first]).unwrap();
    expecting(&here.store(), "issue", 3).unwrap();
    assert!(
        here.git(&["status", "--porcelain", "--", ".tributary/local"])
            .is_empty(),
        "what one working copy accepts is committed to nothing"
    );
    here.commit("accepted");
    third.merge(&here);
    assert_hole(
        expecting(&third.store(), "issue", 4),
        "a pull brings no acceptance",
    );
}

#[test]
fn a_picked_commit_makes_a_hole_that_the_rest_closes() {
    let world = World::new();
    let there = world.init("there");
    there.work("issue", &[1]);
    let here = world.clone(&there, "here");
    there.work("issue", &[2]);
    there.work("issue", &[3]);
    here.git(&["fetch", "--quiet", there.path().to_str().unwrap(), "main"]);
    here.git(&["cherry-pick", "FETCH_HEAD"]);
    let store = here.store();
    assert_eq!(numbers(&store, "issue"), [1, 3]);
    for version in [2, 3] {
        assert_hole(expecting(&store, "issue", version), "the second is away");
    }
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    expecting(&store, "issue", 3).unwrap();
    assert_no_hole(&here, "after the merge");
}

#[test]
fn what_people_do_to_branches_makes_no_hole() {
    let world = World::new();
    let there = world.init("there");
    there.work("issue", &[1]);
    let here = world.clone(&there, "here");
    there.work("issue", &[2, 3]);
    here.work("issue", &[4]);
    here.merge(&there);
    assert_no_hole(&here, "a merge of two clones with a fork");
    here.commit("work");
    here.git(&["switch", "--quiet", "--create", "topic", "HEAD~1"]);
    assert_no_hole(&here, "a branch of before that");
    here.commit("work");
    here.git(&["switch", "--quiet", "main"]);
    assert_no_hole(&here, "back again");
    here.commit("work");
    here.git(&["merge", "--quiet", "--no-edit", "topic"]);
    assert_no_hole(&here, "both branches");
    here.commit("work");
    here.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    assert_no_hole(&here, "a reset");
}
