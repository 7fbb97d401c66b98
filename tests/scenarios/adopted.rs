//! Two working copies with one identity, as after a snapshot of a whole machine, and the way out.

#![cfg(unix)]

use std::fs;
use std::path::Path;

use fs_format::ReplicaId;
use fs_io::{Site, System};
use fs_store::{AdoptError, ConflictState, FileEventStore, StoreOptions};
use scenarios::answers::copy_dir;
use scenarios::{World, append, numbers};

/// Copies a working copy with its identity, which it takes for its own.
fn duplicate(from: &Path, to: &Path) {
    copy_dir(from, to);
    let system = System::real();
    let site = |dir: &Path| Site::of_directory(&system, &dir.join(".tributary")).unwrap();
    let identity = to.join(".tributary/local/replicas");
    let text = fs::read_to_string(&identity).unwrap();
    // Without the lines of the checksum, as an earlier version left it.
    let text = text.splitn(3, '\n').nth(2).unwrap();
    let bound = text.replace(&site(from).to_string(), &site(to).to_string());
    assert_ne!(bound, text, "the identity names its place: {text}");
    fs::write(identity, bound).unwrap();
    make_at_home(&to.join(".tributary"));
}

/// Lets a copied journal say that it was made as the file that it is, in the directory that it is in (docs of `fs-index/src/log/journal.rs`).
fn make_at_home(root: &Path) {
    let system = System::real();
    let here = Site::of_directory(&system, root).unwrap();
    let journal = fs_index::Layout::new(root).journal();
    let file = here.of_file(&system.disk.stat(&journal).unwrap().unwrap());
    let mut bytes = fs::read(&journal).unwrap();
    let mut head = bytes[..24].to_vec();
    head.extend([0; 4]);
    for site in [here, file] {
        let text = site.to_string();
        head.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        head.extend(text.as_bytes());
    }
    head.resize(512, 0);
    let checksum = crc32fast::hash(&head).to_le_bytes();
    head[24..28].copy_from_slice(&checksum);
    bytes[..512].copy_from_slice(&head);
    fs::write(journal, bytes).unwrap();
}

/// Takes over the transaction files of another working copy.
fn take_over(from: &FileEventStore, to: &FileEventStore) {
    copy_dir(&from.root().join("events"), &to.root().join("events"));
}

fn standings(store: &FileEventStore) -> Vec<ConflictState> {
    let status = store.status().unwrap();
    let conflicts = status.replica_conflicts.iter();
    conflicts.map(|conflict| conflict.state).collect()
}

fn replica_of_last(store: &FileEventStore) -> ReplicaId {
    let transactions = store.transactions().unwrap();
    transactions.last().unwrap().replica_id
}

#[test]
fn working_copies_that_share_an_identity_part_by_adopting_new_ones() {
    let world = World::new();
    let one = world.init("one");
    one.work("issue", &[1]);
    duplicate(one.path(), &world.path().join("other"));
    let other = FileEventStore::create(world.path().join("other/.tributary")).unwrap();
    let one = one.store();
    append(&one, "left", 2);
    append(&other, "right", 3);
    assert_eq!(
        replica_of_last(&one),
        replica_of_last(&other),
        "both believe to be the same replica"
    );
    let shared = replica_of_last(&one);

    take_over(&other, &one);
    assert_eq!(standings(&one), [ConflictState::Ours]);
    assert!(!one.status().unwrap().is_clean());

    let adopted = one.adopt().unwrap();
    assert_eq!(adopted.retired, [shared]);
    assert_ne!(adopted.replica_id, shared);
    assert_eq!(
        standings(&one),
        [ConflictState::Past],
        "what was written stays written, and nothing is left to do here"
    );
    assert!(one.status().unwrap().is_clean());
    append(&one, "left", 4);
    append(&one, "left", 5);
    assert_eq!(replica_of_last(&one), adopted.replica_id);

    append(&other, "right", 6);
    take_over(&one, &other);
    take_over(&other, &one);
    assert_eq!(
        (standings(&one), standings(&other)),
        (vec![ConflictState::Past], vec![ConflictState::Ours]),
        "the other cannot know that the first one has given the identity up"
    );
    other.adopt().unwrap();
    append(&other, "right", 7);
    append(&one, "left", 8);
    take_over(&one, &other);
    take_over(&other, &one);
    for store in [&one, &other, &FileEventStore::open(one.root()).unwrap()] {
        let status = store.status().unwrap();
        assert_eq!(
            status.replica_conflicts.len(),
            1,
            "no new conflict arose: {:?}",
            status.replica_conflicts
        );
        assert!(status.is_clean(), "{status:?}");
        assert_eq!(
            (numbers(store, "left"), numbers(store, "right")),
            (vec![2, 4, 5, 8], vec![3, 6, 7]),
            "nothing is lost by it"
        );
    }
}

#[test]
fn a_third_clone_hears_of_it_until_somebody_has_gone_on_with_both() {
    let world = World::new();
    let one = world.init("one");
    one.work("issue", &[1]);
    let third = world.clone(&one, "third").store();
    duplicate(one.path(), &world.path().join("other"));
    let other = FileEventStore::create(world.path().join("other/.tributary")).unwrap();
    let one = one.store();
    append(&one, "left", 2);
    append(&other, "right", 3);
    take_over(&one, &third);
    assert_eq!(standings(&third), [], "one line is no conflict");
    take_over(&other, &third);
    assert_eq!(standings(&third), [ConflictState::Theirs]);
    assert!(!third.status().unwrap().is_clean());
    append(&third, "issue", 4);
    assert_eq!(standings(&third), [ConflictState::Past]);

    append(&other, "right", 5);
    append(&one, "left", 6);
    take_over(&one, &third);
    take_over(&other, &third);
    assert_eq!(
        standings(&third),
        [ConflictState::Theirs],
        "they go on, and that shows again"
    );
}

#[test]
fn every_open_handle_goes_on_as_the_adopted_replica() {
    let world = World::new();
    let clone = world.init("clone");
    let (open, by_command) = (clone.store(), clone.store());
    append(&open, "issue", 1);
    let before = replica_of_last(&open);
    let adopted = by_command.adopt().unwrap();
    append(&open, "issue", 2);
    assert_eq!(
        replica_of_last(&open),
        adopted.replica_id,
        "a handle that was open does not go on as {before}"
    );
    append(&clone.store(), "issue", 3);
    append(&by_command, "issue", 4);
    let status = clone.store().status().unwrap();
    assert!(
        status.is_clean() && status.replica_conflicts.is_empty(),
        "{status:?}"
    );
    let again = open.adopt().unwrap();
    assert_eq!(again.retired, [before, adopted.replica_id]);
}

#[test]
fn a_replica_that_the_application_names_cannot_be_given_up() {
    let world = World::new();
    let clone = world.init("clone");
    clone.append("issue", 1);
    let replica_id = replica_of_last(&clone.store());
    let options = StoreOptions::default().replica_id(replica_id);
    let store = options.create(clone.root()).unwrap();
    let refused = store.adopt();
    assert!(
        matches!(refused, Err(AdoptError::Given { replica_id: given }) if given == replica_id),
        "the application is told to name another: {refused:?}"
    );
}
