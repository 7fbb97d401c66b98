//! Names that are not there, and litter that is.

use std::fs;

use crate::Here;

#[test]
fn a_stream_that_is_not_there_is_an_error_that_names_what_may_be_meant() {
    let here = Here::store();
    let message = here.refused(&["read", "issue-1"], 1);
    assert!(message.contains("holds none yet"), "{message}");
    here.fine(&["append", "issue-1", "T", "1"]);
    here.fine(&["append", "other", "T", "1"]);
    for args in [
        &["read", "isue-1"][..],
        &["events", "--stream", "isue-1"],
        &["events", "--canonical", "--stream", "Issue-1"],
    ] {
        let message = here.refused(args, 1);
        assert!(
            message.contains("did you mean issue-1?") && message.contains("trib streams"),
            "{args:?}: {message}"
        );
        let as_json = [&["--json"], args].concat();
        let output = here.run(&as_json);
        assert!(
            output.stdout.is_empty(),
            "an error is no answer: {output:?}"
        );
    }
    let (lines, note) = here.noted(&["events", "--stream", "isue-*"]);
    assert!(
        lines.is_empty() && note.contains("isue-*"),
        "a pattern may match nothing: {note}"
    );
}

#[test]
fn an_event_type_that_is_not_there_is_an_error_that_names_what_may_be_meant() {
    let here = Here::store();
    let message = here.refused(&["events", "--type", "Opened"], 1);
    assert!(message.contains("holds none yet"), "{message}");
    here.fine(&["append", "issue-1", "Opened", "1"]);
    here.fine(&["append", "other", "Closed", "1"]);
    for args in [
        &["events", "--type", "Opend"][..],
        &["events", "--canonical", "--type", "opened"],
        &["events", "--stream", "other", "--type", "Opend"],
    ] {
        let message = here.refused(args, 1);
        assert!(
            message.contains("no event of type") && message.contains("did you mean Opened?"),
            "{args:?}: {message}"
        );
        let output = here.run(&[&["--json"], args].concat());
        assert!(
            output.stdout.is_empty(),
            "an error is no answer: {output:?}"
        );
    }
    let events = here.lines(&["events"]);
    let last = events[1]["position"].as_str().unwrap();
    let none: &[&str] = &["events", "--type", "Opened", "--after", last];
    assert_eq!(
        here.lines(none).len(),
        0,
        "there is one before the position"
    );
    let (lines, note) = here.noted(&["events", "--stream", "other", "--type", "Opened"]);
    assert!(
        lines.is_empty() && note.contains("no event of type Opened in a stream"),
        "stream and type are both there: {note}"
    );
}

#[test]
fn a_type_that_is_known_and_not_there_may_be_meant_for_one_that_is() {
    let here = Here::store();
    here.fine(&["append", "s", "Opened", "1"]);
    let output = here.run(&["schema-check", "--known", "Opend", "--known", "Archived"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("no event of type Opend; did you mean Opened?"),
        "{said}"
    );
    assert!(
        !said.contains("Archived"),
        "an application may know types that it has not used yet: {said}"
    );
}

#[test]
fn a_fork_that_is_not_there_may_be_meant_for_one_that_is() {
    let here = Here::repository();
    let there = here.cloned();
    here.work("issue-1", "Ours");
    there.work("issue-1", "Theirs");
    here.fetch(&there);
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    for args in [&["forks", "isue-1"][..], &["resolve", "isue-1", "--latest"]] {
        let message = here.refused(args, 1);
        assert!(
            message.contains("did you mean issue-1?"),
            "{args:?}: {message}"
        );
    }
}

#[test]
fn a_consumer_that_is_new_is_announced_once() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    here.noted(&["consume", "indexer", "--advance"]);
    let (shown, note) = here.noted(&["consume", "indxer"]);
    assert_eq!(shown.len(), 1);
    assert!(
        note.contains("indxer is new") && note.contains("did you mean indexer?"),
        "{note}"
    );
    here.lines(&["consume", "indxer"]);
    let message = here.refused(&["consume", "indexr", "--remove"], 1);
    assert!(message.contains("did you mean indexer"), "{message}");
}

#[test]
fn what_systems_leave_in_directories_is_no_damage() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    here.noted(&["consume", "agent"]);
    let store = here.path().join(".tributary");
    let beside = here.first_file();
    for directory in [
        beside.parent().unwrap(),
        &store.join("events"),
        &store.join("local/consumers"),
        &store.join("local/vanished"),
    ] {
        for name in [
            "._01a2",
            ".nfs000000000001",
            ".directory",
            ".DS_Store",
            "desktop.ini",
        ] {
            fs::write(directory.join(name), "x").unwrap();
        }
    }
    fs::create_dir(store.join("events/.stfolder")).unwrap();
    fs::write(store.join("events/.stfolder/marker.txt"), "x").unwrap();
    assert_eq!(here.json(&["status", "--check"])["clean"], true);
    here.fine(&["verify"]);
    assert_eq!(here.lines(&["consume", "--list"]).len(), 1);
    here.fine(&["restore"]);
    assert_eq!(here.lines(&["read", "s"]).len(), 1);
}
