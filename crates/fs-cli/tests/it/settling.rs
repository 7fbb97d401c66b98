//! Forks as they are shown and settled from the command line.

use std::fs;

use serde_json::json;

use crate::input::fed;
use crate::{Here, assert_keys, forked};

/// Takes over the files of another store, as `git merge` does.
pub(crate) fn take_over(from: &Here, to: &Here) {
    for line in from.lines(&["log"]) {
        let id = line["transaction_id"].as_str().unwrap();
        let directory = format!(".tributary/events/{}/{}", &id[..4], &id[4..6]);
        fs::create_dir_all(to.path().join(&directory)).unwrap();
        let file = format!("{directory}/{id}.jsonl");
        fs::copy(from.path().join(&file), to.path().join(&file)).unwrap();
    }
}

/// ```text
///   A ---.   .--- C
///         >-<              both clones went on without settling A and B
///   B ---'   `--- D
/// ```
#[test]
fn what_lies_below_every_branch_is_shown_too() {
    let (left, right) = (Here::store(), Here::store());
    left.fine(&["append", "s", "A", "1"]);
    right.fine(&["append", "s", "B", "2"]);
    take_over(&left, &right);
    take_over(&right, &left);
    left.fine(&["append", "s", "C", "3"]);
    right.fine(&["append", "s", "D", "4"]);
    take_over(&right, &left);

    let forks = left.json(&["forks"]);
    assert_eq!(forks.as_array().unwrap().len(), 1, "one stream, one fork");
    assert_eq!(forks[0]["common"].as_array().unwrap().len(), 2);
    assert_eq!(forks[0]["branches"].as_array().unwrap().len(), 2);
    let text = left.fine(&["forks"]);
    for event_type in ["A", "B", "C", "D"] {
        assert!(
            text.contains(&format!("  {event_type}  ")),
            "{event_type} is hidden: {text}"
        );
    }
    let head = forks[0]["branches"][1]["head"].as_str().unwrap();
    left.fine(&["resolve", "s", "--keep", head]);
    assert_eq!(left.fine(&["forks"]), "no fork is open\n");
}

#[test]
fn two_forks_are_settled_one_by_one() {
    let (here, there) = (Here::store(), Here::store());
    for stream in ["s", "t"] {
        here.fine(&["append", stream, "Left", "1"]);
        there.fine(&["append", stream, "Right", "2"]);
    }
    take_over(&there, &here);
    let forks = here.json(&["forks"]);
    assert_eq!(forks.as_array().unwrap().len(), 2);
    let message = here.refused(&["resolve", "u", "--keep", "x"], 1);
    assert!(message.contains("trib forks"), "{message}");

    let outcome = br#"{"events":[{"stream_id":"t","event_type":"Agreed","event_data":3,"metadata":{"by":"us"}}]}"#;
    let settled = fed(
        &here,
        &[
            "--json",
            "resolve",
            "t",
            "--events",
            "-",
            "--reason",
            "we talked",
        ],
        outcome,
    );
    assert!(settled.status.success(), "{settled:?}");
    let left = here.json(&["forks"]);
    assert_eq!(left.as_array().unwrap().len(), 1, "the other is still open");
    assert_eq!(left[0]["streams"][0]["stream_id"], "s");
    assert_eq!(here.run(&["status", "--check"]).status.code(), Some(4));
    let agreed = here.lines(&["read", "t"]).pop().unwrap();
    assert_eq!(
        (
            &agreed["event_type"],
            &agreed["metadata"],
            &agreed["replica_id"]
        ),
        (
            &json!("Agreed"),
            &json!({"by":"us"}),
            &json!("00000000-0000-0000-0000-000000000000")
        ),
        "a merge transaction is nobody's own"
    );
    let log = here.lines(&["log"]);
    let merge = log.last().unwrap();
    assert_keys(
        merge,
        "transaction_id replica_id created_at parents streams",
    );
    let id = merge["transaction_id"].as_str().unwrap();
    let file = format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
    let file = fs::read_to_string(here.path().join(file)).unwrap();
    assert!(
        file.contains(r#""reason":"we talked""#),
        "the reason is recorded: {file}"
    );
}

#[test]
fn an_outcome_that_breaks_a_rule_is_refused() {
    let here = forked();
    for text in [
        "",
        "{}",
        r#"{"events":[{"stream_id":"s"}]}"#,
        r#"{"events":[{"stream_id":"","event_type":"T","event_data":1}]}"#,
        r#"{"events":[{"stream_id":"s","event_type":"T","event_data":1,"metadata":1}]}"#,
        r#"{"events":[],"reason":"no"}"#,
    ] {
        fs::write(here.path().join("o.json"), text).unwrap();
        let message = here.refused(&["resolve", "s", "--events", "o.json"], 2);
        assert!(message.contains("error: "), "{text}: {message}");
    }
    here.refused(&["resolve", "s", "--keep", "x", "--events", "o.json"], 2);
    here.refused(&["resolve", "s"], 2);
    assert_eq!(
        here.json(&["forks"]).as_array().unwrap().len(),
        1,
        "it is still open"
    );

    fs::write(here.path().join("o.json"), r#"{"events":[]}"#).unwrap();
    here.fine(&["resolve", "s", "--events", "o.json"]);
    assert_eq!(
        here.lines(&["read", "s"]).len(),
        2,
        "both sides may be let stand"
    );
    assert_eq!(here.json(&["forks"]), json!([]));
}
