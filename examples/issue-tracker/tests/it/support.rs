//! People with a clone each, and what they may rely on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use fs_merge::forks;
use fs_store::{Append, FileEventStore};
use scenarios::{Repository, World};

/// Somebody who works in a clone.
pub(crate) struct Person {
    name: &'static str,
    repository: Repository,
}

impl Person {
    /// Creates the repository of a project.
    pub(crate) fn with_project(world: &World, name: &'static str) -> Self {
        let repository = world.init(name);
        Self { name, repository }
    }

    /// Clones the project.
    pub(crate) fn joining(&self, world: &World, name: &'static str) -> Self {
        let repository = world.clone(&self.repository, name);
        Self { name, repository }
    }

    /// Clones the newest commit of the project.
    pub(crate) fn joining_shallowly(&self, world: &World, name: &'static str) -> Self {
        let repository = world.clone_shallow(&self.repository, name);
        Self { name, repository }
    }

    /// Runs the tracker; returns what it printed.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let (code, output) = self.try_run(args);
        assert_eq!(code, 0, "{} runs {args:?}: {output}", self.name);
        output
    }

    /// Runs the tracker; returns its exit code and all that it printed.
    pub(crate) fn try_run(&self, args: &[&str]) -> (i32, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_issue-tracker"))
            .current_dir(self.repository.path())
            .env("ISSUE_TRACKER_AS", self.name)
            .args(args)
            .output()
            .unwrap();
        let output = [stdout, stderr].map(|output| String::from_utf8(output).unwrap());
        (status.code().unwrap(), output.concat())
    }

    /// Opens an issue.
    pub(crate) fn open(&self, title: &str) -> String {
        self.run(&["open", title]).trim().to_owned()
    }

    /// Appends an event that the tracker would not.
    pub(crate) fn append_raw(&self, stream: &str, data: &str) {
        let event = Append::new().event(scenarios::stream_id(stream), "IssueEvent", data);
        self.repository.store().append(event.unwrap()).unwrap();
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.repository.git(args)
    }

    pub(crate) fn commit(&self, message: &str) {
        self.repository.commit(message);
    }

    /// Merges somebody else's main branch.
    pub(crate) fn pull(&self, other: &Self) {
        self.repository.merge(&other.repository);
    }

    /// Fetches somebody else's main branch as `FETCH_HEAD`.
    pub(crate) fn fetch(&self, other: &Self) {
        let path = other.repository.path().to_str().unwrap();
        self.git(&["fetch", "--quiet", path, "main"]);
    }

    /// Returns all issues, as they are listed.
    pub(crate) fn list(&self) -> String {
        self.run(&["list", "--all"])
    }

    /// Asserts that the board shows what the list does, and returns all that was printed with it.
    pub(crate) fn board_is_the_list(&self) -> String {
        let told = self.run(&["board", "--all"]);
        let sorted = |lines: Vec<&str>| {
            let mut lines: Vec<_> = lines.into_iter().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        let on_board = told.lines().filter_map(|line| line.strip_prefix("  "));
        assert_eq!(
            sorted(on_board.collect()),
            sorted(self.list().lines().collect()),
            "{}: the board shows each issue once, as the list does",
            self.name
        );
        told
    }

    /// Starts the tracker, to be looked at while it runs.
    pub(crate) fn start(&self, args: &[&str]) -> Started {
        let mut child = Command::new(env!("CARGO_BIN_EXE_issue-tracker"))
            .current_dir(self.repository.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Started { child, lines }
    }

    /// Returns the person's store.
    pub(crate) fn store(&self) -> FileEventStore {
        self.repository.store()
    }

    /// Returns the transactions that are missing below what is here.
    pub(crate) fn missing(&self) -> usize {
        self.repository.store().status().unwrap().dangling.len()
    }

    /// Accepts that what is missing never comes.
    pub(crate) fn forget_missing(&self) {
        let store = self.repository.store();
        let missing = store.status().unwrap().dangling;
        let missing: Vec<_> = missing.iter().map(|dangling| dangling.missing).collect();
        store.forget(&missing).unwrap();
    }

    /// Returns every transaction file with its bytes.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.repository.event_file("")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    files.insert(file_name(&path), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// Asserts that the history is whole and that nothing is left to settle.
    pub(crate) fn is_fine(&self) {
        let store = self.repository.store();
        let status = store.status().unwrap();
        assert!(status.is_clean(), "{}: {status:?}", self.name);
        let open = forks(&store).unwrap();
        assert_eq!(open, [], "{} has nothing to settle", self.name);
        let listed = self.list();
        assert!(!listed.contains("! "), "{}: {listed}", self.name);
    }

    /// Asserts that there are these issues and no others.
    pub(crate) fn has_issues(&self, issues: &[&str]) {
        let listed = self.list();
        let mut found: Vec<_> = listed.lines().filter_map(|line| line.get(..8)).collect();
        let mut expected = issues.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(
            found, expected,
            "{}: no issue is lost or doubled",
            self.name
        );
    }

    /// Asserts that an issue has these comments and labels, each once, and no others.
    pub(crate) fn has(&self, issue: &str, comments: &[&str], labels: &[&str]) {
        let shown = self.run(&["show", issue]);
        let mut said: Vec<_> = shown
            .lines()
            .filter_map(|line| line.split_once(" said: ").map(|(_, text)| text))
            .collect();
        let mut expected = comments.to_vec();
        said.sort_unstable();
        expected.sort_unstable();
        assert_eq!(
            said, expected,
            "{}: no comment is lost or doubled",
            self.name
        );
        let line = shown.lines().next().unwrap();
        let mut found: Vec<_> = line
            .split(' ')
            .filter_map(|word| word.strip_prefix('#'))
            .collect();
        let mut expected = labels.to_vec();
        for word in &mut found {
            *word = word.trim_end_matches(',');
        }
        expected.sort_unstable();
        assert_eq!(
            found, expected,
            "{}: no label is lost or doubled",
            self.name
        );
    }
}

/// A tracker that runs; it is killed at the end of the test.
pub(crate) struct Started {
    child: Child,
    lines: Receiver<String>,
}

impl Started {
    /// Returns the next line that it prints; `None` when it has ended, or prints nothing for a minute.
    pub(crate) fn line(&self) -> Option<String> {
        self.lines.recv_timeout(Duration::from_secs(60)).ok()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Does as Ctrl-C; returns the exit code.
    #[cfg(unix)]
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success(), "it runs");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
