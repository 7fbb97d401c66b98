//! `trib` as it is typed.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests set up directories and fail by panicking"
)]

mod asking;
mod choices;
mod committing;
mod consuming;
mod creating;
mod follow;
mod git_rules;
mod good_bytes;
mod incomplete;
mod input;
mod merge_check;
mod names;
mod pictures;
mod printing;
mod repair;
mod repository;
mod settling;
mod text;
mod unsure;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

struct Here {
    dir: TempDir,
}

impl Here {
    fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn store() -> Self {
        let here = Self::empty();
        here.fine(&["init"]);
        here
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trib"));
        command.current_dir(self.path()).args(args);
        command.env_remove("TRIB_STORE").env_remove("COLUMNS");
        fs_testing::git::isolate(&mut command);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that succeeds; returns what it printed.
    fn fine(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "trib {args:?}: {err}");
        assert_eq!(err, "", "trib {args:?} has nothing to complain about");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that succeeds and says in one line that its answer is incomplete; returns what it printed.
    fn incomplete(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "trib {args:?}: {err}");
        assert!(
            err.lines().count() == 1
                && (err.starts_with("incomplete: ") || err.starts_with("{\"incomplete\":{")),
            "trib {args:?} says that something is missing, and no more: {err:?}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that fails with `code`; returns its message, which is no panic and no backtrace.
    fn refused(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "trib {args:?}: {err}");
        assert!(!err.is_empty(), "trib {args:?} says why");
        assert!(
            !err.contains("panicked") && !err.contains("backtrace"),
            "trib {args:?}: {err}"
        );
        err
    }

    /// Runs a command that succeeds and says something beside its answer; returns the lines of the answer and what it says.
    fn noted(&self, args: &[&str]) -> (Vec<Value>, String) {
        let args: Vec<_> = ["--json"].iter().chain(args).copied().collect();
        let output = self.run(&args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "trib {args:?}: {err}");
        let note: Value = serde_json::from_str(&err).unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        (lines.collect(), note["note"].as_str().unwrap().to_owned())
    }

    fn json(&self, args: &[&str]) -> Value {
        let args: Vec<_> = ["--json"].iter().chain(args).copied().collect();
        serde_json::from_str(&self.fine(&args)).unwrap()
    }

    fn lines(&self, args: &[&str]) -> Vec<Value> {
        let args: Vec<_> = ["--json"].iter().chain(args).copied().collect();
        let out = self.fine(&args);
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn first_file(&self) -> PathBuf {
        let path = &self.lines(&["log"])[0]["transaction_id"];
        let id = path.as_str().unwrap();
        let relative = format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
        self.path().join(relative)
    }
}

/// Checks the names of an object's fields.
fn assert_keys(value: &Value, expected: &str) {
    let found: BTreeSet<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(found, expected.split(' ').collect());
}

/// Two stores with a fork on `s` between them, merged into the first.
fn forked() -> Here {
    let (here, there) = (Here::store(), Here::store());
    here.fine(&["append", "s", "Left", "1"]);
    there.fine(&["append", "s", "Right", "2"]);
    let from = there.first_file();
    let to = here.path().join(from.strip_prefix(there.path()).unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
    here
}

#[test]
fn outside_a_store_every_command_says_what_to_do() {
    let here = Here::empty();
    for args in [
        &["append", "s", "T", "1"][..],
        &["read", "s"],
        &["events"],
        &["streams"],
        &["log"],
        &["status"],
        &["forks"],
        &["resolve", "s", "--keep", "x"],
        &["verify"],
        &["digest"],
        &["merge-check", "HEAD"],
        &["restore"],
        &["forget", "--all"],
        &["adopt"],
    ] {
        let message = here.refused(args, 1);
        assert!(message.contains("trib init"), "{args:?}: {message}");
    }
    assert_eq!(
        fs::read_dir(here.path()).unwrap().count(),
        0,
        "nothing was created"
    );
}

#[test]
fn init_answers_with_the_root_and_changes_nothing_again() {
    let here = Here::empty();
    let first = here.json(&["init"]);
    assert_keys(&first, "root created");
    here.fine(&["append", "s", "T", "1"]);
    let again = here.json(&["init"]);
    assert_eq!(
        (&first["created"], &again["created"]),
        (&true.into(), &false.into())
    );
    assert_eq!(again["root"], first["root"]);
    assert!(
        here.fine(&["init"])
            .starts_with("there was a store already")
    );
    assert_eq!(here.lines(&["read", "s"]).len(), 1);
}

#[test]
fn the_store_is_found_upwards_by_option_and_by_environment() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    fs::create_dir_all(here.path().join("deep/down")).unwrap();
    let streams = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let mut below = here.command(&["--json", "streams"]);
    let expected = "{\"stream_id\":\"s\",\"version\":1}\n";
    assert_eq!(
        streams(below.current_dir(here.path().join("deep/down"))),
        expected
    );
    let elsewhere = Here::empty();
    let root = here.path().join(".tributary");
    let mut named = elsewhere.command(&["--json", "streams", "--store", root.to_str().unwrap()]);
    assert_eq!(streams(&mut named), expected);
    let mut set = elsewhere.command(&["--json", "streams"]);
    assert_eq!(streams(set.env("TRIB_STORE", root)), expected);
}

#[test]
fn an_append_answers_with_versions_and_replays_its_command() {
    let here = Here::store();
    let args = [
        "append",
        "s",
        "T",
        "1",
        "--expect",
        "new",
        "--command-id",
        "c",
    ];
    let first = here.json(&args);
    assert_keys(&first, "transaction_id created_at versions replayed");
    assert_eq!(
        (&first["versions"]["s"], &first["replayed"]),
        (&1.into(), &false.into())
    );
    let again = here.json(&args);
    assert_eq!(
        (&again["transaction_id"], &again["replayed"]),
        (&first["transaction_id"], &true.into())
    );
    let first = first["transaction_id"].as_str().unwrap();
    for other in [["s", "T", "2"], ["t", "T", "1"], ["s", "U", "1"]] {
        let args = [&["append"], &other[..], &["--command-id", "c"]].concat();
        let message = here.refused(&args, 3);
        assert!(
            message.contains(first)
                && message.contains("\"s\"")
                && message.contains("nothing was stored"),
            "the first use is named: {message}"
        );
    }
    assert_eq!(here.lines(&["events"]).len(), 1, "nothing was stored");
    let message = here.refused(&["append", "s", "T", "1", "--expect", "new"], 3);
    assert!(message.contains("s is at version 1"), "{message}");
    here.fine(&[
        "append", "s", "T", "1", "--expect", "1", "--meta", "by=me", "--meta", "why=x=y",
    ]);
    assert_eq!(
        here.lines(&["read", "s"])[1]["metadata"].to_string(),
        r#"{"by":"me","why":"x=y"}"#
    );
}

#[test]
fn a_transaction_comes_from_a_file_or_from_standard_input() {
    let here = Here::store();
    let text = r#"{"events":[{"stream_id":"a/\n\u0000b","event_type":"T","event_data":{"n":1.50}},
        {"stream_id":"c","event_type":"T","event_data":2,"metadata":{"k":1}}],
        "expect":{"c":"new","d":0},"command_id":"x","metadata":{"m":1}}"#;
    fs::write(here.path().join("t.json"), text).unwrap();
    let first = here.json(&["append", "--transaction", "t.json"]);
    assert_eq!(first["versions"].as_object().unwrap().len(), 2);
    let mut piped = here.command(&["--json", "append", "--transaction", "-"]);
    let mut child = piped
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["replayed"], true);
    let all = here.fine(&["--json", "events", "--canonical"]);
    assert!(
        all.contains(r#""event_data":{"n":1.50}"#),
        "data is kept byte for byte: {all}"
    );
    let shown = here.fine(&["streams"]);
    assert_eq!(
        shown.lines().count(),
        2,
        "control characters are shown escaped: {shown:?}"
    );
}

#[test]
fn wrong_input_is_told_by_name() {
    let here = Here::store();
    fs::write(here.path().join("bad.json"), r#"{"events":[],"expct":{}}"#).unwrap();
    for (args, code, said) in [
        (&["append", "s", "T", "not json"][..], 2, "JSON"),
        (&["append", "s", "T"], 2, "DATA"),
        (&["append", "a*", "T", "1"], 2, "a*"),
        (&["append", "s", "T", "1", "--expect", "many"], 2, "many"),
        (
            &["append", "s", "T", "1", "--meta", "novalue"],
            2,
            "KEY=VALUE",
        ),
        (&["append", "--transaction", "bad.json"], 2, "expct"),
        (
            &["append", "--transaction", "missing.json"],
            1,
            "missing.json",
        ),
        (&["events", "--after", "soon"], 2, "soon"),
        (
            &["events", "--after", "00000000-0001-0000-0000-000000000001"],
            1,
            "epoch",
        ),
        (&["events", "--stream", "[a"], 2, "[a"),
        (&["resolve", "nothing", "--keep", "x"], 1, "trib forks"),
        (&["resolve", "nothing"], 2, "--keep"),
        (
            &["--store", "/nonexistent/store", "status"],
            1,
            "/nonexistent/store: nothing is there; create one with `trib --store /nonexistent/store init`",
        ),
        (
            &["--store", env!("CARGO_BIN_EXE_trib"), "status"],
            1,
            "a regular file is there",
        ),
        (
            &["--store", env!("CARGO_BIN_EXE_trib"), "merge-check", "HEAD"],
            1,
            "a regular file is there",
        ),
        (&["--store", "", "status"], 2, "--store is empty"),
        (&["frobnicate"], 2, "frobnicate"),
    ] {
        let message = here.refused(args, code);
        assert!(message.contains(said), "{args:?} names {said}: {message}");
    }
    let as_json = here.refused(&["--json", "append", "s", "T", "{"], 2);
    let as_json: Value = serde_json::from_str(&as_json).unwrap();
    assert_keys(&as_json, "error causes");
}

#[test]
fn events_come_in_pages_and_by_filter() {
    let here = Here::store();
    for n in 0..5 {
        here.fine(&[
            "append",
            &format!("s-{}", n % 2),
            if n == 3 { "U" } else { "T" },
            &n.to_string(),
        ]);
    }
    let all = here.lines(&["events"]);
    assert_keys(
        &all[0],
        "stream_id version event_id event_type event_data metadata transaction_id replica_id created_at position",
    );
    let data = |lines: &[Value]| {
        lines
            .iter()
            .map(|line| line["event_data"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(data(&all), [0, 1, 2, 3, 4]);
    let after = all[1]["position"].as_str().unwrap();
    assert_eq!(
        data(&here.lines(&["events", "--after", after, "--limit", "2"])),
        [2, 3]
    );
    assert_eq!(data(&here.lines(&["events", "--stream", "*-1"])), [1, 3]);
    assert_eq!(data(&here.lines(&["events", "--type", "U"])), [3]);
    let canonical = here.lines(&["events", "--canonical"]);
    assert_eq!(data(&canonical), [0, 1, 2, 3, 4]);
    assert!(
        canonical[0].get("position").is_none(),
        "canonical order has no positions"
    );
    assert_eq!(here.lines(&["streams"]).len(), 2);
    assert_keys(
        &here.lines(&["log"])[0],
        "transaction_id replica_id created_at parents streams",
    );
}

#[test]
fn status_tells_what_is_wrong_and_check_exits_with_four() {
    let here = forked();
    let status = here.json(&["status"]);
    assert_keys(
        &status,
        "clean complete transactions events streams heads forks unsure_forks stale_reads dangling incomplete quarantined rewritten repeated_commands replica_conflicts clock_ahead recovered unrecovered git vanished accepted moved newer_version epoch topology_generation",
    );
    assert_eq!(
        (&status["clean"], status["forks"].as_array().unwrap().len()),
        (&false.into(), 1)
    );
    assert_eq!(here.run(&["status", "--check"]).status.code(), Some(4));
    fs::write(here.path().join(".tributary/events/notes.txt"), "hello").unwrap();
    fs::write(here.first_file(), "").unwrap();
    let status = here.incomplete(&["--json", "status"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_keys(&status["quarantined"][0], "path reason");
    assert_eq!(status["quarantined"][0]["path"], "events/notes.txt");
    assert!(
        status["incomplete"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("`trib restore ")
    );
    assert_eq!(
        Here::store().run(&["status", "--check"]).status.code(),
        Some(0)
    );
}

#[test]
fn verify_exits_with_five_when_something_is_damaged() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let fine = here.json(&["verify"]);
    assert_eq!((&fine["ok"], &fine["checked"]), (&true.into(), &1.into()));
    let file = here.first_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"event_data\":1", "\"event_data\":2")).unwrap();
    let output = here.run(&["--json", "verify"]);
    assert_eq!(output.status.code(), Some(5));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["ok"], found["problems"].as_array().unwrap().len()),
        (&false.into(), 1)
    );
}

#[test]
fn a_fork_is_shown_and_settled() {
    for way in ["keep", "events"] {
        let here = forked();
        let forks = here.json(&["forks"]);
        let fork = &forks[0];
        assert_keys(
            fork,
            "fork_id streams branches common on_top transactions stale_reads unsure repeated_commands",
        );
        assert_keys(&fork["streams"][0], "stream_id base_version fork_point");
        assert_keys(&fork["branches"][0], "head transactions events");
        let text = here.fine(&["forks"]);
        assert!(
            text.contains("trib resolve"),
            "the text says how to settle it: {text}"
        );
        let head = fork["branches"][0]["head"].as_str().unwrap();
        let settled = if way == "keep" {
            let message = here.refused(&["resolve", "s", "--keep", "nonsense"], 2);
            assert!(message.contains(head), "the heads are named: {message}");
            here.json(&["resolve", "s", "--keep", head, "--reason", "it was first"])
        } else {
            let outcome = r#"{"events":[{"stream_id":"s","event_type":"Agreed","event_data":3}]}"#;
            fs::write(here.path().join("outcome.json"), outcome).unwrap();
            here.json(&[
                "resolve",
                fork["fork_id"].as_str().unwrap(),
                "--events",
                "outcome.json",
            ])
        };
        assert_keys(&settled, "fork_id transaction_id steps resolved");
        assert_eq!(settled["resolved"], serde_json::json!(["s"]));
        assert_eq!(here.json(&["forks"]), serde_json::json!([]));
        assert_eq!(here.lines(&["read", "s"]).len(), 3);
        assert_eq!(here.run(&["status", "--check"]).status.code(), Some(0));
    }
}

#[test]
fn the_demo_runs_through_once() {
    let here = Here::empty();
    let told = here.fine(&["demo"]);
    assert!(
        told.contains("No fork is open") && told.contains("clean"),
        "{told}"
    );
    let message = here.refused(&["demo"], 1);
    assert!(
        message.contains("tributary-demo") && message.contains("exists"),
        "{message}"
    );
    let steps = here.lines(&["demo", "again"]);
    assert_keys(&steps[0], "step title commands");
}
