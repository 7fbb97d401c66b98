//! What can go wrong while the index is read or written.

use std::io;
use std::path::{Path, PathBuf};

use fs_io::{CreateDirsError, Disk, FileKind, ReadError, ReplaceError};

use crate::position::StalePosition;

/// A failure of the index; the files in `events/` are untouched by all of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A file or directory of the store could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file of the index could not be read.
    #[error(transparent)]
    Unreadable(ReadError),
    /// A part of the index is not what was written; the next refresh builds it anew.
    #[error("{path} is damaged; refresh the store to have it rebuilt")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A position that does not hold here.
    #[error(transparent)]
    Stale(#[from] StalePosition),
    /// A segment could not be written.
    #[error("cannot write a part of the index: {0}")]
    WriteSegment(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The journal could not be written.
    #[error("cannot write the ingestion journal {path}")]
    Write {
        /// The journal.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A directory of the index could not be created.
    #[error("cannot create a directory of the index: {0}")]
    CreateDirectory(#[source] CreateDirsError),
    /// A file of the index could not be written anew.
    #[error("cannot write {path} of the index anew")]
    Replace {
        /// The journal or the manifest.
        path: PathBuf,
        /// Why not.
        source: ReplaceError,
    },
    /// Something stands in the place of a file of the index.
    #[error(
        "{path} is {kind} where a file of the index belongs; move it away, and the file is made anew"
    )]
    InTheWay {
        /// What is in the way.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// The journal is larger than this machine can address.
    #[error(
        "the ingestion journal {path} has {len} bytes, more than fit in memory; delete it to have it rebuilt"
    )]
    JournalTooLarge {
        /// The journal.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
    },
    /// The journal is gone; the next refresh makes a new one.
    #[error("the ingestion journal {path} went away while it was in use; refresh and try again")]
    NoJournal {
        /// The journal.
        path: PathBuf,
    },
    /// The bytes of a vanished transaction could not be kept.
    #[error("cannot keep the bytes of a vanished transaction as {path}")]
    KeepVanished {
        /// The file that was to hold them.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The operating system gave no random bytes for a new epoch.
    #[error("the operating system gave no random bytes")]
    Random(#[source] io::Error),
}

impl IndexError {
    /// Returns whether a directory was deleted that had been created just before.
    pub(crate) fn is_of_a_deleted_directory(&self) -> bool {
        let source = match self {
            Self::Replace { source, .. } => &source.source,
            Self::CreateDirectory(CreateDirsError::Create { source, .. }) => source,
            _ => return false,
        };
        source.kind() == io::ErrorKind::NotFound
    }

    /// Returns the error for a file of the index that was not replaced.
    pub(crate) fn not_replaced(disk: &dyn Disk, path: &Path, source: ReplaceError) -> Self {
        let path = path.to_owned();
        match disk.stat(&path) {
            Ok(Some(stat)) if stat.kind == FileKind::Directory => Self::InTheWay {
                path,
                kind: stat.kind,
            },
            _ => Self::Replace { path, source },
        }
    }
}
