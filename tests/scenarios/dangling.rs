//! Parts of a history: a transaction whose parent is not here yet, as a cherry-pick or a partial copy leaves it.

use scenarios::answers::{Answers, assert_true_to_its_files};
use scenarios::{World, append, numbers};

#[test]
fn a_cherry_picked_transaction_waits_for_its_parent() {
    let world = World::new();
    let there = world.init("there");
    there.work("issue", &[1]);
    let here = world.clone(&there, "here");
    let parent = there.work("issue", &[2]).remove(0);
    let child = there.work("issue", &[3]).remove(0);

    here.git(&["fetch", "--quiet", there.path().to_str().unwrap(), "main"]);
    here.git(&["cherry-pick", "FETCH_HEAD"]);
    let store = here.store();
    let status = store.status().unwrap();
    assert!(!status.is_clean());
    assert_eq!(
        status
            .dangling
            .iter()
            .map(|it| (it.transaction_id, it.missing))
            .collect::<Vec<_>>(),
        [(child.transaction_id, parent.transaction_id)],
        "the status names what is missing to whom"
    );
    assert_eq!(numbers(&store, "issue"), [1, 3], "it is readable meanwhile");
    append(&store, "issue", 4);
    here.commit("work");

    here.merge(&there);
    let status = store.status().unwrap();
    assert!(
        status.is_clean(),
        "the parent is here, so nothing dangles: {status:?}"
    );
    assert_eq!(
        here.forks(),
        [],
        "what was appended on top of the child descends from the parent"
    );
    assert_true_to_its_files(&store);
}

#[test]
fn a_partial_checkout_is_told_and_becomes_whole() {
    let world = World::new();
    let there = world.init("there");
    there.work("issue", &[1]);
    let middle = there.work("issue", &[2]).remove(0);
    there.work("issue", &[3]);
    let here = world.clone(&there, "here");
    let path = format!(
        ".tributary/events/{}",
        middle.transaction_id.relative_path()
    );
    here.git(&[
        "sparse-checkout",
        "set",
        "--no-cone",
        "/*",
        &format!("!/{path}"),
    ]);
    let store = here.store();
    let dangling = store.status().unwrap().dangling;
    assert_eq!(dangling.len(), 1);
    assert_eq!(dangling[0].missing, middle.transaction_id);
    here.git(&["sparse-checkout", "disable"]);
    let status = store.status().unwrap();
    assert!(status.is_clean(), "{status:?}");
    assert_eq!(numbers(&store, "issue"), [1, 2, 3]);
}

#[test]
fn a_shallow_clone_has_every_transaction() {
    let world = World::new();
    let there = world.init("there");
    there.work("issue", &[1, 2]);
    there.work("issue", &[3]);
    let url = format!("file://{}", there.path().to_str().unwrap());
    there.git(&["clone", "--quiet", "--depth", "1", &url, "../shallow"]);
    let shallow =
        fs_store::FileEventStore::create(world.path().join("shallow/.tributary")).unwrap();
    assert!(shallow.status().unwrap().is_clean());
    Answers::of(&there.store())
        .unwrap()
        .assert_same(&Answers::of(&shallow).unwrap(), "files are all it takes");
}
