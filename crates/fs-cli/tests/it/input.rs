//! What is handed in as files, on standard input and as arguments.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::Here;

/// Runs a command with `text` on its standard input.
pub(crate) fn fed(here: &Here, args: &[&str], text: &[u8]) -> Output {
    let mut command = here.command(args);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn data_comes_from_standard_input() {
    let here = Here::store();
    let done = fed(&here, &["append", "s", "T", "-"], b"{ \"n\" : 1.0 }\n");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(
        here.lines(&["read", "s"])[0]["event_data"].to_string(),
        r#"{"n":1.0}"#
    );
    for bad in [&b""[..], b"{", b"\xff", b"1 2"] {
        let refused = fed(&here, &["append", "s", "T", "-"], bad);
        assert!(!refused.status.success(), "{bad:?} is no JSON text");
        assert!(!refused.stderr.is_empty());
    }
    assert_eq!(here.lines(&["read", "s"]).len(), 1, "nothing was stored");
}

#[test]
fn numbers_below_zero_are_data() {
    let here = Here::store();
    for number in ["-1", "-2.5"] {
        here.fine(&["append", "s", "T", number]);
    }
    let read = here.lines(&["read", "s"]);
    let data: Vec<_> = read
        .iter()
        .map(|line| line["event_data"].to_string())
        .collect();
    assert_eq!(data, ["-1", "-2.5"]);
}

#[test]
fn a_transaction_that_breaks_a_rule_is_refused_whole() {
    let here = Here::store();
    let event = r#"{"stream_id":"s","event_type":"T","event_data":1}"#;
    for (text, said) in [
        ("".to_owned(), "the transaction"),
        ("[]".to_owned(), "the transaction"),
        (r#"{"events":[]}"#.to_owned(), "at least one"),
        (r#"{"events":[{"stream_id":"s"}]}"#.to_owned(), "event_type"),
        (
            r#"{"events":[{"stream_id":"s","event_type":"T","event_data":1,"version":1}]}"#
                .to_owned(),
            "version",
        ),
        (
            format!(r#"{{"events":[{event},{{"stream_id":"","event_type":"T","event_data":1}}]}}"#),
            "must not be empty",
        ),
        (
            r#"{"events":[{"stream_id":"s","event_type":"T","event_data":1,"metadata":7}]}"#
                .to_owned(),
            "not a JSON object",
        ),
        (
            format!(r#"{{"events":[{event}],"metadata":[]}}"#),
            "not a JSON object",
        ),
        (
            format!(r#"{{"events":[{event}],"expect":{{"s":"many"}}}}"#),
            "\"new\" or \"any\"",
        ),
        (
            format!(r#"{{"events":[{event}],"expect":{{"s*":1}}}}"#),
            "s*",
        ),
        (
            format!(r#"{{"events":[{event}],"command_id":""}}"#),
            "command id",
        ),
    ] {
        fs::write(here.path().join("t.json"), &text).unwrap();
        let message = here.refused(&["append", "--transaction", "t.json"], 2);
        assert!(
            message.contains(said),
            "{text} is told by {said}: {message}"
        );
    }
    assert_eq!(here.lines(&["log"]).len(), 0, "nothing was stored");
    here.refused(&["append", "--transaction", "."], 1);
    here.refused(&["append", "--transaction", "t.json", "s", "T", "1"], 2);
}

#[test]
fn a_version_that_is_elsewhere_exits_with_three_and_stores_nothing() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let text = r#"{"events":[{"stream_id":"t","event_type":"T","event_data":1}],"expect":{"s":0}}"#;
    fs::write(here.path().join("t.json"), text).unwrap();
    let message = here.refused(&["append", "--transaction", "t.json"], 3);
    assert!(
        message.contains("stream s is at version 1") && message.contains("read it again"),
        "a stream that is only read is checked too: {message}"
    );
    for expect in ["0", "2", "new"] {
        here.refused(&["append", "s", "T", "2", "--expect", expect], 3);
    }
    here.fine(&["append", "s", "T", "2", "--expect", "any"]);
    assert_eq!(here.lines(&["log"]).len(), 2);
}

#[test]
fn failures_are_json_too() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let message = here.refused(&["--json", "append", "s", "T", "1", "--expect", "7"], 3);
    let message: Value = serde_json::from_str(&message).unwrap();
    assert!(message["error"].as_str().unwrap().contains("version 1"));
    assert!(message["causes"].as_array().unwrap().is_empty());
}

#[test]
fn the_option_goes_before_the_environment_and_the_nearest_store_before_others() {
    let (outer, other) = (Here::store(), Here::store());
    outer.fine(&["append", "outer", "T", "1"]);
    other.fine(&["append", "other", "T", "1"]);
    let inner = outer.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    let streams = |args: &[&str], set: Option<&str>| {
        let mut command = outer.command(args);
        command.current_dir(&inner);
        if let Some(set) = set {
            command.env("TRIB_STORE", set);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let root = other.path().join(".tributary");
    let root = root.to_str().unwrap();
    assert!(streams(&["streams"], None).contains("outer"));
    assert!(streams(&["streams"], Some(root)).contains("other"));
    assert!(
        streams(&["streams", "--store", root], Some("/nonexistent")).contains("other"),
        "what is typed goes before what is set"
    );
    outer.fine(&["init", "a"]);
    assert_eq!(
        streams(&["streams"], None),
        "",
        "a nearer store is found first"
    );
}

#[test]
fn a_variable_that_is_empty_is_named() {
    let here = Here::store();
    let output = here
        .command(&["status"])
        .env("TRIB_STORE", "")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("TRIB_STORE is empty") && !said.contains("--store"),
        "it was not typed: {said}"
    );
}

#[test]
fn pages_are_longer_than_one_read() {
    let here = Here::store();
    let events: Vec<_> = (0..2_500)
        .map(|n| {
            let stream = n % 2;
            format!(r#"{{"stream_id":"s{stream}","event_type":"T","event_data":{n}}}"#)
        })
        .collect();
    let text = format!(r#"{{"events":[{}]}}"#, events.join(","));
    let done = fed(&here, &["append", "--transaction", "-"], text.as_bytes());
    assert!(done.status.success(), "{done:?}");
    let data = |lines: &[Value]| -> Vec<u64> {
        let numbers = lines
            .iter()
            .map(|line| line["event_data"].as_u64().unwrap());
        numbers.collect()
    };
    let all = here.lines(&["events"]);
    assert_eq!(data(&all), (0..2_500).collect::<Vec<_>>());
    let page = here.lines(&["events", "--limit", "1500", "--stream", "s?"]);
    assert_eq!(data(&page), (0..1_500).collect::<Vec<_>>());
    let after = page.last().unwrap()["position"].as_str().unwrap();
    let odd = here.lines(&["events", "--after", after, "--stream", "*1"]);
    assert_eq!(
        data(&odd),
        (1_500..2_500).filter(|n| n % 2 == 1).collect::<Vec<_>>(),
        "the next page goes on in the middle of a transaction"
    );
    let last = all.last().unwrap()["position"].as_str().unwrap();
    assert_eq!(here.lines(&["events", "--after", last]).len(), 0);
    assert_eq!(here.lines(&["events", "--limit", "0"]).len(), 0);
    assert_eq!(
        data(&here.lines(&["events", "--canonical", "--limit", "3", "--type", "T"])),
        [0, 1, 2]
    );
}
