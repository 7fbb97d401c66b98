//! Named consumers, feeds by replica, and the shapes of data, as they are typed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{Here, assert_keys, forked};

fn counted(numbers: std::ops::RangeInclusive<u64>) -> Here {
    let here = Here::store();
    for n in numbers {
        here.fine(&["append", "s", "Counted", &n.to_string()]);
    }
    here
}

fn data(lines: &[Value]) -> Vec<u64> {
    let data = lines.iter().map(|line| &line["event_data"]);
    data.map(|data| data.as_u64().unwrap()).collect()
}

#[test]
fn a_consumer_is_shown_what_it_has_not_acknowledged() {
    let here = counted(1..=3);
    let (shown, note) = here.noted(&["consume", "agent"]);
    assert!(note.contains("agent is new"), "{note}");
    assert_eq!(data(&shown), [1, 2, 3]);
    assert_eq!(
        shown,
        here.lines(&["events"]),
        "lines are those of `events`"
    );
    let position = shown[1]["position"].as_str().unwrap();
    let acknowledged = here.json(&["consume", "agent", "--ack", position]);
    assert_eq!(acknowledged, json!({"name": "agent", "position": position}));
    assert_eq!(data(&here.lines(&["consume", "agent"])), [3]);
    let first = shown[0]["position"].as_str().unwrap();
    let back = here.refused(&["consume", "agent", "--ack", first], 1);
    assert!(back.contains("--reset"), "it says what to do: {back}");

    let (taken, _) = here.noted(&["consume", "other", "--advance", "--limit", "2"]);
    assert_eq!(data(&taken), [1, 2]);
    assert_eq!(data(&here.lines(&["consume", "other", "--advance"])), [3]);
    assert_eq!(here.fine(&["consume", "other"]), "", "nothing is left");
    assert_eq!(
        here.json(&["consume", "other", "--reset"]),
        json!({"name": "other", "position": null})
    );
    assert_eq!(data(&here.lines(&["consume", "other"])), [1, 2, 3]);

    let listed = here.lines(&["consume", "--list"]);
    assert_eq!(
        listed,
        [acknowledged, json!({"name": "other", "position": null})]
    );
    assert_eq!(
        here.json(&["consume", "other", "--remove"]),
        json!({"removed": "other"})
    );
    assert_eq!(here.lines(&["consume", "--list"]).len(), 1);
    let missing = here.refused(&["consume", "other", "--remove"], 1);
    assert!(missing.contains("--list"), "it says what to do: {missing}");
    here.refused(&["consume"], 2);
    here.refused(&["consume", "agent", "--advance", "--reset"], 2);
}

#[test]
fn a_consumer_of_another_history_is_told_to_reset() {
    let here = counted(1..=2);
    here.noted(&["consume", "agent", "--advance"]);
    fs::remove_dir_all(here.path().join(".tributary/index")).unwrap();
    let refused = here.refused(&["consume", "agent"], 1);
    assert!(
        refused.contains("trib consume agent --reset"),
        "the command is named: {refused}"
    );
    here.fine(&["consume", "agent", "--reset"]);
    assert_eq!(data(&here.lines(&["consume", "agent"])), [1, 2]);
    let of_before = "00000000-0000-0001-0000-000000000001";
    let refused = here.refused(&["consume", "agent", "--ack", of_before], 1);
    assert!(
        refused.contains(of_before) && !refused.contains("--reset"),
        "it is the position that is wrong, not the consumer: {refused}"
    );
}

#[test]
fn a_consumer_whose_file_is_damaged_is_in_the_way_of_no_other() {
    let here = counted(1..=2);
    let (shown, _) = here.noted(&["consume", "agent"]);
    let directory = here.path().join(".tributary/local/consumers");
    fs::write(directory.join("0".repeat(64)), "").unwrap();
    let refused = here.refused(&["consume", "--list"], 1);
    assert!(refused.contains("delete it"), "it is named: {refused}");
    let position = shown[0]["position"].as_str().unwrap();
    here.fine(&["consume", "agent", "--ack", position]);
    assert_eq!(data(&here.lines(&["consume", "agent"])), [2]);
    here.fine(&["consume", "agent", "--reset"]);
    here.fine(&["consume", "agent", "--remove"]);
}

fn files(below: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// Returns the files of the history, which a backup may hold without `local/`.
fn history(here: &Here) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for directory in ["events", "index"] {
        let below = here.path().join(".tributary").join(directory);
        files(&below, &mut found);
    }
    found
}

#[test]
fn who_has_read_what_was_undone_is_told() {
    let here = counted(1..=2);
    let backup = history(&here);
    for n in [13, 14] {
        here.fine(&["append", "s", "Counted", &n.to_string()]);
    }
    let (shown, _) = here.noted(&["consume", "agent", "--advance"]);
    assert_eq!(data(&shown), [1, 2, 13, 14]);
    let now = history(&here);
    for path in now.keys().filter(|path| !backup.contains_key(*path)) {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in &backup {
        fs::write(path, bytes).unwrap();
    }
    for n in 3..=5 {
        here.fine(&["append", "s", "Counted", &n.to_string()]);
    }
    let position = |n: usize| shown[n]["position"].as_str().unwrap();
    for n in [2, 3] {
        let refused = here.refused(&["events", "--after", position(n)], 1);
        assert!(
            refused.contains(position(n)) && refused.contains("earlier state"),
            "it is said what happened: {refused}"
        );
    }
    let refused = here.refused(&["consume", "agent"], 1);
    assert!(refused.contains("--reset"), "and what to do: {refused}");
    let after = here.lines(&["events", "--after", position(1)]);
    assert_eq!(data(&after), [3, 4, 5], "what is older holds");
}

#[test]
fn a_damaged_consumer_is_told_and_mended_by_a_reset() {
    let here = counted(1..=3);
    here.noted(&["consume", "agent", "--advance"]);
    let directory = here.path().join(".tributary/local/consumers");
    let files = fs::read_dir(directory).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    let path = paths.find(|path| path.extension().is_none()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    for arguments in [
        &["consume", "agent"][..],
        &["consume", "agent", "--advance"],
    ] {
        let refused = here.refused(arguments, 1);
        assert!(
            refused.contains("trib consume agent --reset"),
            "the way out is named: {refused}"
        );
    }
    here.fine(&["consume", "agent", "--reset"]);
    assert_eq!(data(&here.lines(&["consume", "agent"])), [1, 2, 3]);
}

#[test]
fn a_log_by_replica_shows_what_is_missing() {
    let here = counted(1..=4);
    let log = here.lines(&["log"]);
    for n in [1, 2] {
        let id = log[n]["transaction_id"].as_str().unwrap();
        let relative = format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
        fs::remove_file(here.path().join(relative)).unwrap();
    }
    let lines = here.incomplete(&["--json", "log", "--by-replica"]);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    assert_keys(
        &lines[0],
        "transaction_id replica_id replica_seq created_at parents streams",
    );
    let replica = &log[0]["replica_id"];
    assert_eq!(
        lines[1],
        json!({"replica_id": replica, "gap": {"first": 2, "last": 3}})
    );
    assert_eq!((lines.len(), &lines[2]["replica_seq"]), (3, &json!(4)));
    let text = here.incomplete(&["log", "--by-replica"]);
    assert!(
        text.starts_with("replica ") && text.contains("2  to 3 are missing"),
        "{text}"
    );
    let merged = forked();
    merged.fine(&["resolve", "s", "--latest"]);
    let text = merged.fine(&["log", "--by-replica"]);
    assert!(
        text.contains("merges\n") && !text.contains("missing"),
        "a merge has no number: {text}"
    );
    let keys = merged.lines(&["log"]);
    assert_keys(
        &keys[0],
        "transaction_id replica_id created_at parents streams",
    );
}

#[test]
fn the_shapes_of_data_are_told_and_unknown_types_are_an_exit_code() {
    let here = Here::store();
    here.fine(&[
        "append",
        "s",
        "Opened",
        r#"{"title": "a", "by": {"name": "x"}}"#,
    ]);
    here.fine(&[
        "append",
        "s",
        "Opened",
        r#"{"name": "b", "by": {"name": null}}"#,
    ]);
    here.fine(&["append", "s", "Closed", "1e400"]);
    let answer = here.json(&["schema-check"]);
    assert_keys(&answer, "ok events failed types failures");
    let [closed, opened] = &answer["types"].as_array().unwrap()[..] else {
        panic!("there are two types: {answer}");
    };
    assert_keys(
        opened,
        "event_type known events failed first last differs fields fields_left_out",
    );
    assert_eq!(
        (&opened["differs"], &closed["differs"]),
        (&json!(true), &json!(false))
    );
    let field = |path: &str| {
        let mut fields = opened["fields"].as_array().unwrap().iter();
        let field = fields.find(|field| field["path"] == path).unwrap();
        let types = field["types"].as_object().unwrap();
        let types: Vec<&str> = types.keys().map(String::as_str).collect();
        (types.join(" "), field["missing"].as_u64().unwrap())
    };
    assert_eq!(field(""), ("object".to_owned(), 0));
    assert_eq!(field("/title"), ("string".to_owned(), 1));
    assert_eq!(field("/name"), ("string".to_owned(), 1));
    assert_eq!(field("/by/name"), ("null string".to_owned(), 0));
    let text = here.fine(&["schema-check"]);
    assert!(
        text.contains("  the data  number\n") && text.ends_with("3 events of 2 types\n"),
        "{text}"
    );
    here.fine(&["schema-check", "--known", "Opened", "--known", "Closed"]);
    let output = here.run(&["schema-check", "--known", "Opened"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(4),
        "a type that nobody knows: {told}"
    );
    assert!(told.contains("Closed (not known)"), "{told}");
}

const CONTRACT: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "Title": { "type": "string", "minLength": 1 },
        "Opened": {
            "type": "object",
            "required": ["title", "by"],
            "properties": { "title": { "$ref": "#/$defs/Title" }, "by": { "type": "string", "format": "uuid" } }
        },
        "we/ird~%41 é": { "type": "null" }
    }
}"##;

#[test]
fn events_that_do_not_fit_the_schemas_are_named() {
    let here = Here::store();
    let by = "9d3f2c54-6f0e-4d55-8c6a-0b7f9a1e2d3c";
    let opened = |data: Value| here.fine(&["append", "s", "Opened", &data.to_string()]);
    opened(json!({"title": "a", "by": by, "more": 1}));
    here.fine(&["append", "s", "we/ird~%41 é", "null"]);
    let contract = here.path().join("events.schema.json");
    fs::write(&contract, CONTRACT).unwrap();
    let check = ["schema-check", "--schema", contract.to_str().unwrap()];
    let clean = here.json(&check);
    assert_eq!(
        (&clean["ok"], &clean["failures"]),
        (&json!(true), &json!([])),
        "more than what the schema names is no failure: {clean}"
    );

    opened(json!({"title": "", "by": by}));
    opened(json!({"name": "b", "by": "x"}));
    here.fine(&["append", "s", "we/ird~%41 é", "1e400"]);
    let output = here.run(&[&check[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(4));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["ok"], &answer["failed"]),
        (&json!(false), &json!(3))
    );
    assert_eq!(answer["types"][0]["failed"], 2, "by type too: {answer}");
    let failures = answer["failures"].as_array().unwrap();
    assert_keys(
        &failures[0],
        "event_id event_type stream_id version transaction_id errors",
    );
    let found = |nth: usize| {
        let errors = failures[nth]["errors"].as_array().unwrap();
        let mut paths: Vec<_> = errors.iter().map(|error| &error["path"]).collect();
        paths.sort_by_key(|path| path.as_str());
        (failures[nth]["version"].as_u64().unwrap(), paths)
    };
    assert_eq!(found(0), (3, vec![&json!("/title")]));
    assert_eq!(found(1), (4, vec![&json!(""), &json!("/by")]));
    assert_eq!(
        found(2),
        (5, vec![&json!("")]),
        "a number that nobody can read"
    );
    let told = here.run(&check);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("version 3 of stream s")
            && told.ends_with("5 events of 2 types; 3 events failed\n"),
        "{told}"
    );
}

#[test]
fn what_is_told_of_an_event_is_bounded() {
    let here = Here::store();
    let contract = here.path().join("events.schema.json");
    let known = json!({"unevaluatedProperties": false, "propertyNames": {"maxLength": 9}});
    let numbered = json!({"additionalProperties": {"type": "integer"}});
    let document = json!({"$defs": {"Opened": known, "Closed": numbered}});
    fs::write(&contract, document.to_string()).unwrap();
    let long = "é".repeat(9_000);
    let data = json!({ long: "x" }).to_string();
    here.fine(&["append", "s", "Opened", &data]);
    here.fine(&["append", "s", "Closed", &data]);
    let value = "y".repeat(200);
    here.fine(&["append", "s", "Closed", &json!({ "n": value }).to_string()]);
    let check = ["schema-check", "--schema", contract.to_str().unwrap()];
    let output = here.run(&[&check[..], &["--json"]].concat());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failures = answer["failures"].as_array().unwrap();
    let told = failures
        .iter()
        .flat_map(|it| it["errors"].as_array().unwrap());
    let told: Vec<_> = told
        .flat_map(|error| [&error["path"], &error["message"]])
        .map(|text| text.as_str().unwrap())
        .collect();
    assert!(
        told.iter().all(|text| text.len() < 1_010),
        "keys are others' data: {:?}",
        told.iter().map(|text| text.len()).collect::<Vec<_>>()
    );
    assert!(
        told.contains(&"/n") && !told.iter().any(|text| text.contains(&value)),
        "a short value is told, a long one is not"
    );
    let cut = told.iter().filter(|text| text.ends_with('…')).count();
    assert!(cut >= 2, "and it shows where something is left out");
}

#[test]
fn every_event_is_tried_and_the_first_are_named() {
    let here = Here::store();
    let keys: Map<String, Value> = (0..300).map(|n| (format!("k{n:03}"), json!([n]))).collect();
    let event =
        |data: &Value| json!({"stream_id": "s", "event_type": "Opened", "event_data": data});
    let deep = json!({"a": {"b": {"c": {"d": 1}}}});
    let mut events = vec![event(&keys.into()), event(&deep)];
    events.extend((0..2_100).map(|n| event(&json!({ "a": n }))));
    let transaction = here.path().join("transaction.json");
    fs::write(&transaction, json!({ "events": events }).to_string()).unwrap();
    here.fine(&["append", "--transaction", transaction.to_str().unwrap()]);
    let contract = here.path().join("events.schema.json");
    let strings = json!({"$defs": {"Opened": {"additionalProperties": {"type": "string"}}}});
    fs::write(&contract, strings.to_string()).unwrap();
    let output = here.run(&[
        "schema-check",
        "--json",
        "--schema",
        contract.to_str().unwrap(),
    ]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["events"], &answer["failed"]),
        (&json!(2_102), &json!(2_102)),
        "all of them"
    );
    let failures = answer["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 100, "the first are named");
    assert_eq!(
        failures[0]["errors"].as_array().unwrap().len(),
        10,
        "as far as it helps"
    );
    let opened = &answer["types"][0];
    let fields = opened["fields"].as_array().unwrap();
    assert_eq!(
        (fields.len(), &opened["fields_left_out"]),
        (256, &json!(true)),
        "keys that are data have an end"
    );

    let here = Here::store();
    here.fine(&["append", "s", "Opened", &deep.to_string()]);
    let answer = here.json(&["schema-check"]);
    let fields = answer["types"][0]["fields"].as_array().unwrap();
    let paths: Vec<_> = fields.iter().map(|field| &field["path"]).collect();
    assert_eq!(
        paths,
        ["", "/a", "/a/b", "/a/b/c"],
        "down to the third object"
    );
}

#[test]
fn a_type_without_a_schema_is_not_known_unless_it_is_named() {
    let here = Here::store();
    here.fine(&["append", "s", "Closed", "1"]);
    let contract = here.path().join("events.schema.json");
    fs::write(&contract, CONTRACT).unwrap();
    let check = ["schema-check", "--schema", contract.to_str().unwrap()];
    assert_eq!(here.run(&check).status.code(), Some(4));
    here.fine(&[&check[..], &["--known", "Closed"]].concat());
}

#[test]
fn a_file_that_has_no_schemas_is_refused() {
    let here = Here::store();
    here.fine(&["append", "s", "Opened", "1"]);
    let file = here.path().join("x.json");
    for (text, says) in [
        ("{", "JSON"),
        ("[]", "$defs"),
        (
            r#"{"$defs": {"Opened": {"type": "objekt"}}}"#,
            "/$defs/Opened/type",
        ),
        (
            r##"{"$defs": {"Opened": {"$ref": "#/$defs/Gone"}}}"##,
            "/$defs/Gone",
        ),
        (
            r#"{"$defs": {"Opened": {"$ref": "http://localhost/a.json"}}}"#,
            "disabled",
        ),
        (
            r#"{"$defs": {"Opened": {"$ref": "file:///etc/hosts"}}}"#,
            "disabled",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let refused = here.refused(&["schema-check", "--schema", file.to_str().unwrap()], 2);
        assert!(
            refused.contains("x.json") && refused.contains(says),
            "{text}: {refused}"
        );
    }
    let around = r##"{"$defs": {"Opened": {"$ref": "#/$defs/Opened"}}}"##;
    let older = r##"{"$defs": {"Opened": {"$ref": "#/definitions/N"}}, "definitions": {"N": {"type": "number"}}}"##;
    for fine in [around, older] {
        fs::write(&file, fine).unwrap();
        here.fine(&["schema-check", "--schema", file.to_str().unwrap()]);
    }
}

#[test]
fn the_schemas_of_the_guide_are_of_the_form() {
    let guide = include_str!("../../../../docs/guide/projections.md");
    let (_, rest) = guide.split_once("```json\n").unwrap();
    let (contract, _) = rest.split_once("```").unwrap();
    let here = Here::store();
    let file = here.path().join("events.schema.json");
    fs::write(&file, contract).unwrap();
    let check = ["schema-check", "--schema", file.to_str().unwrap()];
    for change in [
        json!("closed"),
        json!({"opened": {"title": "It rains in"}}),
        json!({"assigned": {"to": null}}),
    ] {
        let event = json!({"issue": "issue-1", "by": "alice", "change": change});
        here.fine(&["append", "issue-1", "IssueEvent", &event.to_string()]);
    }
    here.fine(&check);
    let event = json!({"issue": "issue-1", "by": "alice", "change": "painted"});
    here.fine(&["append", "issue-1", "IssueEvent", &event.to_string()]);
    let told = here.run(&check);
    assert_eq!(told.status.code(), Some(4));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("/change") && told.contains("version 4"),
        "{told}"
    );
}

#[test]
fn a_store_that_a_newer_version_has_written_to_is_read_and_named() {
    let here = counted(1..=1);
    here.noted(&["consume", "c", "--advance"]);
    let path = here.path().join(".tributary/local/replicas");
    let text = fs::read_to_string(&path).unwrap();
    // Without the lines of the checksum, as an earlier version left it.
    let newer = text.splitn(3, '\n').nth(2).unwrap();
    fs::write(&path, newer.replace("\"version\":2", "\"version\":9")).unwrap();
    let status = here.fine(&["status"]);
    assert!(
        status.contains("read only: ") && status.contains("local/replicas was written by a newer"),
        "what is open for reading only says why: {status}"
    );
    let named = here.json(&["status"])["newer_version"].clone();
    assert_eq!(
        (&named["format"], &named["known"]),
        (&json!(9), &json!(2)),
        "{named}"
    );
    let refused = here.refused(&["consume", "c"], 1);
    assert!(
        refused.contains("newer version") && !refused.contains("is new,"),
        "where its cursor is not read, a consumer is not taken for a new one: {refused}"
    );
    here.refused(&["append", "s", "Happened", "{}"], 1);
    let file = here.first_file();
    fs::write(file, "").unwrap();
    let status = here.incomplete(&["status"]);
    assert!(
        status.contains("where the store may be written to") && !status.contains("trib forget"),
        "nothing of what the store keeps was looked at, so nobody is told to let go of it: {status}"
    );
}
