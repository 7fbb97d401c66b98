//! The version control around a store: is it changing the files right now?
//!
//! ```text
//! project/.git/                         index.lock, HEAD, logs/HEAD, rebase-merge/, rebase-apply/, sequencer/
//! worktree/.git: "gitdir: PATH"         the same in PATH, of this worktree alone; submodules likewise
//! project/.jj/working_copy/             working_copy.lock
//! ```
//!
//! git and jj remove files before they write them, so a poll in the middle of a checkout sees too few. Each holds a lock
//! of its own meanwhile; between the steps of a rebase there is none, and other programs (libgit2) hold none at all. So
//! what is missing is believed only while no lock is there and no directory has changed for a moment.
//!
//! **Invariant**: nothing is written here, and nothing of git is believed but that a file is there and how old it is.
//!
//! # Limitations
//! Environment variables that put the repository elsewhere (`GIT_DIR`) are not looked at; what protects there is the moment
//! of rest. A lock that nobody holds any more counts for a minute.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_io::{Disk, FileKind, Stat, System};

use crate::layout::Layout;
use crate::snapshot::tally::Tally;
use crate::watch::scan;

/// A lock, or a rebase that stands still, counts for this time after anything moved.
const STALE_NANOS: u64 = 60_000_000_000;

/// A missing file counts as removed when no directory has changed for this time.
const REST_NANOS: u64 = 200_000_000;

/// Most bytes of a file `.git` that points elsewhere.
const MAX_LINK_BYTES: u64 = 8 << 10;

/// What git keeps while it goes through several commits, in its directory.
const SEQUENCES: [&str; 3] = ["rebase-merge", "rebase-apply", "sequencer"];

/// What changes in git's directory with every step of such a sequence.
const STEPS: [&str; 6] = [
    "HEAD",
    "logs/HEAD",
    "reftable/tables.list",
    "rebase-merge/msgnum",
    "rebase-apply/next",
    "sequencer/todo",
];

/// Why files that are missing, or hold something else than before, are not believed to be so for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Activity {
    /// git or jj holds its lock of this working copy.
    #[error("the lock {} is there", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// git is going through several commits, and a minute has not passed since the last step.
    #[error("a rebase is under way ({})", path.display())]
    Sequence {
        /// What git keeps of it.
        path: PathBuf,
    },
    /// A directory of the store was changed a moment ago.
    #[error("its directories are being changed")]
    Moving {
        /// How long they have to rest from now on.
        rest: Duration,
    },
}

/// Files of known transactions that are missing, or hold something else than before, while version control is at work.
/// Answers are those of the history before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// The files.
    pub files: Tally,
    /// What is at work.
    pub activity: Activity,
}

impl Unconfirmed {
    pub(crate) fn new(mut paths: Vec<String>, activity: Activity) -> Self {
        paths.sort_unstable();
        let mut files = Tally::default();
        paths.iter().for_each(|path| files.add(path));
        Self { files, activity }
    }

    /// Returns how long to wait before another poll may tell; `None` when that is for version control to say.
    pub fn rest(&self) -> Option<Duration> {
        match self.activity {
            Activity::Moving { rest } => Some(rest),
            Activity::Locked { .. } | Activity::Sequence { .. } => None,
        }
    }
}

/// Where the version control of a working copy keeps its locks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkingCopy {
    /// git's directory of this working copy.
    git: Option<PathBuf>,
    /// jj's directory of this working copy.
    jj: Option<PathBuf>,
}

impl WorkingCopy {
    /// Finds the nearest repository above the root of a store.
    ///
    /// # Complexity
    /// Two looks at each directory above.
    pub(crate) fn around(disk: &dyn Disk, root: &Path) -> Self {
        let root = disk.canonical(root).unwrap_or_else(|_| root.to_owned());
        let kind = |path: &Path| disk.stat(path).ok().flatten().map(|stat| stat.kind);
        for above in root.ancestors().skip(1) {
            let (git, jj) = (above.join(".git"), above.join(".jj"));
            let found = Self {
                git: match kind(&git) {
                    Some(FileKind::Directory | FileKind::Symlink) => Some(git),
                    Some(FileKind::File) => linked(disk, above, &git),
                    _ => None,
                },
                jj: match kind(&jj) {
                    Some(FileKind::Directory | FileKind::Symlink) => Some(jj.join("working_copy")),
                    _ => None,
                },
            };
            if found != Self::default() {
                return found;
            }
        }
        Self::default()
    }

    /// Returns what is at work; `moved_nanos` is when a directory of the store changed last.
    pub(crate) fn activity(
        &self,
        disk: &dyn Disk,
        now_nanos: i64,
        moved_nanos: i64,
    ) -> Option<Activity> {
        let stat = |path: &Path| disk.stat(path).ok().flatten();
        let is_recent = |nanos: i64| now_nanos.abs_diff(nanos) < STALE_NANOS;
        let locks = [
            self.git.as_ref().map(|git| git.join("index.lock")),
            self.jj.as_ref().map(|jj| jj.join("working_copy.lock")),
        ];
        for path in locks.into_iter().flatten() {
            if let Some(lock) = stat(&path)
                && (is_recent(scan::stamp_of(&lock)) || is_recent(moved_nanos))
            {
                return Some(Activity::Locked { path });
            }
        }
        let git = self.git.as_ref()?;
        let stamp = |path: &Path| stat(path).as_ref().map(scan::stamp_of);
        for path in SEQUENCES.iter().map(|name| git.join(name)) {
            let Some(began) = stat(&path).filter(is_directory) else {
                continue;
            };
            let steps = STEPS.iter().filter_map(|step| stamp(&git.join(step)));
            if is_recent(scan::stamp_of(&began)) || steps.into_iter().any(is_recent) {
                return Some(Activity::Sequence { path });
            }
        }
        None
    }
}

fn is_directory(stat: &Stat) -> bool {
    stat.kind == FileKind::Directory
}

/// Returns git's directory that a file `.git` names: that of a linked worktree or a submodule.
fn linked(disk: &dyn Disk, above: &Path, file: &Path) -> Option<PathBuf> {
    let bytes = disk.read(file, MAX_LINK_BYTES).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let path = text.strip_prefix("gitdir:")?.trim();
    (!path.is_empty()).then(|| above.join(path))
}

/// Returns what version control is doing in the working copy around a store, as far as its own files say; takes no notice of
/// directories that change.
pub fn activity_around(system: &System, layout: &Layout) -> Option<Activity> {
    let (disk, now) = (system.disk.as_ref(), system.clock.now_unix_nanos());
    WorkingCopy::around(disk, layout.root()).activity(disk, now, i64::MIN)
}

/// Returns why what is missing in a directory of a store may not be so for good.
pub fn activity_at(system: &System, layout: &Layout, directory: &Path) -> Option<Activity> {
    let stat = system.disk.stat(directory).ok().flatten();
    let moved = stat.as_ref().map_or(i64::MIN, scan::stamp_of);
    activity_around(system, layout).or_else(|| {
        let rest = rest_after(system.clock.now_unix_nanos(), moved)?;
        Some(Activity::Moving { rest })
    })
}

/// Returns how long directories that changed at `moved_nanos` have to rest from now on; `None` when they have rested.
pub(crate) fn rest_after(now_nanos: i64, moved_nanos: i64) -> Option<Duration> {
    let needed = REST_NANOS + scan::coarseness(moved_nanos).unsigned_abs();
    let since = now_nanos.abs_diff(moved_nanos);
    (since < needed).then(|| {
        // A time to come is one that this clock has not reached yet.
        let left = if moved_nanos > now_nanos {
            needed + since
        } else {
            needed - since
        };
        Duration::from_nanos(left)
    })
}

#[cfg(test)]
mod tests {
    use fs_io::sim::Simulation;
    use fs_io::{SyncPolicy, create_dirs};

    use super::*;

    const ROOT: &str = "/home/project/.tributary";

    fn machine() -> Simulation {
        let machine = Simulation::new(1);
        let directories = "home/project/.tributary/events";
        make(&machine, directories);
        machine.clock.advance(Duration::from_secs(3_600));
        machine
    }

    fn make(machine: &Simulation, directories: &str) {
        let (disk, above) = (&machine.disk, Path::new("/"));
        create_dirs(disk, above, Path::new(directories), SyncPolicy::None).unwrap();
    }

    fn write(machine: &Simulation, path: &str, text: &str) {
        let (above, _) = path.rsplit_once('/').unwrap();
        make(machine, above.trim_start_matches('/'));
        let mut file = machine.disk.create_new(Path::new(path)).unwrap();
        file.append(text.as_bytes()).unwrap();
    }

    fn activity(machine: &Simulation, moved: i64) -> Option<Activity> {
        let now = machine.system().clock.now_unix_nanos();
        WorkingCopy::around(&machine.disk, Path::new(ROOT)).activity(&machine.disk, now, moved)
    }

    fn locked(path: &str) -> Option<Activity> {
        Some(Activity::Locked { path: path.into() })
    }

    #[test]
    fn a_lock_of_this_working_copy_counts() {
        for (files, lock) in [
            (vec![], "/home/project/.git/index.lock"),
            (vec![], "/home/project/.jj/working_copy/working_copy.lock"),
            (vec![], "/home/.git/index.lock"),
            (
                vec![(
                    "/home/project/.git",
                    "gitdir: /repo/.git/worktrees/project\n",
                )],
                "/repo/.git/worktrees/project/index.lock",
            ),
            (
                vec![("/home/project/.git", "gitdir: .modules/it\n")],
                "/home/project/.modules/it/index.lock",
            ),
        ] {
            let machine = machine();
            for (path, text) in files {
                write(&machine, path, text);
            }
            assert_eq!(activity(&machine, 0), None, "{lock}: no lock is there");
            write(&machine, lock, "");
            assert_eq!(activity(&machine, 0), locked(lock), "{lock} is there");
        }
    }

    #[test]
    fn a_lock_of_another_repository_does_not_count() {
        let machine = machine();
        write(
            &machine,
            "/home/project/.git/HEAD",
            "ref: refs/heads/main\n",
        );
        write(&machine, "/home/.git/index.lock", "");
        write(
            &machine,
            "/home/project/.git/worktrees/other/index.lock",
            "",
        );
        assert_eq!(activity(&machine, 0), None, "each working copy has its own");
    }

    #[test]
    fn a_lock_is_stale_after_a_minute_in_which_nothing_moved() {
        let machine = machine();
        let lock = "/home/project/.git/index.lock";
        write(&machine, lock, "");
        let now = || machine.system().clock.now_unix_nanos();
        machine.clock.advance(Duration::from_secs(59));
        assert_eq!(
            activity(&machine, 0),
            locked(lock),
            "it is not a minute old"
        );
        machine.clock.advance(Duration::from_secs(2));
        assert_eq!(activity(&machine, 0), None, "nobody holds it any more");
        let moved = now() - 1_000_000_000;
        assert_eq!(activity(&machine, moved), locked(lock), "files still move");
    }

    #[test]
    fn a_rebase_counts_for_a_minute_after_its_last_step() {
        for name in SEQUENCES {
            let machine = machine();
            write(&machine, "/home/project/.git/HEAD", "0");
            let path = format!("/home/project/.git/{name}");
            make(&machine, path.trim_start_matches('/'));
            let expected = Some(Activity::Sequence {
                path: PathBuf::from(path),
            });
            assert_eq!(activity(&machine, 0), expected, "{name} has just begun");
            machine.clock.advance(Duration::from_secs(61));
            assert_eq!(activity(&machine, 0), None, "{name} waits for somebody");
            write(&machine, "/home/project/.git/logs/HEAD", "1");
            assert_eq!(activity(&machine, 0), expected, "{name} has moved on");
        }
    }

    #[test]
    fn directories_rest_after_a_moment() {
        let at = 1_000_000_000_000_000_001;
        assert!(rest_after(at, at).is_some(), "now");
        assert_eq!(
            rest_after(at + 150_000_000, at),
            Some(Duration::from_millis(70)),
            "the rest of the moment"
        );
        assert_eq!(rest_after(at + 220_000_000, at), None, "they have rested");
        assert_eq!(
            rest_after(at, at + 3_600_000_000_000),
            None,
            "a clock that was set back"
        );
        let coarse = 1_000_000_000_000_000_000;
        assert!(
            rest_after(coarse + 1_000_000_000, coarse).is_some(),
            "a time without a fraction may be two seconds old when it is written"
        );
    }
}
