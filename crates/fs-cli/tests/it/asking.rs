//! Forks that are settled by answering questions.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

use crate::input::fed;
use crate::settling::take_over;
use crate::{Here, forked};

/// Answers questions about `s` with these lines; returns what was said.
fn answered(here: &Here, args: &[&str], lines: &str) -> String {
    let args = [&["resolve", "--interactive"], args].concat();
    let done = fed(here, &args, lines.as_bytes());
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{lines:?}: {err}");
    assert_eq!(err, "", "{lines:?}");
    String::from_utf8(done.stdout).unwrap()
}

fn open_forks(here: &Here) -> usize {
    here.json(&["forks"]).as_array().unwrap().len()
}

#[test]
fn an_answer_settles_the_fork_that_was_shown() {
    for (answer, read) in [
        ("1\n\n", 3),
        ("keep 2\n\n", 3),
        ("K1\n\n", 3),
        ("latest\n\n", 3),
        ("  Accept \r\n\r\n", 2),
    ] {
        let here = forked();
        let said = answered(&here, &["s"], answer);
        assert!(
            said.contains("branch 1") && said.contains("keep 1-2, accept all, latest (branch 2)"),
            "the fork is shown with the choices: {said}"
        );
        assert!(
            said.contains("settled s by") && said.ends_with("no fork is open any more\n"),
            "{answer:?}: {said}"
        );
        assert_eq!(here.lines(&["read", "s"]).len(), read, "{answer:?}");
    }
}

#[test]
fn nothing_is_settled_without_a_whole_answer() {
    let here = forked();
    for answers in [
        "",
        "a",
        "a\n",
        "a\nwhy",
        "q\n",
        "quit\n",
        "s\n",
        "skip\n",
        "\n",
        "0\n",
        "3\n",
        "-1\n",
        "keep\n",
        "kept 1\n",
        "yes\n",
        "1 2\n",
        "99999999999999999999\n",
        "\u{1b}[A\n",
    ] {
        let said = answered(&here, &[], answers);
        assert!(
            said.ends_with("1 fork(s) are open\n"),
            "{answers:?}: {said}"
        );
    }
    let said = answered(&here, &[], "what?\n1\n\n");
    assert!(
        said.contains("type a number from 1 to 2") && said.contains("settled s by"),
        "it is asked again: {said}"
    );
    assert_eq!(
        answered(&here, &[], "1\n"),
        "nothing to settle: no fork is open\n"
    );
}

#[test]
fn author_and_reason_go_with_the_answer() {
    let here = forked();
    let dry = answered(&here, &["--dry-run"], "a\nboth hold\n");
    assert!(
        dry.contains(r#"{"reason":"both hold"}"#) && dry.contains("nothing was written"),
        "{dry}"
    );
    assert_eq!(open_forks(&here), 1, "a dry run asks, and writes nothing");
    let args = ["s", "--author", "Ann", "--reason", "we talked"];
    let said = answered(&here, &args, "a\n");
    assert!(
        !said.contains("why?"),
        "what was given is not asked: {said}"
    );
    assert!(said.contains("settled s by"), "{said}");
}

#[test]
fn forks_are_asked_about_one_by_one() {
    let (here, there) = (Here::store(), Here::store());
    for stream in ["s", "t", "u"] {
        here.fine(&["append", stream, "Left", "1"]);
        there.fine(&["append", stream, "Right", "2"]);
    }
    take_over(&there, &here);
    let said = answered(&here, &[], "a\n\nskip\n1\nit came first\n");
    assert_eq!(said.matches("settled ").count(), 2, "{said}");
    assert!(said.ends_with("1 fork(s) are open\n"), "{said}");
    let left = here.json(&["forks"]);
    assert_eq!(left[0]["streams"][0]["stream_id"], json!("t"));
}

/// A conversation with `trib resolve -i`.
struct Talk {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Talk {
    fn start(here: &Here, args: &[&str]) -> Self {
        let args = [&["resolve", "-i"], args].concat();
        Self::spawn(&mut here.command(&args))
    }

    fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Self {
            child,
            stdin: stdin.unwrap(),
            stdout: stdout.unwrap(),
        }
    }

    /// Waits for a question.
    fn until(&mut self, end: &str) -> String {
        let mut said = Vec::new();
        while !said.ends_with(end.as_bytes()) {
            let mut byte = [0];
            let read = self.stdout.read(&mut byte).unwrap();
            assert_eq!(read, 1, "{} is asked", end);
            said.extend(byte);
        }
        String::from_utf8(said).unwrap()
    }

    fn answer(&mut self, line: &str) {
        self.stdin.write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn a_fork_that_changed_meanwhile_is_shown_again() {
    let here = forked();
    let mut talk = Talk::start(&here, &["s"]);
    talk.until("quit? ");
    here.fine(&["append", "s", "Meanwhile", "3"]);
    talk.answer("a\n\n");
    let again = talk.until("quit? ");
    assert!(
        again.contains("changed meanwhile, and nothing was written: look again")
            && again.contains("s 3  Meanwhile  3"),
        "the new state is shown: {again}"
    );
    assert_eq!(open_forks(&here), 1, "nothing was settled unseen");

    // Settled by somebody else, it is not asked about any more.
    here.fine(&["resolve", "s", "--latest"]);
    talk.answer("a\n\n");
    let end = talk.until("no fork is open any more\n");
    assert!(end.contains("changed meanwhile"), "{end}");
    assert!(talk.child.wait().unwrap().success());
    assert_eq!(here.lines(&["read", "s"]).len(), 4, "it was settled once");
}

/// Util-linux has a program that runs another on a terminal of its own.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_it_is_asked_without_being_told_to() {
    let here = forked();
    let has_script = Command::new("script").arg("--version").output();
    if !has_script.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("util-linux")) {
        println!("skipped: there is no `script` of util-linux");
        return;
    }
    let mut command = Command::new("script");
    let typed = format!("'{}' resolve", env!("CARGO_BIN_EXE_trib"));
    command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]);
    command.current_dir(here.path()).env_remove("TRIB_STORE");
    let mut talk = Talk::spawn(&mut command);
    let shown = talk.until("quit? ");
    assert!(shown.contains("keep 1-2, accept all"), "{shown}");
    talk.answer("a\n");
    talk.until("no reason: ");
    talk.answer("both hold\n");
    talk.until("no fork is open any more\r\n");
    assert!(talk.child.wait().unwrap().success());
    assert_eq!(open_forks(&here), 0, "it was settled");
}
