//! What `trib forks` shows of forks of every shape.

use std::fs;

use serde_json::{Value, json};

use crate::input::fed;
use crate::settling::take_over;
use crate::text::assert_says;
use crate::{Here, assert_keys, forked};

fn fork(here: &Here) -> Value {
    let forks = here.json(&["forks"]);
    assert_eq!(forks.as_array().unwrap().len(), 1);
    forks[0].clone()
}

fn append(here: &Here, transaction: &str) {
    let args = ["append", "--transaction", "-"];
    let done = fed(here, &args, transaction.as_bytes());
    assert!(done.status.success(), "{transaction}: {done:?}");
}

/// ```text
///            .-- B -- C --.
///   A (s 1) -+            +-- N       A lies below the fork, N on top
///            '-- D -------'
/// ```
fn with_base() -> Here {
    let (here, there) = (Here::store(), Here::store());
    here.fine(&["append", "s", "A", "1"]);
    take_over(&here, &there);
    here.fine(&["append", "s", "B", "2"]);
    here.fine(&[
        "append",
        "s",
        "C",
        r#"{"title":"It rains in, and has done so for weeks"}"#,
    ]);
    append(
        &there,
        r#"{"events":[{"stream_id":"s","event_type":"D","event_data":4}],"metadata":{"author":"Bob\u001b[2J"}}"#,
    );
    take_over(&there, &here);
    here.fine(&["append", "s", "N", "5"]);
    here
}

#[test]
fn a_fork_has_a_base_and_something_on_top() {
    let here = with_base();
    let expected = r#"
fork <fork> on s (after version 1)

  ○    <id>  on top, <time>
  ├─╮  by replica <id>
  │ ●  <id>  branch 2, <time>
  │ │  by Bob\u{1b}[2J, replica <id>
  ● │  <id>  branch 1, <time>
  │ │  by replica <id>
  ○ │  <id>  branch 1, <time>
  ├─╯  by replica <id>
  ○  <id>  <time>
     the fork starts from here: s at version 1

  branch 1                                        │ branch 2
  <time>                  │ <time>
    by replica <start>                          │   by Bob\u{1b}[2J
    s 2  B  2                                     │   s 4  D  4
  <time>                  │
    s 3  C  {"title":"It rains in, and has done   │
      so for weeks"}                              │

  on top, 1 transaction(s) since
  <time>
    by replica <start>
    s 5  N  5

  settle it with one of
    trib resolve <fork> --keep <id>   branch 1
    trib resolve <fork> --keep <id>   branch 2, as --latest does
    trib resolve <fork> --accept        all as they stand
    trib resolve <fork> --events FILE   events of your own
"#;
    assert_says(&here, &["forks"], expected.trim_start());
    let fork = fork(&here);
    let log = here.lines(&["log"]);
    assert_eq!(
        fork["streams"][0]["fork_point"],
        json!([log[0]["transaction_id"]]),
        "the branches start from the oldest"
    );
    let transactions = fork["transactions"].as_array().unwrap();
    assert_keys(
        &transactions[0],
        "transaction_id replica_id created_at after command_id metadata settles author reason",
    );
    let edges = |nth: usize| transactions[nth]["after"].as_array().unwrap().len();
    let edges: Vec<_> = (0..transactions.len()).map(edges).collect();
    assert_eq!(edges, [0, 1, 0, 2], "B, C after B, D, N after C and D");
}

#[test]
fn a_narrow_window_has_the_branches_below_each_other() {
    let here = with_base();
    for (columns, is_beside) in [("100", true), ("80", true), ("70", false), ("1", false)] {
        let mut command = here.command(&["forks"]);
        let done = command.env("COLUMNS", columns).output().unwrap();
        let shown = String::from_utf8(done.stdout).unwrap();
        assert_eq!(
            shown.contains(" │ branch 2"),
            is_beside,
            "{columns} columns: {shown}"
        );
        for event_type in ["B", "C", "D", "N"] {
            let event = format!("  {event_type}  ");
            assert!(shown.contains(&event), "{event_type} is shown: {shown}");
        }
        let width = columns.parse::<usize>().unwrap().max(40);
        let commands = shown.find("settle it with").unwrap();
        // An id is never broken, and needs some room.
        let room = width.max(48);
        for line in shown[..commands].lines() {
            assert!(
                line.chars().count() <= room,
                "{line:?} in {columns} columns"
            );
        }
    }
    for nonsense in ["", "wide", "-1"] {
        let mut command = here.command(&["forks"]);
        let done = command.env("COLUMNS", nonsense).output().unwrap();
        let shown = String::from_utf8(done.stdout).unwrap();
        assert!(shown.contains(" │ branch 2"), "{nonsense:?} is no width");
    }
}

#[test]
fn two_decisions_stand_side_by_side_with_authors_and_reasons() {
    let (left, right) = (forked(), Here::store());
    take_over(&left, &right);
    let head = |nth: usize| {
        fork(&left)["branches"][nth]["head"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let heads = [head(0), head(1)];
    for (here, head, author, reason) in [
        (&left, &heads[0], "Ann", "it was first"),
        (&right, &heads[1], "Bob", "it is\nbetter"),
    ] {
        here.fine(&[
            "resolve", "s", "--keep", head, "--author", author, "--reason", reason,
        ]);
    }
    take_over(&right, &left);
    let shown = left.fine(&["forks"]);
    for decision in [
        "settles s, decided by Ann: it was first",
        r"settles s, decided by Bob: it is\nbetter",
    ] {
        assert_eq!(
            shown.matches(decision).count(),
            2,
            "{decision}, in the graph and above its events: {shown}"
        );
    }
    assert_eq!(shown.matches('◆').count(), 2, "{shown}");
    let fork = fork(&left);
    let decisions = fork["transactions"].as_array().unwrap().iter();
    let decisions: Vec<_> = decisions
        .filter(|it| it["settles"] == json!(["s"]))
        .map(|it| (it["author"].clone(), it["reason"].clone()))
        .collect();
    assert_eq!(decisions.len(), 2);
    assert!(
        decisions.contains(&(json!("Ann"), json!("it was first")))
            && decisions.contains(&(json!("Bob"), json!("it is\nbetter"))),
        "{decisions:?}"
    );
    left.fine(&["resolve", "s", "--latest"]);
    assert_eq!(
        left.json(&["forks"]),
        json!([]),
        "it settles like any other"
    );
}

#[test]
fn stale_reads_that_touch_a_fork_are_told() {
    let (here, there) = (Here::store(), Here::store());
    append(
        &here,
        r#"{"events":[{"stream_id":"s","event_type":"Left","event_data":1}],"expect":{"t":0}}"#,
    );
    append(
        &there,
        r#"{"events":[{"stream_id":"s","event_type":"Right","event_data":2},{"stream_id":"t","event_type":"Right","event_data":2}]}"#,
    );
    take_over(&there, &here);
    let fork = fork(&here);
    assert_keys(
        &fork["stale_reads"][0],
        "stream_id transactions written_by left_out",
    );
    let text = here.fine(&["forks"]);
    let stale = &fork["stale_reads"][0];
    let (reader, writer) = (&stale["transactions"][0], &stale["written_by"][0]);
    let words: Vec<_> = text.split_whitespace().collect();
    let expected = format!(
        "stale read: {} decided on t without having seen what {} wrote",
        reader.as_str().unwrap(),
        writer.as_str().unwrap()
    );
    assert!(
        words.join(" ").contains(&expected),
        "{expected}, wherever the line is broken: {text}"
    );
}

#[test]
fn one_fork_can_be_asked_for_by_its_name_or_a_stream() {
    let (here, there) = (Here::store(), Here::store());
    for stream in ["s", "t"] {
        here.fine(&["append", stream, "Left", "1"]);
        there.fine(&["append", stream, "Right", "2"]);
    }
    take_over(&there, &here);
    let all = here.json(&["forks"]);
    let id = all[1]["fork_id"].as_str().unwrap();
    assert_eq!(here.json(&["forks", id]), json!([all[1]]));
    let of_t = here.json(&["forks", "t"]);
    assert_eq!(of_t.as_array().unwrap().len(), 1);
    assert_eq!(of_t[0]["streams"][0]["stream_id"], "t");
    let shown = here.fine(&["forks", "t"]);
    assert_eq!(shown.matches("settle it with").count(), 1, "{shown}");
}

#[test]
fn what_others_wrote_reaches_no_terminal_as_a_control_character() {
    let (here, there) = (Here::store(), Here::store());
    let nasty = |data: &str| {
        format!(
            "{{\"events\":[{{\"stream_id\":\"s\\u0007\",\"event_type\":\"T\\u001b[2J\",\"event_data\":\"{data}\u{9b}2J\u{7f}\"}}]}}"
        )
    };
    append(&here, &nasty("left"));
    append(&there, &nasty("right"));
    take_over(&there, &here);
    let mut shown = here.fine(&["forks"]);
    shown.push_str(&here.fine(&["events"]));
    fs::write(here.path().join("o.json"), nasty("outcome")).unwrap();
    let args = ["resolve", "s\u{7}", "--dry-run", "--events", "o.json"];
    shown.push_str(&here.fine(&args));
    let control = |c: &char| c.is_control() && *c != '\n';
    assert_eq!(shown.chars().find(control), None, "{shown}");
    assert!(
        shown.contains("left") && shown.contains("outcome"),
        "{shown}"
    );
}
