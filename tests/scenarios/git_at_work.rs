//! A real git, stopped in the middle of a checkout: it has removed files and is about to write others.
//!
//! ```text
//! git switch topic:  index.lock ── remove what topic lacks ── [stopped by a filter of .a] ── write .a ── unlock
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use fs_store::{Activity, AppendError, FileEventStore, OpenError, StoreOptions};
use fs_testing::git::git;
use scenarios::{World, append, stream_id};

/// A git that waits in the middle of a checkout.
struct Stopped {
    git: Child,
    go: PathBuf,
}

impl Stopped {
    /// Starts to switch to a branch in whose `.a` a filter waits.
    fn switching(work_tree: &Path, pipes: &Path, branch: &str) -> Self {
        let (here, go) = (pipes.join("here"), pipes.join("go"));
        for pipe in [&here, &go] {
            let _ = fs::remove_file(pipe);
            let made = Command::new("mkfifo").arg(pipe).status().unwrap();
            assert!(made.success(), "a pipe to wait at");
        }
        let smudge = format!(
            "filter.wait.smudge=echo > {}; cat < {} > /dev/null; cat",
            here.display(),
            go.display()
        );
        let mut command = git();
        command.current_dir(work_tree);
        let git = command.args(["-c", &smudge, "switch", "--quiet", branch]);
        let git = git.spawn().unwrap();
        assert_eq!(fs::read(&here).unwrap(), b"\n", "git is in the middle");
        Self { git, go }
    }

    fn go_on(mut self) {
        fs::write(&self.go, "").unwrap();
        assert!(self.git.wait().unwrap().success(), "git goes on to the end");
    }

    fn kill(mut self) {
        self.git.kill().unwrap();
        self.git.wait().unwrap();
        // The filter, which is left.
        fs::write(&self.go, "").unwrap();
    }
}

fn run(work_tree: &Path, args: &[&str]) {
    let status = git().current_dir(work_tree).args(args).status().unwrap();
    assert!(status.success(), "git {args:?}");
}

/// Makes a history of three events on `main`, of which `topic` has one.
fn prepare(work_tree: &Path) -> FileEventStore {
    let commit = |text: &str| {
        fs::write(work_tree.join(".a"), text).unwrap();
        run(work_tree, &["add", "--all", "."]);
        run(work_tree, &["commit", "--quiet", "--message", text]);
    };
    fs::write(work_tree.join(".gitattributes"), ".a filter=wait\n").unwrap();
    let store = FileEventStore::create(work_tree.join(".tributary")).unwrap();
    append(&store, "s", 1);
    commit("before");
    run(work_tree, &["switch", "--quiet", "-c", "topic"]);
    commit("topic");
    run(work_tree, &["switch", "--quiet", "-c", "trunk", "HEAD~1"]);
    append(&store, "s", 2);
    append(&store, "s", 3);
    commit("trunk");
    store
}

fn numbers(store: &FileEventStore) -> Vec<u64> {
    let events = store.stream_events(&stream_id("s")).unwrap();
    let data = events.iter().map(|event| event.event_data.decode());
    data.map(Result::unwrap).collect()
}

/// Looks at a store while git is stopped, by the open handle and as another process.
fn check_in_the_middle(store: &FileEventStore, lock: &Path) {
    let before = store.status().unwrap().epoch;
    let impatient = StoreOptions::default().lock_timeout(Duration::ZERO);
    for store in [store.clone(), impatient.open(store.root()).unwrap()] {
        assert_eq!(numbers(&store), [1, 2, 3], "the answer is that of before");
        let status = store.status().unwrap();
        assert_eq!(status.epoch, before, "no epoch begins");
        assert_eq!(status.completeness.git_at_work.count, 2, "it says so");
    }
    let store = impatient.open(store.root()).unwrap();
    let event = fs_store::Append::new().event(stream_id("s"), "Counted", "4");
    match store.append(event.unwrap()) {
        Err(AppendError::GitBusy(busy)) => match busy.unconfirmed.activity {
            Activity::Locked { path } => {
                let (path, lock) = (path.canonicalize(), lock.canonicalize());
                assert_eq!(path.unwrap(), lock.unwrap(), "the right lock is named");
            }
            other => panic!("git holds its lock: {other:?}"),
        },
        other => panic!("two files are missing: {other:?}"),
    }
}

/// Goes through a switch to the end, and through one in which git dies.
fn play(work_tree: &Path, git_dir: &Path, pipes: &Path) {
    let store = prepare(work_tree);
    let lock = git_dir.join("index.lock");
    let before = store.status().unwrap().epoch;
    let stopped = Stopped::switching(work_tree, pipes, "topic");
    check_in_the_middle(&store, &lock);
    stopped.kill();
    assert!(lock.exists(), "git left its lock");
    fs::remove_file(&lock).unwrap();
    run(work_tree, &["reset", "--quiet", "--hard", "trunk"]);
    assert_eq!(numbers(&store), [1, 2, 3], "all are back");
    assert_eq!(store.status().unwrap().epoch, before, "and were never gone");
    let stopped = Stopped::switching(work_tree, pipes, "topic");
    check_in_the_middle(&store, &lock);
    stopped.go_on();
    assert_eq!(numbers(&store), [1], "git is done, and two are gone");
    assert_ne!(store.status().unwrap().epoch, before, "a new epoch");
    append(&store, "s", 5);
}

#[test]
fn what_a_checkout_has_removed_so_far_is_not_believed() {
    let world = World::new();
    let work_tree = world.path().join("repository");
    fs::create_dir(&work_tree).unwrap();
    run(&work_tree, &["init", "--quiet"]);
    play(&work_tree, &work_tree.join(".git"), world.path());
}

#[test]
fn a_store_whose_events_are_taken_away_for_a_moment_is_found() {
    let world = World::new();
    let repository = world.init("repository");
    repository.append("s", 1);
    let (events, kept) = (repository.root().join("events"), world.path().join("kept"));
    let lock = repository.path().join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    fs::rename(&events, &kept).unwrap();
    let opened = FileEventStore::discover(repository.path()).unwrap();
    assert_eq!(
        opened.root(),
        repository.root(),
        "it is not looked for above"
    );
    assert_eq!(numbers(&opened), [1], "the answer is that of before");
    fs::rename(&kept, &events).unwrap();
    fs::remove_file(&lock).unwrap();
    assert_eq!(numbers(&repository.store()), [1], "git is done");
    fs::rename(&events, &kept).unwrap();
    let refused = FileEventStore::open(repository.root());
    assert!(
        matches!(refused, Err(OpenError::NotAStore { .. })),
        "this branch has none: {refused:?}"
    );
    fs::write(&events, "").unwrap();
    let refused = FileEventStore::discover(repository.path());
    assert!(
        matches!(refused, Err(OpenError::NotAStore { .. })),
        "what is in the way is named: {refused:?}"
    );
}

#[test]
fn a_linked_worktree_has_a_lock_of_its_own() {
    let world = World::new();
    let main = world.init("main");
    let work_tree = world.path().join("linked");
    let path = work_tree.to_str().unwrap();
    // An orphan, so that the store there begins with nothing.
    main.git(&["worktree", "add", "--quiet", "--detach", path]);
    run(&work_tree, &["switch", "--quiet", "--orphan", "empty"]);
    let git_dir = main.path().join(".git/worktrees/linked");
    play(&work_tree, &git_dir, world.path());
}

#[test]
fn a_submodule_has_a_lock_of_its_own() {
    let world = World::new();
    let (above, within) = (world.init("above"), world.init("within"));
    let url = within.path().to_str().unwrap();
    above.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        url,
        "module",
    ]);
    let work_tree = above.path().join("module");
    run(&work_tree, &["switch", "--quiet", "--orphan", "empty"]);
    let git_dir = above.path().join(".git/modules/module");
    play(&work_tree, &git_dir, world.path());
}

#[test]
fn jj_takes_files_away_and_brings_them_back() {
    if Command::new("jj").arg("--version").output().is_err() {
        eprintln!("skipped: jj is not installed");
        return;
    }
    let world = World::new();
    let project = world.path();
    let jj = |args: &[&str]| {
        let mut jj = Command::new("jj");
        let jj = jj.current_dir(project).args(["--config", "user.name=a"]);
        let done = jj.args(["--config", "user.email=a@example.org"]).args(args);
        assert!(done.status().unwrap().success(), "jj {args:?}");
    };
    jj(&["git", "init", "--colocate"]);
    let store = FileEventStore::create(project.join(".tributary")).unwrap();
    (1..=3).for_each(|n| _ = append(&store, "s", n));
    jj(&["commit", "-m", "three"]);
    let before = store.status().unwrap().epoch;
    let lock = project.join(".jj/working_copy/working_copy.lock");
    assert!(lock.parent().unwrap().is_dir(), "jj keeps its lock there");
    fs::write(&lock, "").unwrap();
    let events = project.join(".tributary/events");
    let kept = project.join("kept");
    fs::rename(&events, &kept).unwrap();
    fs::create_dir(&events).unwrap();
    assert_eq!(numbers(&store), [1, 2, 3], "the answer is that of before");
    fs::remove_dir(&events).unwrap();
    fs::rename(&kept, &events).unwrap();
    fs::remove_file(&lock).unwrap();
    assert_eq!(store.status().unwrap().epoch, before, "nothing was gone");
}
