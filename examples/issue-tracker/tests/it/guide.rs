//! `docs/guide/merging.md` and `docs/guide/projections.md` show the example as it is. Their sessions are typed into a shell.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MERGING: &str = include_str!("../../../../docs/guide/merging.md");
const PROJECTIONS: &str = include_str!("../../../../docs/guide/projections.md");

/// Returns the blocks of a guide with this language.
fn blocks(guide: &'static str, language: &str) -> Vec<Vec<&'static str>> {
    let mut blocks = Vec::new();
    let mut lines = guide.lines();
    while let Some(fence) = lines.by_ref().find(|line| line.starts_with("```")) {
        let block = lines.by_ref().take_while(|line| *line != "```").collect();
        if fence.trim_start_matches('`') == language {
            blocks.push(block);
        }
    }
    blocks
}

fn sources(directory: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
    sources
}

#[test]
fn their_code_is_the_code() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["src", "tests"].map(|part| sources(&package.join(part)));
    let blocks = [MERGING, PROJECTIONS].map(|guide| blocks(guide, "rs"));
    assert!(blocks.iter().all(|blocks| !blocks.is_empty()));
    for block in blocks.iter().flatten() {
        let is_in = |source: &String| {
            let lines: Vec<_> = source.lines().map(str::trim).collect();
            let block: Vec<_> = block.iter().map(|line| line.trim()).collect();
            lines.windows(block.len()).any(|lines| lines == block)
        };
        assert!(
            sources.iter().flatten().any(is_in),
            "the example has no such lines any more:\n{}",
            block.join("\n")
        );
    }
}

/// Alice's and Bob's clones of one repository, on a machine that knows nothing but their names.
struct Stage {
    world: scenarios::World,
    /// The ids of the guide, and what they are this time.
    ids: BTreeMap<String, String>,
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            world: scenarios::World::in_memory(),
            ids: BTreeMap::new(),
        };
        let root = stage.world.path();
        for name in ["alice", "bob"] {
            let config = format!(
                "[user]\nname = {name}\nemail = {name}@localhost\n[init]\ndefaultBranch = main\n[commit]\ngpgsign = false\n"
            );
            fs::write(root.join(format!("{name}.gitconfig")), config).unwrap();
        }
        let set_up = "git init --quiet --bare origin && git clone --quiet origin alice 2>/dev/null && cd alice \
            && issue-tracker init >/dev/null && git add --all && git commit --quiet --message Start && git push --quiet \
            && cd .. && git clone --quiet origin bob";
        stage.run("alice", root, set_up);
        stage
    }

    /// Runs a line as one of them types it; returns what is printed.
    fn run(&self, name: &str, directory: &Path, line: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_issue-tracker"));
        let mut paths = vec![program.parent().unwrap().to_owned()];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let config: PathBuf = self.world.path().join(format!("{name}.gitconfig"));
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(directory)
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("GIT_CONFIG_GLOBAL", config)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_MERGE_AUTOEDIT", "no")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env_remove("ISSUE_TRACKER_AS")
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        String::from_utf8(printed).unwrap()
    }

    /// Plays one command of the guide, and compares.
    fn play(&mut self, name: &str, command: &str, expected: &str) {
        let mut typed = command.to_owned();
        for (id, real) in &self.ids {
            typed = typed.replace(id, real);
        }
        let mut printed = self.run(name, &self.world.path().join(name), &typed);
        if command.starts_with("issue-tracker open") {
            let (id, real) = (expected.trim().to_owned(), printed.trim().to_owned());
            self.ids.insert(id, real);
        }
        for (id, real) in &self.ids {
            printed = printed.replace(real, id);
        }
        assert_eq!(printed, expected, "{name}$ {command}");
    }
}

#[test]
fn sessions_of_merging_go_as_it_says() {
    play_all(MERGING, 20);
}

#[test]
fn sessions_of_projections_go_as_it_says() {
    play_all(PROJECTIONS, 15);
}

/// Plays the sessions of a guide, which has at least so many commands.
fn play_all(guide: &'static str, at_least: usize) {
    let mut stage = Stage::new();
    let mut commands: Vec<(&str, &str, String)> = Vec::new();
    for line in blocks(guide, "console").into_iter().flatten() {
        match line.split_once("$ ") {
            Some((name @ ("alice" | "bob"), command)) => {
                commands.push((name, command, String::new()));
            }
            _ => {
                let (_, _, printed) = commands.last_mut().expect("a command comes first");
                printed.push_str(line);
                printed.push('\n');
            }
        }
    }
    assert!(
        commands.len() >= at_least,
        "the story is all here: {}",
        commands.len()
    );
    for (name, command, printed) in commands {
        stage.play(name, command, &printed);
    }
}

#[cfg(unix)]
#[test]
fn its_hook_settles_and_commits_on_both_sides_alike() {
    let stage = Stage::new();
    let hooks = blocks(MERGING, "sh").into_iter();
    let mut hooks = hooks.filter(|lines| lines.iter().any(|line| line.contains("--commit")));
    let hook = hooks.next().expect("the guide has it").join("\n");
    let root = stage.world.path().to_owned();
    let run = |name: &str, line: &str| stage.run(name, &root.join(name), line);
    run(
        "alice",
        "issue-tracker open 'It rains in' && git add --all && git commit --quiet --message Open && git push --quiet",
    );
    run("bob", "git pull --quiet");
    for (name, work) in [("alice", "label $id roof"), ("bob", "assign $id bob")] {
        let hook = format!(
            "cat > .git/hooks/post-merge <<'END'\n{hook}\nEND\nchmod +x .git/hooks/post-merge"
        );
        run(name, &hook);
        run(
            name,
            &format!(
                "id=$(issue-tracker list | cut -c1-8) && issue-tracker {work} && git add --all && git commit --quiet --message Work"
            ),
        );
    }
    run(
        "alice",
        "git fetch --quiet ../bob main && git branch before FETCH_HEAD",
    );
    run("bob", "git pull --quiet --no-rebase ../alice main");
    run("alice", "git merge --quiet --no-edit before");
    for name in ["alice", "bob"] {
        let message = run(name, "git log -1 --format=%s");
        assert_eq!(message, "Settle issues\n", "{name}: the hook committed");
    }
    let said = run(
        "alice",
        "git pull --quiet --no-rebase ../bob main && git status --short",
    );
    assert_eq!(said, "", "git merges the settlement with itself");
}
