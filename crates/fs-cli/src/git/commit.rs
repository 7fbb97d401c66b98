//! Committing what a command wrote, and telling how.
//!
//! An identical settlement that is not committed makes `git pull` refuse, so it is to be committed before the next.
//!
//! **Invariant**: nothing is committed but the files that were written, whatever else is staged; a commit that does not come
//! about leaves git's index as it was, and is no failure of the command.

use std::path::{Path, PathBuf};

use fs_io::System;

use super::Git;

/// More files than this are named by their directory in a command to be typed.
const MOST_NAMED: usize = 8;

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
        let untracked = git.untracked(&self.paths).ok()?;
        if untracked.is_empty() && !git.has_changed(&self.paths).ok()? {
            return None;
        }
        let shown = |paths: &[String]| {
            let transactions = |path: &&String| path.starts_with("events/");
            let mut names: Vec<&str> = Vec::new();
            if paths.iter().filter(transactions).count() > MOST_NAMED {
                names.push("events");
                let others = paths.iter().filter(|path| !transactions(path));
                names.extend(others.map(String::as_str));
            } else {
                names.extend(paths.iter().map(String::as_str));
            }
            let names = names.iter().map(|name| self.as_typed(name));
            names.collect::<Vec<_>>().join(" ")
        };
        let commit = format!(
            "git commit -m \"{}\" -- {}",
            self.message,
            shown(&self.paths)
        );
        Some(if untracked.is_empty() {
            commit
        } else {
            format!("git add -N -- {} && {commit}", shown(&untracked))
        })
    }

    /// Returns a path as it can be typed where this program runs.
    fn as_typed(&self, path: &str) -> String {
        let path = self.root.join(path);
        let here = std::env::current_dir().ok();
        let below = here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
        let path = below.unwrap_or(path).to_string_lossy().into_owned();
        let is_plain = |c: char| c.is_alphanumeric() || "-_./:+@".contains(c);
        match path.chars().all(is_plain) {
            true => path,
            false if cfg!(windows) => format!("\"{path}\""),
            false => format!("'{}'", path.replace('\'', r"'\''")),
        }
    }

    /// Commits the files and returns the id of the commit; `None` where the present commit has them as they are.
    ///
    /// # Errors
    /// What git said.
    pub(crate) fn commit(&self) -> anyhow::Result<Option<String>> {
        let git = Git::around(self.root)?;
        let untracked = git.untracked(&self.paths)?;
        if !untracked.is_empty() {
            git.write(&["add", "--intent-to-add"], &untracked)?;
        }
        let commit = ["commit", "--quiet", "--only", "-m", &self.message];
        let done = match git.has_changed(&self.paths) {
            Ok(false) => return Ok(None),
            Ok(true) => {
                git.conclude_merge();
                git.write(&commit, &self.paths)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            if !untracked.is_empty() {
                let undo = ["rm", "--cached", "--quiet", "--ignore-unmatch"];
                // The error that is told is the first.
                let _ = git.write(&undo, &untracked);
            }
            return Err(error);
        }
        git.commit("HEAD").map(Some)
    }
}

impl Git {
    /// Returns those of these paths that git's index does not have.
    fn untracked(&self, paths: &[String]) -> anyhow::Result<Vec<String>> {
        let listed = self.asked(&["ls-files", "-z"], paths)?;
        let tracked: Vec<_> = listed.split(|byte| *byte == 0).collect();
        let untracked = paths.iter();
        let untracked = untracked.filter(|path| !tracked.contains(&path.as_bytes()));
        Ok(untracked.cloned().collect())
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
        let said = self.run(&with_paths(args, paths))?;
        said.map_err(anyhow::Error::msg)
    }

    /// Runs a command that writes, with the hooks of the repository.
    fn write(&self, args: &[&str], paths: &[String]) -> anyhow::Result<()> {
        let mut command = self.command();
        command
            .env_remove("GIT_OPTIONAL_LOCKS")
            .env_remove("GIT_NO_LAZY_FETCH");
        let done = Self::finished(command.args(with_paths(args, paths)))?;
        done.map(|_| ()).map_err(anyhow::Error::msg)
    }
}

fn with_paths<'a>(args: &[&'a str], paths: &'a [String]) -> Vec<&'a str> {
    let paths = paths.iter().map(String::as_str);
    args.iter().copied().chain(["--"]).chain(paths).collect()
}
