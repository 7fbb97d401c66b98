//! Repositories without a work tree, as they lie on servers.
//!
//! The store of such a repository is a directory in the trees of its commits. What the present commit has of it is laid out in a directory of
//! this process's own, so that it is read like any other.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use fs_index::{Layout, Omission, OmissionKind};
use fs_io::{NewFile, PrivateDir, SyncPolicy, System};
use fs_store::STORE_DIR;

use super::{Bare, ENVIRONMENT, Git};
use crate::outcome::Usage;

/// Most files of the present commit that are in memory at a time.
const FILES_PER_READ: usize = 1_000;

/// Where a bare repository is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BareAt {
    /// Around the current directory.
    Here,
    /// Where git's variables say.
    Environment,
}

/// The events of a commit as files.
pub(crate) struct LaidOut {
    directory: PrivateDir,
    /// What could not be laid out.
    pub(crate) omissions: Vec<Omission>,
}

impl LaidOut {
    /// Returns the root of the store.
    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }
}

impl Git {
    /// Returns the bare repository, if there is one, whose store lies in the directory `store` of its trees.
    ///
    /// # Errors
    /// [`Usage`] when no tree can have such a directory.
    pub(crate) fn of_bare(at: BareAt, store: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let here = std::env::current_dir().context("cannot tell the current directory")?;
        let mut command = Command::new("git");
        if at == BareAt::Here {
            for name in ENVIRONMENT {
                command.env_remove(name);
            }
        }
        command.args(["rev-parse", "--is-bare-repository", "--absolute-git-dir"]);
        // Without git there is no repository either.
        let Ok(Ok(said)) = Self::finished(command.current_dir(&here)) else {
            return Ok(None);
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        let Some(git_dir) = said.trim_end().strip_prefix("true\n") else {
            return Ok(None);
        };
        let git_dir = PathBuf::from(git_dir);
        let store = path_in_tree(store.unwrap_or(Path::new(STORE_DIR)))?;
        Ok(Some(Self {
            root: here,
            bare: Some(Bare { git_dir, store }),
        }))
    }

    /// Returns the directory of the store in the trees of a bare repository.
    pub(crate) fn path_of_store(&self) -> Option<&str> {
        self.bare.as_ref().map(|bare| bare.store.as_str())
    }

    /// Lays out the events of the present commit; none where there is no commit yet.
    ///
    /// # Complexity
    /// Reads and writes every file of the commit.
    pub(crate) fn lay_out(&self) -> anyhow::Result<LaidOut> {
        let directory = PrivateDir::new().context("there is no room for temporary files")?;
        let (system, layout) = (System::real(), Layout::new(directory.path()));
        let disk = system.disk.as_ref();
        for directory in [layout.events(), layout.local(), layout.temp()] {
            disk.create_dir(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let mut omissions = Vec::new();
        let mut entries = self.list_changed(&self.empty_tree()?, &self.present_tree()?)?;
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(FILES_PER_READ));
            let (mut files, mut contents) = (Vec::new(), Vec::new());
            for file in self.read(std::mem::replace(&mut entries, rest))? {
                let mut parts = Path::new(&file.path).components();
                ensure!(
                    parts.all(|part| matches!(part, Component::Normal(_))),
                    "git has a file whose path cannot be: events/{}",
                    file.path
                );
                match file.content {
                    Ok(bytes) => contents.push((file.path, bytes)),
                    Err(_) => omissions.extend(omission(file.path)),
                }
            }
            for (nth, (path, bytes)) in contents.iter().enumerate() {
                files.push(NewFile {
                    temp: layout.temp().join(nth.to_string()),
                    target: layout.event_file(path),
                    bytes,
                });
            }
            for published in fs_io::publish_all(disk, &files, SyncPolicy::None) {
                published.context("cannot lay out the events of the present commit")?;
            }
        }
        Ok(LaidOut {
            directory,
            omissions,
        })
    }
}

/// Returns what is missing where a file is none that can be read.
fn omission(path: String) -> Option<Omission> {
    let location = fs_format::check_name(&path).ok()?;
    Some(Omission {
        kind: OmissionKind::Damaged,
        transaction_id: Some(location.transaction_id()),
        path,
    })
}

/// Returns the path of a directory in a tree, `""` for the tree itself.
fn path_in_tree(store: &Path) -> Result<String, Usage> {
    let mut parts = Vec::new();
    for part in store.components() {
        match (part, part.as_os_str().to_str()) {
            (Component::CurDir, _) => {}
            (Component::Normal(_), Some(part)) => parts.push(part),
            _ => {
                return Err(Usage(format!(
                    "there is no store at {}, and in a bare repository --store names the directory of the store in its trees, as {STORE_DIR}",
                    store.display()
                )));
            }
        }
    }
    Ok(parts.join("/"))
}
