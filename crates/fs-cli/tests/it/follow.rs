//! `trib events --follow`: one process shows what others append.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::settling::take_over;
use crate::{Here, fs};

/// A `trib events --follow` that runs, killed when dropped.
struct Following {
    child: Child,
    /// What it shows; a closed pipe without.
    lines: Option<std::io::Lines<BufReader<ChildStdout>>>,
}

impl Following {
    fn start(here: &Here, args: &[&str]) -> Self {
        let args: Vec<_> = ["--json", "events", "--follow"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let mut command = here.command(&args);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines: Some(lines),
        }
    }

    fn line(&mut self) -> Option<String> {
        let lines = self.lines.as_mut().unwrap();
        lines.next().map(Result::unwrap)
    }

    /// Waits for the next line and returns what it says.
    fn next(&mut self) -> Value {
        let line = self.line().expect("it goes on");
        serde_json::from_str(&line).unwrap()
    }

    fn next_data(&mut self) -> i64 {
        self.next()["event_data"].as_i64().unwrap()
    }

    /// Waits for the end; returns the exit code and what was said on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        assert_eq!(self.line(), None, "nothing more is shown");
        let mut stderr = self.child.stderr.take().unwrap();
        let code = self.child.wait().unwrap().code();
        let said = std::io::read_to_string(&mut stderr).unwrap();
        (code, said)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_there_is_shown_and_then_each_append_as_it_comes() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let mut following = Following::start(&here, &["--limit", "4"]);
    assert_eq!(following.next_data(), 1);
    for n in 2..=4 {
        here.fine(&["append", "s", "T", &n.to_string()]);
        // The line is there although the program goes on.
        assert_eq!(following.next_data(), n);
    }
    assert_eq!(
        following.end(),
        (Some(0), String::new()),
        "the limit is the end"
    );
}

#[test]
fn what_arrives_without_its_parent_is_said_to_be_incomplete() {
    let (here, there) = (Here::store(), Here::store());
    here.fine(&["append", "s", "T", "1"]);
    take_over(&here, &there);
    let paths = [2, 3].map(|n| {
        let appended = there.json(&["append", "s", "T", &n.to_string()]);
        let id = appended["transaction_id"].as_str().unwrap();
        format!("events/{}/{}/{id}.jsonl", &id[..4], &id[4..6])
    });
    let copy = |path: &str| {
        let [from, to] = [&there, &here].map(|at| at.path().join(".tributary").join(path));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        // Whole at once, as what is fetched by another program is not always.
        fs::copy(from, to.with_extension("part")).unwrap();
        fs::rename(to.with_extension("part"), to).unwrap();
    };
    let mut following = Following::start(&here, &["--limit", "3"]);
    assert_eq!(following.next_data(), 1);
    copy(&paths[1]);
    assert_eq!(following.next_data(), 3, "what is there is shown");
    copy(&paths[0]);
    assert_eq!(following.next_data(), 2);
    let (code, said) = following.end();
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let missing = |line: &Value| line["incomplete"]["missing"]["paths"][0] == paths[0].as_str();
    assert!(lines.iter().any(missing), "it is said meanwhile: {said}");
}

#[test]
fn strict_ends_with_five_when_something_goes_missing_meanwhile() {
    let put = |here: &Here, id: &str, bytes: &[u8]| {
        let directory = format!(".tributary/events/{}/{}", &id[..4], &id[4..6]);
        let directory = here.path().join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{id}.jsonl")), bytes).unwrap();
    };
    let above_what_is_missing = |here: &Here, there: &Here| {
        let appended = there.json(&["append", "t", "T", "2"]);
        let id = appended["transaction_id"].as_str().unwrap();
        let file = format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
        put(here, id, &fs::read(there.path().join(file)).unwrap());
    };
    // No event comes, and the history is what it was.
    let damaged = |here: &Here, _: &Here| put(here, "01a2dead-9944-737c-b4a1-ba29ace8fac7", b"");
    // The history that was followed ends with it.
    let known = |here: &Here, _: &Here| {
        let path = here.first_file();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
    };
    ends_with_five(above_what_is_missing);
    ends_with_five(damaged);
    ends_with_five(known);
}

/// Follows a store in which something is lost, with another at hand.
fn ends_with_five(lose: impl Fn(&Here, &Here)) {
    let (here, there) = (Here::store(), Here::store());
    here.fine(&["append", "s", "T", "1"]);
    there.fine(&["append", "t", "T", "1"]);
    let mut following = Following::start(&here, &["--strict"]);
    assert_eq!(following.next_data(), 1, "nothing is missing yet");
    lose(&here, &there);
    let (code, said) = following.end();
    assert_eq!(code, Some(5), "it ends when something goes missing: {said}");
    assert!(said.contains("incomplete"), "it says why: {said}");
}

#[test]
fn it_starts_after_a_position_and_shows_what_is_asked_for() {
    let here = Here::store();
    here.fine(&["append", "issue-1", "Opened", "1"]);
    here.fine(&["append", "issue-1", "Opened", "2"]);
    let first = here.lines(&["events"])[0]["position"].clone();
    let args = [
        "--after",
        first.as_str().unwrap(),
        "--stream",
        "issue-*",
        "--type",
        "Opened",
        "--limit",
        "2",
    ];
    let mut following = Following::start(&here, &args);
    assert_eq!(following.next_data(), 2);
    here.fine(&["append", "rates", "Opened", "3"]);
    here.fine(&["append", "issue-2", "Closed", "4"]);
    here.fine(&["append", "issue-2", "Opened", "5"]);
    let shown = following.next();
    assert_eq!(shown["event_data"], 5);
    assert_eq!(
        shown,
        here.lines(&["events"])[4],
        "a line is the same, live or not"
    );
    assert_eq!(following.end().0, Some(0));
}

#[test]
fn files_that_arrive_are_shown() {
    let (here, there) = (Here::store(), Here::store());
    there.fine(&["append", "s", "T", "7"]);
    let mut following = Following::start(&here, &["--limit", "1"]);
    let from = there.first_file();
    let to = here.path().join(from.strip_prefix(there.path()).unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
    assert_eq!(following.next_data(), 7);
    assert_eq!(following.end().0, Some(0));
}

#[test]
fn a_new_epoch_is_said_and_is_a_failure() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let mut following = Following::start(&here, &[]);
    let shown = following.next();
    fs::remove_file(here.first_file()).unwrap();
    let (code, said) = following.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("without --after"),
        "it says what to do: {said}"
    );
    assert!(
        !said.contains("position") && !said.contains("because"),
        "once, and of no position that nobody typed: {said}"
    );

    let position = shown["position"].as_str().unwrap();
    let said = here.refused(&["events", "--follow", "--after", position], 1);
    assert!(
        said.contains("without --after"),
        "it says what to do: {said}"
    );
    here.refused(&["events", "--follow", "--canonical"], 2);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let mut following = Following::start(&here, &[]);
    following.next();
    following.lines = None;
    here.fine(&["append", "s", "T", "2"]);
    let code = following.child.wait().unwrap().code();
    assert_eq!(code, Some(0), "a closed pipe ends it quietly");
}

#[test]
fn the_gap_of_a_recording_is_a_sentence_for_people_and_stays_data_for_programs() {
    let here = Here::store();
    let data = r#"{"from":3,"to":5}"#;
    here.fine(&["append", "s", "tributary.Gap", data]);
    here.fine(&["append", "s", "tributary.Gap", "{}"]);
    for args in [
        &["read", "s"][..],
        &["events"],
        &["events", "--follow", "--limit", "2"],
    ] {
        let said = here.fine(args);
        let lines: Vec<_> = said.lines().collect();
        assert!(
            lines[0].ends_with("tributary.Gap  events between 3 and 5 were dropped"),
            "trib {args:?} says what was dropped: {said}"
        );
        assert!(
            lines[1].ends_with("{}"),
            "what names no range is shown: {said}"
        );
        let first = &here.lines(args)[0];
        assert_eq!(first["event_data"]["to"], 5, "trib {args:?}: {first}");
    }
}
