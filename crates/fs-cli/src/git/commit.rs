//! Committing what a command wrote, and telling how.
//!
//! An identical settlement that is not committed makes `git pull` refuse, so it is to be committed before the next.
//!
//! **Invariant**: nothing is committed but the files that were written, whatever else is staged; a commit that does not come
//! about leaves git's index as it was, and is no failure of the command.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use fs_index::{Layout, PATH_LIST_PREFIX};
use fs_io::{SyncPolicy, System};

use super::Git;

/// More files than this are named by a list of them in a command to be typed.
const MOST_NAMED: usize = 8;

/// Most paths in the arguments of one run of git: systems bound the length of a command line.
const PATHS_PER_RUN: usize = 1_000;

/// Where a command is typed.
#[derive(Clone, Copy)]
enum TypedFrom {
    /// In the repository that the store lies in.
    Repository,
    Elsewhere,
}

/// Files that a command wrote into a store.
pub(crate) struct Written<'a> {
    root: &'a Path,
    /// Their paths below the root.
    paths: Vec<String>,
    message: String,
}

impl<'a> Written<'a> {
    /// Names files of the store at `root`, and what the commit of them says.
    pub(crate) fn new(
        root: &'a Path,
        paths: impl IntoIterator<Item = PathBuf>,
        message: String,
    ) -> Self {
        let below = |path: PathBuf| {
            let below = path.strip_prefix(root).unwrap_or(&path);
            below.to_string_lossy().replace('\\', "/")
        };
        Self {
            root,
            paths: paths.into_iter().map(below).collect(),
            message,
        }
    }

    /// Returns the command that commits the files, as it can be typed where this program runs; `None` where there is no
    /// repository, or nothing to commit.
    pub(crate) fn command(&self) -> Option<String> {
        if self.paths.is_empty() {
            return None;
        }
        let git = Git::around(self.root).ok()?;
        let Untracked { new, removed } = git.untracked(&self.paths).ok()?;
        let differs = match removed.is_empty() {
            true => !new.is_empty() || git.has_changed(&self.paths).ok()?,
            false => git.differs_from_head(&self.paths),
        };
        if !differs && removed.is_empty() {
            return None;
        }
        let here = std::env::current_dir().ok();
        let from = match here.is_some_and(|here| git.is_that_of(&here)) {
            true => TypedFrom::Repository,
            false => TypedFrom::Elsewhere,
        };
        let mut commands = Vec::new();
        if !removed.is_empty() {
            // With an entry of intent only, the next commit would take the files away.
            commands.push(self.over("reset -q", &removed, from));
        }
        if !new.is_empty() {
            commands.push(self.over("add -N", &new, from));
        }
        if differs {
            let commit = format!("commit -m \"{}\"", self.message);
            commands.push(self.over(&commit, &self.paths, from));
        }
        Some(commands.join(" && "))
    }

    /// Returns a command of git over these paths and nothing else, as it can be typed where this program runs.
    fn over(&self, command: &str, paths: &[String], from: TypedFrom) -> String {
        let root = as_typed(self.root);
        if paths.len() > MOST_NAMED
            && let Some(list) = self.list(paths)
        {
            return format!("git -C {root} {command} --pathspec-from-file={list}");
        }
        let (git, base) = match from {
            TypedFrom::Repository => ("git".to_owned(), self.root),
            TypedFrom::Elsewhere => (format!("git -C {root}"), Path::new("")),
        };
        let names = paths.iter().map(|path| as_typed(&base.join(path)));
        let names = names.collect::<Vec<_>>().join(" ");
        format!("{git} {command} -- {names}")
    }

    /// Writes paths into a file of `local/`, and returns its path below the root; `None` where that cannot be.
    ///
    /// It is called by what it holds, so that no later list gets into a command that was printed before. It lies there for a day.
    fn list(&self, paths: &[String]) -> Option<String> {
        let (system, layout) = (System::real(), Layout::new(self.root));
        let lines: String = paths.iter().map(|path| format!("{path}\n")).collect();
        let mut hasher = DefaultHasher::new();
        lines.hash(&mut hasher);
        let name = format!("{PATH_LIST_PREFIX}{:016x}", hasher.finish());
        let target = layout.local_item(&name);
        let temp = layout.temp();
        let temp = temp.join(format!("{name}-{}", system.machine.process_id));
        let disk = system.disk.as_ref();
        fs_io::replace(disk, &temp, &target, lines.as_bytes(), SyncPolicy::None).ok()?;
        let below = target.strip_prefix(self.root).ok()?;
        Some(below.to_string_lossy().replace('\\', "/"))
    }

    /// Commits the files and returns the id of the commit; `None` where the present commit has them as they are.
    ///
    /// # Errors
    /// What git said.
    pub(crate) fn commit(&self) -> anyhow::Result<Option<String>> {
        let git = Git::around(self.root)?;
        let Untracked { new, removed } = git.untracked(&self.paths)?;
        let done = self.stage_and_commit(&git, &new, &removed);
        match done {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                let untracked = [new, removed].concat();
                // Below the top of the work tree, `git rm` takes no paths from a file.
                let undo = ["rm", "--cached", "--quiet", "--ignore-unmatch"];
                return Err(match git.asked(&undo, &untracked) {
                    Ok(_) => error,
                    Err(undone) => error.context(format!(
                        "git's index was left with entries for what was not committed, until `git rm --cached` takes them out ({undone})"
                    )),
                });
            }
        }
        git.commit("HEAD").map(Some)
    }

    /// Returns whether there was something to commit.
    fn stage_and_commit(
        &self,
        git: &Git,
        new: &[String],
        removed: &[String],
    ) -> anyhow::Result<bool> {
        if !removed.is_empty() {
            git.write(&["reset", "--quiet"], removed)?;
        }
        if !new.is_empty() {
            git.write(&["add", "--intent-to-add"], new)?;
        }
        if !git.has_changed(&self.paths)? {
            return Ok(false);
        }
        git.conclude_merge();
        git.write(
            &["commit", "--quiet", "--only", "-m", &self.message],
            &self.paths,
        )?;
        Ok(true)
    }
}

/// Returns a path as it can be typed where this program runs.
fn as_typed(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    let below = below.as_deref();
    let path = match below {
        Some(below) if below == Path::new("") => Path::new("."),
        Some(below) => below,
        None => path,
    };
    let path = path.to_string_lossy().into_owned();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:+@".contains(c);
    match path.chars().all(is_plain) {
        true => path,
        false if cfg!(windows) => format!("\"{path}\""),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Files that git's index does not have.
struct Untracked {
    /// The present commit has none of that name either.
    new: Vec<String>,
    /// The present commit has one, and its removal is staged.
    removed: Vec<String>,
}

impl Git {
    /// Returns whether a directory lies in this repository.
    fn is_that_of(&self, directory: &Path) -> bool {
        let top = |directory: &Path| {
            let git = Git::around(directory).ok()?;
            git.run(&["rev-parse", "--show-toplevel"]).ok()?.ok()
        };
        let here = top(directory);
        here.is_some() && here == top(&self.root)
    }

    /// Returns those of these paths that git's index does not have.
    fn untracked(&self, paths: &[String]) -> anyhow::Result<Untracked> {
        let listed = self.asked(&["ls-files", "-z"], paths)?;
        let tracked: BTreeSet<&[u8]> = listed.split(|byte| *byte == 0).collect();
        let untracked = paths.iter();
        let untracked = untracked.filter(|path| !tracked.contains(path.as_bytes()));
        let untracked: Vec<_> = untracked.cloned().collect();
        let head = self.objects_in_head(&untracked);
        let (removed, new) = untracked
            .into_iter()
            .partition(|path| head.contains_key(path));
        Ok(Untracked { new, removed })
    }

    /// Returns the objects that the present commit has at these paths; none where there is no commit yet.
    fn objects_in_head(&self, paths: &[String]) -> BTreeMap<String, String> {
        let listed = match paths {
            [] => Ok(Vec::new()),
            paths => self.asked(&["ls-tree", "-z", "HEAD"], paths),
        };
        let listed = listed.unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        let entries = listed.split('\0').filter_map(|entry| {
            let (about, path) = entry.split_once('\t')?;
            let object = about.rsplit(' ').next()?;
            Some((path.to_owned(), object.to_owned()))
        });
        entries.collect()
    }

    /// Returns whether any of these files has other bytes than in the present commit, whatever git's index has.
    fn differs_from_head(&self, paths: &[String]) -> bool {
        let head = self.objects_in_head(paths);
        let files: String = paths
            .iter()
            .map(|path| format!("{}\n", self.root.join(path).display()))
            .collect();
        let args = ["hash-object", "--no-filters", "--stdin-paths"];
        let Ok(Ok(hashed)) = self.run_with(&args, files.as_bytes()) else {
            return true;
        };
        let hashed = String::from_utf8_lossy(&hashed);
        let hashed: Vec<_> = hashed.lines().collect();
        let is_same =
            |(path, object): (&String, &&str)| head.get(path).is_some_and(|it| it == object);
        hashed.len() != paths.len() || !paths.iter().zip(&hashed).all(is_same)
    }

    /// Returns whether any of these files is not as the present commit has it.
    fn has_changed(&self, paths: &[String]) -> anyhow::Result<bool> {
        let args = ["status", "--porcelain", "-z", "--untracked-files=all"];
        Ok(!self.asked(&args, paths)?.is_empty())
    }

    /// Lets git know that a merge is over whose commit is there: while its `post-merge` hook runs, git still takes it to be under
    /// way, and commits nothing apart.
    fn conclude_merge(&self) {
        let is_over = self.run(&["merge-base", "--is-ancestor", "MERGE_HEAD", "HEAD"]);
        if matches!(is_over, Ok(Ok(_)))
            && let Some(path) = self.path("MERGE_HEAD")
        {
            // Git removes it too, a moment later. If this fails, the commit says why.
            let _ = System::real().disk.remove_file(&path);
        }
    }

    fn asked(&self, args: &[&str], paths: &[String]) -> anyhow::Result<Vec<u8>> {
        let mut answer = Vec::new();
        for paths in paths.chunks(PATHS_PER_RUN) {
            let paths = paths.iter().map(String::as_str);
            let args: Vec<_> = args.iter().copied().chain(["--"]).chain(paths).collect();
            answer.extend(self.run(&args)?.map_err(anyhow::Error::msg)?);
        }
        Ok(answer)
    }

    /// Runs a command that writes, with the hooks of the repository; it reads the paths from its standard input.
    fn write(&self, args: &[&str], paths: &[String]) -> anyhow::Result<()> {
        let mut command = self.command();
        command
            .env_remove("GIT_OPTIONAL_LOCKS")
            .env_remove("GIT_NO_LAZY_FETCH")
            .args(args)
            .args(["--pathspec-from-file=-", "--pathspec-file-nul"]);
        let paths: String = paths.iter().map(|path| format!("{path}\0")).collect();
        let done = Self::finished_with(&mut command, paths.as_bytes())?;
        done.map(|_| ()).map_err(anyhow::Error::msg)
    }
}
