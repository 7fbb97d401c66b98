//! A git that knows nothing of the machine or of a hook that runs the tests.

use std::process::Command;

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
pub fn isolate_git(command: &mut Command) {
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
    isolate_git(&mut command);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
}
