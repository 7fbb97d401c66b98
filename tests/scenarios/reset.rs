//! Files that go away.

use fs_store::{All, ReadError};
use scenarios::{World, ingested, numbers};

#[test]
fn a_reset_starts_a_new_epoch_and_keeps_the_bytes() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1]);
    let lost = clone.work("issue", &[2]).remove(0);
    let store = clone.store();
    let consumed = ingested(&store, None).last().unwrap().position;
    let bytes = std::fs::read(clone.event_file(&lost.transaction_id.relative_path())).unwrap();
    let before = store.status().unwrap();

    clone.git(&["reset", "--quiet", "--hard", "HEAD~1"]);

    let refused = store.ingested_events(Some(consumed), &All, 10);
    let Err(ReadError::StalePosition(stale)) = refused else {
        panic!("a position of the epoch before is refused, got {refused:?}")
    };
    assert_eq!(stale.position, consumed);
    let after = clone.store().status().unwrap();
    assert_ne!(
        after.epoch, before.epoch,
        "what was consumed is gone, so a new epoch begins"
    );
    assert!(after.topology_generation > before.topology_generation);
    assert_eq!(numbers(&store, "issue"), [1]);
    let kept = clone
        .root()
        .join("local/vanished")
        .join(lost.transaction_id.file_name());
    assert_eq!(
        std::fs::read(kept).unwrap(),
        bytes,
        "the bytes are kept aside"
    );
    assert_eq!(
        ingested(&store, None)
            .iter()
            .map(scenarios::number)
            .collect::<Vec<_>>(),
        [1],
        "starting from zero works"
    );
    assert!(after.is_clean());
}

#[test]
fn what_was_reset_does_not_come_back_and_appends_go_on_as_another_replica() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1]);
    let lost = clone.work("issue", &[2]).remove(0);
    clone.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    clone.work("issue", &[3]);
    assert_eq!(numbers(&clone.store(), "issue"), [1, 3]);

    clone.git(&["merge", "--quiet", "--no-edit", "HEAD@{2}"]);
    let status = clone.store().status().unwrap();
    assert!(
        clone
            .store()
            .transactions()
            .unwrap()
            .iter()
            .any(|header| header.transaction_id == lost.transaction_id),
        "the lost commit was merged again"
    );
    assert_eq!(
        status.replica_conflicts,
        [],
        "what was appended after the reset is another lineage"
    );
    assert_eq!(
        clone.forks().len(),
        1,
        "two writes that did not know of each other are a fork"
    );
    assert!(
        !clone
            .root()
            .join("local/vanished")
            .join(lost.transaction_id.file_name())
            .exists(),
        "what is back need not be kept aside"
    );
}

/// Git takes a directory away with the last file in it; each command here is a process of its own.
#[test]
fn a_reset_that_takes_whole_directories_is_noticed_by_the_next_append() {
    let world = World::new();
    let clone = world.init("clone");
    let first = clone.work("issue", &[1]).remove(0);
    clone.work("issue", &[2]);
    clone.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    let path = clone.event_file(&first.transaction_id.relative_path());
    assert!(
        !path.parent().unwrap().exists() && !path.ancestors().nth(2).unwrap().exists(),
        "nothing is left of the directories"
    );
    clone.append("issue", 3);
    let store = clone.store();
    assert_eq!(numbers(&store, "issue"), [3], "the rest is not there");
    let status = store.status().unwrap();
    assert_eq!(status.dangling, [], "nothing is appended upon what is gone");
    assert_eq!(status.vanished, 2, "the bytes are kept aside");
}
