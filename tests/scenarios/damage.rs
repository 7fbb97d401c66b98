//! Files that are not what they should be. The store opens, everything else reads, and each is named with its reason.

use std::fs;
use std::path::PathBuf;

use fs_format::TransactionId;
use fs_store::FileEventStore;
use scenarios::{Repository, World, numbers};

/// A store whose transactions 1 to 5 are a chain, one stream each, and where the files lie.
struct Victim {
    clone: Repository,
    _world: World,
    ids: Vec<TransactionId>,
}

impl Victim {
    fn new() -> Self {
        let world = World::new();
        let clone = world.init("clone");
        let ids = (1..=5)
            .map(|n| clone.append(&format!("s{n}"), n).transaction_id)
            .collect();
        clone.commit("work");
        Self {
            clone,
            _world: world,
            ids,
        }
    }

    fn path(&self, n: usize) -> PathBuf {
        self.clone.event_file(&self.ids[n - 1].relative_path())
    }

    /// Checks, with the index as it was and with a new one, that `damaged` is named with `reason` and the rest reads.
    fn assert_named(&self, damaged: &str, reason: &str, readable: &[u64]) {
        for index in ["kept", "deleted"] {
            if index == "deleted" {
                fs::remove_dir_all(self.clone.root().join("index")).unwrap();
            }
            let store = FileEventStore::open(self.clone.root()).unwrap();
            let status = store.status().unwrap();
            let named: Vec<_> = status
                .quarantined
                .iter()
                .chain(&status.incomplete)
                .map(|trouble| (trouble.path.as_str(), trouble.reason.to_string()))
                .collect();
            assert!(
                named
                    .iter()
                    .any(|(path, why)| *path == damaged && why.contains(reason)),
                "index {index}: {damaged} is named because of {reason:?}, got {named:?}"
            );
            assert!(!status.is_clean());
            let verification = store.verify().unwrap();
            assert!(
                verification
                    .problems
                    .iter()
                    .any(|problem| problem.path == damaged && problem.reason.contains(reason)),
                "index {index}: verify names it too, got {verification:?}"
            );
            let read: Vec<_> = (1..=5)
                .flat_map(|n| numbers(&store, &format!("s{n}")))
                .collect();
            assert_eq!(read, readable, "index {index}: everything else reads");
        }
    }

    fn assert_file_named(&self, n: usize, reason: &str, readable: &[u64]) {
        self.assert_named(&self.ids[n - 1].relative_path(), reason, readable);
    }
}

#[test]
fn an_empty_file_is_incomplete_and_comes_back_by_checkout() {
    let victim = Victim::new();
    fs::write(victim.path(3), "").unwrap();
    victim.assert_file_named(3, "incomplete", &[1, 2, 4, 5]);
    let path = format!(".tributary/events/{}", victim.ids[2].relative_path());
    victim.clone.git(&["checkout", "--quiet", "--", &path]);
    let status = victim.clone.store().status().unwrap();
    assert!(status.is_clean(), "the checkout mends it: {status:?}");
    assert_eq!(numbers(&victim.clone.store(), "s3"), [3]);
}

#[test]
fn a_truncated_file_is_incomplete() {
    let victim = Victim::new();
    let bytes = fs::read(victim.path(3)).unwrap();
    fs::write(victim.path(3), &bytes[..bytes.len() / 2]).unwrap();
    victim.assert_file_named(3, "incomplete", &[1, 2, 4, 5]);
}

#[test]
fn conflict_markers_are_named() {
    let victim = Victim::new();
    let text = fs::read_to_string(victim.path(3)).unwrap();
    fs::write(
        victim.path(3),
        format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> topic\n"),
    )
    .unwrap();
    victim.assert_file_named(3, "conflict", &[1, 2, 4, 5]);
}

#[test]
fn garbage_is_named() {
    let victim = Victim::new();
    fs::write(victim.path(3), b"\x00\xff\x01 garbage\n\n").unwrap();
    let status = victim.clone.store().status().unwrap();
    assert_eq!(status.quarantined.len() + status.incomplete.len(), 1);
    assert_eq!(numbers(&victim.clone.store(), "s4"), [4]);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_never_followed() {
    let victim = Victim::new();
    let elsewhere = victim.clone.path().join("elsewhere.jsonl");
    fs::rename(victim.path(3), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, victim.path(3)).unwrap();
    victim.assert_file_named(3, "symbolic link", &[1, 2, 4, 5]);
}

#[test]
fn a_renamed_file_is_named() {
    let victim = Victim::new();
    let other = TransactionId::from_parts(
        victim.ids[2]
            .as_uuid()
            .get_timestamp()
            .map_or(0, |time| time.to_unix().0 * 1000),
        [7; 10],
    );
    let target = victim.clone.event_file(&other.relative_path());
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::rename(victim.path(3), target).unwrap();
    victim.assert_named(
        &other.relative_path(),
        &victim.ids[2].to_string(),
        &[1, 2, 4, 5],
    );
}

#[test]
fn a_copy_under_another_name_is_named() {
    let victim = Victim::new();
    let copy = format!("{}.bak", victim.ids[2].relative_path());
    fs::copy(victim.path(3), victim.clone.event_file(&copy)).unwrap();
    victim.assert_named(&copy, "name", &[1, 2, 3, 4, 5]);
    fs::remove_file(victim.clone.event_file(&copy)).unwrap();

    let flat = victim.ids[2].file_name();
    fs::copy(victim.path(3), victim.clone.event_file(&flat)).unwrap();
    let status = victim.clone.store().status().unwrap();
    assert_eq!(
        status
            .quarantined
            .iter()
            .map(|trouble| trouble.path.as_str())
            .collect::<Vec<_>>(),
        [flat],
        "a copy in another directory is named too"
    );
    assert_eq!(
        numbers(&victim.clone.store(), "s3"),
        [3],
        "and the original is read once"
    );
}

#[test]
fn a_changed_header_does_not_match_its_seal() {
    let victim = Victim::new();
    let text = fs::read_to_string(victim.path(3)).unwrap();
    fs::write(
        victim.path(3),
        text.replacen("\"replica_seq\":3", "\"replica_seq\":9", 1),
    )
    .unwrap();
    victim.assert_file_named(3, "changed after it was written", &[1, 2, 4, 5]);
}

#[test]
fn an_old_file_that_was_edited_and_sealed_again_does_not_match_its_children() {
    let victim = Victim::new();
    let bytes = fs::read(victim.path(3)).unwrap();
    let transaction = fs_format::decode(&bytes).unwrap();
    let mut events = transaction.events.clone();
    events[0].event_data = fs_format::Json::compact("33").unwrap();
    let resealed = fs_format::encode(&transaction.header, &events).unwrap();
    assert!(
        fs_format::decode(&resealed.bytes).is_ok(),
        "taken by itself the file is whole"
    );
    fs::write(victim.path(3), &resealed.bytes).unwrap();
    victim.assert_file_named(3, "altered", &[1, 2, 4, 5]);
}

#[test]
fn a_missing_parent_leaves_its_children_readable() {
    let victim = Victim::new();
    fs::remove_file(victim.path(3)).unwrap();
    let status = victim.clone.store().status().unwrap();
    assert_eq!(
        status
            .dangling
            .iter()
            .map(|dangling| (dangling.transaction_id, dangling.missing))
            .collect::<Vec<_>>(),
        [(victim.ids[3], victim.ids[2])]
    );
    assert_eq!(numbers(&victim.clone.store(), "s4"), [4]);
    victim.clone.git(&["checkout", "--quiet", "--", "."]);
    assert!(
        victim.clone.store().status().unwrap().is_clean(),
        "the reference resolves when the parent arrives"
    );
}

#[test]
fn stores_of_eventcore_fs_are_read_where_they_lie() {
    let world = World::new();
    let clone = world.init("clone");
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/fs-format/tests/golden");
    let mut copied = 0;
    for version in ["v1", "v2"] {
        for entry in fs::read_dir(golden.join(version)).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let id = fs_format::decode(&bytes).unwrap().header.transaction_id;
            let target = clone.event_file(&id.file_name());
            copied += u64::from(!target.exists());
            fs::write(target, &bytes).unwrap();
        }
    }
    assert!(copied > 1, "there are golden files of formats 1 and 2");
    let store = clone.store();
    let status = store.status().unwrap();
    assert_eq!(status.transactions, copied, "{status:?}");
    let appended = clone.append("new", 1);
    assert_eq!(appended.versions.len(), 1, "and format 3 goes on top");
    assert_eq!(
        clone.store().status().unwrap().heads,
        [appended.transaction_id]
    );
}
