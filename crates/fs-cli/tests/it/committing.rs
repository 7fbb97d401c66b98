//! `--commit`, and the command that does the same.

use std::fs;

use crate::Here;

/// Author and committer of every commit that these tests make.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Test"),
    ("GIT_AUTHOR_EMAIL", "test@localhost"),
    ("GIT_COMMITTER_NAME", "Test"),
    ("GIT_COMMITTER_EMAIL", "test@localhost"),
];

/// A clone with a fork on `s` that is not settled, and the clone that it was merged from.
fn diverged() -> (Here, Here) {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    here.work("s", "Ours");
    there.work("s", "Theirs");
    for (into, from) in [(&here, &there), (&there, &here)] {
        into.fetch(from);
        into.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    }
    (here, there)
}

impl Here {
    /// Runs `trib` as somebody who may commit; returns what it printed and what it told beside.
    fn committing(&self, args: &[&str]) -> (String, String) {
        let done = self.command(args).envs(IDENTITY).output().unwrap();
        let [out, err] = [done.stdout, done.stderr].map(|it| String::from_utf8(it).unwrap());
        assert!(done.status.success(), "trib {args:?}: {err}");
        (out, err)
    }

    fn staged(&self) -> String {
        self.git(&["diff", "--cached", "--name-only"])
    }

    fn last_commit(&self) -> Vec<String> {
        let listed = self.git(&["show", "--name-only", "--format=", "HEAD"]);
        listed.lines().map(str::to_owned).collect()
    }

    fn count_commits(&self) -> usize {
        self.git(&["rev-list", "HEAD"]).lines().count()
    }

    fn hook(&self, name: &str, script: &str) {
        let path = self.path().join(".git/hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, script).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

#[test]
fn a_settlement_is_committed_and_nothing_else_that_is_staged() {
    let (here, there) = diverged();
    fs::write(here.path().join("mine"), "staged").unwrap();
    here.git(&["add", "mine"]);
    fs::write(here.path().join("other"), "untracked").unwrap();
    let (out, err) = here.committing(&["resolve", "s", "--latest", "--commit"]);
    assert!(
        out.contains("\ncommitted\n") && err.is_empty(),
        "{out}{err}"
    );
    let committed = here.last_commit();
    assert!(
        committed.len() == 1 && committed[0].starts_with(".tributary/events/"),
        "the settlement alone: {committed:?}"
    );
    assert_eq!(
        here.staged(),
        "mine\n",
        "what was staged still is, and alone"
    );
    let message = here.git(&["log", "-1", "--format=%s"]);
    assert!(message.starts_with("Settle fork "), "{message}");

    here.git(&["commit", "--quiet", "--message", "mine"]);
    there.committing(&["resolve", "s", "--latest", "--commit"]);
    here.fetch(&there);
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    assert_eq!(
        here.fine(&["forks"]),
        "no fork is open\n",
        "git merged it with itself"
    );
}

#[test]
fn the_command_that_is_told_commits_the_same_when_it_is_typed() {
    let (here, _) = diverged();
    fs::write(here.path().join("mine"), "staged").unwrap();
    here.git(&["add", "mine"]);
    let out = here.fine(&["resolve", "s", "--latest"]);
    assert_eq!(here.staged(), "mine\n", "git's index is left alone");
    let (_, command) = out.split_once("before the next `git pull`: ").unwrap();
    if cfg!(unix) {
        let mut shell = std::process::Command::new("sh");
        fs_testing::git::isolate(&mut shell);
        shell.current_dir(here.path()).envs(IDENTITY);
        let done = shell.args(["-c", command.trim()]).output().unwrap();
        assert!(done.status.success(), "{command}: {done:?}");
        let committed = here.last_commit();
        assert!(
            committed.len() == 1 && committed[0].ends_with(".jsonl"),
            "{command}: {committed:?}"
        );
        assert_eq!(here.staged(), "mine\n", "{command}");
    }
}

#[cfg(unix)]
#[test]
fn the_command_for_many_files_commits_no_others_of_the_store() {
    let here = Here::repository();
    here.commit();
    let append = |n: &str| {
        let appended = here.json(&["append", "s", "T", n]);
        let id = appended["transaction_id"].as_str().unwrap().to_owned();
        format!(".tributary/events/{}/{}/{id}.jsonl", &id[..4], &id[4..6])
    };
    let gone: Vec<_> = ('0'..='9').map(|n| append(&n.to_string())).collect();
    for path in &gone {
        fs::remove_file(here.path().join(path)).unwrap();
    }
    here.run(&["status"]);
    let mine = append("10");
    let out = here.fine(&["restore", "--all"]);
    let (_, command) = out.split_once("before the next `git pull`: ").unwrap();
    assert!(command.len() < 400, "it can be read: {command}");
    let mut shell = std::process::Command::new("sh");
    fs_testing::git::isolate(&mut shell);
    shell.current_dir(here.path()).envs(IDENTITY);
    let done = shell.args(["-c", command.trim()]).output().unwrap();
    assert!(done.status.success(), "{command}: {done:?}");
    let (mut committed, mut wanted) = (here.last_commit(), gone);
    committed.sort();
    wanted.sort();
    assert_eq!(committed, wanted, "what was restored, and nothing else");
    let left = here.git(&["status", "--porcelain", "--untracked-files=all"]);
    assert!(
        left.contains(&mine),
        "what else is in the store is not: {left}"
    );
}

#[test]
fn all_settlements_go_into_one_commit() {
    let here = Here::repository();
    let there = here.cloned();
    for stream in ["s", "t", "u"] {
        here.work(stream, "Ours");
        there.work(stream, "Theirs");
    }
    here.fetch(&there);
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    let before = here.count_commits();
    let (out, _) = here.committing(&["resolve", "--all", "--accept", "--commit"]);
    assert!(out.contains("committed"), "{out}");
    assert_eq!(here.count_commits(), before + 1, "one commit");
    let (out, err) = here.committing(&["resolve", "--all", "--accept", "--commit"]);
    assert_eq!(
        here.count_commits(),
        before + 1,
        "nothing is left: {out}{err}"
    );
}

#[test]
fn what_is_restored_is_committed() {
    let here = Here::repository();
    here.work("s", "First");
    here.git(&["switch", "--quiet", "--create", "topic"]);
    here.work("s", "Second");
    here.git(&["switch", "--quiet", "main"]);
    here.fine(&["status"]);
    let out = here.fine(&["restore", "--all"]);
    assert!(
        out.contains("git commit -m \"Restore 1 transaction\""),
        "{out}"
    );
    let (out, _) = here.committing(&["restore", "--all", "--commit"]);
    assert!(out.contains("nothing to restore"), "it is there: {out}");
    here.commit();
    here.git(&["merge", "--quiet", "--no-edit", "topic"]);
    here.refused(&["restore", "--commit"], 2);
}

/// A store whose one transaction is committed, its removal staged, and known to have gone away.
fn removed() -> Here {
    let here = Here::repository();
    here.work("s", "First");
    here.work("s", "Second");
    let path = here.last_commit().remove(0);
    here.git(&["rm", "--quiet", &path]);
    here.fine(&["status"]);
    here
}

#[test]
fn a_file_whose_removal_is_staged_is_back_in_git_too_when_it_is_restored() {
    let here = removed();
    let before = here.count_commits();
    let (out, err) = here.committing(&["restore", "--all", "--commit"]);
    assert!(out.contains("committed already"), "{out}{err}");
    assert_eq!(err, "");
    assert_eq!(here.staged(), "", "the next commit does not take it away");
    assert_eq!(here.count_commits(), before);

    let here = removed();
    let out = here.fine(&["restore", "--all"]);
    assert!(
        out.contains("git reset -q -- ") && !out.contains("git add") && !out.contains("git commit"),
        "the command that is told does the same: {out}"
    );
}

#[test]
fn a_file_of_format_2_is_committed_where_it_lies() {
    let here = Here::repository();
    let name = ".tributary/events/01a1fd21-d4f6-72d8-ba72-9f6719366aec.jsonl";
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fs-format/tests/golden/v2/minimal.jsonl"
    );
    fs::copy(golden, here.path().join(name)).unwrap();
    here.fine(&["status"]);
    fs::remove_file(here.path().join(name)).unwrap();
    here.fine(&["status"]);
    let (out, err) = here.committing(&["restore", "--all", "--commit"]);
    assert!(out.ends_with("committed\n"), "{out}{err}");
    assert_eq!(here.last_commit(), [name]);
}

#[test]
fn programs_are_told_the_command_beside_their_answer() {
    let (here, _) = diverged();
    let (_, err) = here.committing(&["--json", "resolve", "s", "--latest"]);
    let note: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert!(
        note["note"].as_str().unwrap().contains("git commit -m"),
        "{err}"
    );
}

#[cfg(unix)]
#[test]
fn the_command_can_be_typed_outside_of_the_repository_too() {
    let (here, _) = diverged();
    let outside = Here::empty();
    let store = here.path().join(".tributary");
    let store = store.to_str().unwrap();
    let said = outside.fine(&["--store", store, "resolve", "s", "--latest"]);
    let command = said.lines().find_map(|line| line.split_once("git -C "));
    let command = format!("git -C {}", command.expect("it says where").1);
    let user = "-c user.name=Test -c user.email=test@localhost -C";
    let mut shell = std::process::Command::new("sh");
    fs_testing::git::isolate(&mut shell);
    let typed = command.replace("git -C", &format!("git {user}"));
    let done = shell
        .current_dir(outside.path())
        .args(["-c", &typed])
        .output()
        .unwrap();
    assert!(done.status.success(), "{typed}: {done:?}");
    assert_eq!(here.last_commit().len(), 1, "the settlement is committed");
}

#[test]
fn a_commit_that_fails_is_told_and_undone_while_the_settlement_stands() {
    type Spoil = fn(&Here);
    let spoils: [(&str, Spoil, &str); 3] = [
        (
            "a hook refuses",
            |here| {
                here.hook(
                    "pre-commit",
                    "#!/bin/sh\necho not on a Friday >&2\nexit 1\n",
                )
            },
            "not on a Friday",
        ),
        (
            "git is busy",
            |here| fs::write(here.path().join(".git/index.lock"), "").unwrap(),
            "index.lock",
        ),
        (
            "a merge is under way",
            |here| {
                let tree = here.git(&["write-tree"]);
                let other = here.git(&["commit-tree", "-m", "other", tree.trim()]);
                fs::write(here.path().join(".git/MERGE_HEAD"), other).unwrap();
            },
            "merge",
        ),
    ];
    for (what, spoil, says) in spoils {
        let (here, _) = diverged();
        fs::write(here.path().join("mine"), "staged").unwrap();
        here.git(&["add", "mine"]);
        let before = here.count_commits();
        let listed = here.git(&["ls-files", "--", "mine", ".tributary/events"]);
        spoil(&here);
        let (out, err) = here.committing(&["resolve", "s", "--latest", "--commit"]);
        assert!(
            out.starts_with("settled s") && !out.contains("committed"),
            "{what}: {out}"
        );
        assert!(
            err.contains("not committed") && err.contains(says) && err.contains("git commit -m"),
            "{what}: {err}"
        );
        assert_eq!(err.lines().count(), 1, "{what}: it is one line: {err}");
        let _ = fs::remove_file(here.path().join(".git/index.lock"));
        assert_eq!(here.staged(), "mine\n", "{what}: git's index is as it was");
        assert_eq!(
            here.git(&["ls-files", "--", "mine", ".tributary/events"]),
            listed,
            "{what}: it has no entry for what was not committed"
        );
        assert_eq!(here.count_commits(), before, "{what}");
        assert_eq!(
            here.fine(&["forks"]),
            "no fork is open\n",
            "{what}: it stands"
        );
    }
}

#[test]
fn outside_of_git_a_settlement_stands_and_says_that_it_is_not_committed() {
    let here = crate::forked();
    let (out, err) = here.committing(&["resolve", "s", "--latest", "--commit"]);
    assert!(
        out.starts_with("settled")
            && err.contains("not committed")
            && err.contains("no git repository"),
        "{out}{err}"
    );
    let here = crate::forked();
    let out = here.fine(&["resolve", "s", "--latest"]);
    assert!(!out.contains("git"), "there is nothing to be typed: {out}");
}

#[test]
fn hooks_run_and_a_worktree_commits_to_its_own_branch() {
    let (here, _) = diverged();
    here.hook("pre-commit", "#!/bin/sh\ntouch hook-ran\n");
    here.git(&["worktree", "add", "--quiet", "-b", "topic", "tree"]);
    let before = here.count_commits();
    let tree = here.path().join("tree");
    let mut command = here.command(&["resolve", "s", "--latest", "--commit"]);
    // As in a hook of the main work tree.
    command.env("GIT_DIR", here.path().join(".git"));
    command.env("GIT_INDEX_FILE", here.path().join(".git/index"));
    let done = command.current_dir(&tree).envs(IDENTITY).output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    assert!(
        cfg!(windows) || tree.join("hook-ran").exists(),
        "the hook ran"
    );
    assert_eq!(here.count_commits(), before, "main is as it was");
    let topic = here.git(&["rev-list", "topic"]);
    assert_eq!(
        topic.lines().count(),
        before + 1,
        "the branch of the worktree"
    );
    assert_eq!(here.staged(), "", "the index of the main work tree too");
}

#[cfg(unix)]
#[test]
fn a_hook_that_runs_after_a_merge_settles_and_commits() {
    let here = Here::repository();
    here.work("s", "Opened");
    let there = here.cloned();
    here.work("s", "Ours");
    there.work("s", "Theirs");
    let trib = env!("CARGO_BIN_EXE_trib");
    here.hook(
        "post-merge",
        &format!("#!/bin/sh\n{trib} resolve s --latest --commit > said 2>&1\n"),
    );
    here.git(&["config", "user.name", "Test"]);
    here.git(&["config", "user.email", "test@localhost"]);
    here.fetch(&there);
    here.git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"]);
    let said = fs::read_to_string(here.path().join("said")).unwrap();
    assert!(said.contains("\ncommitted\n"), "{said}");
    let subjects = here.git(&["log", "-2", "--format=%s|%P"]);
    let parents: Vec<_> = subjects
        .lines()
        .map(|line| line.rsplit('|').next().unwrap().split(' ').count())
        .collect();
    assert_eq!(parents, [1, 2], "the settlement upon the merge: {subjects}");
    assert!(!here.path().join(".git/MERGE_HEAD").exists(), "it is over");
}

#[test]
fn the_first_commit_of_a_repository_may_be_a_settlement() {
    let here = crate::forked();
    here.git(&["init", "--quiet"]);
    let (out, err) = here.committing(&["resolve", "s", "--latest", "--commit"]);
    assert!(out.contains("committed") && err.is_empty(), "{out}{err}");
    assert_eq!(here.count_commits(), 1);
}
