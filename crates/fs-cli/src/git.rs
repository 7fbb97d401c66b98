//! Reading the transaction files of another revision from git, by its command line.
//!
//! **Invariant**: nothing is written, in the work tree or below `.git`: no command that is run here takes a lock, refreshes
//! git's index, checks anything out, or fetches. Only `commit` does, and says so.

mod bare;
mod branches;
mod commit;
mod rules;
mod stamps;

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, bail, ensure};
use fs_format::{UnknownFeature, limits};
use fs_index::{Incoming, Reason};
use fs_io::{FileKind, System};

use crate::outcome::Usage;

pub(crate) use bare::{BareAt, LaidOut};
pub(crate) use branches::store_elsewhere;
pub(crate) use commit::Written;
pub(crate) use rules::{FaultOut, faults, left_out_store};
pub(crate) use stamps::faults as faults_of;

/// What a hook that runs this may have set, about a repository as seen from another directory.
pub(crate) const ENVIRONMENT: [&str; 6] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
];

/// Further places where git looks for objects.
const ALTERNATES: &str = "GIT_ALTERNATE_OBJECT_DIRECTORIES";

/// Returns where objects are looked for besides in the repository: in a `pre-receive` or `update` hook, git keeps those of the
/// push apart, and names the place in a variable that stands for the repository's own objects otherwise.
///
/// `None` where git keeps nothing apart; what the caller has set for [`ALTERNATES`] holds then.
fn objects_of_push() -> Option<OsString> {
    let quarantine = std::env::var_os("GIT_QUARANTINE_PATH")?;
    let others = std::env::var_os(ALTERNATES).unwrap_or_default();
    let others = std::env::split_paths(&others).filter(|path| !path.as_os_str().is_empty());
    std::env::join_paths(std::iter::once(PathBuf::from(quarantine)).chain(others)).ok()
}

/// The repository that a store lies in.
pub(crate) struct Git {
    /// Where git runs: the root of the store, or a directory of a bare repository.
    root: PathBuf,
    bare: Option<Bare>,
}

/// A repository without a work tree.
struct Bare {
    git_dir: PathBuf,
    /// The directory of the store in the trees of commits.
    store: String,
}

/// Where git has a version of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// In its index, as staged or committed; a checkout without a commit takes it from there.
    Staged,
    /// There too, and a sparse checkout leaves the file out.
    LeftOut,
    /// In a commit.
    Committed(String),
}

impl Version {
    /// Returns the arguments of git that bring the file back, but for its path.
    pub(crate) fn checkout(&self) -> String {
        match self {
            Self::Staged => "checkout --".to_owned(),
            Self::LeftOut => "checkout --ignore-skip-worktree-bits --".to_owned(),
            Self::Committed(commit) => format!("checkout {commit} --"),
        }
    }
}

/// What limits a comparison of two trees of the store to the events, wherever git runs.
const EVENTS: [&str; 2] = ["--", ":(top)events/"];

/// The newest commits that changed a file are looked into, and no more of them.
const MAX_VERSIONS: &str = "--max-count=64";

/// A file below `events/` in a revision.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its path below `events/`.
    path: String,
    mode: String,
    object: String,
    /// Whether the present commit has nothing at this path.
    is_added: bool,
}

impl Git {
    /// Returns the repository that the store at `root` lies in.
    pub(crate) fn around(root: &Path) -> anyhow::Result<Self> {
        let git = Self {
            root: root.to_owned(),
            bare: None,
        };
        let asked = git.run(&["rev-parse", "--is-inside-work-tree"])?;
        if let Err(said) = &asked {
            bail!("{} is in no git repository: {said}", root.display());
        }
        ensure!(
            asked.is_ok_and(|answer| answer.trim_ascii() == b"true"),
            "{} is in no work tree of a git repository",
            root.display()
        );
        Ok(git)
    }

    /// Returns the id of the commit that `revision` names.
    pub(crate) fn commit(&self, revision: &str) -> anyhow::Result<String> {
        if revision.starts_with('-') || revision.is_empty() {
            return Err(Usage(format!("{revision:?} cannot be a revision")).into());
        }
        let name = format!("{revision}^{{commit}}");
        match self.run(&["rev-parse", "--verify", "--quiet", &name])? {
            Ok(id) => Ok(String::from_utf8_lossy(id.trim_ascii()).into_owned()),
            Err(_) => {
                bail!("git knows no commit {revision:?} here; fetch it first, or name another")
            }
        }
    }

    /// Returns whether git tracks any file of the store.
    pub(crate) fn tracks_store(&self) -> anyhow::Result<bool> {
        if self.bare.is_some() {
            return match self.commit("HEAD") {
                Ok(head) => self.has_store(&head),
                Err(_) => Ok(false),
            };
        }
        let listed = self.run(&["ls-files", "-z", "--", "events"])?;
        Ok(listed.is_ok_and(|listed| !listed.is_empty()))
    }

    /// Returns the tree of the store in a commit; that without files where there is none.
    fn tree(&self, commit: &str) -> anyhow::Result<String> {
        let store = self.bare.as_ref().map_or("./", |bare| &bare.store);
        let name = format!("{commit}:{store}");
        match self.run(&["rev-parse", "--verify", "--quiet", &name])? {
            Ok(id) => Ok(String::from_utf8_lossy(id.trim_ascii()).into_owned()),
            Err(_) => self.empty_tree(),
        }
    }

    /// Returns the tree of the store in the present commit; that without files where there is no commit yet.
    fn present_tree(&self) -> anyhow::Result<String> {
        match self.commit("HEAD") {
            Ok(head) => self.tree(&head),
            Err(_) => self.empty_tree(),
        }
    }

    /// Lists the files below `events/` that a merge with a commit would bring: those that are not alike in the present one, and not what
    /// they were when the two parted; all where there is no commit yet.
    ///
    /// # Complexity
    /// Git compares the trees of the commits, and passes over those that are the same.
    pub(crate) fn list_new(&self, commit: &str) -> anyhow::Result<Vec<Entry>> {
        let there = self.tree(commit)?;
        let mut entries = self.list_changed(&self.present_tree()?, &there)?;
        // What the other side left as it was stays what it is here.
        let bases = self.merge_bases(commit)?;
        let mut changed = HashSet::new();
        for base in &bases {
            let since = self.list_changed(&self.tree(base)?, &there)?;
            changed.extend(since.into_iter().map(|entry| entry.path));
        }
        if !bases.is_empty() {
            entries.retain(|entry| changed.contains(&entry.path));
        }
        Ok(entries)
    }

    /// Lists the files below `events/` that a tree of the store has, and another has not or otherwise.
    fn list_changed(&self, before: &str, after: &str) -> anyhow::Result<Vec<Entry>> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames"];
        let args = [&args[..], &["--diff-filter=AMT", before, after], &EVENTS].concat();
        let listed = match self.run(&args)? {
            Ok(listed) => listed,
            Err(said) => bail!("git cannot compare the events of two commits: {said}"),
        };
        let mut words = listed.split(|byte| *byte == 0);
        let mut entries = Vec::new();
        while let Some(about) = words.next().filter(|about| !about.is_empty()) {
            let entry = words.next().and_then(|path| Entry::parse(about, path));
            entries.push(entry.context("git diff-tree answered in a way that is not known")?);
        }
        Ok(entries)
    }

    /// Returns the newest commits that are below both the present one and another; none where the histories have nothing in common.
    fn merge_bases(&self, commit: &str) -> anyhow::Result<Vec<String>> {
        let Ok(bases) = self.run(&["merge-base", "--all", "HEAD", commit])? else {
            return Ok(Vec::new());
        };
        let bases = String::from_utf8_lossy(&bases).into_owned();
        Ok(bases.lines().map(str::to_owned).collect())
    }

    /// Lists the files below `events/` that the present commit has and the work tree has not, whether they were removed or a sparse
    /// checkout leaves them out.
    ///
    /// # Complexity
    /// One `stat` for each file, unless git is told of changes by a monitor.
    pub(crate) fn absent(&self) -> anyhow::Result<Vec<String>> {
        if self.bare.is_some() || self.commit("HEAD").is_err() {
            return Ok(Vec::new());
        }
        let args = [
            "diff-index",
            "-z",
            "--name-only",
            "--no-renames",
            "--relative",
        ];
        let args = [&args[..], &["--diff-filter=D", "HEAD", "--", "events/"]].concat();
        let mut absent = self.events_listed_by(&args)?;
        let sparse = self.path("info/sparse-checkout");
        if sparse.is_some_and(|file| matches!(System::real().disk.stat(&file), Ok(Some(_)))) {
            let listed = match self.run(&["ls-files", "-t", "-z", "--", "events/"])? {
                Ok(listed) => listed,
                Err(said) => bail!("git cannot list its files: {said}"),
            };
            let listed = listed.split(|byte| *byte == 0);
            let left_out = listed.filter_map(|it| it.strip_prefix(b"S events/"));
            absent.extend(left_out.map(|path| String::from_utf8_lossy(path).into_owned()));
        }
        Ok(absent)
    }

    /// Lists the files below `events/` that the present commit has and a merge with another would remove.
    pub(crate) fn removed_by(&self, commit: &str) -> anyhow::Result<Vec<String>> {
        let bases = self.merge_bases(commit)?;
        let Some(base) = bases.first() else {
            // Of histories that have nothing in common, neither removes anything.
            return Ok(Vec::new());
        };
        let there = self.tree(commit)?;
        let removed = |from: &str| {
            let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames"];
            self.events_listed_by(
                &[&args[..], &["--diff-filter=D", from, &there], &EVENTS].concat(),
            )
        };
        let by_them = removed(&self.tree(base)?)?;
        if by_them.is_empty() {
            return Ok(by_them);
        }
        let from_here: HashSet<String> = removed(&self.present_tree()?)?.into_iter().collect();
        let both = by_them.into_iter().filter(|path| from_here.contains(path));
        Ok(both.collect())
    }

    /// Returns the paths below `events/` that a command lists.
    fn events_listed_by(&self, args: &[&str]) -> anyhow::Result<Vec<String>> {
        let listed = match self.run(args)? {
            Ok(listed) => listed,
            Err(said) => bail!("git cannot list the files of the present commit: {said}"),
        };
        let listed = listed.split(|byte| *byte == 0);
        let below = listed.filter_map(|path| path.strip_prefix(b"events/"));
        Ok(below
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect())
    }

    /// Lists the versions that git has of a file below `events/`: the staged one, then those of commits, newest first, also of
    /// commits that only the log of references still names.
    pub(crate) fn versions(&self, path: &str) -> anyhow::Result<Vec<Version>> {
        let path = format!("events/{path}");
        let mut versions = Vec::new();
        if let Ok(listed) = self.run(&["ls-files", "-z", "-t", "--", &path])? {
            match listed.first() {
                Some(b'S') => versions.push(Version::LeftOut),
                Some(_) => versions.push(Version::Staged),
                None => {}
            }
        }
        let args = ["log", "--all", "--reflog", "--full-history", "--format=%H"];
        let args: Vec<&str> = args
            .into_iter()
            .chain([MAX_VERSIONS, "--", &path])
            .collect();
        if let Ok(commits) = self.run(&args)? {
            let commits = String::from_utf8_lossy(&commits).into_owned();
            versions.extend(commits.lines().map(|it| Version::Committed(it.to_owned())));
        }
        Ok(versions)
    }

    /// Returns the bytes of a version of a file below `events/`; `None` where it is no file that may be a transaction's, or not in
    /// this clone.
    pub(crate) fn content(&self, version: &Version, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let commit = match version {
            Version::Staged | Version::LeftOut => "",
            Version::Committed(commit) => commit,
        };
        let object = format!("{commit}:./events/{path}");
        let Ok(len) = self.run(&["cat-file", "-s", &object])? else {
            return Ok(None);
        };
        let len = String::from_utf8_lossy(&len).trim().parse::<u64>();
        if !len.is_ok_and(|len| len <= limits::MAX_FILE_BYTES) {
            return Ok(None);
        }
        Ok(self.run(&["cat-file", "blob", &object])?.ok())
    }

    /// Returns whether a commit has any file of the store.
    pub(crate) fn has_store(&self, commit: &str) -> anyhow::Result<bool> {
        let tree = self.tree(commit)?;
        let listed = self.run(&["ls-tree", "-z", "--full-tree", &tree, "events/"])?;
        Ok(listed.is_ok_and(|listed| !listed.is_empty()))
    }

    /// Checks that this version would know all that the store asks for, were the commit merged.
    pub(crate) fn check_requires(&self, commit: &str) -> anyhow::Result<()> {
        let tree = self.tree(commit)?;
        let listed = self.run(&["ls-tree", "-z", "--full-tree", &tree, "requires"])?;
        let Ok(listed) = listed else {
            return Ok(());
        };
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let mut words = listed.split([' ', '\t']);
        let (Some(mode), Some(_), Some(object)) = (words.next(), words.next(), words.next()) else {
            return Ok(());
        };
        let found = if mode.starts_with("100") {
            match self.run(&["cat-file", "blob", object])? {
                Ok(bytes) => fs_format::check_requires(&bytes).err(),
                Err(said) => bail!("git cannot show what {commit} asks of this version: {said}"),
            }
        } else {
            Some(UnknownFeature::NotAFile {
                found: "no file".to_owned(),
            })
        };
        match found {
            Some(feature) => bail!(
                "after the merge, this version of Tributary could not read the store any more, by the file requires of {commit}: {feature}"
            ),
            None => Ok(()),
        }
    }

    /// Returns the id of the tree without files, by the kind of hashes that the repository has.
    fn empty_tree(&self) -> anyhow::Result<String> {
        match self.run(&["hash-object", "-t", "tree", "--stdin"])? {
            Ok(id) => Ok(String::from_utf8_lossy(id.trim_ascii()).into_owned()),
            Err(said) => bail!("git cannot name the tree without files: {said}"),
        }
    }

    /// Reads files of a revision.
    ///
    /// # Errors
    /// When one of them is not in this clone: without it, nothing can be told for sure.
    pub(crate) fn read(&self, entries: Vec<Entry>) -> anyhow::Result<Vec<Incoming>> {
        let (files, others): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.mode.starts_with("100"));
        let mut incoming: Vec<Incoming> = others.into_iter().map(Entry::into_trouble).collect();
        if files.is_empty() {
            return Ok(incoming);
        }
        let mut batch = Batch::start(self.command(), &files)?;
        for file in files {
            let content = batch.next(&file)?;
            incoming.push(Incoming {
                path: file.path,
                content,
                is_theirs: file.is_added,
            });
        }
        batch.end()?;
        Ok(incoming)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        for name in ENVIRONMENT {
            command.env_remove(name);
        }
        if let Some(objects) = objects_of_push() {
            command.env(ALTERNATES, objects);
        }
        if let Some(bare) = &self.bare {
            command.env("GIT_DIR", &bare.git_dir);
        }
        command
            .current_dir(&self.root)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .stdin(Stdio::null());
        command
    }

    /// Returns where git keeps something of this working copy, as `info/exclude`.
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.paths(&[name])?.pop()
    }

    /// Returns where files of the repository lie, in the order of their names.
    fn paths(&self, names: &[&str]) -> Option<Vec<PathBuf>> {
        let args = names.iter().flat_map(|name| ["--git-path", *name]);
        let args: Vec<_> = std::iter::once("rev-parse").chain(args).collect();
        let said = String::from_utf8(self.run(&args).ok()?.ok()?).ok()?;
        let paths: Vec<_> = said.lines().map(|path| self.root.join(path)).collect();
        (paths.len() == names.len()).then_some(paths)
    }

    /// Runs git; the inner error is what it said when it failed.
    fn run(&self, args: &[&str]) -> anyhow::Result<Result<Vec<u8>, String>> {
        Self::finished(self.command().args(args))
    }

    /// As [`Git::run`], with something on standard input.
    fn run_with(&self, args: &[&str], input: &[u8]) -> anyhow::Result<Result<Vec<u8>, String>> {
        Self::finished_with(self.command().args(args), input)
    }

    fn finished_with(
        command: &mut Command,
        input: &[u8],
    ) -> anyhow::Result<Result<Vec<u8>, String>> {
        let failed = "cannot run git, which is needed for this";
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(failed)?;
        let stdin = child.stdin.take();
        let done = std::thread::scope(|scope| {
            scope.spawn(move || {
                // When git has gone away, its missing answers tell.
                stdin.map(|mut stdin| stdin.write_all(input))
            });
            child.wait_with_output()
        });
        Self::said(done.context(failed)?)
    }

    fn finished(command: &mut Command) -> anyhow::Result<Result<Vec<u8>, String>> {
        let done = command.output();
        Self::said(done.context("cannot run git, which is needed for this")?)
    }

    fn said(done: Output) -> anyhow::Result<Result<Vec<u8>, String>> {
        if done.status.success() {
            return Ok(Ok(done.stdout));
        }
        // What there is nothing to commit for, git says among its answers.
        let said = [&done.stderr, &done.stdout].map(|said| String::from_utf8_lossy(said));
        let said = said.iter().map(|said| said.trim());
        let said = said.clone().find(|said| !said.is_empty());
        let said = said.map(|said| said.trim_start_matches("fatal: ").to_owned());
        Ok(Err(said.unwrap_or_else(|| {
            format!("git ended with {}", done.status)
        })))
    }
}

impl Entry {
    /// Parses `:<mode here> SP <mode there> SP <object here> SP <object there> SP <letter>`, and the path.
    fn parse(about: &[u8], path: &[u8]) -> Option<Self> {
        let (about, path) = (
            String::from_utf8_lossy(about),
            String::from_utf8_lossy(path),
        );
        let mut about = about.split(' ').skip(1);
        let (mode, _, object, letter) =
            (about.next()?, about.next()?, about.next()?, about.next()?);
        Some(Self {
            path: path.strip_prefix("events/")?.to_owned(),
            mode: mode.to_owned(),
            object: object.to_owned(),
            is_added: letter == "A",
        })
    }

    /// Returns something else than a file as what it is.
    fn into_trouble(self) -> Incoming {
        let kind = match self.mode.as_str() {
            "120000" => FileKind::Symlink,
            "160000" => FileKind::Directory,
            _ => FileKind::Other,
        };
        Incoming {
            path: self.path,
            content: Err(Reason::NotAFile(kind)),
            is_theirs: self.is_added,
        }
    }
}

/// A `git cat-file --batch` at work: it is told objects by a thread of its own, and answers in their order.
struct Batch {
    child: Child,
    answers: BufReader<ChildStdout>,
    teller: JoinHandle<()>,
}

impl Batch {
    fn start(mut command: Command, files: &[Entry]) -> anyhow::Result<Self> {
        let mut child = command
            .args(["cat-file", "--batch", "--buffer"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run git, which is needed for this")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut stdin = stdin.context("git takes no input")?;
        let answers = BufReader::new(stdout.context("git gives no output")?);
        let asked: String = files.iter().map(|it| format!("{}\n", it.object)).collect();
        let teller = std::thread::spawn(move || {
            // When git has gone away, its missing answers tell.
            let _ = stdin.write_all(asked.as_bytes());
        });
        Ok(Self {
            child,
            answers,
            teller,
        })
    }

    /// Reads `<object> SP <type> SP <size> LF <bytes> LF`, or `<object> SP missing LF`.
    fn next(&mut self, file: &Entry) -> anyhow::Result<Result<Vec<u8>, Reason>> {
        let failed = || format!("git stopped before it had read events/{}", file.path);
        let mut head = String::new();
        self.answers.read_line(&mut head).with_context(failed)?;
        let mut words = head.split_ascii_whitespace();
        let (object, kind, size) = (words.next(), words.next(), words.next());
        ensure!(
            kind != Some("missing"),
            "the content of events/{} is not in this clone, which is a partial one; fetch it first",
            file.path
        );
        let size: Option<u64> = size.and_then(|size| size.parse().ok());
        let Some(len) = size.filter(|_| object == Some(&file.object)) else {
            bail!(failed());
        };
        if len > limits::MAX_FILE_BYTES {
            let passed_by = &mut (&mut self.answers).take(len + 1);
            let read = std::io::copy(passed_by, &mut std::io::sink());
            ensure!(read.with_context(failed)? == len + 1, failed());
            return Ok(Err(Reason::TooLarge { len }));
        }
        let mut bytes = Vec::new();
        let limited = &mut (&mut self.answers).take(len + 1);
        limited.read_to_end(&mut bytes).with_context(failed)?;
        ensure!(
            bytes.pop() == Some(b'\n') && bytes.len() as u64 == len,
            failed()
        );
        Ok(Ok(bytes))
    }

    fn end(mut self) -> anyhow::Result<()> {
        let _ = self.teller.join();
        let status = self.child.wait().context("cannot wait for git")?;
        ensure!(status.success(), "git cat-file failed");
        Ok(())
    }
}
