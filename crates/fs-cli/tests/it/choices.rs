//! The ways to settle a fork from the command line.

use std::fs;

use serde_json::{Value, json};

use crate::input::fed;
use crate::settling::take_over;
use crate::{Here, assert_keys, forked};

/// Two forks, on `s` and on `t`.
fn forked_twice() -> Here {
    let (here, there) = (Here::store(), Here::store());
    for stream in ["s", "t"] {
        here.fine(&["append", stream, "Left", "1"]);
        there.fine(&["append", stream, "Right", "2"]);
    }
    take_over(&there, &here);
    here
}

/// The header of the last transaction in canonical order.
fn last_header(here: &Here) -> Value {
    let log = here.lines(&["log"]);
    let id = log.last().unwrap()["transaction_id"].as_str().unwrap();
    let file = format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
    let text = fs::read_to_string(here.path().join(file)).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn types(here: &Here, stream: &str) -> Vec<String> {
    let lines = here.lines(&["read", stream]);
    let types = lines
        .iter()
        .map(|line| line["event_type"].as_str().unwrap());
    types.map(str::to_owned).collect()
}

#[test]
fn all_branches_may_be_let_stand() {
    let here = forked();
    let settled = here.json(&["resolve", "s", "--accept"]);
    assert_keys(&settled, "fork_id transaction_id steps resolved");
    assert_eq!(here.json(&["forks"]), json!([]), "it is settled");
    assert_eq!(types(&here, "s"), ["Left", "Right"], "by no event");
    assert_eq!(
        last_header(&here)["metadata"],
        Value::Null,
        "nobody is named as the author, whatever git knows of the user"
    );
}

#[test]
fn the_latest_branch_may_be_kept() {
    let here = forked();
    let shown = here.json(&["forks"]);
    let head = shown[0]["branches"][1]["head"].as_str().unwrap();
    let text = here.fine(&["forks"]);
    assert!(
        text.contains(&format!("--keep {head}   branch 2, as --latest does")),
        "it is told which that is: {text}"
    );
    here.fine(&[
        "resolve",
        "s",
        "--latest",
        "--author",
        "Ann",
        "--reason",
        "no \"why\"",
    ]);
    assert_eq!(types(&here, "s"), ["Left", "Right", "Right"]);
    assert_eq!(
        last_header(&here)["metadata"],
        json!({"author": "Ann", "reason": "no \"why\""}),
        "who and why are recorded as they were typed"
    );
}

#[test]
fn a_dry_run_shows_what_the_real_one_writes_and_writes_nothing() {
    let here = forked();
    let args = ["resolve", "s", "--latest", "--author", "Ann"];
    let dry = [&args[..], &["--dry-run"]].concat();
    let before = here.fine(&["digest"]);
    let planned = here.json(&dry);
    assert_keys(
        &planned,
        "fork_id transaction_id steps resolved path parents metadata events",
    );
    assert_keys(
        &planned["events"][0],
        "stream_id version event_id event_type event_data metadata",
    );
    let text = here.fine(&dry);
    let id = planned["transaction_id"].as_str().unwrap();
    for part in [
        &format!("would settle s by {id}"),
        planned["path"].as_str().unwrap(),
        "s 3  Right  2",
        r#"{"author":"Ann"}"#,
        "nothing was written",
    ] {
        assert!(text.contains(part), "{part} is told: {text}");
    }
    assert_eq!(here.fine(&["digest"]), before, "nothing was written");
    let accepted = here.fine(&["resolve", "s", "--accept", "--dry-run"]);
    assert!(
        accepted.contains("no event: all branches stand as they are"),
        "{accepted}"
    );

    let settled = here.json(&args);
    assert_eq!(settled["transaction_id"], planned["transaction_id"]);
    let path = planned["path"].as_str().unwrap();
    let file = fs::read_to_string(here.path().join(".tributary").join(path)).unwrap();
    let event = planned["events"][0]["event_id"].as_str().unwrap();
    assert!(
        file.contains(event),
        "the planned event was written: {file}"
    );
    let header = last_header(&here);
    let parents = header["parents"].as_array().unwrap();
    assert_eq!(
        parents.len(),
        planned["parents"].as_array().unwrap().len(),
        "on the planned parents"
    );
}

#[test]
fn events_may_expect_versions() {
    let here = forked();
    let outcome = |expect: &str| {
        format!(
            r#"{{"events":[{{"stream_id":"s","event_type":"Agreed","event_data":3}}],"expect":{expect}}}"#
        )
    };
    let args = ["resolve", "s", "--events", "-"];
    for (expect, code, said) in [
        (r#"{"s":1}"#, 3, "s is at version 2"),
        (r#"{"u":4}"#, 3, "u is at version 0"),
        (r#"{"s":"new"}"#, 3, "s is at version 2"),
        (r#"{"s":"old"}"#, 2, "\"new\" or \"any\""),
        (r#"{"":1}"#, 2, "stream id"),
        ("1", 2, "the outcome"),
    ] {
        let refused = fed(&here, &args, outcome(expect).as_bytes());
        let message = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(code), "{expect}: {message}");
        assert!(message.contains(said), "{expect} names {said}: {message}");
    }
    assert_eq!(
        types(&here, "s"),
        ["Left", "Right"],
        "nothing was written by any of them"
    );
    let settled = fed(&here, &args, outcome(r#"{"s":2,"u":"new"}"#).as_bytes());
    assert!(settled.status.success(), "{settled:?}");
    assert_eq!(types(&here, "s"), ["Left", "Right", "Agreed"]);
}

#[test]
fn all_forks_may_be_settled_alike() {
    let here = forked_twice();
    let dry = here.json(&["resolve", "--all", "--accept", "--dry-run"]);
    assert_keys(&dry, "settled planned failed changed");
    assert_eq!(
        (&dry["settled"], dry["planned"].as_array().unwrap().len()),
        (&json!([]), 2),
        "both would be settled"
    );
    let text = here.fine(&["resolve", "--all", "--latest", "--reason", "a rule of ours"]);
    assert!(
        text.contains("settled s by") && text.contains("settled t by"),
        "{text}"
    );
    assert_eq!(types(&here, "t"), ["Left", "Right", "Right"]);
    assert_eq!(
        last_header(&here)["metadata"],
        json!({"reason": "a rule of ours"})
    );
    assert_eq!(
        here.fine(&["resolve", "--all", "--accept"]),
        "nothing to settle: no fork is open\n"
    );
}

#[test]
fn a_choice_that_cannot_be_meant_is_refused() {
    let here = forked_twice();
    for (args, code, said) in [
        (&["resolve", "s"][..], 2, "--accept, --latest or --events"),
        (&["resolve"], 2, "--keep TX"),
        (&["resolve", "--all"], 2, "--keep TX"),
        (&["resolve", "--accept"], 2, "--all"),
        (&["resolve", "--keep", "x"], 2, "name the fork"),
        (&["resolve", "s", "--accept", "--latest"], 2, "--latest"),
        (&["resolve", "s", "--accept", "-i"], 2, "--interactive"),
        (&["resolve", "s", "--all", "--accept"], 2, "--all"),
        (&["resolve", "--all", "--keep", "x"], 2, "--keep"),
        (&["resolve", "--all", "--events", "x"], 2, "--events"),
        (&["resolve", "s", "--keep", ""], 2, "its heads are"),
        (&["resolve", "u", "--accept"], 1, "trib forks"),
        (&["resolve", "", "--accept"], 1, "trib forks"),
        (
            &["resolve", "s", "--events", "missing.json"],
            1,
            "missing.json",
        ),
        (&["resolve", "s", "--accept", "--reason", ""], 2, "--reason"),
        (&["resolve", "s", "--accept", "--author", ""], 2, "--author"),
        (&["--json", "resolve", "s", "-i"], 2, "--json"),
        (&["forks", "u"], 1, "no open fork"),
        (&["forks", ""], 1, "no open fork"),
        (&["forks", "s", "t"], 2, "'t'"),
    ] {
        let message = here.refused(args, code);
        assert!(message.contains(said), "{args:?} names {said}: {message}");
    }
    assert_eq!(
        here.json(&["forks"]).as_array().unwrap().len(),
        2,
        "nothing was settled by any of them"
    );
}

#[test]
fn a_list_in_the_place_of_an_object_is_told() {
    let here = forked();
    for (args, list) in [
        (&["resolve", "s", "--events", "-"][..], "[[]]"),
        (&["append", "--transaction", "-"], "[{"),
        (&["append", "--transaction", "-"], ""),
    ] {
        let refused = fed(&here, args, list.as_bytes());
        let err = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{list:?}: {err}");
        assert!(err.contains(r#"a JSON object like {"events":["#), "{err}");
    }
    assert_eq!(here.json(&["forks"]).as_array().unwrap().len(), 1);
}
