//! What reading and renaming can answer.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::FileKind;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing under that name.
    #[error("{} is not there", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// Something other than a regular file stands there; it was not opened, a link not followed.
    #[error("{} is {kind}, not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What stands there.
        kind: FileKind,
    },
    /// The file is larger than the caller allows.
    #[error("{} has {len} bytes, more than the {limit} allowed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How long it is, or how much of it was seen when it grew while being read.
        len: u64,
        /// How long it may be.
        limit: u64,
    },
    /// The system failed.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl ReadError {
    /// Returns a length that may be read.
    pub(crate) fn check(path: &Path, len: u64, limit: u64) -> Result<usize, Self> {
        match usize::try_from(len) {
            Ok(few) if len <= limit => Ok(few),
            _ => Err(Self::TooLarge {
                path: path.to_owned(),
                len,
                limit,
            }),
        }
    }

    /// Sorts an error of the system, where a path that leads through a file leads nowhere.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if says_nothing_is_there(&source) {
            Self::NotFound { path }
        } else {
            Self::Io { path, source }
        }
    }
}

/// Why a file could not be renamed to a new name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// The new name is taken.
    #[error("{} is already there", path.display())]
    AlreadyExists {
        /// The new name.
        path: PathBuf,
    },
    /// The system failed.
    #[error("cannot rename {} to {}", from.display(), to.display())]
    Io {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Returns the error for a name under which something unsuitable stands.
pub(crate) fn refused(wanted: &'static str, found: FileKind) -> io::Error {
    let kind = if found == FileKind::Directory {
        io::ErrorKind::IsADirectory
    } else {
        io::ErrorKind::InvalidInput
    };
    io::Error::new(
        kind,
        format!("{found} stands where {wanted} is expected; move it away"),
    )
}

/// Returns whether an error says that nothing stands under a path, also where something else than a directory is on the way.
pub(crate) fn says_nothing_is_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
