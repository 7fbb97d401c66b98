//! Something in the middle that cannot be read, or is not wanted: what lies around it stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use fs_format::TransactionId;
use fs_store::{FileEventStore, Select};
use scenarios::answers::{Answers, assert_true_to_its_files, copy_dir};
use scenarios::{World, append, stream_id};

/// How a file is made unusable.
const DAMAGES: [&str; 5] = ["missing", "empty", "half", "garbage", "changed"];

#[test]
fn one_bad_file_leaves_the_order_of_the_rest_as_it_was() {
    let history = history();
    let store = FileEventStore::create(&history.root).unwrap();
    let (before, _) = assert_true_to_its_files(&store);
    let order: Vec<_> = before
        .headers
        .iter()
        .map(|header| header.transaction_id)
        .collect();
    assert!(before.digest.heads.len() == 1 && !before.forks.is_empty());
    for (damaged, damage) in order.iter().zip(DAMAGES.iter().cycle()).skip(1) {
        let path = history.root.join("events").join(damaged.relative_path());
        let bytes = fs::read(&path).unwrap();
        spoil(&path, &bytes, damage);
        let rest: Vec<_> = order.iter().filter(|id| *id != damaged).copied().collect();
        store.status().expect("a bad file is no error");
        for (handle, store) in [
            ("kept open", &store),
            (
                "opened anew",
                &FileEventStore::create(&history.root).unwrap(),
            ),
        ] {
            let answers = Answers::of(store).unwrap();
            answers.assert_consistent();
            assert_eq!(
                ids(&answers),
                rest,
                "{handle}: {damaged} is {damage}, the others are where they were"
            );
            let versions_before = renumbered(&before, *damaged);
            let versions = answers
                .canonical
                .iter()
                .map(|event| (event.event_id, event.version))
                .collect::<Vec<_>>();
            assert_eq!(
                versions, versions_before,
                "{handle}: versions count what is there, in the order in which it was"
            );
        }
        Answers::of_files(&history.root).assert_same(
            &Answers::of(&store).unwrap(),
            "a new clone of the same files agrees",
        );
        fs::write(&path, &bytes).unwrap();
        store.status().unwrap();
        Answers::of(&store)
            .unwrap()
            .assert_same(&before, "when the file is back all is as it was");
    }
}

#[test]
fn one_bad_file_is_no_conflict_of_identity() {
    let world = World::new();
    let clone = world.init("clone");
    let ids: Vec<_> = (1..=5)
        .map(|n| clone.append("issue", n).transaction_id)
        .collect();
    let path = clone.event_file(&ids[2].relative_path());
    for damage in DAMAGES {
        let bytes = fs::read(&path).unwrap();
        spoil(&path, &bytes, damage);
        assert_eq!(
            clone.store().status().unwrap().replica_conflicts,
            [],
            "a {damage} file does not make one writer look like two"
        );
        fs::write(&path, &bytes).unwrap();
    }
    let status = clone.store().status().unwrap();
    assert!(status.is_clean(), "{status:?}");
}

#[test]
fn a_page_of_events_of_other_types_is_not_the_end_of_the_log() {
    let world = World::new();
    let clone = world.init("clone");
    let store = clone.store();
    let mut wanted = Vec::new();
    for n in 0..60 {
        let appended = append(&store, &format!("noise-{}", n % 5), n);
        if n % 20 == 19 {
            let rare = fs_store::Append::new()
                .event(stream_id("signal"), "Rare", &n.to_string())
                .unwrap();
            store.append(rare).unwrap();
            wanted.push(n);
        }
        assert!(!appended.replayed);
    }
    for store in [store, clone.store()] {
        for select in [Only::Type("Rare"), Only::Stream("signal")] {
            for limit in [1, 2, 7] {
                let (mut after, mut seen) = (None, Vec::new());
                loop {
                    let page = store.ingested_events(after, &select, limit).unwrap();
                    let Some(last) = page.last() else { break };
                    after = Some(last.position);
                    seen.extend(page.iter().map(scenarios::number));
                    assert!(page.len() <= limit);
                }
                assert_eq!(
                    seen, wanted,
                    "pages of {limit} with {select:?} end where the log ends"
                );
            }
        }
    }
}

/// What a page is to hold.
#[derive(Debug)]
enum Only {
    Type(&'static str),
    Stream(&'static str),
}

impl Select for Only {
    fn stream(&self, stream_id: &str) -> bool {
        match self {
            Only::Type(_) => true,
            Only::Stream(wanted) => stream_id == *wanted,
        }
    }

    fn event_type(&self, event_type: &str) -> bool {
        match self {
            Only::Type(wanted) => event_type == *wanted,
            Only::Stream(_) => true,
        }
    }
}

struct History {
    _world: World,
    root: PathBuf,
}

/// Two clones that wrote at the same time, merged, and one transaction on top:
///
/// ```text
/// 1 -- 2 -- 3 -- 4 ------- 9
///       \              /
///        5 -- 6 -- 7 -8
/// ```
fn history() -> History {
    let world = World::new();
    let one = world.init("one");
    one.work("issue", &[1]);
    one.work("other", &[2]);
    let two = world.clone(&one, "two");
    one.work("issue", &[3]);
    two.work("issue", &[5, 6]);
    one.work("other", &[4]);
    two.work("third", &[7, 8]);
    one.merge(&two);
    one.work("issue", &[9]);
    let root = world.path().join("store");
    copy_dir(&one.root(), &root);
    History {
        _world: world,
        root,
    }
}

/// Makes a file unusable.
fn spoil(path: &Path, bytes: &[u8], damage: &str) {
    match damage {
        "missing" => fs::remove_file(path).unwrap(),
        "empty" => fs::write(path, "").unwrap(),
        "half" => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        "garbage" => fs::write(path, b"\xff\x00 no lines\n{}\n").unwrap(),
        "changed" => {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let changed = text.replacen("Counted", "Recounted", 1);
            assert_ne!(changed, text);
            fs::write(path, changed).unwrap();
        }
        other => panic!("no such damage: {other}"),
    }
}

fn ids(answers: &Answers) -> Vec<TransactionId> {
    answers
        .headers
        .iter()
        .map(|header| header.transaction_id)
        .collect()
}

/// Returns every event with the version that it has without one transaction, in canonical order.
fn renumbered(answers: &Answers, without: TransactionId) -> Vec<(fs_format::EventId, u64)> {
    let mut versions = std::collections::BTreeMap::new();
    answers
        .canonical
        .iter()
        .filter(|event| event.transaction_id != without)
        .map(|event| {
            let version = versions.entry(&event.stream_id).or_insert(0);
            *version += 1;
            (event.event_id, *version)
        })
        .collect()
}
