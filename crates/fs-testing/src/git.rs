//! A git that knows nothing of the machine or of a hook that runs the tests, and repositories with stores in them.
//!
//! Everything panics with what failed: it is for tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fs_io::{PrivateDir, System};
use fs_merge::{ForkContext, forks};
use fs_store::{Appended, FileEventStore};

use crate::stores::count;

/// What a hook may have set about the repository that it runs in.
const ENVIRONMENT: [&str; 6] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
];

/// Settings without which git asks for one, or does what depends on its version.
const SETTINGS: [&str; 5] = [
    "user.name=Test",
    "user.email=test@localhost",
    "init.defaultBranch=main",
    "commit.gpgsign=false",
    "protocol.file.allow=always",
];

/// Keeps a command, and the git that it may run, from what git knows of this machine and of a hook that runs the tests.
pub fn isolate(command: &mut Command) {
    for name in ENVIRONMENT {
        command.env_remove(name);
    }
    let nothing = if cfg!(windows) { "NUL" } else { "/dev/null" };
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", nothing);
}

/// Returns a git command that is isolated, commits as somebody, and makes `main` the first branch.
pub fn git() -> Command {
    let mut command = Command::new("git");
    isolate(&mut command);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
}

/// A directory of repositories that goes away with it.
#[derive(Debug)]
pub struct World {
    dir: PrivateDir,
}

/// A git repository with a store in `.tributary/`.
#[derive(Debug)]
pub struct Repository {
    dir: PathBuf,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Returns an empty world.
    pub fn new() -> Self {
        Self {
            dir: PrivateDir::new().expect("there is room for a directory"),
        }
    }

    /// Returns an empty world in a directory.
    pub fn within(directory: &Path) -> Self {
        Self {
            dir: PrivateDir::within(directory).expect("there is room for a directory"),
        }
    }

    /// Returns an empty world on a disk in memory where there is one, for what is synced often and need not be.
    pub fn in_memory() -> Self {
        Self {
            dir: PrivateDir::within(Path::new("/dev/shm"))
                .or_else(|_| PrivateDir::new())
                .expect("there is room for a directory"),
        }
    }

    /// Returns the directory of the world.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Creates a repository with an empty, committed store.
    pub fn init(&self, name: &str) -> Repository {
        let repository = Repository {
            dir: self.dir.path().join(name),
        };
        let created = System::real().disk.create_dir(&repository.dir);
        created.expect("there is room for a repository");
        repository.git(&["init", "--quiet"]);
        FileEventStore::create(repository.root()).expect("the store is created");
        repository.commit("create the store");
        repository
    }

    /// Clones a repository.
    pub fn clone(&self, from: &Repository, name: &str) -> Repository {
        self.clone_with(from, name, &[])
    }

    /// Clones a repository with settings of its own, as `core.autocrlf=true`.
    pub fn clone_with(&self, from: &Repository, name: &str, settings: &[&str]) -> Repository {
        let settings = settings.iter().flat_map(|setting| ["--config", setting]);
        let options: Vec<_> = settings.collect();
        self.cloned(&options, from.dir.as_os_str(), name)
    }

    /// Clones the newest commit of a repository, without those before it.
    pub fn clone_shallow(&self, from: &Repository, name: &str) -> Repository {
        // A path would be cloned whole.
        let url = format!("file://{}", from.dir.display());
        self.cloned(&["--depth", "1"], url.as_ref(), name)
    }

    fn cloned(&self, options: &[&str], from: &OsStr, name: &str) -> Repository {
        let dir = self.dir.path().join(name);
        let mut command = git();
        command.args(["clone", "--quiet"]).args(options);
        succeed(command.arg(from).arg(&dir));
        Repository { dir }
    }
}

impl Repository {
    /// Returns the work tree.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Returns the root of the store.
    pub fn root(&self) -> PathBuf {
        self.dir.join(".tributary")
    }

    /// Returns the path of a file below `events/`.
    pub fn event_file(&self, relative: &str) -> PathBuf {
        self.root().join("events").join(relative)
    }

    /// Opens the store as a process of its own would.
    pub fn store(&self) -> FileEventStore {
        FileEventStore::open(self.root()).expect("the store opens")
    }

    /// Runs git here; panics when it fails.
    pub fn git(&self, args: &[&str]) -> String {
        let output = succeed(git().current_dir(&self.dir).args(args));
        String::from_utf8(output.stdout).expect("git answers in UTF-8")
    }

    /// Runs git here; returns whether it succeeded.
    pub fn try_git(&self, args: &[&str]) -> bool {
        let output = git().current_dir(&self.dir).args(args).output();
        output.expect("git is installed").status.success()
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Merges another repository's main branch.
    pub fn merge(&self, other: &Repository) {
        self.git(&[
            "pull",
            "--quiet",
            "--no-rebase",
            "--no-edit",
            other.dir.to_str().expect("its name is UTF-8"),
            "main",
        ]);
    }

    /// Appends one event with the data `n` to a stream, by a process of its own.
    pub fn append(&self, stream: &str, n: u64) -> Appended {
        count(&self.store(), stream, n)
    }

    /// Appends events and commits them, as somebody who works offline does.
    pub fn work(&self, stream: &str, numbers: &[u64]) -> Vec<Appended> {
        let appended = numbers.iter().map(|n| self.append(stream, *n)).collect();
        self.commit("work");
        appended
    }

    /// Returns the open forks.
    pub fn forks(&self) -> Vec<ForkContext> {
        forks(&self.store()).expect("the store can be read")
    }
}

fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
