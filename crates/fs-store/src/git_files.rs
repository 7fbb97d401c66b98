//! The files by which a store tells git what to do with it: `events/.gitattributes`, and `.gitignore` in its root, in
//! `index/` and in `local/`.
//!
//! **Invariant**: what a user wrote into them stays. A file of an earlier version is replaced, lines that are missing in the
//! `.gitignore` of the root are appended, and everything else is left alone.
//!
//! *Not done here*: asking git what it makes of them (fs-cli).

use std::path::{Path, PathBuf};

use fs_format::{
    GIT_ATTRIBUTES, GIT_ATTRIBUTES_NAME, PRIVATE_GIT_IGNORE, complete_git_ignore,
    is_former_git_attributes,
};
use fs_index::Layout;
use fs_io::{ReadError, ReplaceError, Stat, SyncPolicy, System};

use crate::store::FileEventStore;

const GIT_IGNORE_NAME: &str = ".gitignore";

/// A longer file is the user's.
const MAX_BYTES: u64 = 1 << 20;

/// A file for git that was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitFileError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] ReplaceError),
}

impl FileEventStore {
    /// Returns the files of the store that this handle has brought to what this version writes, as `events/.gitattributes`.
    ///
    /// They are to be committed, before the next `git pull`: where two clones bring them up to date apart, git refuses to
    /// merge over the one that is not committed.
    pub fn renewed_git_files(&self) -> Vec<PathBuf> {
        self.inner.writer().renewed_git_files.clone()
    }
}

/// What the files that are committed look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GitFileStamps([Option<Stat>; 2]);

impl GitFileStamps {
    /// Looks at the files.
    pub(crate) fn of(system: &System, layout: &Layout) -> Self {
        let look = |path: PathBuf| system.disk.stat(&path).ok().flatten();
        Self(committed(layout).map(look))
    }
}

/// Returns where the files that are committed lie: `events/.gitattributes`, and the `.gitignore` of the root.
fn committed(layout: &Layout) -> [PathBuf; 2] {
    [
        layout.events().join(GIT_ATTRIBUTES_NAME),
        layout.root().join(GIT_IGNORE_NAME),
    ]
}

/// Writes what is missing of the files that are committed, and replaces those of an earlier version.
///
/// Returns the files that are not as they were.
pub(crate) fn renew(system: &System, layout: &Layout) -> Result<Vec<PathBuf>, GitFileError> {
    let attributes = |found: Option<&[u8]>| match found {
        Some(found) if !is_former_git_attributes(found) => None,
        _ => Some(GIT_ATTRIBUTES.as_bytes().to_vec()),
    };
    let ignore = |found: Option<&[u8]>| complete_git_ignore(found.unwrap_or_default());
    let mut renewed = Vec::new();
    let [attributes_path, ignore_path] = committed(layout);
    renewed.extend(rewrite(system, layout, attributes_path, attributes)?);
    renewed.extend(rewrite(system, layout, ignore_path, ignore)?);
    Ok(renewed)
}

/// Keeps git away from `index/` and `local/`, whatever the other rules say.
///
/// That it could not be done is no reason not to open: the other rules mostly say the same.
pub(crate) fn hide_own_directories(system: &System, layout: &Layout) {
    let ignore = |found: Option<&[u8]>| match found {
        None => Some(PRIVATE_GIT_IGNORE.as_bytes().to_vec()),
        Some(_) => None,
    };
    for directory in [layout.indexes(), layout.local()] {
        let path = directory.join(GIT_IGNORE_NAME);
        if let Ok(Some(_)) = system.disk.stat(&path) {
            continue;
        }
        if let Err(error) = rewrite(system, layout, path.clone(), ignore) {
            tracing::warn!(path = %path.display(), error = crate::report::report(&error), "git is not told to leave the directory alone");
        }
    }
}

/// Gives a file the content that `wanted` makes of what is there, unless that is `None`, and returns its path then.
///
/// What is no regular file, or too long to be one of these, is left alone.
fn rewrite(
    system: &System,
    layout: &Layout,
    path: PathBuf,
    wanted: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>,
) -> Result<Option<PathBuf>, GitFileError> {
    let disk = system.disk.as_ref();
    let found = match disk.read(&path, MAX_BYTES) {
        Ok(found) => Some(found),
        Err(ReadError::NotFound { .. }) => None,
        Err(ReadError::NotAFile { .. } | ReadError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(wanted) = wanted(found.as_deref()) else {
        return Ok(None);
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = format!("git{name}-{}", system.machine.process_id);
    let temp = layout.temp().join(Path::new(&temp));
    fs_io::replace(disk, &temp, &path, &wanted, SyncPolicy::Durable)?;
    Ok(Some(path))
}
