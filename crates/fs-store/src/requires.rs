//! What a store asks of the programs that read it.
//!
//! **Invariant**: where a store asks for something that this version does not know, nothing is read as truth and nothing
//! is written: the check comes before the first look at `events/`, before each refresh, and at the start of every turn under the write lock.

use std::path::PathBuf;

use fs_format::{MAX_REQUIRES_BYTES, UnknownFeature, check_requires};
use fs_index::Layout;
use fs_io::{Disk, ReadError};

/// A store that this version cannot take for what it means.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequiresError {
    /// The store asks for something that this version does not know.
    #[error("this version of Tributary cannot read the store or append to it, by {}: {feature}", path.display())]
    Unknown {
        /// The file that asks.
        path: PathBuf,
        /// What it asks for.
        feature: UnknownFeature,
    },
    /// What the store asks for could not be read.
    #[error("cannot tell what the store asks of this version; see that this user may read {}", path.display())]
    Unreadable {
        /// The file that asks.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
}

/// Checks that this version knows all that the store asks for.
pub(crate) fn check(disk: &dyn Disk, layout: &Layout) -> Result<(), RequiresError> {
    let path = layout.requires();
    let checked = match disk.read(&path, MAX_REQUIRES_BYTES) {
        Ok(bytes) => check_requires(&bytes),
        Err(ReadError::NotFound { .. }) => Ok(()),
        Err(ReadError::TooLarge { .. }) => Err(UnknownFeature::TooLarge),
        Err(ReadError::NotAFile { kind, .. }) => Err(UnknownFeature::NotAFile {
            found: kind.to_string(),
        }),
        Err(source) => return Err(RequiresError::Unreadable { path, source }),
    };
    checked.map_err(|feature| RequiresError::Unknown { path, feature })
}
