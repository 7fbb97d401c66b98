//! What an answer lacks is said beside it, and what is advised brings it back.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Here, assert_keys};

/// A repository with one event of `u` and three of `s`, committed one by one; returns the transaction of the first of `s`.
pub(crate) fn chain() -> (Here, String) {
    let here = Here::repository();
    here.work("u", "Below");
    let first = here.work("s", "One");
    here.work("s", "Two");
    here.work("s", "Three");
    (here, first)
}

pub(crate) fn relative(id: &str) -> String {
    format!("events/{}/{}/{id}.jsonl", &id[..4], &id[4..6])
}

pub(crate) fn file(here: &Here, id: &str) -> PathBuf {
    here.path().join(".tributary").join(relative(id))
}

/// Puts other bytes in the place of a file.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Changes a word in the file of a transaction.
fn damage(here: &Here, id: &str) {
    let path = file(here, id);
    let text = fs::read_to_string(&path).unwrap();
    replace(&path, text.replace("\"One\"", "\"Uno\"").as_bytes());
}

/// Deletes what the store keeps, so that nobody but git has the bytes.
pub(crate) fn forget_kept_bytes(here: &Here) {
    here.run(&["status"]);
    let kept = here.path().join(".tributary/local/vanished");
    fs::remove_dir_all(kept).unwrap();
}

#[test]
fn every_answer_says_what_it_lacks() {
    let (here, first) = chain();
    here.noted(&["consume", "c"]);
    damage(&here, &first);
    here.run(&["status"]);
    for args in [
        &["read", "s"][..],
        &["events"],
        &["events", "--canonical"],
        &["streams"],
        &["log"],
        &["log", "--by-replica"],
        &["consume", "c"],
        &["schema-check"],
        &["status"],
        &["forks"],
        &["digest"],
        &["append", "free", "T", "1"],
    ] {
        here.incomplete(args);
        let json: Vec<_> = ["--json"].iter().chain(args).copied().collect();
        let output = here.run(&json);
        let line: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_keys(&line, "incomplete");
        let found = &line["incomplete"];
        assert_keys(found, "missing damaged newer git_at_work");
        assert_eq!(
            found["damaged"],
            json!({ "count": 1, "paths": [relative(&first)] }),
            "{args:?}"
        );
        for other in ["missing", "newer", "git_at_work"] {
            assert_eq!(found[other], json!({ "count": 0, "paths": [] }), "{args:?}");
        }
    }
    assert_eq!(here.run(&["verify"]).status.code(), Some(5));
}

#[test]
fn what_git_has_taken_away_for_a_moment_is_said_with_what_to_do() {
    let (here, first) = chain();
    let before = here.fine(&["read", "s"]);
    let lock = here.path().join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    fs::remove_file(file(&here, &first)).unwrap();
    for args in [&["read", "s"][..], &["status"]] {
        let output = here.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        for part in [&relative(&first)[..], "ask again when it is done"] {
            assert!(said.contains(part), "{args:?}: {part}: {said}");
        }
        assert!(!said.contains("trib status"), "it says no more: {said}");
    }
    let output = here.run(&["--strict", "--json", "digest"]);
    let line: Value = serde_json::from_slice(&output.stderr).unwrap();
    let taken = json!({ "count": 1, "paths": [relative(&first)] });
    assert_eq!(line["incomplete"]["git_at_work"], taken);
    assert_eq!(output.status.code(), Some(5));
    let output = here.run(&["read", "s"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        before,
        "the answer is that of before"
    );
}

#[test]
fn strict_answers_exit_with_five_and_write_nothing() {
    let (here, first) = chain();
    for args in [&["read", "s"][..], &["events"], &["status"], &["digest"]] {
        let strict: Vec<_> = ["--strict"].iter().chain(args).copied().collect();
        here.fine(&strict);
    }
    here.fine(&["--strict", "append", "s", "Four", "1"]);
    fs::remove_file(file(&here, &first)).unwrap();
    let events = here.incomplete(&["events"]);
    for args in [
        &["read", "s"][..],
        &["events"],
        &["events", "--follow"],
        &["status"],
    ] {
        let strict: Vec<_> = args.iter().chain(&["--strict"]).copied().collect();
        let output = here.run(&strict);
        assert_eq!(output.status.code(), Some(5), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?} says why");
    }
    let output = here.run(&["events", "--strict"]);
    assert_eq!(
        output.stdout,
        events.as_bytes(),
        "the answer is given all the same"
    );
    for args in [
        &["append", "free", "T", "1"][..],
        &["consume", "c", "--advance"],
        &["resolve", "--all", "--latest"],
    ] {
        let strict: Vec<_> = args.iter().chain(&["--strict"]).copied().collect();
        let message = here.refused(&strict, 5);
        assert!(message.contains(&relative(&first)), "{args:?}: {message}");
    }
    assert_eq!(here.incomplete(&["events"]), events, "nothing was stored");
}

#[test]
fn an_append_above_a_hole_says_what_to_type() {
    let (here, first) = chain();
    fs::remove_file(file(&here, &first)).unwrap();
    let message = here.refused(&["append", "s", "T", "1", "--expect", "2"], 5);
    for said in [
        "stream s",
        &relative(&first),
        &format!("`trib forget {first}`"),
        "--anyway",
    ] {
        assert!(message.contains(said), "{said} is told: {message}");
    }
    let json = here.run(&["--json", "append", "s", "T", "1", "--expect", "3"]);
    assert_eq!(json.status.code(), Some(5));
    here.incomplete(&["append", "u", "T", "1", "--expect", "1"]);
    here.incomplete(&["append", "s", "T", "1", "--expect", "2", "--anyway"]);
    let conflict = ["append", "s", "T", "1", "--expect", "2", "--anyway"];
    here.refused(&conflict, 3);
}

#[test]
fn what_is_gone_for_good_is_accepted_here_and_listed_on_request() {
    let (here, first) = chain();
    damage(&here, &first);
    forget_kept_bytes(&here);
    let status = here.incomplete(&["--json", "status"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["complete"], json!(false));
    let told = here.fine(&["forget", &first]);
    assert!(told.contains(&relative(&first)), "{told}");
    let status = here.json(&["status"]);
    assert_eq!(
        (&status["complete"], &status["clean"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        status["accepted"],
        json!([{ "transaction_id": first, "path": relative(&first) }])
    );
    assert!(!here.fine(&["status"]).contains(&first));
    assert!(here.fine(&["status", "--all"]).contains(&relative(&first)));
    let verified = here.fine(&["verify"]);
    assert!(
        verified.contains("everything verifies")
            && verified.contains(&format!("accepted: {}", relative(&first))),
        "it is no problem, and named: {verified}"
    );
    assert_eq!(here.json(&["verify"])["accepted"], status["accepted"]);
    here.fine(&["append", "s", "T", "1", "--expect", "2", "--strict"]);
    let other = here.lines(&["log"])[0]["transaction_id"].clone();
    let message = here.refused(&["forget", other.as_str().unwrap()], 1);
    assert!(message.contains("neither missing nor damaged"), "{message}");

    here.git(&["checkout", "--quiet", "--", ".tributary/events"]);
    let status = here.json(&["status"]);
    assert_eq!(status["accepted"], json!([]), "it has come back");
    assert_eq!(here.lines(&["read", "s"]).len(), 4);
}

/// Checks that `status` and `verify` advise `command` for a transaction, and that nothing is missing once it was run.
fn follow_advice(here: &Here, id: &str, command: &str) {
    for args in [&["status"][..], &["--json", "status"], &["verify"]] {
        let output = here.run(args);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("`{command}`")), "{args:?}: {said}");
    }
    let words: Vec<&str> = command.split(' ').collect();
    match words[0] {
        "trib" => _ = here.run(&words[1..]),
        _ => {
            let store = here.path().join(".tributary");
            let args: Vec<_> = ["-C", store.to_str().unwrap()]
                .iter()
                .chain(&words[1..])
                .copied()
                .collect();
            here.git(&args);
        }
    }
    let status = here.json(&["status"]);
    assert_eq!(status["complete"], json!(true), "{id} is back: {status}");
}

#[test]
fn what_the_store_keeps_is_restored_whether_the_file_is_damaged_or_away() {
    let (here, first) = chain();
    damage(&here, &first);
    here.run(&["status"]);
    follow_advice(&here, &first, &format!("trib restore {first}"));
    fs::remove_file(file(&here, &first)).unwrap();
    here.run(&["status"]);
    follow_advice(&here, &first, &format!("trib restore {first}"));
}

#[test]
fn what_git_has_is_checked_out() {
    let (here, first) = chain();
    let checkout = format!("git checkout -- {}", relative(&first));
    damage(&here, &first);
    forget_kept_bytes(&here);
    follow_advice(&here, &first, &checkout);

    fs::remove_file(file(&here, &first)).unwrap();
    forget_kept_bytes(&here);
    follow_advice(&here, &first, &checkout);
}

#[test]
fn what_was_only_staged_is_checked_out() {
    let here = Here::repository();
    here.fine(&["append", "s", "One", "1"]);
    let first = here.lines(&["log"])[0]["transaction_id"].clone();
    let first = first.as_str().unwrap();
    here.git(&["add", "--all", "."]);
    damage(&here, first);
    forget_kept_bytes(&here);
    follow_advice(
        &here,
        first,
        &format!("git checkout -- {}", relative(first)),
    );
}

#[test]
fn what_was_committed_damaged_comes_from_the_commit_before() {
    let (here, first) = chain();
    let good = here.git(&["rev-parse", "HEAD~2"]);
    damage(&here, &first);
    here.commit();
    forget_kept_bytes(&here);
    let checkout = format!("git checkout {} -- {}", good.trim(), relative(&first));
    follow_advice(&here, &first, &checkout);

    fs::remove_file(file(&here, &first)).unwrap();
    here.commit();
    forget_kept_bytes(&here);
    let newest = here.git(&["rev-parse", "HEAD"]);
    assert_ne!(newest, good);
    follow_advice(&here, &first, &checkout);
}

#[test]
fn what_was_resealed_with_other_content_is_not_taken_for_good() {
    let (here, first) = chain();
    let good = here.git(&["rev-parse", "HEAD~2"]);
    let bytes = fs::read(file(&here, &first)).unwrap();
    let transaction = fs_format::decode(&bytes).unwrap();
    let mut events = transaction.events.clone();
    events[0].event_data = fs_format::Json::compact("\"forged\"").unwrap();
    let forged = fs_format::encode(&transaction.header, &events).unwrap();
    replace(&file(&here, &first), &forged.bytes);
    here.commit();
    forget_kept_bytes(&here);
    let checkout = format!("git checkout {} -- {}", good.trim(), relative(&first));
    follow_advice(&here, &first, &checkout);
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_checked_out() {
    let (here, first) = chain();
    let out = format!("!/.tributary/{}", relative(&first));
    here.git(&["sparse-checkout", "set", "--no-cone", "/*", &out]);
    forget_kept_bytes(&here);
    let checkout = format!(
        "git checkout --ignore-skip-worktree-bits -- {}",
        relative(&first)
    );
    follow_advice(&here, &first, &checkout);
}

#[test]
fn git_is_not_asked_for_what_it_does_not_have() {
    let untracked = Here::repository();
    let nowhere = Here::store();
    let (damaged_ever_since, _) = chain();
    let ours = damaged_ever_since.cloned();
    for here in [&untracked, &nowhere, &ours] {
        here.fine(&["append", "s", "One", "1"]);
        let log = here.lines(&["log"]);
        let last = log.last().unwrap()["transaction_id"].as_str().unwrap();
        replace(&file(here, last), b"");
        forget_kept_bytes(here);
        for args in [&["status"][..], &["--json", "status"], &["verify"]] {
            let output = here.run(args);
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(
                !said.contains("git checkout") && said.contains(&format!("`trib forget {last}`")),
                "{args:?}: nobody here has the bytes: {said}"
            );
        }
    }
}

#[test]
fn people_are_shown_as_much_as_they_can_read_and_how_to_see_the_rest() {
    let (here, there) = (Here::store(), Here::store());
    let ids: Vec<String> = (0..50)
        .map(|n| {
            let appended = there.json(&["append", "s", "T", &n.to_string()]);
            appended["transaction_id"].as_str().unwrap().to_owned()
        })
        .collect();
    for id in ids.iter().skip(1).step_by(2) {
        let to = file(&here, id);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file(&there, id), to).unwrap();
    }
    let lines = |args: &[&str]| {
        let text = String::from_utf8(here.run(args).stdout).unwrap();
        let dangling = text.matches("names a parent that is not here").count()
            + text.matches("is not there").count();
        (dangling, text)
    };
    let (shown, text) = lines(&["status"]);
    assert_eq!(shown, 20, "{text}");
    assert!(
        text.contains("… 5 more dangling transactions: `trib status --all` lists all"),
        "{text}"
    );
    assert_eq!(lines(&["status", "--all"]).0, 25);
    let status = here.incomplete(&["--json", "status"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["dangling"].as_array().unwrap().len(), 25, "{status}");
    let (_, text) = lines(&["verify"]);
    assert!(
        text.lines().count() <= 22 && text.contains("… 5 more problems: `trib verify --all`"),
        "{text}"
    );
    assert!(lines(&["verify", "--all"]).1.lines().count() > 25);
    for id in ids.iter().skip(1).step_by(2) {
        fs::remove_file(file(&here, id)).unwrap();
    }
    here.run(&["status"]);
    let (_, text) = lines(&["restore"]);
    assert!(
        text.lines().count() <= 22 && text.contains("… 5 more transactions: `trib restore --json`"),
        "{text}"
    );
}
