//! The three ways in which publishing can fail, and the step where it did.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A step of a protocol, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Making a directory that is missing.
    CreateDirectory,
    /// Creating the temporary file.
    CreateTemp,
    /// Writing the temporary file.
    WriteTemp,
    /// Making the content of a file durable.
    SyncFile,
    /// Giving the file its name.
    Rename,
    /// Comparing with the file that has the name already.
    Compare,
    /// Making the name durable.
    SyncDirectory,
    /// Reading the log of what is not yet durable as files.
    ReadLog,
    /// Writing to that log.
    WriteLog,
    /// Making that log durable.
    SyncLog,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateDirectory => "creating the directory",
            Self::CreateTemp => "creating the temporary file",
            Self::WriteTemp => "writing the temporary file",
            Self::SyncFile => "syncing the file",
            Self::Rename => "renaming to",
            Self::Compare => "comparing with",
            Self::SyncDirectory => "syncing the directory",
            Self::ReadLog => "reading the log",
            Self::WriteLog => "writing the log",
            Self::SyncLog => "syncing the log",
        })
    }
}

/// Why a file was not, or may not have been, published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nothing is to be seen under the name, and never will be.
    #[error("not published: {step} {} failed", path.display())]
    NotPublished {
        /// Where it failed.
        step: Step,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file may be there or not after a power cut; if it is, it is whole.
    #[error("unknown whether published: {step} {} failed; look again after reopening", path.display())]
    Unknown {
        /// Where it failed.
        step: Step,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Other bytes stand under the name.
    #[error("{} is already there with other content", path.display())]
    Occupied {
        /// The name.
        path: PathBuf,
    },
}
