//! Transactions that git took away: brought back, or let go of.

use std::fs;

use fs_store::{All, FileEventStore, ForgetError, Obstacle, RestoreError};
use scenarios::answers::assert_true_to_its_files;
use scenarios::{Repository, World, append, ingested, number, numbers};

/// A clone in which the events 2 and 3 of `issue` were reset away, with the ids of their transactions.
fn reset(world: &World) -> (Repository, [fs_format::TransactionId; 2]) {
    let clone = world.init("clone");
    clone.work("issue", &[1]);
    let lost = clone.work("issue", &[2, 3]);
    clone.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    clone.store().refresh().unwrap();
    (clone, [lost[0].transaction_id, lost[1].transaction_id])
}

fn ids(store: &FileEventStore) -> Vec<fs_format::TransactionId> {
    let vanished = store.vanished().unwrap();
    vanished.iter().map(|it| it.transaction_id).collect()
}

#[test]
fn what_a_reset_took_is_listed_and_comes_back() {
    let world = World::new();
    let (clone, lost) = reset(&world);
    let store = clone.store();
    let vanished = store.vanished().unwrap();
    let status = store.status().unwrap();
    assert_eq!((vanished.len(), status.vanished), (2, 2));
    assert!(status.is_clean(), "a reset is no trouble: {status:?}");
    let summary = vanished[0].summary.as_ref().unwrap();
    assert_eq!(
        (summary.streams[0].as_str(), summary.events),
        ("issue", 1),
        "it is told what it was"
    );
    assert!(vanished.iter().all(|it| it.obstacle.is_none()));
    let (epoch, read) = (status.epoch, ingested(&store, None));
    let position = read.last().unwrap().position;

    let mut backwards = lost;
    backwards.reverse();
    assert_eq!(
        store.restore(&backwards).unwrap(),
        lost,
        "parents come first, however they are named"
    );
    assert_eq!(numbers(&store, "issue"), [1, 2, 3]);
    assert_eq!(
        store.status().unwrap().epoch,
        epoch,
        "what is restored arrives; nothing that was read went away"
    );
    let arrived = store.ingested_events(Some(position), &All, 10).unwrap();
    assert_eq!(
        arrived.iter().map(number).collect::<Vec<_>>(),
        [2, 3],
        "a consumer goes on from where it was"
    );
    assert_eq!(ids(&store), [], "nothing is kept of what is back");
    assert_eq!(store.status().unwrap().vanished, 0);
    assert_true_to_its_files(&store);
    clone.commit("bring it back");
    append(&clone.store(), "issue", 4);
    assert_eq!(numbers(&clone.store(), "issue"), [1, 2, 3, 4]);
}

#[test]
fn one_without_its_parent_is_dangling_until_the_parent_is_back_too() {
    let world = World::new();
    let (clone, [parent, child]) = reset(&world);
    let store = clone.store();
    store.restore(&[child]).unwrap();
    let status = store.status().unwrap();
    assert_eq!(
        (status.dangling.len(), status.vanished),
        (1, 1),
        "{status:?}"
    );
    assert_eq!(status.dangling[0].missing, parent);
    assert_eq!(numbers(&store, "issue"), [1, 3], "it is readable meanwhile");
    store.restore(&[parent]).unwrap();
    assert!(store.status().unwrap().is_clean());
    assert_eq!(numbers(&store, "issue"), [1, 2, 3]);
}

#[test]
fn what_was_written_since_and_what_is_restored_are_a_fork() {
    let world = World::new();
    let (clone, lost) = reset(&world);
    clone.append("issue", 9);
    clone.store().restore(&lost).unwrap();
    let status = clone.store().status().unwrap();
    assert_eq!(status.replica_conflicts, [], "two lineages of one clone");
    assert_eq!(clone.forks().len(), 1, "neither knew of the other");
}

#[test]
fn what_is_damaged_or_in_the_way_is_refused_and_nothing_is_touched() {
    let world = World::new();
    let (clone, [first, second]) = reset(&world);
    let store = clone.store();
    let kept = clone.root().join("local/vanished").join(second.file_name());
    let bytes = fs::read(&kept).unwrap();
    fs::write(&kept, &bytes[..bytes.len() - 20]).unwrap();
    let damaged = store.restore(&[first, second]);
    assert!(
        matches!(&damaged, Err(RestoreError::Refused { transaction_id, obstacle: Obstacle::Damaged { .. } })
            if *transaction_id == second),
        "{damaged:?}"
    );
    assert_eq!(
        numbers(&store, "issue"),
        [1],
        "one refused, none restored: the whole one is not back either"
    );
    assert!(matches!(
        store.vanished().unwrap()[1].obstacle,
        Some(Obstacle::Damaged { .. })
    ));

    fs::write(&kept, &bytes).unwrap();
    let place = clone.event_file(&second.relative_path());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    let newer = "{\"record\":\"header\",\"format_version\":4}\n";
    fs::write(&place, newer).unwrap();
    let occupied = store.restore(&[second]);
    assert!(
        matches!(
            &occupied,
            Err(RestoreError::Refused {
                obstacle: Obstacle::Occupied { .. },
                ..
            })
        ),
        "{occupied:?}"
    );
    assert_eq!(
        fs::read_to_string(&place).unwrap(),
        newer,
        "what a newer version wrote is not damaged"
    );
    fs::remove_file(&place).unwrap();
    store.restore(&[first, second]).unwrap();
    assert_eq!(numbers(&store, "issue"), [1, 2, 3]);
    let unknown = store.restore(&[first]);
    assert!(
        matches!(&unknown, Err(RestoreError::NotKept { transaction_id }) if *transaction_id == first),
        "{unknown:?}"
    );
}

#[test]
fn a_torn_copy_beside_a_whole_one_does_not_matter() {
    let world = World::new();
    let (clone, [first, second]) = reset(&world);
    let store = clone.store();
    let dir = clone.root().join("local/vanished");
    let bytes = fs::read(dir.join(first.file_name())).unwrap();
    fs::write(dir.join(format!("{first}-0123456789abcdef.jsonl")), bytes).unwrap();
    fs::write(dir.join(first.file_name()), "").unwrap();
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    assert_eq!(ids(&store), [first, second], "one transaction, once");
    store.restore(&[first, second]).unwrap();
    assert_eq!(numbers(&store, "issue"), [1, 2, 3]);
    let left: Vec<_> = fs::read_dir(dir).unwrap().collect();
    assert_eq!(left.len(), 1, "what is not ours stays: {left:?}");
}

#[test]
fn what_is_let_go_of_is_gone_here_and_may_still_come_by_git() {
    let world = World::new();
    let (clone, [first, second]) = reset(&world);
    let store = clone.store();
    store.forget(&[first]).unwrap();
    assert_eq!(ids(&store), [second]);
    let unknown = store.forget(&[second, first]);
    assert!(
        matches!(&unknown, Err(ForgetError::NotMissed { transaction_id }) if *transaction_id == first),
        "{unknown:?}"
    );
    assert_eq!(ids(&store), [second], "one unknown, none let go of");
    store.forget(&[second]).unwrap();
    assert_eq!((ids(&store), store.status().unwrap().vanished), (vec![], 0));
    clone.git(&["merge", "--quiet", "--no-edit", "HEAD@{1}"]);
    assert_eq!(numbers(&store, "issue"), [1, 2, 3], "git has it still");
    assert_true_to_its_files(&store);
}

#[test]
fn switching_branches_keeps_and_gives_back_by_itself() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[1]);
    clone.git(&["switch", "--quiet", "--create", "topic"]);
    clone.work("topic", &[2]);
    clone.git(&["switch", "--quiet", "main"]);
    let status = clone.store().status().unwrap();
    assert_eq!((status.vanished, status.is_clean()), (1, true));
    clone.git(&["switch", "--quiet", "topic"]);
    let status = clone.store().status().unwrap();
    assert_eq!((status.vanished, status.is_clean()), (0, true));
}
