//! What is printed is what is there; and whoever could not print an answer says what was done.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::input::fed;
use crate::{Here, forked};

/// U+007F, a direction mark and a line separator: JSON has them as they are.
const ODD: &str = "a\u{7f}b\u{202e}c\u{2028}d";

#[test]
fn json_goes_out_untouched_in_a_pipe() {
    let here = Here::store();
    let data = serde_json::to_string(ODD).unwrap();
    here.fine(&["append", ODD, ODD, &data]);
    for args in [&["read", ODD][..], &["events"]] {
        let lines = here.lines(args);
        for key in ["stream_id", "event_type", "event_data"] {
            assert_eq!(lines[0][key], ODD, "{args:?} {key}");
        }
    }
    assert_eq!(here.lines(&["streams"])[0]["stream_id"], ODD);
    let error = here.refused(&["--json", "read", "x\u{7f}y"], 1);
    let error: Value = serde_json::from_str(&error).unwrap();
    assert!(
        error["error"].as_str().unwrap().contains(r"x\u{7f}y"),
        "an error is a text: {error}"
    );
}

#[test]
fn text_turns_nothing_around_and_breaks_no_line() {
    let here = Here::store();
    let data = serde_json::to_string(ODD).unwrap();
    here.fine(&["append", ODD, ODD, &data]);
    let mut shown = String::new();
    for args in [&["streams"][..], &["log"], &["events"], &["read", ODD]] {
        shown += &here.fine(args);
    }
    shown += &here.refused(&["append", ODD, "T", "1", "--expect", "7"], 3);
    shown += &here.refused(&["read", &format!("{ODD}!")], 1);
    for c in ['\u{7f}', '\u{202e}', '\u{2028}'] {
        let escape = c.escape_default().to_string();
        assert!(
            !shown.contains(c) && shown.contains(&escape),
            "{escape} is escaped: {shown}"
        );
    }
}

#[test]
fn names_that_look_alike_are_told_apart() {
    let here = Here::store();
    here.fine(&["append", "caf\u{e9}", "T", "1"]);
    here.fine(&["append", "cafe\u{301}", "T", "2"]);
    let streams = here.fine(&["streams"]);
    assert!(
        streams.contains("café\n") && streams.contains("cafe\\u{301}\n"),
        "{streams}"
    );
    assert_eq!(here.lines(&["streams"]).len(), 2);
}

#[test]
fn a_byte_order_mark_before_what_is_handed_in_is_passed_over() {
    let here = Here::store();
    let done = fed(
        &here,
        &["append", "s", "T", "-"],
        b"\xef\xbb\xbf{\"n\":1}\r\n",
    );
    assert!(done.status.success(), "{done:?}");
    let transaction =
        "\u{feff}{\"events\":[{\"stream_id\":\"s\",\"event_type\":\"T\",\"event_data\":2}]}";
    std::fs::write(here.path().join("t.json"), transaction).unwrap();
    here.fine(&["append", "--transaction", "t.json"]);
    here.fine(&["append", "s", "T", "\u{feff}3"]);
    let data: Vec<_> = here
        .lines(&["read", "s"])
        .iter()
        .map(|it| it["event_data"].to_string())
        .collect();
    assert_eq!(data, [r#"{"n":1}"#, "2", "3"]);
    let refused = fed(&here, &["append", "s", "T", "-"], b"\xff\xfe1\x00");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("byte order mark of UTF-16"), "{said}");
}

/// Runs a command whose answer does not fit on the device.
#[cfg(target_os = "linux")]
fn unprinted(here: &Here, args: &[&str]) -> Output {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    here.command(args).stdout(full).output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_done_and_not_printed_has_an_exit_code_of_its_own() {
    let here = forked();
    let store = Here::store();
    for (here, args, said) in [
        (&store, &["append", "s", "T", "1"][..], "--command-id"),
        (
            &store,
            &["--json", "append", "s", "T", "2", "--command-id", "c"],
            "--command-id",
        ),
        (&store, &["consume", "agent", "--advance"], "trib events`"),
        (
            &store,
            &["consume", "agent", "--reset"],
            "begins before the first event",
        ),
        (&store, &["adopt"], "fresh identity"),
        (&store, &["fence"], "the fence was written"),
        (
            &here,
            &["resolve", "s", "--latest"],
            "settled by transaction",
        ),
    ] {
        let output = unprinted(here, args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(6), "{args:?}: {err}");
        assert!(
            err.contains(said) && err.contains("cannot write to standard output"),
            "{args:?}: {err}"
        );
    }
    assert_eq!(store.lines(&["read", "s"]).len(), 2, "both are stored");
    assert_eq!(
        here.json(&["forks"]),
        serde_json::json!([]),
        "the fork is settled"
    );
    for args in [
        &["read", "s"][..],
        &["--json", "events"],
        &["status"],
        &["append", "s", "T", "{"],
    ] {
        let code = unprinted(&store, args).status.code();
        assert!(
            matches!(code, Some(1 | 2)),
            "{args:?} has done nothing: {code:?}"
        );
    }
}

/// The standard library takes what is written there for printed.
#[cfg(unix)]
#[test]
fn an_output_that_is_open_for_reading_only_prints_nothing() {
    let here = Here::store();
    let file = here.path().join("read-only");
    std::fs::write(&file, "").unwrap();
    let code = |args: &[&str]| {
        let out = std::fs::File::open(&file).unwrap();
        let ended = here.command(args).stdout(out).output().unwrap();
        ended.status.code()
    };
    assert_eq!(code(&["append", "s", "T", "1"]), Some(6), "it is stored");
    assert_eq!(code(&["read", "s"]), Some(1), "nothing was shown");
    assert_eq!(
        code(&["events", "--after", &last_position(&here)]),
        Some(0),
        "there was nothing to show"
    );
}

#[cfg(unix)]
fn last_position(here: &Here) -> String {
    let events = here.lines(&["events"]);
    events[0]["position"].as_str().unwrap().to_owned()
}

#[test]
fn a_reader_that_goes_away_is_told_only_what_was_done() {
    let here = Here::store();
    let large = format!("\"{}\"", "x".repeat(100_000));
    let run = |args: &[&str]| {
        let mut command = here.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    };
    let stored = run(&["append", "s", "T", &large]);
    assert_eq!(stored.status.code(), Some(6), "it is stored: {stored:?}");
    let read = run(&["read", "s"]);
    assert!(
        read.status.success() && read.stderr.is_empty(),
        "as with `head`: {read:?}"
    );
}

#[test]
fn a_verdict_stands_when_nobody_reads_it() {
    let here = forked();
    let tx = here.lines(&["events"])[0]["transaction_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = here.path().join(".tributary/events");
    let path = path
        .join(&tx[..4])
        .join(&tx[4..6])
        .join(format!("{tx}.jsonl"));
    std::fs::write(path, "").unwrap();
    for (args, code) in [
        (&["status", "--check"][..], 4),
        (&["schema-check", "--known", "Other"], 4),
        (&["verify"], 5),
        (&["--strict", "read", "s"], 5),
    ] {
        let mut command = here.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {ended:?}");
    }
}
