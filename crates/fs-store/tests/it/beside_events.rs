//! The committed files beside the transactions: those for git, `requires`, and the fence.

use std::fs;
use std::path::{Path, PathBuf};

use fs_format::{FENCE, FENCE_NAME, GIT_ATTRIBUTES, GIT_IGNORE_LINES, UnknownFeature};
use fs_store::{
    All, AppendError, FenceError, FileEventStore, OpenError, ReadError, Reads, RefreshError,
    RequiresError, StoreOptions,
};

use crate::support::{count, counted, merge, new_store, numbers, stream};

/// What earlier versions wrote.
const FORMER: &str = "* -text merge=union linguist-generated=true\n";

/// The transaction of [`old_store`].
const OLD_ID: &str = "01a1fd21-d4f6-72d8-ba72-9f6719366aec";

/// A store of format 2, as eventcore-fs leaves one.
fn old_store() -> PathBuf {
    let root = new_store().root().to_owned();
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir_all(root.join("events")).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fs-format/tests/golden/v2");
    let name = format!("{OLD_ID}.jsonl");
    fs::copy(golden.join("minimal.jsonl"), root.join("events").join(name)).unwrap();
    fs::write(
        root.join(".gitignore"),
        "# only events/\n/tmp/\n/index/\n/.lock\n",
    )
    .unwrap();
    root
}

#[test]
fn the_first_append_renews_files_of_an_earlier_version_and_says_which() {
    let store = new_store();
    let root = store.root().to_owned();
    drop(store);
    fs::write(root.join("events/.gitattributes"), FORMER).unwrap();
    fs::write(root.join(".gitignore"), "/index/\n/local/\nnotes").unwrap();
    let store = FileEventStore::open(&root).unwrap();
    numbers(&store, "s");
    assert!(
        store.renewed_git_files().is_empty(),
        "who only reads writes nothing that is committed"
    );
    count(&store, "s", 1);
    let renewed = [root.join("events/.gitattributes"), root.join(".gitignore")];
    assert_eq!(store.renewed_git_files(), renewed, "both are told");
    let attributes = fs::read_to_string(&renewed[0]).unwrap();
    assert_eq!(attributes, GIT_ATTRIBUTES, "the rules of this version");
    let ignored = fs::read_to_string(&renewed[1]).unwrap();
    let lines: Vec<_> = ignored.lines().collect();
    assert_eq!(
        lines,
        ["/index/", "/local/", "notes", "!/events/", "!/events/**"],
        "what the user has stays, what is missing is added"
    );
    fs::write(&renewed[0], FORMER).unwrap();
    count(&store, "s", 2);
    let attributes = fs::read_to_string(&renewed[0]).unwrap();
    assert_eq!(
        attributes, GIT_ATTRIBUTES,
        "a branch that brings the former file back does not stop that"
    );
    assert_eq!(store.renewed_git_files(), renewed, "each is told once");
    let again = FileEventStore::create(&root).unwrap();
    count(&again, "s", 3);
    assert!(
        again.renewed_git_files().is_empty(),
        "once is enough: {:?}",
        again.renewed_git_files()
    );
    assert!(
        again.status().unwrap().is_clean(),
        "nothing of it is damage"
    );
}

#[test]
fn edited_files_for_git_are_left_alone() {
    let store = new_store();
    let root = store.root().to_owned();
    drop(store);
    let edited = format!("# ours\n{FORMER}");
    fs::write(root.join("events/.gitattributes"), &edited).unwrap();
    fs::remove_file(root.join(".gitignore")).unwrap();
    fs::create_dir(root.join(".gitignore")).unwrap();
    let store = FileEventStore::create(&root).unwrap();
    count(&store, "s", 1);
    let found = fs::read_to_string(root.join("events/.gitattributes")).unwrap();
    assert_eq!(found, edited, "not a byte of the user's is changed");
    assert!(
        root.join(".gitignore").is_dir() && store.renewed_git_files().is_empty(),
        "what is no file is nobody's to replace"
    );
}

#[test]
fn index_and_local_are_hidden_from_git_by_files_of_their_own() {
    let root = old_store();
    let store = FileEventStore::open(&root).unwrap();
    for directory in ["index", "local"] {
        let path = root.join(directory).join(".gitignore");
        assert_eq!(fs::read(&path).unwrap(), b"*\n", "{directory}, by opening");
        fs::write(&path, "# mine\n*\n").unwrap();
    }
    count(&store, "s", 1);
    drop(store);
    FileEventStore::create(&root).unwrap();
    let kept = fs::read(root.join("local/.gitignore")).unwrap();
    assert_eq!(kept, b"# mine\n*\n", "one that is there stays");
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
    let lines: Vec<_> = ignored.lines().collect();
    assert!(
        lines.starts_with(&["# only events/", "/tmp/", "/index/", "/.lock"])
            && GIT_IGNORE_LINES.iter().all(|line| lines.contains(line)),
        "the ignore file of eventcore-fs is completed: {lines:?}"
    );
}

fn names_tomorrow(error: &RefreshError) -> bool {
    let RefreshError::Requires(RequiresError::Unknown { path, feature }) = error else {
        return false;
    };
    path.ends_with("requires")
        && *feature
            == UnknownFeature::Named {
                name: "tomorrow".to_owned(),
                min_version: Some("9.0".to_owned()),
            }
        && error.to_string().contains("`tomorrow`")
        && error.to_string().contains("`9.0`")
}

#[test]
fn a_store_that_asks_for_something_unknown_is_not_opened_or_touched() {
    let store = new_store();
    let root = store.root().to_owned();
    count(&store, "s", 1);
    drop(store);
    fs::write(root.join("requires"), "tomorrow 9.0 x\n").unwrap();
    fs::remove_dir_all(root.join("index")).unwrap();
    fs::remove_file(root.join(".gitignore")).unwrap();
    for opened in [FileEventStore::create(&root), FileEventStore::open(&root)] {
        let refused = opened.unwrap_err();
        assert!(
            matches!(&refused, OpenError::Refresh(error) if names_tomorrow(error)),
            "{refused:?}"
        );
    }
    let foreseen = FileEventStore::preview(&root, Vec::new(), fs_index::Progress::default());
    assert!(
        matches!(foreseen, Err(OpenError::Refresh(error)) if names_tomorrow(&error)),
        "what a merge would bring is not told either"
    );
    assert!(
        !root.join("index").exists() && !root.join(".gitignore").exists(),
        "nothing was written"
    );
    fs::write(root.join("requires"), "# nothing yet\r\n").unwrap();
    assert_eq!(numbers(&FileEventStore::create(&root).unwrap(), "s"), [1]);
}

#[test]
fn an_open_store_stops_when_something_unknown_is_asked_for() {
    let store = new_store();
    count(&store, "s", 1);
    fs::write(store.root().join("requires"), "tomorrow 9.0").unwrap();
    let before = fs::read_dir(store.root().join("events")).unwrap().count();
    for _ in 0..2 {
        let refused = store.append(counted("s", 2)).unwrap_err();
        assert!(
            matches!(&refused, AppendError::Refresh(error) if names_tomorrow(error)),
            "{refused:?}"
        );
    }
    let refused = store.fence().unwrap_err();
    assert!(matches!(refused, FenceError::NotBegun(_)), "{refused:?}");
    let after = fs::read_dir(store.root().join("events")).unwrap().count();
    assert_eq!(before, after, "nothing was stored");
    let elsewhere = new_store();
    count(&elsewhere, "t", 7);
    merge(&elsewhere, &store);
    let read = store.stream_events(&stream("t"));
    assert!(
        read.is_err(),
        "what arrives together with the demand is not taken in: {read:?}"
    );
    fs::remove_file(store.root().join("requires")).unwrap();
    assert_eq!(numbers(&store, "t"), [7], "the handle goes on");
    count(&store, "s", 2);
}

#[test]
fn an_open_store_that_only_reads_stops_too() {
    let store = new_store();
    count(&store, "s", 1);
    assert_eq!(numbers(&store, "s"), [1]);
    let as_refreshed = StoreOptions::default().reads(Reads::AsRefreshed);
    let as_refreshed = as_refreshed.open(store.root()).unwrap();
    fs::write(store.root().join("requires"), "tomorrow 9.0").unwrap();
    let refused = |what: &str, error: Option<ReadError>| {
        let is_named = matches!(&error, Some(ReadError::Refresh(error)) if names_tomorrow(error));
        assert!(is_named, "{what}: {error:?}");
    };
    refused("a stream", store.stream_events(&stream("s")).err());
    refused("all", store.canonical_events().err());
    refused("a page", store.ingested_events(None, &All, 1).err());
    let status = store.status().err().map(ReadError::from);
    refused("the status", status);
    refused("a refresh", store.refresh().err().map(ReadError::from));
    assert_eq!(
        numbers(&as_refreshed, "s"),
        [1],
        "the answer is that of the last refresh"
    );
    as_refreshed.refresh().unwrap_err();
    fs::remove_file(store.root().join("requires")).unwrap();
    assert_eq!(numbers(&store, "s"), [1], "the handle goes on");
}

#[test]
fn what_is_no_text_asks_for_something_unknown() {
    let store = new_store();
    let root = store.root().to_owned();
    drop(store);
    let path = root.join("requires");
    let refused = |what: &str| {
        let refused = FileEventStore::create(&root).unwrap_err();
        assert!(
            matches!(
                &refused,
                OpenError::Refresh(RefreshError::Requires(RequiresError::Unknown { .. }))
            ),
            "{what}: {refused:?}"
        );
    };
    for bytes in [&b"\xff\xfe"[..], b"<<<<<<< HEAD\n=======\n>>>>>>> x\n"] {
        fs::write(&path, bytes).unwrap();
        refused("bytes");
    }
    fs::write(&path, "\n".repeat(70_000)).unwrap();
    refused("a long file");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("a directory");
    fs::remove_dir(&path).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        refused("a link");
    }
}

#[test]
fn the_fence_is_written_once_and_passed_over() {
    let store = new_store();
    count(&store, "s", 1);
    let path = store.root().join("events").join(FENCE_NAME);
    assert!(store.fence().unwrap(), "it is new");
    assert_eq!(fs::read_to_string(&path).unwrap(), FENCE);
    assert!(!store.fence().unwrap(), "it is there");
    count(&store, "s", 2);
    let verified = store.verify().unwrap();
    assert!(
        store.status().unwrap().is_clean() && verified.problems.is_empty(),
        "it is no damage: {verified:?}"
    );
    fs::remove_dir_all(store.root().join("index")).unwrap();
    let root = store.root().to_owned();
    drop(store);
    let store = FileEventStore::create(&root).unwrap();
    assert_eq!(numbers(&store, "s"), [1, 2], "nor for a new index");
    assert!(store.status().unwrap().is_clean());
    fs::write(&path, "something else\n").unwrap();
    assert!(
        store.status().unwrap().is_clean(),
        "whatever it holds, it is passed over"
    );
    assert!(
        matches!(store.fence(), Err(FenceError::Publish(_))),
        "and not replaced"
    );
}

#[test]
fn a_fence_is_wanted_by_what_follows_an_old_transaction() {
    let store = FileEventStore::create(old_store()).unwrap();
    let first = count(&store, "s", 1).transaction_id;
    let second = count(&store, "s", 2).transaction_id;
    assert!(
        store.wants_fence(first).unwrap(),
        "it follows one of format 2"
    );
    assert!(
        !store.wants_fence(second).unwrap(),
        "it follows one of format 3"
    );
    let clone = new_store();
    let old = PathBuf::from(format!("{OLD_ID}.jsonl"));
    for path in [
        old,
        first.relative_path().into(),
        second.relative_path().into(),
    ] {
        let [from, to] = [&store, &clone].map(|it| it.root().join("events").join(&path));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
    let [first_there, second_there] = [3, 4].map(|n| count(&clone, "s", n).transaction_id);
    assert!(
        clone.wants_fence(first_there).unwrap(),
        "it follows one of format 3, and is the first that is appended there"
    );
    assert!(!clone.wants_fence(second_there).unwrap(), "once is enough");
    store.fence().unwrap();
    assert!(!store.wants_fence(first).unwrap(), "it is there");
}
