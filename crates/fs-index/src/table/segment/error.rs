//! What can go wrong with a segment.

use std::io;
use std::path::PathBuf;

use crate::error::IndexError;

/// A segment that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentError {
    /// It is not what was written, or not there.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl From<SegmentError> for IndexError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Damaged { path } => IndexError::Damaged { path },
            SegmentError::Read { path, source } => IndexError::Read { path, source },
            SegmentError::Write { .. } => IndexError::WriteSegment(Box::new(error)),
        }
    }
}
