//! `trib merge-check`: what a merge would do, told beforehand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Here, assert_keys};

/// Everything below a directory: contents, and when files and directories were changed.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (std::time::SystemTime, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mut content = None;
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() {
            content = Some(fs::read(&path).unwrap());
        }
        found.insert(path, (metadata.modified().unwrap(), content));
    }
    found
}

/// Checks a merge, which touches nothing; returns the answer.
fn check(here: &Here, revision: &str, code: i32) -> Value {
    let before = snapshot(here.path());
    let output = here.run(&["--json", "merge-check", revision]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert_eq!(
        snapshot(here.path()),
        before,
        "no file of the work tree, of git, or of the store is touched"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ids(forks: &Value) -> Vec<&str> {
    let forks = forks.as_array().unwrap().iter();
    forks
        .map(|fork| fork["fork_id"].as_str().unwrap())
        .collect()
}

#[test]
fn the_forks_that_are_told_are_those_that_the_merge_makes() {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    there.work("s", "Theirs");
    there.work("t", "Theirs");
    here.work("s", "Ours");
    here.work("s", "Ours");
    here.fetch(&there);

    let answer = check(&here, "FETCH_HEAD", 4);
    assert_keys(
        &answer,
        "revision arriving new open settled left_out complete missing",
    );
    assert_eq!(
        answer["revision"].as_str().unwrap(),
        there.git(&["rev-parse", "HEAD"]).trim()
    );
    assert_eq!(answer["arriving"], 2);
    assert_eq!(answer["left_out"], json!([]));
    let fork = &answer["new"][0];
    assert_keys(fork, "fork_id streams branches takes_in unsure");
    assert_eq!(fork["streams"], json!(["s"]));
    let branches = fork["branches"].as_array().unwrap();
    assert_keys(
        &branches[0],
        "head replica_id created_at transactions arriving",
    );
    let mut sizes: Vec<_> = branches
        .iter()
        .map(|it| (it["transactions"].as_u64(), it["arriving"].as_u64()))
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(Some(1), Some(1)), (Some(2), Some(0))]);

    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    assert_eq!(ids(&here.json(&["forks"])), ids(&answer["new"]));
    let again = check(&here, "FETCH_HEAD", 0);
    assert_eq!(
        (ids(&again["open"]), &again["new"], &again["arriving"]),
        (ids(&answer["new"]), &json!([]), &json!(0)),
        "what is open already is no fork of the merge"
    );
}

#[test]
fn a_merge_without_forks_is_fine_and_text_says_so() {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    there.work("t", "Theirs");
    here.work("s", "Ours");
    here.fetch(&there);
    check(&here, "FETCH_HEAD", 0);
    assert_eq!(
        here.fine(&["merge-check", "FETCH_HEAD"]),
        "1 transaction(s) would arrive with FETCH_HEAD\nno new fork\n"
    );
    check(&here, "HEAD", 0);
    here.git(&["tag", "--annotate", "--message", "m", "v1", "FETCH_HEAD"]);
    assert_eq!(check(&here, "v1", 0)["arriving"], 1, "a tag is a revision");
}

#[test]
fn forks_that_grow_and_forks_that_are_settled_are_told_apart() {
    let here = Here::repository();
    let there = here.cloned();
    let third = here.cloned();
    for stream in ["s", "t"] {
        here.work(stream, "Ours");
        there.work(stream, "Theirs");
    }
    third.work("s", "Third");
    for clone in [&here, &there] {
        let other = if std::ptr::eq(clone, &here) {
            &there
        } else {
            &here
        };
        clone.fetch(other);
        clone.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    }
    let before = here.json(&["forks"]);
    let of = |stream: &str| {
        let mut forks = before.as_array().unwrap().iter();
        let fork = forks.find(|fork| fork["streams"][0]["stream_id"] == stream);
        fork.unwrap()["fork_id"].clone()
    };

    here.fetch(&third);
    let answer = check(&here, "FETCH_HEAD", 4);
    assert_eq!(answer["new"][0]["takes_in"], json!([of("s")]));
    assert_eq!(answer["open"][0]["fork_id"], of("t"));
    let text = String::from_utf8(here.run(&["merge-check", "FETCH_HEAD"]).stdout).unwrap();
    assert!(
        text.contains("it takes in fork") && text.contains("would be still"),
        "{text}"
    );

    let head = there.json(&["forks"])[0]["branches"][0]["head"].clone();
    there.fine(&["resolve", "s", "--keep", head.as_str().unwrap()]);
    there.commit();
    here.fetch(&there);
    let answer = check(&here, "FETCH_HEAD", 0);
    assert_eq!(answer["settled"], json!([of("s")]));
    assert_eq!(answer["open"][0]["fork_id"], of("t"));
}

#[test]
fn what_cannot_be_asked_is_told() {
    let here = Here::store();
    let message = here.refused(&["merge-check", "HEAD"], 1);
    assert!(message.contains("in no git repository"), "{message}");
    here.git(&["init", "--quiet"]);
    let message = here.refused(&["merge-check", "HEAD"], 1);
    assert!(message.contains("knows no commit \"HEAD\""), "{message}");
    fs::write(here.path().join("readme"), "").unwrap();
    here.git(&["add", "readme"]);
    here.git(&["commit", "--quiet", "--message", "m"]);
    let message = here.refused(&["merge-check", "HEAD"], 1);
    assert!(
        message.contains("tracks no file") && message.contains("commit"),
        "{message}"
    );
    here.commit();
    assert_eq!(
        check(&here, "HEAD~1", 0)["arriving"],
        0,
        "a revision from before the store has nothing to bring"
    );
    for wrong in ["nowhere", "HEAD:readme", ""] {
        let code = if wrong.is_empty() { 2 } else { 1 };
        here.refused(&["merge-check", wrong], code);
    }
    here.refused(&["merge-check", "--", "--all"], 2);
    here.refused(&["merge-check"], 2);
    let message = here.refused(&["--store", "nowhere", "merge-check", "HEAD"], 1);
    assert!(message.contains("no event store"), "{message}");
}

#[cfg(unix)]
#[test]
fn files_that_cannot_be_used_are_reported_and_the_rest_is_told() {
    let here = Here::repository();
    let shared = here.work("s", "Opened");
    let there = here.cloned();
    let cut = there.work("s", "Theirs");
    there.work("s", "Theirs");
    let path = |id: &str| format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
    let file = there.path().join(path(&cut));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    let events = there.path().join(".tributary/events");
    fs::write(events.join("notes ä\n.txt"), "hello").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", events.join("link.jsonl")).unwrap();
    let shared_file = there.path().join(path(&shared));
    let text = fs::read_to_string(&shared_file).unwrap();
    fs::write(&shared_file, text.replace("Opened", "Forged")).unwrap();
    there.commit();
    here.work("s", "Ours");
    here.fetch(&there);

    let answer = check(&here, "FETCH_HEAD", 4);
    assert_eq!(answer["new"].as_array().unwrap().len(), 1);
    let left_out: Vec<_> = answer["left_out"].as_array().unwrap().iter().collect();
    let paths: Vec<_> = left_out
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    for expected in [
        path(&cut).strip_prefix(".tributary/").unwrap(),
        "events/link.jsonl",
        "events/notes ä\n.txt",
        path(&shared).strip_prefix(".tributary/").unwrap(),
    ] {
        assert!(paths.contains(&expected), "{expected}: {left_out:?}");
    }
    assert_eq!(paths.len(), 4, "{left_out:?}");
}

#[test]
fn a_store_in_a_directory_of_the_repository_is_found_and_a_hook_may_ask() {
    let here = Here::empty();
    here.git(&["init", "--quiet"]);
    fs::create_dir_all(here.path().join("some where/ö")).unwrap();
    let root = "some where/ö/store";
    here.fine(&["--store", root, "init"]);
    here.fine(&["--store", root, "append", "s", "Opened", "1"]);
    here.commit();
    let there = here.cloned();
    here.fine(&["--store", root, "append", "s", "Ours", "1"]);
    there.fine(&["--store", root, "append", "s", "Theirs", "1"]);
    there.commit();
    here.fetch(&there);
    // Fresh from a clone, with no index or identity yet, and what was appended here not committed.
    fs::remove_dir_all(here.path().join(root).join("index")).unwrap();
    fs::remove_dir_all(here.path().join(root).join("local")).unwrap();
    let before = snapshot(here.path());
    let mut command = here.command(&["--store", root, "merge-check", "FETCH_HEAD"]);
    command
        .env("GIT_DIR", ".git")
        .env("GIT_INDEX_FILE", ".git/index");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(snapshot(here.path()), before);
}

#[test]
fn a_partial_clone_says_what_it_lacks_and_fetches_nothing() {
    let there = Here::repository();
    there.git(&["config", "uploadpack.allowFilter", "true"]);
    there.work("s", "Opened");
    let here = Here::empty();
    let url = format!("file://{}", there.path().to_str().unwrap());
    here.git(&["clone", "--quiet", "--filter=blob:none", &url, "."]);
    there.work("s", "Theirs");
    here.git(&["fetch", "--quiet", "origin", "main"]);
    let before = snapshot(here.path());
    let message = here.refused(&["merge-check", "FETCH_HEAD"], 1);
    assert!(
        message.contains("partial") && message.contains("fetch"),
        "{message}"
    );
    assert_eq!(snapshot(here.path()), before, "nothing is fetched");
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    check(&here, "FETCH_HEAD", 0);
}

#[test]
fn a_shallow_clone_and_a_worktree_are_asked_like_any_other() {
    let there = Here::repository();
    there.work("s", "Opened");
    let here = Here::empty();
    let url = format!("file://{}", there.path().to_str().unwrap());
    here.git(&["clone", "--quiet", "--depth", "1", &url, "."]);
    there.work("s", "Theirs");
    here.git(&["fetch", "--quiet", "--depth", "1", "origin", "main"]);
    here.work("s", "Ours");
    check(&here, "FETCH_HEAD", 4);

    there.git(&[
        "worktree", "add", "--quiet", "-b", "topic", "tree", "HEAD~1",
    ]);
    let mut in_tree = there.command(&["--json", "append", "s", "Topic", "1"]);
    let appended = in_tree.current_dir(there.path().join("tree")).output();
    assert!(appended.unwrap().status.success());
    let mut asked = there.command(&["merge-check", "main"]);
    let asked = asked.current_dir(there.path().join("tree")).output();
    assert_eq!(asked.unwrap().status.code(), Some(4));
}

/// The hook of `docs/guide/merging.md`.
#[cfg(unix)]
fn hook_of_the_guide() -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/merging.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, hook) = guide.split_once("```sh\n#!/bin/sh\n").unwrap();
    let (hook, _) = hook.split_once("```").unwrap();
    let trib = Path::new(env!("CARGO_BIN_EXE_trib")).parent().unwrap();
    format!("#!/bin/sh\nPATH='{}':$PATH\n{hook}", trib.display())
}

#[cfg(unix)]
#[test]
fn a_hook_refuses_the_merge_that_would_fork_and_lets_the_other_pass() {
    use std::os::unix::fs::PermissionsExt;

    let here = Here::repository();
    here.work("s", "Opened");
    let (there, third) = (here.cloned(), here.cloned());
    there.work("s", "Theirs");
    third.work("u", "Third");
    here.work("s", "Ours");
    let hook = here.path().join(".git/hooks/pre-merge-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, hook_of_the_guide()).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();

    here.fetch(&third);
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    here.fetch(&there);
    let before = check(&here, "FETCH_HEAD", 4);
    let said = here.git_refused(&["merge", "--no-edit", "FETCH_HEAD"]);
    assert!(
        said.contains("new fork") && said.contains("Not committing merge"),
        "the hook stops the merge and says why: {said}"
    );
    // The merge is under way: its files stand in the work tree, and in the end in the index as well.
    assert_eq!(check(&here, "MERGE_HEAD", 4), before);
    assert_eq!(
        here.json(&["forks"])[0]["fork_id"],
        before["new"][0]["fork_id"]
    );
    assert_eq!(
        check(&here, "MERGE_HEAD", 4),
        before,
        "though it was taken in"
    );
    here.git(&["merge", "--abort"]);
    assert_eq!(here.json(&["forks"]), json!([]), "as before the merge");
    here.git(&["merge", "--quiet", "--no-edit", "--no-verify", "FETCH_HEAD"]);
    assert_eq!(ids(&here.json(&["forks"])), ids(&before["new"]));
}

#[test]
fn what_is_not_committed_is_ours_while_a_merge_is_under_way() {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    there.work("s", "Theirs");
    there.work("t", "Theirs");
    here.work("u", "Ours");
    here.fine(&["append", "s", "Uncommitted", "1"]);
    here.fetch(&there);
    let before = check(&here, "FETCH_HEAD", 4);
    assert_eq!(
        (&before["arriving"], ids(&before["new"]).len()),
        (&json!(2), 1)
    );
    here.git(&["merge", "--quiet", "--no-commit", "FETCH_HEAD"]);
    assert_eq!(check(&here, "MERGE_HEAD", 4), before);
}

#[test]
fn before_the_first_commit_all_of_the_other_side_arrives() {
    let there = Here::repository();
    there.work("s", "Theirs");
    let here = Here::store();
    here.git(&["init", "--quiet"]);
    here.fetch(&there);
    assert_eq!(check(&here, "FETCH_HEAD", 0)["arriving"], 1);
    here.fine(&["append", "s", "Ours", "1"]);
    let answer = check(&here, "FETCH_HEAD", 4);
    assert_eq!(ids(&answer["new"]).len(), 1, "with what is not committed");
}

/// Something that is missing here may have written what arrives writes too.
#[test]
fn what_is_missing_here_is_in_the_way_unless_all_that_arrives_stands_on_it() {
    let here = Here::repository();
    here.work("s", "Opened");
    let lost = here.work("s", "Lost");
    here.work("s", "After");
    let there = here.cloned();
    there.work("t", "Theirs");
    let path = format!(
        ".tributary/events/{}/{}/{lost}.jsonl",
        &lost[..4],
        &lost[4..6]
    );
    fs::write(here.path().join(&path), "").unwrap();
    here.fetch(&there);
    let answer = check(&here, "FETCH_HEAD", 0);
    assert_eq!(answer["missing"], json!([]), "what arrives stands on it");

    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    there.work("s", "Theirs");
    let lost = here.work("s", "Lost");
    let path = format!("events/{}/{}/{lost}.jsonl", &lost[..4], &lost[4..6]);
    fs::write(here.path().join(".tributary").join(&path), "").unwrap();
    here.fetch(&there);
    let answer = check(&here, "FETCH_HEAD", 4);
    assert_eq!(answer["new"], json!([]), "the conflict cannot be seen");
    assert_eq!(answer["missing"][0]["path"], json!(path));
    assert_eq!(answer["complete"], false);
}

/// Whatever the present commit has is here after the merge, or was taken away by somebody who has not said so to git.
#[test]
fn what_the_present_commit_has_and_the_work_tree_has_not_is_in_the_way() {
    type Loss = fn(&Here, &Here, &str);
    let losses: [(&str, Loss); 4] = [
        ("it was removed", |here, _, path| {
            fs::remove_file(here.path().join(path)).unwrap();
        }),
        ("git is at work", |here, _, path| {
            fs::remove_file(here.path().join(path)).unwrap();
            fs::write(here.path().join(".git/index.lock"), "").unwrap();
        }),
        ("a sparse checkout leaves it out", |here, _, path| {
            let but = format!("!/{path}");
            here.git(&["sparse-checkout", "set", "--no-cone", "/*", &but]);
        }),
        ("the merge would remove it", |here, there, path| {
            there.git(&["pull", "--quiet", here.path().to_str().unwrap(), "HEAD"]);
            fs::remove_file(there.path().join(path)).unwrap();
            there.work("t", "Theirs");
        }),
    ];
    for (what, lose) in losses {
        let here = Here::repository();
        here.work("s", "Opened");
        let there = here.cloned();
        let lost = here.work("s", "Ours");
        let path = format!("events/{}/{}/{lost}.jsonl", &lost[..4], &lost[4..6]);
        if !what.starts_with("the merge") {
            there.work("s", "Theirs");
        }
        lose(&here, &there, &format!(".tributary/{path}"));
        here.fetch(&there);
        let answer = check(&here, "FETCH_HEAD", 4);
        assert!(
            answer["missing"][0]["path"] == json!(path) || !ids(&answer["new"]).is_empty(),
            "{what}: {answer}"
        );
    }
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    let id = there.work("s", "Theirs");
    let path = format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6]);
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 509\n",
        "1".repeat(64)
    );
    fs::write(there.path().join(&path), pointer).unwrap();
    there.commit();
    here.fetch(&there);
    let answer = check(&here, "FETCH_HEAD", 4);
    let reason = answer["left_out"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("git lfs"), "{reason}");
}

/// git keeps what is pushed apart until the hook has agreed.
#[cfg(unix)]
#[test]
fn a_pre_receive_hook_sees_what_is_pushed() {
    use std::os::unix::fs::PermissionsExt;
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    here.git(&["config", "receive.denyCurrentBranch", "updateInstead"]);
    let hook = here.path().join(".git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\ncd ..\nwhile read -r _ new _; do '{}' merge-check \"$new\" >&2 || exit; done\n",
        env!("CARGO_BIN_EXE_trib")
    );
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    there.work("s", "Theirs");
    there.git(&["push", "--quiet", "origin", "HEAD"]);
    here.fine(&["append", "s", "Ours", "1"]);
    there.work("s", "Theirs");
    let refused = there.git_output(&["push", "origin", "HEAD"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("1 new fork"),
        "{said}"
    );
}

/// A merge with an ancestor brings nothing, whatever was changed on top of it.
#[test]
fn what_the_other_side_left_as_it_was_does_not_arrive() {
    let here = Here::repository();
    here.work("s", "Opened");
    let damaged = here.work("s", "Damaged");
    let there = here.cloned();
    let file = format!(
        ".tributary/events/{}/{}/{damaged}.jsonl",
        &damaged[..4],
        &damaged[4..6]
    );
    fs::write(here.path().join(&file), "damage").unwrap();
    here.commit();
    let answer = check(&here, "HEAD~1", 0);
    assert_eq!(answer["arriving"], 0, "{answer}");
    there.work("t", "Theirs");
    here.fetch(&there);
    let answer = check(&here, "FETCH_HEAD", 4);
    assert_eq!(
        (
            &answer["arriving"],
            answer["missing"].as_array().unwrap().len()
        ),
        (&json!(1), 1),
        "git keeps what is here: {answer}"
    );

    here.git(&["rm", "--quiet", &file]);
    here.commit();
    let answer = check(&here, "HEAD~2", 0);
    assert_eq!(answer["arriving"], 0, "nor what was removed: {answer}");
}

#[test]
fn what_a_newer_version_has_accepted_counts_as_missing() {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    there.work("s", "Theirs");
    let lost = here.work("s", "Lost");
    let path = format!("events/{}/{}/{lost}.jsonl", &lost[..4], &lost[4..6]);
    fs::write(here.path().join(".tributary").join(path), "").unwrap();
    here.run(&["forget", &lost]);
    here.fetch(&there);
    check(&here, "FETCH_HEAD", 0);
    let (before, body) = ("tributary accepted 9 ", "\n\"\"\n{}");
    let sum = crc32fast::hash(format!("{before}{body}").as_bytes());
    let accepted = here.path().join(".tributary/local/accepted");
    fs::write(&accepted, format!("{before}{sum:08x}{body}")).unwrap();
    let answer = check(&here, "FETCH_HEAD", 4);
    assert_eq!(answer["missing"].as_array().unwrap().len(), 1, "{answer}");
    let said = here.run(&["merge-check", "FETCH_HEAD"]).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("counts as missing") && said.contains("newer version"),
        "{said}"
    );
}

/// A bare repository that a clone pushes to.
fn bare(from: &Here) -> Here {
    let bare = Here::empty();
    let url = from.path().to_str().unwrap();
    bare.git(&["clone", "--quiet", "--bare", url, "."]);
    bare
}

#[test]
fn a_bare_repository_is_asked_like_any_other() {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    here.work("s", "Ours");
    let server = bare(&here);
    there.work("s", "Theirs");
    let push = |from: &Here, to: &str| {
        let url = server.path().to_str().unwrap();
        from.git(&["push", "--quiet", url, &format!("HEAD:{to}")]);
    };
    push(&there, "topic");
    here.git(&["fetch", "--quiet", server.path().to_str().unwrap(), "topic"]);
    let expected = check(&here, "FETCH_HEAD", 4);
    assert_eq!(check(&server, "topic", 4), expected, "as in a work tree");
    assert_eq!(check(&server, "main", 0)["arriving"], 0);
    assert_eq!(check(&server, "main~1", 0)["arriving"], 0);
    let message = server.refused(&["merge-check", "nowhere"], 1);
    assert!(message.contains("knows no commit"), "{message}");
    let message = server.refused(&["--store", "data", "merge-check", "topic"], 1);
    assert!(
        message.contains("has events in data") && message.contains("--store"),
        "{message}"
    );
    server.refused(&["--store", "../data", "merge-check", "topic"], 2);

    let file = here.first_file();
    fs::write(&file, "").unwrap();
    here.commit();
    push(&here, "main");
    let expected = check(&here, "FETCH_HEAD", 4);
    assert_eq!(expected["missing"].as_array().unwrap().len(), 1);
    assert_eq!(check(&server, "topic", 4), expected, "also with damage");
}

#[test]
fn a_store_elsewhere_in_a_bare_repository_is_named() {
    let here = Here::empty();
    here.git(&["init", "--quiet"]);
    fs::create_dir(here.path().join("data")).unwrap();
    here.fine(&["--store", "data/log", "init"]);
    here.fine(&["--store", "data/log", "append", "s", "Opened", "1"]);
    here.commit();
    let server = bare(&here);
    here.fine(&["--store", "data/log", "append", "s", "Ours", "1"]);
    here.commit();
    let url = server.path().to_str().unwrap();
    here.git(&["push", "--quiet", url, "HEAD:topic"]);
    let said = server.fine(&["--store", "./data/log/", "merge-check", "topic"]);
    assert!(said.starts_with("1 transaction(s) would arrive"), "{said}");
}

/// git keeps what is pushed apart, and names the repository in its environment.
#[cfg(unix)]
#[test]
fn a_hook_of_a_bare_repository_sees_what_is_pushed() {
    use std::os::unix::fs::PermissionsExt;
    let here = Here::repository();
    here.work("s", "Opened");
    let server = bare(&here);
    let there = here.cloned();
    for clone in [&here, &there] {
        clone.git(&["remote", "add", "server", server.path().to_str().unwrap()]);
    }
    let hook = server.path().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/merging.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, script) = guide.split_once("```sh\n#!/bin/sh\nwhile").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let trib = Path::new(env!("CARGO_BIN_EXE_trib")).parent().unwrap();
    let script = format!("#!/bin/sh\nPATH='{}':$PATH\nwhile{script}", trib.display());
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    here.work("s", "Ours");
    here.git(&["push", "--quiet", "server", "HEAD"]);
    there.work("s", "Theirs");
    let refused = there.git_output(&["push", "server", "HEAD:refs/heads/topic"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("1 new fork"),
        "{said}"
    );
}
