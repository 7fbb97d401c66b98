//! Answers as people see them.

use std::fs;

use crate::{Here, forked};

/// Replaces ids, times and digests by their names.
fn redacted(here: &Here, text: &str) -> String {
    let is_hex = |part: &str| part.chars().all(|c| c.is_ascii_hexdigit());
    let redact = |word: &str| {
        let bare = word.trim_end_matches([':', ',', '`']);
        let rest = &word[bare.len()..];
        let name = match bare.len() {
            36 if bare.split('-').map(str::len).eq([8, 4, 4, 4, 12]) => "<id>",
            30 if bare.ends_with('Z') && bare.contains('T') => "<time>",
            64 if is_hex(bare) => "<sha256>",
            16 if is_hex(bare) => "<fork>",
            11 if bare.ends_with('…') => "<start>",
            _ => return word.to_owned(),
        };
        format!("{name}{rest}")
    };
    // The root as the program names it, whatever links the directory lies behind.
    let text = text.replace(here.path().to_str().unwrap(), "<here>");
    text.lines()
        .map(|line| line.split(' ').map(redact).collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

pub(crate) fn assert_says(here: &Here, args: &[&str], expected: &str) {
    assert_eq!(redacted(here, &here.fine(args)), expected, "trib {args:?}");
}

#[test]
fn a_store_without_trouble() {
    let here = Here::empty();
    let init = here.fine(&["init"]);
    assert!(
        init.starts_with("store ready in ") && init.contains("commit its events/"),
        "{init}"
    );
    assert_says(&here, &["streams"], "");
    assert_says(
        &here,
        &["status"],
        "0 transactions, 0 events, 0 streams, 0 head(s)\nclean\n",
    );
    assert_says(
        &here,
        &["append", "s", "Opened", r#"{"n": 1}"#, "--command-id", "c"],
        "appended <id>: s at version 1\n",
    );
    assert_says(
        &here,
        &["append", "s", "Opened", r#"{"n": 1}"#, "--command-id", "c"],
        "already appended <id>: s at version 1\n",
    );
    here.fine(&["append", "a\nb", "Closed", "2"]);
    assert_says(&here, &["read", "s"], "s 1  Opened  {\"n\":1}\n");
    assert_says(
        &here,
        &["events"],
        "<id>  s 1  Opened  {\"n\":1}\n<id>  a\\nb 1  Closed  2\n",
    );
    assert_says(
        &here,
        &["events", "--canonical"],
        "s 1  Opened  {\"n\":1}\na\\nb 1  Closed  2\n",
    );
    assert_says(&here, &["streams"], "       1  a\\nb\n       1  s\n");
    assert_says(&here, &["log"], "<id>  <time>  s\n<id>  <time>  a\\nb\n");
    assert_says(&here, &["forks"], "no fork is open\n");
    assert_says(
        &here,
        &["status", "--check"],
        "2 transactions, 2 events, 2 streams, 1 head(s)\nclean\n",
    );
    assert_says(&here, &["verify"], "2 files checked: everything verifies\n");
    assert_says(
        &here,
        &["digest"],
        "2 transactions\nset    <sha256>\norder  <sha256>\nheads  <id>\nfiles  not compared; `trib digest --files` compares them\n",
    );
}

#[test]
fn a_fork_from_the_first_look_to_the_end() {
    let here = forked();
    assert_says(
        &here,
        &["status"],
        "2 transactions, 2 events, 1 streams, 2 head(s)\n\
         fork <fork> is open: look at it with `trib forks`, settle it with `trib resolve <fork>`\n\
         not clean\n",
    );
    assert_says(
        &here,
        &["forks"],
        r"
fork <fork> on s (after version 0)

  ●  <id>  branch 2, <time>
  │  by replica <id>
  │ ●  <id>  branch 1, <time>
  ├─╯  by replica <id>
  ~  nothing yet of s

  branch 1                                        │ branch 2
  <time>                  │ <time>
    by replica <start>                          │   by replica <start>
    s 1  Left  1                                  │   s 2  Right  2

  settle it with one of
    trib resolve <fork> --keep <id>   branch 1
    trib resolve <fork> --keep <id>   branch 2, as --latest does
    trib resolve <fork> --accept        all as they stand
    trib resolve <fork> --events FILE   events of your own
"
        .trim_start(),
    );
    let forks = here.json(&["forks"]);
    let head = forks[0]["branches"][0]["head"].as_str().unwrap();
    here.fine(&["append", "s", "After", "3"]);
    let shown = here.fine(&["forks"]);
    assert!(shown.contains("on top, 1 transaction(s) since"), "{shown}");
    assert_says(
        &here,
        &["resolve", "s", "--keep", head],
        "settled s by <id>\n",
    );
    let log = here.fine(&["log"]);
    assert!(log.ends_with("(settles a fork)\n"), "{log}");
    assert_says(
        &here,
        &["status", "--check"],
        "4 transactions, 4 events, 1 streams, 1 head(s)\nclean\n",
    );
}

#[test]
fn damage_is_named_with_its_path_and_reason() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let file = here.first_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace('\n', "\r\n")).unwrap();
    let verified = here.fine(&["verify"]);
    assert!(
        verified.contains("altered in transit") && verified.ends_with("everything verifies\n"),
        "line ends are no damage: {verified}"
    );
    assert!(
        !verified.contains("git checkout"),
        "git does not have the file: {verified}"
    );
    fs::write(&file, text.replace("\"T\"", "\"U\"")).unwrap();
    let output = here.run(&["verify"]);
    assert_eq!(output.status.code(), Some(5));
    let verified = String::from_utf8(output.stdout).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(
        verified.contains(name) && verified.ends_with("damaged\n"),
        "{verified}"
    );
    assert_eq!(here.run(&["status", "--check"]).status.code(), Some(4));
}

#[test]
fn whatever_is_wrong_with_a_file_what_to_do_is_said() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let events = here.path().join(".tributary/events");
    let file = here.first_file();
    let text = fs::read_to_string(&file).unwrap();
    let id = file.file_stem().unwrap().to_str().unwrap().to_owned();
    let other = |last: char| {
        let name = format!("{}{last}", &id[..35]);
        file.with_file_name(format!("{name}.jsonl"))
    };
    let digits = "0123456789abcdef".chars();
    let mut unused = digits.filter(|digit| !id.ends_with(*digit)).map(other);
    let mut put = |content: &str| fs::write(unused.next().unwrap(), content).unwrap();
    put("");
    put("garbage\n");
    put("{\"record\":\"header\",\"format_version\":4}\n");
    fs::create_dir(unused.next().unwrap()).unwrap();
    fs::write(events.join("notes.txt"), "").unwrap();
    fs::write(events.join(format!("{id}.jsonl")), &text).unwrap();
    let large = fs::File::create(unused.next().unwrap()).unwrap();
    large.set_len((16 << 20) + 1).unwrap();
    let status = here.incomplete(&["status"]);
    let verified = here.run(&["verify"]);
    let verified = String::from_utf8(verified.stdout).unwrap();
    for said in [&status, &verified] {
        let about: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("events/"))
            .collect();
        assert_eq!(about.len(), 7, "each file is named: {said}");
        for line in about {
            let (_, advice) = line.split_once("; ").unwrap_or_else(|| panic!("{line}"));
            assert!(
                [
                    "copy its file from a clone that has it; ",
                    "read it with",
                    "move it",
                    "give it back",
                    "delete this"
                ]
                .iter()
                .any(|start| advice.starts_with(start)),
                "what to do is said: {line}"
            );
        }
    }
    assert_eq!(
        status.matches("newer version").count(),
        2,
        "that it is newer is said once, and once what to read it with: {status}"
    );
}

#[test]
fn help_tells_the_exit_codes() {
    let here = Here::empty();
    let help = here.fine(&["--help"]);
    assert!(
        help.starts_with("An event store that merges like git\n"),
        "{help}"
    );
    assert!(
        help.contains("4 not clean, 5 damaged or incomplete, 6 stored"),
        "{help}"
    );
    assert!(here.fine(&["--version"]).starts_with("trib "));
}

#[test]
fn a_demo_needs_a_directory_that_is_not_there() {
    let here = Here::empty();
    fs::write(here.path().join("file"), "").unwrap();
    for taken in ["file", "."] {
        let message = here.refused(&["demo", taken], 1);
        assert!(message.contains("exists already"), "{message}");
    }
    assert_eq!(
        fs::read_dir(here.path()).unwrap().count(),
        1,
        "nothing was made"
    );
}
