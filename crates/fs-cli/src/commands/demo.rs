//! `trib demo`: the story of the project, with real git and the real `trib`, told step by step.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use fs_io::{SyncPolicy, System};
use serde::Serialize;
use serde_json::Value;

use crate::args::STORE_VARIABLE;
use crate::git;
use crate::outcome::Ending;
use crate::output::Output;

/// Settings that make git independent of whose machine it runs on.
const GIT_CONFIG: [(&str, &str); 6] = [
    ("user.name", "Demo"),
    ("user.email", "demo@localhost"),
    ("init.defaultBranch", "main"),
    ("commit.gpgsign", "false"),
    ("core.autocrlf", "false"),
    ("merge.ff", "true"),
];

#[derive(Serialize)]
struct Step<'a> {
    step: usize,
    title: &'a str,
    commands: Vec<Shown>,
}

#[derive(Clone, Serialize)]
struct Shown {
    directory: &'static str,
    command: String,
    output: String,
}

struct Demo<'a> {
    dir: PathBuf,
    trib: PathBuf,
    output: &'a mut Output,
    step: usize,
}

pub(crate) fn run(dir: &Path, output: &mut Output) -> anyhow::Result<Ending> {
    let disk = System::real().disk;
    if disk.stat(dir)?.is_some() {
        bail!(
            "{} exists already; name another directory (`trib demo DIR`) or remove it first",
            dir.display()
        );
    }
    let version = Command::new("git").arg("--version").output();
    ensure!(
        version.is_ok_and(|version| version.status.success()),
        "the demo needs git on the PATH"
    );
    let (above, name) = (
        dir.parent()
            .filter(|above| !above.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
        dir.file_name().context("name a directory for the demo")?,
    );
    fs_io::create_dirs(disk.as_ref(), above, Path::new(name), SyncPolicy::None)
        .with_context(|| format!("cannot create {}", dir.display()))?;
    let dir = std::path::absolute(dir)?;
    let trib = std::env::current_exe().context("cannot tell where this program is")?;
    Demo {
        dir,
        trib,
        output,
        step: 0,
    }
    .tell()?;
    Ok(Ending::Fine)
}

impl Demo<'_> {
    fn tell(&mut self) -> anyhow::Result<()> {
        self.output.say(&format!(
            "Two people share a project. Each has a clone in {}.",
            self.dir.display()
        ))?;

        let commands = vec![
            self.git(".", &["init", "--quiet", "alice"])?,
            self.trib("alice", &["init"])?,
            self.trib(
                "alice",
                &[
                    "append",
                    "issue-1",
                    "IssueOpened",
                    r#"{"title":"It rains in"}"#,
                    "--expect",
                    "new",
                ],
            )?,
            self.git("alice", &["add", "."])?,
            self.git(
                "alice",
                &["commit", "--quiet", "--message", "open the first issue"],
            )?,
            self.git(".", &["clone", "--quiet", "alice", "bob"])?,
        ];
        self.tell_step(
            "Alice creates a store in her project, opens an issue and commits. Bob clones.",
            commands,
        )?;

        let commands = vec![
            self.trib(
                "alice",
                &[
                    "append",
                    "issue-1",
                    "TitleChanged",
                    r#"{"title":"The roof leaks"}"#,
                    "--expect",
                    "1",
                ],
            )?,
            self.trib(
                "alice",
                &[
                    "append",
                    "issue-1",
                    "Assigned",
                    r#"{"to":"alice"}"#,
                    "--expect",
                    "2",
                ],
            )?,
            self.git("alice", &["add", "."])?,
            self.git(
                "alice",
                &["commit", "--quiet", "--message", "it is the roof"],
            )?,
        ];
        self.tell_step(
            "Offline, Alice changes the title and takes the issue.",
            commands,
        )?;

        let commands = vec![
            self.trib(
                "bob",
                &[
                    "append",
                    "issue-1",
                    "TitleChanged",
                    r#"{"title":"The window is open"}"#,
                    "--expect",
                    "1",
                ],
            )?,
            self.git("bob", &["add", "."])?,
            self.git(
                "bob",
                &["commit", "--quiet", "--message", "it is the window"],
            )?,
        ];
        self.tell_step(
            "Offline too, Bob gives the same issue another title.",
            commands,
        )?;

        let commands = vec![
            self.git(
                "bob",
                &[
                    "pull",
                    "--quiet",
                    "--no-rebase",
                    "--no-edit",
                    "../alice",
                    "main",
                ],
            )?,
            self.git(
                "alice",
                &[
                    "pull",
                    "--quiet",
                    "--no-rebase",
                    "--no-edit",
                    "../bob",
                    "main",
                ],
            )?,
        ];
        self.tell_step("They merge with plain git. Every transaction is a file of its own, so there is no textual conflict.", commands)?;

        let commands = vec![
            self.trib("alice", &["digest"])?,
            self.trib("bob", &["digest"])?,
        ];
        ensure!(
            commands[0].output == commands[1].output,
            "the clones hold different histories after the merge"
        );
        self.tell_step(
            "Both clones hold the same files and compute the same history.",
            commands,
        )?;

        let commands = vec![self.trib("alice", &["forks"])?];
        self.tell_step(
            "The conflict is not hidden: one fork, with both branches whole.",
            commands,
        )?;

        let (fork, head) = self.first_branch()?;
        let settle = [
            "resolve",
            fork.as_str(),
            "--keep",
            head.as_str(),
            "--reason",
            "Alice was on the roof",
            "--commit",
        ];
        let commands = vec![self.trib("alice", &settle)?, self.trib("bob", &settle)?];
        ensure!(
            commands[0].output == commands[1].output,
            "the clones settled the fork differently"
        );
        self.tell_step(
            "Each settles it in the own clone, without talking to the other, by the same rule, and commits that.",
            commands,
        )?;

        let pull = ["pull", "--quiet", "--no-rebase", "--no-edit"];
        let commands = vec![
            self.git("bob", &[&pull[..], &["../alice", "main"]].concat())?,
            self.git("alice", &[&pull[..], &["../bob", "main"]].concat())?,
        ];
        self.tell_step(
            "Both decisions are the same file with the same bytes, so git merges it with itself.",
            commands,
        )?;

        let commands = vec![
            self.trib("alice", &["status", "--check"])?,
            self.trib("alice", &["read", "issue-1"])?,
            self.trib("alice", &["digest"])?,
            self.trib("bob", &["digest"])?,
        ];
        ensure!(
            commands[2].output == commands[3].output,
            "the clones hold different histories at the end"
        );
        self.tell_step(
            "No fork is open, and both clones are equal to the byte.",
            commands,
        )?;
        self.output.say(&format!(
            "\nLook around in {}: it is all plain files and git.",
            self.dir.display()
        ))
    }

    /// Asks `trib` for the open fork and the head of Alice's branch, the longer one.
    fn first_branch(&self) -> anyhow::Result<(String, String)> {
        let forks = self.run(Command::new(&self.trib).args(["--json", "forks"]), "alice")?;
        let forks: Value =
            serde_json::from_str(&forks).context("trib forks --json gave no JSON")?;
        let fork = forks.get(0).context("the merge made no fork")?;
        let branches = fork["branches"]
            .as_array()
            .context("the fork has no branches")?;
        let longest = branches
            .iter()
            .max_by_key(|branch| branch["transactions"].as_array().map_or(0, Vec::len))
            .context("the fork has no branches")?;
        let text = |value: &Value| {
            value
                .as_str()
                .map(str::to_owned)
                .context("a fork without ids")
        };
        Ok((text(&fork["fork_id"])?, text(&longest["head"])?))
    }

    fn git(&self, directory: &'static str, args: &[&str]) -> anyhow::Result<Shown> {
        let output = self.run(Command::new("git").args(args), directory)?;
        Ok(Shown {
            directory,
            command: shown("git", args),
            output,
        })
    }

    fn trib(&self, directory: &'static str, args: &[&str]) -> anyhow::Result<Shown> {
        let output = self.run(Command::new(&self.trib).args(args), directory)?;
        Ok(Shown {
            directory,
            command: shown("trib", args),
            output,
        })
    }

    /// Runs a command in a clone as if nothing in the environment were about another repository or store.
    fn run(&self, command: &mut Command, directory: &str) -> anyhow::Result<String> {
        for name in git::ENVIRONMENT.into_iter().chain([STORE_VARIABLE]) {
            command.env_remove(name);
        }
        // By the environment, since `trib` runs git too.
        command.env("GIT_CONFIG_COUNT", GIT_CONFIG.len().to_string());
        for (number, (key, value)) in GIT_CONFIG.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        let done = command
            .current_dir(self.dir.join(directory))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .with_context(|| format!("cannot run {command:?}"))?;
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        ensure!(
            done.status.success(),
            "{command:?} failed in {directory}: {}{}",
            out.trim_end(),
            err.trim_end()
        );
        Ok(out.trim_end().to_owned())
    }

    fn tell_step(&mut self, title: &str, commands: Vec<Shown>) -> anyhow::Result<()> {
        self.step += 1;
        let step = Step {
            step: self.step,
            title,
            commands,
        };
        self.output.answer(&step, || {
            let mut lines = vec![format!("\n{}. {}", step.step, step.title)];
            for shown in &step.commands {
                lines.push(format!("   {}$ {}", shown.directory, shown.command));
                lines.extend(shown.output.lines().map(|line| format!("     {line}")));
            }
            lines.join("\n")
        })
    }
}

/// Returns a command as a person would type it.
fn shown(program: &str, args: &[&str]) -> String {
    let quoted = args.iter().map(|arg| {
        let is_plain = arg
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./=:".contains(c));
        if is_plain {
            (*arg).to_owned()
        } else {
            format!("'{arg}'")
        }
    });
    [program.to_owned()]
        .into_iter()
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}
