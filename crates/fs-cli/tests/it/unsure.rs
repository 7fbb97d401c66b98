//! `trib forks`, `status` and `resolve` where a fork may be none, or is larger than a person can read.

use std::fs;

use serde_json::{Value, json};

use crate::settling::take_over;
use crate::{Here, forked};

/// A linear history of which the second transaction's file is empty.
fn with_a_hole() -> (Here, String) {
    let here = Here::store();
    let ids = [1, 2, 3].map(|data| {
        let appended = here.json(&[
            "append",
            if data == 2 { "other" } else { "s" },
            "T",
            &data.to_string(),
        ]);
        appended["transaction_id"].as_str().unwrap().to_owned()
    });
    let id = &ids[1];
    let path = format!("events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
    fs::write(here.path().join(".tributary").join(&path), "").unwrap();
    (here, path)
}

/// Returns the answer of a command, whatever it says of what is missing beside it.
fn answer(here: &Here, args: &[&str]) -> String {
    let output = here.run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(here: &Here, args: &[&str]) -> Value {
    serde_json::from_str(&answer(here, &[&["--json"], args].concat())).unwrap()
}

#[test]
fn a_fork_that_may_be_none_is_shown_as_that_and_declined() {
    let (here, path) = with_a_hole();
    let status = json_of(&here, &["status"]);
    assert_eq!(status["unsure_forks"][0]["missing"][0]["path"], json!(path));
    let shown = json_of(&here, &["forks"]);
    assert_eq!(shown[0]["unsure"][0]["path"], json!(path));
    for text in [answer(&here, &["forks"]), answer(&here, &["status"])] {
        assert!(text.contains("unsure") && text.contains(&path), "{text}");
    }
    for args in [
        &["resolve", "s", "--accept"][..],
        &["resolve", "s", "--latest", "--dry-run"],
        &["resolve", "--all", "--accept"],
    ] {
        let output = here.run(args);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).replace('\n', " ");
        assert_eq!(output.status.code(), Some(5), "{args:?}: {said}");
        assert!(said.contains(&path), "{args:?} names the file: {said}");
    }
    assert_eq!(json_of(&here, &["forks"]), shown, "nothing was written");
    answer(&here, &["resolve", "--all", "--accept", "--anyway"]);
    assert_eq!(
        json_of(&here, &["forks"]),
        json!([]),
        "who says anyway settles"
    );
}

#[test]
fn without_a_fork_there_is_nothing_to_settle() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    for args in [
        &["resolve"][..],
        &["resolve", "s", "--latest"],
        &["resolve", "--all", "--latest"],
        &["resolve", "-i"],
    ] {
        assert!(here.fine(args).starts_with("nothing to settle"), "{args:?}");
    }
    assert_eq!(here.json(&["resolve"])["settled"], json!([]));
}

#[test]
fn commands_that_were_carried_out_twice_are_named() {
    let (here, there) = (Here::store(), Here::store());
    let id = ["--command-id", "deposit-7"];
    let append = |at: &Here| at.fine(&[&["append", "account", "Deposited", "7"][..], &id].concat());
    append(&here);
    append(&there);
    let from = there.first_file();
    let to = here.path().join(from.strip_prefix(there.path()).unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
    let fork = &here.json(&["forks"])[0];
    assert_eq!(fork["repeated_commands"][0]["command_id"], "deposit-7");
    assert_eq!(
        fork["repeated_commands"][0]["transactions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!(
        here.fine(&["forks"])
            .contains("command deposit-7 was carried out by each of")
    );
    assert_eq!(forked().json(&["forks"])[0]["repeated_commands"], json!([]));
}

#[test]
fn of_a_long_branch_the_newest_is_shown_and_everything_on_demand() {
    let here = forked();
    let events: Vec<_> = (0..40)
        .map(|nth| json!({"stream_id": "s", "event_type": format!("Nth{nth}"), "event_data": "x".repeat(200)}))
        .collect();
    let text = json!({ "events": events }).to_string();
    fs::write(here.path().join("more.json"), text).unwrap();
    here.fine(&["append", "--transaction", "more.json"]);
    let (some, all) = (here.fine(&["forks"]), here.fine(&["forks", "--all"]));
    assert!(some.contains("20 more events, with `--all`"), "{some}");
    assert!(!some.contains("Nth39") && all.contains("Nth39"), "{all}");
    assert!(
        some.len() < 30_000 && all.len() > some.len(),
        "{} and {}",
        some.len(),
        all.len()
    );
}

#[test]
fn a_settlement_that_expects_a_version_of_a_stream_with_a_hole_is_refused() {
    let (here, there) = (Here::store(), Here::store());
    let ids = ["1", "2", "3"].map(|data| {
        let appended = here.json(&["append", "u", "T", data]);
        appended["transaction_id"].as_str().unwrap().to_owned()
    });
    take_over(&here, &there);
    here.fine(&["append", "s", "Left", "1"]);
    there.fine(&["append", "s", "Right", "2"]);
    take_over(&there, &here);
    let id = &ids[1];
    let path = format!("events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
    let file = here.path().join(".tributary").join(&path);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, "").unwrap();
    let outcome = json!({ "expect": { "u": 1 }, "events": [] }).to_string();
    fs::write(here.path().join("outcome.json"), outcome).unwrap();
    let shown = json_of(&here, &["forks"]);
    let shown = shown.as_array().unwrap().iter();
    let sure: Vec<_> = shown.filter(|fork| fork["unsure"] == json!([])).collect();
    let fork = sure[0]["fork_id"].as_str().unwrap();
    for extra in [&[][..], &["--dry-run"]] {
        let output = here.run(&[&["resolve", fork, "--events", "outcome.json"], extra].concat());
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert_eq!(output.status.code(), Some(5), "{said}");
        for part in [&path[..], "trib forget", "--anyway", "nothing was written"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    fs::write(&file, bytes).unwrap();
    let output = here.run(&["resolve", fork, "--events", "outcome.json"]);
    assert_eq!(output.status.code(), Some(3), "it is at another version");
}
