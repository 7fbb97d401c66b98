//! What can go wrong with the log.

use std::io;
use std::path::{Path, PathBuf};

use fs_io::{PublishError, Step};

use crate::error::NewerVersion;

/// A failure of the log of what is not yet durable as files.
#[derive(Debug, thiserror::Error)]
#[error("{step} {} failed", path.display())]
#[non_exhaustive]
pub struct LogError {
    /// Where it failed.
    pub step: Step,
    /// On what.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl LogError {
    pub(super) fn new(step: Step, path: &Path, source: io::Error) -> Self {
        Self {
            step,
            path: path.to_owned(),
            source,
        }
    }

    /// Returns the same error, for another who is to hear of it.
    pub(crate) fn again(&self) -> Self {
        let source = io::Error::new(self.source.kind(), self.source.to_string());
        Self::new(self.step, &self.path, source)
    }

    /// Returns the error as the one of an outcome that is unknown.
    pub(crate) fn into_unknown(self) -> PublishError {
        PublishError::Unknown {
            step: self.step,
            path: self.path,
            source: self.source,
        }
    }

    /// Returns the error of a file that is of a newer format than this version knows.
    pub(super) fn newer(error: NewerVersion) -> Self {
        let path = error.path.clone();
        Self::new(Step::ReadLog, &path, io::Error::other(error))
    }

    /// Returns the file of a newer version that was met, if that is what went wrong.
    pub(crate) fn newer_version(&self) -> Option<&NewerVersion> {
        self.source.get_ref()?.downcast_ref()
    }

    /// Returns whether something was to be written or synced, after which the handle must not go on.
    pub(crate) fn is_fatal(&self) -> bool {
        self.step != Step::ReadLog
    }
}

impl From<PublishError> for LogError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotPublished { step, path, source }
            | PublishError::Unknown { step, path, source } => Self { step, path, source },
            PublishError::Occupied { path } => Self {
                step: Step::Rename,
                path,
                source: io::ErrorKind::AlreadyExists.into(),
            },
            other => Self {
                step: Step::Rename,
                path: PathBuf::new(),
                source: io::Error::other(other),
            },
        }
    }
}
