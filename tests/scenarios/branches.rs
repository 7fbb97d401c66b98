//! One working copy on several git branches, and working copies that are copies of each other.

use std::process::Command;

use scenarios::{World, numbers};

#[test]
fn branches_of_one_clone_with_different_streams_merge_cleanly() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("shared", &[0]);
    clone.git(&["switch", "--quiet", "--create", "topic"]);
    clone.work("left", &[1, 2]);
    clone.git(&["switch", "--quiet", "main"]);
    clone.work("right", &[3]);
    clone.git(&["merge", "--quiet", "--no-edit", "topic"]);

    let status = clone.store().status().unwrap();
    assert!(status.is_clean(), "nothing is wrong: {status:?}");
    assert_eq!(
        status.replica_conflicts,
        [],
        "one replica's transactions form a chain"
    );
    assert_eq!(clone.forks(), []);
    clone.work("left", &[4]);
    clone.work("right", &[5]);
    let store = clone.store();
    assert_eq!(
        (numbers(&store, "left"), numbers(&store, "right")),
        (vec![1, 2, 4], vec![3, 5]),
        "appends go on"
    );
    assert!(store.status().unwrap().is_clean());
}

#[test]
fn branches_of_one_clone_with_the_same_stream_make_one_ordinary_fork() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[0]);
    clone.git(&["switch", "--quiet", "--create", "topic"]);
    clone.work("issue", &[1, 2]);
    clone.git(&["switch", "--quiet", "main"]);
    clone.work("issue", &[11]);
    clone.git(&["merge", "--quiet", "--no-edit", "topic"]);

    let forks = clone.forks();
    assert_eq!(forks.len(), 1);
    assert_eq!(
        forks[0]
            .branches
            .iter()
            .map(|branch| branch.transactions.len())
            .sum::<usize>(),
        3,
        "both branches are whole"
    );
    assert_eq!(
        clone.store().status().unwrap().replica_conflicts,
        [],
        "it is no conflict of identity"
    );
}

#[test]
fn a_copied_working_copy_gets_an_identity_of_its_own() {
    let world = World::new();
    let original = world.init("original");
    original.work("issue", &[0]);
    let copied = world.path().join("copied");
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(original.path())
            .arg(&copied)
            .status()
            .unwrap()
            .success()
    );
    let store = fs_store::FileEventStore::create(copied.join(".tributary")).unwrap();
    let there = scenarios::append(&store, "left", 1);
    let here = original.append("right", 2);
    let replica = |store: &fs_store::FileEventStore, id| {
        store
            .transactions()
            .unwrap()
            .into_iter()
            .find(|header| header.transaction_id == id)
            .unwrap()
            .replica_id
    };
    assert_ne!(
        replica(&store, there.transaction_id),
        replica(&original.store(), here.transaction_id),
        "a copy is another replica"
    );
    let epoch = |store: &fs_store::FileEventStore| store.status().unwrap().epoch;
    assert_ne!(
        epoch(&store),
        epoch(&original.store()),
        "and its positions are another epoch's"
    );
}

#[test]
fn a_worktree_has_an_identity_of_its_own() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[0]);
    let tree = world.path().join("tree");
    clone.git(&[
        "worktree",
        "add",
        "--quiet",
        "-b",
        "topic",
        tree.to_str().unwrap(),
    ]);
    let store = fs_store::FileEventStore::create(tree.join(".tributary")).unwrap();
    scenarios::append(&store, "left", 1);
    clone.append("right", 2);
    let all: Vec<_> = store
        .transactions()
        .unwrap()
        .into_iter()
        .chain(clone.store().transactions().unwrap())
        .collect();
    let last_two: std::collections::BTreeSet<_> = all
        .iter()
        .filter(|header| {
            header
                .stream_bases
                .keys()
                .any(|stream| ["left", "right"].contains(&stream.as_str()))
        })
        .map(|header| header.replica_id)
        .collect();
    assert_eq!(last_two.len(), 2);
}
