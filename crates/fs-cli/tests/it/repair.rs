//! Trouble that is shown and mended: vanished and dangling transactions, shared identities, stale reads, power cuts.

use std::fs;

use fs_format::StreamId;
use fs_store::{Append, StoreOptions};
use serde_json::{Value, json};

use crate::settling::take_over;
use crate::{Here, assert_keys};

#[test]
fn what_a_reset_took_is_listed_restored_and_let_go_of() {
    let here = Here::repository();
    here.work("s", "Kept");
    let first = here.work("s", "Lost");
    let second = here.work("t", "Lost");
    assert_eq!(here.json(&["restore"]), json!([]));
    here.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    let status = here.fine(&["status"]);
    assert!(
        status.contains("2 transaction(s) whose files went away are kept")
            && status.contains("`trib restore`")
            && status.contains("`trib forget`")
            && status.ends_with("\nclean\n"),
        "{status}"
    );
    let listed = here.json(&["restore"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_keys(
        &listed[0],
        "transaction_id created_at replica_id streams events obstacle",
    );
    assert_eq!(
        (&listed[0]["transaction_id"], &listed[0]["streams"]),
        (&json!(first), &json!(["s"]))
    );
    let text = here.fine(&["restore"]);
    assert!(
        text.contains(&second) && text.contains("trib forget"),
        "{text}"
    );
    assert_eq!(
        here.lines(&["read", "s"]).len(),
        1,
        "listing restores nothing"
    );

    assert_eq!(
        here.noted(&["restore", &first]).0[0],
        json!({ "restored": [first] })
    );
    assert_eq!(here.lines(&["read", "s"]).len(), 2);
    let message = here.refused(&["restore", &first], 1);
    assert!(message.contains("nothing is kept"), "{message}");
    here.refused(&["restore", "soon"], 2);
    here.refused(&["forget"], 2);
    here.refused(&["forget", &first], 1);

    let told = here.fine(&["forget", &second]);
    assert!(
        told.starts_with(&format!("forgetting {second}")) && told.contains("  t\n"),
        "it is said what is let go of: {told}"
    );
    assert_eq!(here.json(&["restore"]), json!([]));
    assert_eq!(here.json(&["status"])["vanished"], 0);
    assert_eq!(
        here.json(&["forget", "--all"]),
        json!({ "forgotten": [], "accepted": [] })
    );
    assert_eq!(
        here.fine(&["restore", "--all"]),
        "there is nothing to restore\n"
    );
}

#[test]
fn what_is_damaged_is_shown_and_the_rest_is_restored() {
    let here = Here::repository();
    let first = here.work("s", "Lost");
    let second = here.work("s", "Lost");
    here.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    here.fine(&["status"]);
    let kept = here.path().join(".tributary/local/vanished");
    fs::write(kept.join(format!("{first}.jsonl")), "garbage").unwrap();
    let listed = here.fine(&["restore"]);
    assert!(listed.contains("cannot be restored"), "{listed}");
    let message = here.refused(&["restore", &first, &second], 1);
    assert!(message.contains("damaged"), "{message}");
    assert_eq!(
        here.noted(&["restore", "--all"]).0[0],
        json!({ "restored": [second] })
    );
    let status = here.incomplete(&["status"]);
    assert!(status.contains(&format!("dangling: {second}")), "{status}");
    here.fine(&["forget", "--all"]);
    assert_eq!(here.json(&["status"])["vanished"], 0);
}

#[test]
fn a_missing_parent_that_is_kept_is_restored_by_the_command_that_is_told() {
    let here = Here::repository();
    let first = here.work("s", "Lost");
    let second = here.work("s", "Lost");
    here.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    here.fine(&["restore", &second]);
    let status = here.incomplete(&["status"]);
    let command = format!("`trib restore {first}`");
    assert!(status.contains(&command), "{command} is told: {status}");
    here.fine(&["restore", &first]);
    assert!(here.fine(&["status", "--check"]).ends_with("\nclean\n"));
}

#[test]
fn a_fresh_identity_is_taken_for_all_that_follows() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let before = here.lines(&["log"])[0]["replica_id"].clone();
    let adopted = here.json(&["adopt"]);
    assert_keys(&adopted, "replica_id retired");
    assert_eq!(adopted["retired"], json!([before]));
    here.fine(&["append", "s", "T", "1"]);
    assert_eq!(here.lines(&["log"])[1]["replica_id"], adopted["replica_id"]);
    assert!(here.fine(&["adopt"]).contains("appends as replica"));
}

#[test]
fn a_shared_identity_is_told_until_it_is_given_up() {
    let here = Here::store();
    here.fine(&["append", "s", "T", "1"]);
    let log = here.lines(&["log"]);
    let replica_id = log[0]["replica_id"].as_str().unwrap();
    let there = Here::empty();
    let options =
        StoreOptions::default().replica_id(serde_json::from_value(json!(replica_id)).unwrap());
    let store = options.create(there.path().join(".tributary")).unwrap();
    let event = Append::new()
        .event(StreamId::new("t").unwrap(), "T", "1")
        .unwrap();
    store.append(event).unwrap();
    crate::settling::take_over(&there, &here);

    let conflict = here.json(&["status"])["replica_conflicts"][0].clone();
    assert_keys(&conflict, "replica_id transactions standing");
    assert_eq!(conflict["standing"], "ours");
    let status = here.fine(&["status"]);
    assert!(
        status.contains("`trib adopt`") && status.ends_with("not clean\n"),
        "{status}"
    );
    here.fine(&["adopt"]);
    let status = here.fine(&["status", "--check"]);
    assert!(
        status.contains("that is past") && status.ends_with("\nclean\n"),
        "the history says so still, and nothing is left to do: {status}"
    );
    let clone = Here::store();
    crate::settling::take_over(&here, &clone);
    assert_eq!(
        clone.json(&["status"])["replica_conflicts"][0]["standing"],
        "theirs"
    );
    clone.fine(&["append", "s", "T", "1"]);
    assert_eq!(
        clone.json(&["status"])["replica_conflicts"][0]["standing"],
        "past"
    );
}

#[test]
fn a_stale_read_is_told_and_is_no_fork() {
    let (here, there) = (Here::store(), Here::store());
    here.fine(&["append", "rates", "Set", "1"]);
    crate::settling::take_over(&here, &there);
    here.fine(&["append", "rates", "Set", "2"]);
    let decided = r#"{"events":[{"stream_id":"order","event_type":"Priced","event_data":1}],"expect":{"rates":1}}"#;
    fs::write(there.path().join("t.json"), decided).unwrap();
    let decided = there.json(&["append", "--transaction", "t.json"]);
    crate::settling::take_over(&there, &here);

    let status = here.json(&["status"]);
    let stale = &status["stale_reads"][0];
    assert_keys(stale, "stream_id transactions written_by left_out");
    assert_eq!(
        (&stale["transactions"][0], &stale["stream_id"]),
        (&decided["transaction_id"], &json!("rates"))
    );
    assert_eq!(status["forks"], json!([]));
    let text = here.fine(&["status"]);
    assert!(
        text.contains("stale read:")
            && text.contains("decided on stream rates")
            && text.contains("`trib read`"),
        "{text}"
    );
    assert!(here.fine(&["forks"]).starts_with("no fork is open"));
}

#[test]
fn a_dangling_transaction_is_told_until_its_parent_is_here() {
    let there = Here::repository();
    there.work("s", "One");
    let here = there.cloned();
    let parent = there.work("s", "Two");
    let child = there.work("s", "Three");
    here.fetch(&there);
    here.git(&["cherry-pick", "FETCH_HEAD"]);
    let status = here.incomplete(&["--json", "status"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let dangling = &status["dangling"][0];
    assert_keys(dangling, "transaction_id missing advice");
    assert_eq!(
        (&dangling["transaction_id"], &dangling["missing"]),
        (&json!(child), &json!(parent))
    );
    assert_eq!(here.run(&["status", "--check"]).status.code(), Some(4));
    let text = here.incomplete(&["status"]);
    assert!(
        text.contains("dangling") && text.contains("`git pull` or `git merge`"),
        "nothing is kept of the parent here: {text}"
    );
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    assert!(here.fine(&["status", "--check"]).ends_with("\nclean\n"));
}

/// A store whose last append a power cut has taken, in another boot of the machine; returns the transaction.
#[cfg(target_os = "linux")]
fn after_a_power_cut(here: &Here) -> String {
    let mut system = fs_io::System::real();
    system.machine.boot_id = Some("another boot".to_owned());
    let root = here.path().join(".tributary");
    let store = StoreOptions::default()
        .system(system)
        .create(&root)
        .unwrap();
    let event = Append::new()
        .event(StreamId::new("s").unwrap(), "T", "1")
        .unwrap();
    let id = store.append(event).unwrap().transaction_id;
    fs::remove_file(root.join("events").join(id.relative_path())).unwrap();
    id.to_string()
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_recovered_after_a_power_cut_is_told() {
    let here = Here::store();
    let id = after_a_power_cut(&here);
    let status = here.fine(&["status", "--check"]);
    assert!(
        status.contains(&format!("recovered: a power cut had taken {id}"))
            && status.ends_with("\nclean\n"),
        "{status}"
    );
    assert_eq!(
        here.json(&["status"])["recovered"],
        json!([]),
        "it is told once"
    );

    let here = Here::store();
    let id = after_a_power_cut(&here);
    assert_eq!(here.json(&["status"])["recovered"], json!([id]));

    let here = Here::store();
    after_a_power_cut(&here);
    let read = here.run(&["read", "s"]);
    let note = String::from_utf8(read.stderr).unwrap();
    assert!(
        read.status.success() && note.starts_with("note: 1 transaction(s)"),
        "whichever command comes first says so: {note}"
    );
}

/// Puts a line into the index that is not the one that was verified, under a checksum that is right.
fn forge(journal: &mut [u8], event_type: &str) {
    let name = journal
        .windows(event_type.len())
        .rposition(|it| it == event_type.as_bytes());
    let line = br#"{"record":"event""#;
    let at = journal[..name.unwrap()]
        .windows(line.len())
        .rposition(|it| it == line)
        .unwrap();
    journal[at] = b'[';
    let word = |at: usize| u32::from_le_bytes(journal[at..at + 4].try_into().unwrap());
    let is_frame = |from: &usize| crc32fast::hash(&journal[*from..*from + 4]) == word(from + 4);
    let frame = (0..at).rev().find(is_frame).unwrap();
    let len = (word(frame) & !(1 << 31)) as usize;
    let checksum = crc32fast::hash(&journal[frame + 12..frame + 12 + len]).to_le_bytes();
    journal[frame + 8..frame + 12].copy_from_slice(&checksum);
}

#[test]
fn damage_blocks_the_fork_that_it_is_in_and_no_other() {
    let (here, there) = (Here::store(), Here::store());
    for stream in ["s", "t"] {
        here.fine(&["append", stream, "Left", "1"]);
        there.fine(&["append", stream, "Right", "2"]);
    }
    let damaged = here.lines(&["log"])[1]["transaction_id"].clone();
    take_over(&there, &here);
    let whole = here.json(&["forks"]);
    let journal = fs_index::Layout::new(here.path().join(".tributary")).journal();
    let mut bytes = fs::read(&journal).unwrap();
    // The last of that name in the file is the one on `t`.
    forge(&mut bytes, "\"Left\"");
    fs::write(&journal, &bytes).unwrap();

    let output = here.run(&["--json", "forks"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 2, "both are there");
    assert_eq!(shown[0], whole[0], "the other as usual");
    assert_keys(&shown[1], "fork_id blocked");
    assert_eq!(shown[1]["fork_id"], whole[1]["fork_id"]);
    let why = shown[1]["blocked"].as_str().unwrap();
    assert!(
        why.contains(damaged.as_str().unwrap()),
        "what is damaged is named: {why}"
    );

    let text = here.run(&["forks"]);
    let text = String::from_utf8(text.stdout).unwrap();
    let blocked = whole[1]["fork_id"].as_str().unwrap();
    let is_blocked = format!("fork {blocked} is blocked");
    for part in ["settle it with one of", &is_blocked, "delete index/"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let refused = here.refused(&["resolve", blocked, "--accept"], 1);
    assert!(refused.contains("delete index/"), "{refused}");
    here.fine(&["resolve", "s", "--accept"]);

    fs::remove_dir_all(here.path().join(".tributary/index")).unwrap();
    let again = here.json(&["forks"]);
    assert_eq!(again.as_array().unwrap().len(), 1);
    assert_eq!(again[0], whole[1], "the advice helps");
}

#[test]
fn a_store_that_moved_is_said_to_have_moved_until_adopt() {
    let here = Here::repository();
    here.work("s", "One");
    assert_eq!(here.json(&["status"])["moved"], Value::Null);
    let path = here.path().join(".tributary/local/replicas");
    let text = fs::read_to_string(&path).unwrap();
    // Without the lines of the checksum, as an earlier version left it.
    let text = text.splitn(3, '\n').nth(2).unwrap();
    let mut replicas: Value = serde_json::from_str(text).unwrap();
    let site = replicas["site"].as_str().unwrap();
    let facts = site
        .split(' ')
        .map(|fact| match fact.split_once('=').unwrap().0 {
            name @ ("boot" | "machine") => format!("{name}=another"),
            "device" => "device=7".to_owned(),
            _ => fact.to_owned(),
        });
    let facts: Vec<_> = facts.collect();
    let is_known = ["boot=", "machine=", "device=", "born="]
        .iter()
        .all(|name| facts.iter().any(|fact| fact.starts_with(name)));
    if !is_known {
        eprintln!("skipped: this system does not tell machines, boots or births: {site}");
        return;
    }
    replicas["site"] = facts.join(" ").into();
    fs::write(&path, replicas.to_string()).unwrap();
    here.work("s", "Two");
    let status = here.fine(&["status"]);
    assert!(
        status.contains("moved: since ")
            && status.contains("`trib adopt`")
            && status.ends_with("\nclean\n"),
        "it is told, and what to do if it was a clone: {status}"
    );
    assert!(here.json(&["status"])["moved"].is_string());
    here.fine(&["adopt"]);
    assert_eq!(here.json(&["status"])["moved"], Value::Null);
}

/// ```text
///   A (deposit-7) -- B          written by the program
///               \
///                C (deposit-7)  written by another
/// ```
#[test]
fn a_command_that_was_carried_out_again_is_named() {
    let here = Here::store();
    let id = ["--command-id", "deposit-7"];
    here.fine(&[&["append", "account", "Deposited", "7"][..], &id].concat());
    let first = here.json(&["log"])["transaction_id"].clone();
    here.fine(&["append", "other", "T", "1"]);
    let newest = here.lines(&["log"]).pop().unwrap();
    let newest: fs_format::TransactionId =
        serde_json::from_value(newest["transaction_id"].clone()).unwrap();
    let events = here.path().join(".tributary/events");
    let bytes = fs::read(events.join(newest.relative_path())).unwrap();
    let written = fs_format::decode(&bytes).unwrap();
    let again = fs_format::TransactionId::from_parts(newest.unix_millis() + 1, [7; 10]);
    let header = fs_format::Header {
        transaction_id: again,
        command_id: Some(fs_format::CommandId::new("deposit-7").unwrap()),
        ..written.header.clone()
    };
    let forged = fs_format::encode(&header, &written.events).unwrap();
    let path = events.join(again.relative_path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, forged.bytes).unwrap();

    let named = &here.json(&["status"])["repeated_commands"];
    assert_keys(&named[0], "command_id transactions paths");
    assert_eq!(
        (&named[0]["command_id"], &named[0]["transactions"]),
        (&json!("deposit-7"), &json!([first, again]))
    );
    let path = format!("events/{}", again.relative_path());
    assert_eq!(named[0]["paths"][1], path);
    let verified = here.run(&["--json", "verify"]);
    assert_eq!(verified.status.code(), Some(5));
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(&verified["repeated_commands"], named, "both tell the same");
    for text in [here.fine(&["status"]), {
        String::from_utf8(here.run(&["verify"]).stdout).unwrap()
    }] {
        for part in ["deposit-7", first.as_str().unwrap(), &again.to_string()] {
            assert!(text.contains(part), "{part} is named: {text}");
        }
    }
}
