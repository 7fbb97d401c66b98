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
    let none: &[&str] = &["events", "--stream", "other", "--type", "U"];
    assert_eq!(here.lines(none).len(), 0, "the stream is there");
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
