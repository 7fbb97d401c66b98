//! What git's own rules make of a store, as `trib` tells it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Here;

impl Here {
    /// Runs a command that succeeds, and returns what it told on standard error.
    fn told(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "trib {args:?}: {err}");
        err
    }

    /// Returns the kinds of faults that the status lists, and their messages.
    fn faults(&self) -> Vec<(String, String)> {
        let status = self.json(&["status"]);
        let faults = status["git"].as_array().unwrap();
        if !faults.is_empty() {
            assert_eq!(status["clean"], false, "a fault is not clean");
        }
        let text = |fault: &Value, key: &str| fault[key].as_str().unwrap().to_owned();
        let faults = faults.iter();
        faults
            .map(|fault| (text(fault, "kind"), text(fault, "message")))
            .collect()
    }

    fn the_fault(&self, kind: &str) -> String {
        let mut faults = self.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        let (found, message) = faults.remove(0);
        assert_eq!(found, kind, "{message}");
        let text = self.fine(&["status"]);
        assert!(text.contains(&message), "the text says it too: {text}");
        message
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn tracked(&self) -> String {
        self.git(&["add", "--all", "."]);
        self.git(&["ls-files", "--", ".tributary"])
    }
}

#[test]
fn a_rule_above_that_ignores_the_store_is_named_with_the_line_that_helps() {
    for (file, rule, top, advice) in [
        (
            ".gitignore",
            ".*\n!.gitignore\n",
            "",
            "add the line `!/.tributary/` at the end of .gitignore",
        ),
        (
            ".git/info/exclude",
            ".tributary\n",
            "",
            "add the line `!/.tributary/` at the end of .gitignore",
        ),
        (
            "deep/.gitignore",
            "*\n!.gitignore\n",
            "deep/",
            "add the line `!/.tributary/` at the end of deep/.gitignore",
        ),
    ] {
        let here = Here::empty();
        here.git(&["init", "--quiet"]);
        here.write(file, rule);
        let root = format!("{top}.tributary");
        let trib = |args: &[&str]| here.told(&[&["--store", &root], args].concat());
        let said = [
            trib(&["init"]),
            trib(&["append", "s", "T", "1"]),
            here.fine(&["--store", &root, "status"]),
        ];
        let place = format!("{file}:1 says");
        for said in &said {
            assert!(
                said.contains("git ignores the events")
                    && said.contains(&place)
                    && said.contains(advice),
                "{place}, {advice}: {said}"
            );
        }
        let mended = here.path().join(format!("{top}.gitignore"));
        let before = fs::read_to_string(&mended).unwrap_or_default();
        fs::write(&mended, format!("{before}!/.tributary/\n")).unwrap();
        assert_eq!(
            trib(&["append", "s", "T", "2"]),
            "",
            "{file}: the advice helps"
        );
        let listed = here.git(&["status", "--short", "--untracked-files=all"]);
        assert!(
            listed.contains(".jsonl") && !listed.contains("/local/") && !listed.contains("/index/"),
            "{file}: {listed}"
        );
    }
}

#[test]
fn rules_that_the_store_takes_back_are_no_fault() {
    for rule in [
        "*.jsonl\n",
        "events/\n",
        "/.tributary/events/\n",
        "**/events/**\n",
    ] {
        let here = Here::empty();
        here.git(&["init", "--quiet"]);
        here.write(".gitignore", rule);
        here.fine(&["init"]);
        here.fine(&["append", "s", "T", "1"]);
        assert_eq!(here.faults(), [], "{rule:?}");
        assert!(
            here.tracked().contains(".jsonl"),
            "{rule:?}: it is committed"
        );
    }
}

#[test]
fn a_rule_in_the_store_that_ignores_the_events_is_named() {
    let here = Here::repository();
    let ignore = here.path().join(".tributary/.gitignore");
    let lines = fs::read_to_string(&ignore).unwrap();
    fs::write(&ignore, format!("{lines}/events/\n")).unwrap();
    let message = here.the_fault("ignored");
    assert!(
        message.contains(".tributary/.gitignore:5 says `/events/`")
            && message
                .contains("`!/events/` and `!/events/**` at the end of .tributary/.gitignore"),
        "{message}"
    );
    fs::write(&ignore, lines).unwrap();
    here.fine(&["append", "s", "T", "1"]);
    let shard = here.first_file().parent().unwrap().to_owned();
    fs::write(shard.join(".gitignore"), "*.jsonl\n").unwrap();
    let message = here.the_fault("ignored");
    assert!(
        message.contains(".gitignore:1 says `*.jsonl`") && message.contains("take that line away"),
        "{message}"
    );
}

#[test]
fn attributes_by_which_git_alters_events_are_named_with_their_file() {
    let here = Here::repository();
    here.work("s", "T");
    assert_eq!(here.faults(), [], "as it was made");
    let attributes = here.path().join(".tributary/events/.gitattributes");
    let ours = fs::read_to_string(&attributes).unwrap();

    fs::write(&attributes, "# mine\n* -text\n").unwrap();
    let message = here.the_fault("altered");
    assert!(
        message.contains("merge unspecified")
            && message.contains(".tributary/events/.gitattributes says `* -text -filter"),
        "a merge by lines: {message}"
    );
    here.told(&["append", "s", "T", "2"]);
    let kept = fs::read_to_string(&attributes).unwrap();
    assert_eq!(kept, "# mine\n* -text\n", "what is the user's stays");
    fs::write(&attributes, format!("# as it was\n{ours}")).unwrap();
    assert_eq!(here.faults(), [], "an edit that changes nothing is none");

    let deeper = here.first_file().with_file_name(".gitattributes");
    fs::write(&deeper, "*.jsonl filter=lfs merge=union text\n").unwrap();
    let message = here.the_fault("altered");
    assert!(
        ["text set", "filter lfs", "merge union"]
            .iter()
            .all(|it| message.contains(it))
            && message.contains(
                &here
                    .first_file()
                    .parent()
                    .unwrap()
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            ),
        "the deeper file wins: {message}"
    );
    fs::remove_file(deeper).unwrap();

    here.write(".git/info/attributes", "*.jsonl text\n");
    fs::write(&attributes, ours).unwrap();
    let message = here.the_fault("altered");
    assert!(message.contains("info/attributes"), "{message}");
}

#[test]
fn what_belongs_to_one_working_copy_and_is_tracked_is_told() {
    let here = Here::repository();
    here.work("s", "T");
    here.git(&["add", "--force", ".tributary/local", ".tributary/index"]);
    here.git(&["commit", "--quiet", "--message", "oops"]);
    let message = here.the_fault("tracked");
    let said = here.told(&["append", "s", "T", "2"]);
    assert!(said.contains(&message), "an append says it: {said}");
    let (_, advice) = message.split_once("run `").unwrap();
    let (advice, _) = advice.split_once('`').unwrap();
    let words: Vec<_> = advice.split(' ').skip(1).collect();
    here.git(&[&["-C", ".tributary"], &words[..]].concat());
    assert_eq!(here.faults(), [], "the advice helps");
    here.fine(&["append", "s", "T", "3"]);
}

#[test]
fn files_that_a_sparse_checkout_leaves_out_are_told() {
    let here = Here::repository();
    here.work("s", "T");
    here.write("src/main.rs", "");
    here.commit();
    let patterns = ["/*", "!/.tributary/events/*/"];
    here.git(&[&["sparse-checkout", "set", "--no-cone"], &patterns[..]].concat());
    let faults = here.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let message = here.the_fault("left_out");
    assert!(
        message.contains("git sparse-checkout add '/.tributary/events/**'"),
        "{message}"
    );
    here.git(&["sparse-checkout", "add", "/.tributary/events/**"]);
    assert_eq!(here.faults(), [], "the advice helps");
    assert_eq!(here.lines(&["read", "s"]).len(), 1, "the event is back");
}

#[test]
fn a_store_that_a_sparse_checkout_leaves_out_is_not_made_anew() {
    let here = Here::repository();
    here.work("s", "T");
    here.write("src/main.rs", "");
    here.commit();
    for fresh in [false, true] {
        let clone = if fresh { here.cloned() } else { Here::empty() };
        let here = if fresh { &clone } else { &here };
        here.git(&["sparse-checkout", "set", "--cone", "src"]);
        for args in [
            &["status"][..],
            &["--store", ".tributary", "append", "s", "T", "2"],
            &["init"],
        ] {
            let said = here.refused(args, 1);
            assert!(
                said.contains("git sparse-checkout add .tributary/events")
                    && !said.contains("trib init"),
                "{args:?}, fresh: {fresh}: {said}"
            );
        }
        let mut below = here.command(&["status"]);
        let said = below.current_dir(here.path().join("src")).output().unwrap();
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(
            said.contains("sparse-checkout add .tributary/events"),
            "from below: {said}"
        );
        here.git(&["sparse-checkout", "add", ".tributary/events"]);
        assert_eq!(here.lines(&["read", "s"]).len(), 1, "the advice helps");
    }
}

#[test]
fn worktrees_submodules_and_what_a_hook_sets_are_no_fault() {
    let inner = Here::repository();
    inner.work("s", "T");
    inner.git(&["worktree", "add", "--quiet", "-b", "topic", "tree"]);
    let outer = Here::empty();
    outer.git(&["init", "--quiet"]);
    let url = inner.path().to_str().unwrap();
    outer.git(&["submodule", "--quiet", "add", url, "module"]);
    for root in [inner.path().join("tree"), outer.path().join("module")] {
        let root = root.join(".tributary");
        let root = root.to_str().unwrap();
        inner.fine(&["--store", root, "append", "s", "T", "2"]);
        let status = inner.json(&["--store", root, "status"]);
        assert_eq!(status["git"], serde_json::json!([]), "{root}");
    }
    let mut command = inner.command(&["append", "s", "T", "3"]);
    command
        .env("GIT_DIR", "/nowhere")
        .env("GIT_INDEX_FILE", "/nowhere/index");
    let done = command.env("GIT_WORK_TREE", "/").output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
}

/// Puts a program called `git` before the real one on the path; returns the path.
#[cfg(unix)]
fn other_git(here: &Here, script: &str) -> std::ffi::OsString {
    use std::os::unix::fs::PermissionsExt;

    let path = here.path().join("bin/git");
    here.write("bin/git", script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let rest = std::env::var_os("PATH").unwrap();
    let mut dirs = vec![path.parent().unwrap().to_owned()];
    dirs.extend(std::env::split_paths(&rest));
    std::env::join_paths(dirs).unwrap()
}

#[cfg(unix)]
#[test]
fn a_git_that_is_missing_or_fails_stops_nobody() {
    let here = Here::repository();
    let failing = other_git(&here, "#!/bin/sh\nexit 3\n");
    for path in ["/nowhere".into(), failing] {
        for args in [&["append", "s", "T", "1"][..], &["status"], &["init"]] {
            let done = here.command(args).env("PATH", &path).output().unwrap();
            assert!(
                done.status.success() && done.stderr.is_empty(),
                "{args:?}: {done:?}"
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn an_append_asks_git_once_for_each_change_of_the_rules() {
    let here = Here::repository();
    let log = here.path().join("bin/log");
    let script = format!(
        "#!/bin/sh\necho x >> '{}'\nPATH=\"${{PATH#*:}}\" exec git \"$@\"\n",
        log.display()
    );
    let path = other_git(&here, &script);
    let asked = |what: &str| {
        let _ = fs::remove_file(&log);
        let done = here
            .command(&["append", "s", "T", "1"])
            .env("PATH", &path)
            .output()
            .unwrap();
        assert!(done.status.success(), "{what}: {done:?}");
        (
            Path::new(&log).exists(),
            String::from_utf8(done.stderr).unwrap(),
        )
    };
    assert_eq!(asked("first"), (true, String::new()));
    assert_eq!(asked("second"), (false, String::new()), "nothing changed");
    here.write(".gitignore", "*.o\n");
    assert_eq!(asked("a new file of rules"), (true, String::new()));
    assert_eq!(asked("as before"), (false, String::new()));
    here.write(".git/info/exclude", "*.a\n");
    assert_eq!(asked("rules that are not committed"), (true, String::new()));
    here.git(&[
        "config",
        "core.excludesFile",
        here.path().join("mine").to_str().unwrap(),
    ]);
    assert_eq!(asked("the configuration"), (true, String::new()));
    here.write("mine", ".tributary\n");
    for (what, is_asked) in [
        ("a file that it names", true),
        (
            "a fault is told until it is mended, without asking again",
            false,
        ),
    ] {
        let (was_asked, said) = asked(what);
        assert_eq!(was_asked, is_asked, "{what}: {said}");
        assert!(said.contains("git ignores the events"), "{what}: {said}");
    }
    here.write("mine", "");
    assert_eq!(asked("mended"), (true, String::new()));
    assert_eq!(asked("in the end"), (false, String::new()));
    here.write(".tributary/local/git-rules", "git rules 1\n");
    assert_eq!(asked("a damaged note"), (true, String::new()));
    here.write("more", "[core]\n\tautocrlf = false\n");
    here.git(&["config", "--unset", "core.excludesFile"]);
    let included = here.path().join("more");
    here.git(&["config", "include.path", included.to_str().unwrap()]);
    assert_eq!(asked("a file that is included"), (true, String::new()));
    here.write("mine", ".tributary\n");
    let mine = here.path().join("mine");
    here.write(
        "more",
        &format!("[core]\n\texcludesFile = {}\n", mine.display()),
    );
    let (_, said) = asked("what is included says something else");
    assert!(said.contains("git ignores the events"), "{said}");
    here.write("more", "");
    here.git(&["config", "--add", "include.path", "../later/rules"]);
    here.git(&["config", "includeIf.gitdir:nowhere/.path", "../for-one"]);
    assert_eq!(asked("files that are not there"), (true, String::new()));
    assert_eq!(asked("nor later"), (false, String::new()));
    let ignoring = format!("[core]\n\texcludesFile = {}\n", mine.display());
    here.write("later/rules", &ignoring);
    let (_, said) = asked("a file that is included comes into being");
    assert!(said.contains("git ignores the events"), "{said}");
    here.write("later/rules", "");
    assert_eq!(asked("mended again"), (true, String::new()));
    here.write("for-one", "");
    assert_eq!(
        asked("one that is included on a condition"),
        (true, String::new())
    );
}

#[test]
fn renewed_rules_are_told_with_the_command_that_commits_them() {
    let here = Here::repository();
    let attributes = here.path().join(".tributary/events/.gitattributes");
    fs::write(&attributes, "* -text merge=union linguist-generated=true\n").unwrap();
    here.commit();
    here.fine(&["status"]);
    let said = here.told(&["append", "s", "T", "1"]);
    assert!(
        said.contains("events/.gitattributes")
            && said.contains("git commit -m \"Renew the rules of the store for git\" -- .tributary/events/.gitattributes")
            && !said.contains("git add"),
        "{said}"
    );
    assert_eq!(here.faults(), [], "they are in force");
    here.fine(&["append", "s", "T", "2"]);
    let said = here.run(&["--json", "append", "s", "T", "3"]);
    assert!(said.stderr.is_empty(), "once is enough: {said:?}");
}

#[test]
fn a_store_that_asks_for_something_unknown_is_refused_by_every_command() {
    let here = Here::repository();
    here.work("s", "T");
    here.write(".tributary/requires", "tomorrow 9.0\n");
    for args in [
        &["append", "s", "T", "1"][..],
        &["read", "s"],
        &["events"],
        &["streams"],
        &["log"],
        &["status"],
        &["forks"],
        &["consume", "c"],
        &["digest"],
        &["verify"],
        &["fence"],
        &["merge-check", "HEAD"],
        &["init"],
    ] {
        let output = here.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(1)
                && output.stdout.is_empty()
                && said.contains("`tomorrow`")
                && said.contains("`9.0`"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_merge_that_would_bring_a_demand_that_is_not_known_is_foretold() {
    let here = Here::repository();
    let there = here.cloned();
    there.write(".tributary/requires", "# nothing\n");
    there.work("s", "T");
    here.fetch(&there);
    here.fine(&["merge-check", "FETCH_HEAD"]);
    there.write(".tributary/requires", "tomorrow 9.0\n");
    there.commit();
    here.fetch(&there);
    let said = here.refused(&["merge-check", "FETCH_HEAD"], 1);
    assert!(
        said.contains("after the merge") && said.contains("`tomorrow`"),
        "{said}"
    );
}

#[test]
fn the_union_of_eventcore_fs_is_overruled_by_the_first_append() {
    let here = old_store();
    here.write(".tributary/.gitattributes", "events/** merge=union\n");
    here.git(&["init", "--quiet"]);
    let faults = here.faults();
    assert!(
        faults.len() == 1 && faults[0].1.contains("merge union"),
        "{faults:?}"
    );
    let said = here.told(&["append", "s", "T", "1"]);
    assert!(
        said.contains("events/.gitattributes and .gitignore"),
        "{said}"
    );
    assert_eq!(here.faults(), [], "the deeper file wins");
}

/// Leaves a store as eventcore-fs does.
fn old_store() -> Here {
    let here = Here::empty();
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fs-format/tests/golden/v2/minimal.jsonl"
    );
    here.write(".tributary/.gitignore", "/index/\n");
    let name = ".tributary/events/01a1fd21-d4f6-72d8-ba72-9f6719366aec.jsonl";
    here.write(name, &fs::read_to_string(golden).unwrap());
    here
}

#[test]
fn the_fence_is_offered_by_an_append_after_eventcore_fs_and_written_when_asked() {
    let here = old_store();
    let fence = here.path().join(".tributary/events/fence.jsonl");
    let said = here.told(&["append", "s", "T", "1"]);
    assert!(said.contains("`trib fence`"), "{said}");
    assert!(!fence.exists(), "nothing is written without the command");
    here.fine(&["append", "s", "T", "2"]);
    let answer = here.json(&["fence"]);
    assert_eq!(
        answer,
        serde_json::json!({"path": "events/fence.jsonl", "new": true})
    );
    let text = here.fine(&["fence"]);
    assert!(text.contains("is there already"), "{text}");
    let status = here.json(&["status"]);
    assert_eq!(
        status["quarantined"],
        serde_json::json!([]),
        "it is no damage"
    );

    // Another clone takes over what was appended above it.
    let clone = old_store();
    for line in here.lines(&["log"]) {
        let id = line["transaction_id"].as_str().unwrap();
        let directory = format!(".tributary/events/{}/{}", &id[..4], &id[4..6]);
        let file = format!("{directory}/{id}.jsonl");
        if here.path().join(&file).exists() {
            fs::create_dir_all(clone.path().join(&directory)).unwrap();
            fs::copy(here.path().join(&file), clone.path().join(&file)).unwrap();
        }
    }
    let said = clone.told(&["append", "s", "T", "3"]);
    assert!(said.contains("`trib fence`"), "its first append: {said}");
    clone.fine(&["append", "s", "T", "4"]);

    let fenced = old_store();
    fenced.json(&["fence"]);
    fenced.fine(&["append", "s", "T", "1"]);
}

#[test]
fn the_fence_is_offered_by_a_settlement_of_what_eventcore_fs_wrote() {
    let here = old_store();
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fs-format/tests/golden/v2/two-streams-1.0.0.jsonl"
    );
    let name = ".tributary/events/01a1fd22-d538-7645-a4f8-bc3ce1efbf49.jsonl";
    here.write(name, &fs::read_to_string(golden).unwrap());
    let said = here.told(&["resolve", "--all", "--accept", "--anyway"]);
    assert!(said.contains("`trib fence`"), "{said}");
}
