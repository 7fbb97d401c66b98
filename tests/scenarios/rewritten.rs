//! A transaction that a commit rewrites, and git that puts one content or the other in its place.

use std::fs;

use fs_format::{ContentHash, TransactionId};
use scenarios::{Repository, World, numbers};

/// Another content of a transaction, sealed anew; returns its hash.
fn rewrite(clone: &Repository, id: TransactionId, number: &str) -> ContentHash {
    let path = clone.event_file(&id.relative_path());
    let bytes = fs::read(&path).unwrap();
    let transaction = fs_format::decode(&bytes).unwrap();
    let mut events = transaction.events.clone();
    events[0].event_data = fs_format::Json::compact(number).unwrap();
    let sealed = fs_format::encode(&transaction.header, &events).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &sealed.bytes).unwrap();
    sealed.content_hash
}

fn hash_of(clone: &Repository, id: TransactionId) -> ContentHash {
    let bytes = fs::read(clone.event_file(&id.relative_path())).unwrap();
    fs_format::decode(&bytes).unwrap().content_hash
}

/// Checks what is told as rewritten, by a process of its own, with the index as it is and without one.
fn assert_told(clone: &Repository, right: &[(ContentHash, ContentHash)], what: &str) {
    for index in ["kept", "deleted"] {
        if index == "deleted" {
            fs::remove_dir_all(clone.root().join("index")).unwrap();
        }
        let status = clone.store().status().unwrap();
        let told = status.rewritten.iter();
        let told: Vec<_> = told.map(|it| (it.old_hash, it.new_hash)).collect();
        assert_eq!(told, right, "{what}, index {index}: first seen, and now");
        assert_eq!(status.is_clean(), right.is_empty(), "{what}: {status:?}");
    }
}

/// A clone that has read a transaction, the repository whose next commit will rewrite it, and the transaction with its hash.
fn pair(world: &World) -> (Repository, Repository, TransactionId, ContentHash) {
    let there = world.init("there");
    let id = there.work("issue", &[1, 2])[1].transaction_id;
    let here = world.clone(&there, "here");
    assert_eq!(numbers(&here.store(), "issue"), [1, 2]);
    let original = hash_of(&here, id);
    (here, there, id, original)
}

#[test]
fn what_a_pull_rewrote_and_somebody_put_back_is_rewritten_no_more() {
    let world = World::new();
    let (here, there, id, original) = pair(&world);
    let second = rewrite(&there, id, "8");
    there.commit("rewrite");
    here.merge(&there);
    assert_told(&here, &[(original, second)], "pulled");
    let third = rewrite(&there, id, "9");
    there.commit("rewrite again");
    here.merge(&there);
    assert_told(&here, &[(original, third)], "pulled again");
    let path = format!(".tributary/events/{}", id.relative_path());
    here.git(&["checkout", "--quiet", "HEAD~2", "--", &path]);
    assert_told(&here, &[], "the original is checked out");
    here.git(&["checkout", "--quiet", "HEAD", "--", &path]);
    assert_told(&here, &[(original, third)], "and the other one");
    here.git(&["revert", "--no-edit", "HEAD", "HEAD~1"]);
    assert_told(&here, &[], "both commits are reverted");
    assert_eq!(numbers(&here.store(), "issue"), [1, 2]);
    there.merge(&here);
    let fresh = world.clone(&here, "fresh");
    assert_eq!(
        [&here, &there].map(|it| it.store().digest().unwrap()),
        [
            fresh.store().digest().unwrap(),
            fresh.store().digest().unwrap()
        ],
        "clones with the same files agree"
    );
}

#[test]
fn what_was_edited_and_checked_out_again_was_never_rewritten_for_git() {
    let world = World::new();
    let (here, _, id, original) = pair(&world);
    let edited = rewrite(&here, id, "8");
    assert_told(&here, &[(original, edited)], "edited");
    here.git(&["checkout", "--quiet", "--", ".tributary/events"]);
    assert_told(&here, &[], "checked out");
}

#[test]
fn a_branch_with_the_rewritten_one_tells_of_it_and_the_other_does_not() {
    let world = World::new();
    let (here, _, id, original) = pair(&world);
    here.git(&["switch", "--quiet", "--create", "topic"]);
    let other = rewrite(&here, id, "8");
    here.commit("rewrite");
    for _ in 0..3 {
        assert_told(&here, &[(original, other)], "on the branch that rewrote it");
        here.git(&["switch", "--quiet", "main"]);
        assert_told(&here, &[], "on the other");
        here.git(&["switch", "--quiet", "topic"]);
    }
    let tree = world.path().join("tree");
    here.git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "main"]);
    let tree = fs_store::FileEventStore::open(tree.join(".tributary")).unwrap();
    assert!(
        tree.status().unwrap().is_clean(),
        "another work tree has seen one content only"
    );
}

#[test]
fn what_a_child_confirms_stays_whatever_is_pulled() {
    let world = World::new();
    let (here, there, id, original) = pair(&world);
    here.work("issue", &[3]);
    rewrite(&there, id, "8");
    there.commit("rewrite");
    here.merge(&there);
    let store = here.store();
    let status = store.status().unwrap();
    assert!(
        status.rewritten.is_empty() && status.quarantined.len() == 1,
        "a child contradicts what was pulled: {status:?}"
    );
    assert_eq!(
        store.restore(&[id]).unwrap(),
        [id],
        "what is kept is confirmed"
    );
    assert_eq!(hash_of(&here, id), original);
    here.commit("restore");
    assert_told(&here, &[], "restored");
    there.merge(&here);
    assert_eq!(numbers(&there.store(), "issue"), [1, 2, 3]);
    // This one has committed the other content, and the child came later.
    assert!(there.store().status().unwrap().quarantined.is_empty());
}
