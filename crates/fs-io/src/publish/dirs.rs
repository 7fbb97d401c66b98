//! Making directories level by level.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::SyncPolicy;
use crate::disk::{Created, Disk};

/// Makes the directories of `relative` below `root` that are missing, refusing links at every level.
///
/// `root` itself must be there. Unless under [`SyncPolicy::None`], each directory that gained an entry is synced before the next level is made.
///
/// # Errors
/// Levels made before the error stay; the one whose name could not be made durable is removed again.
pub fn create_dirs(
    disk: &dyn Disk,
    root: &Path,
    relative: &Path,
    sync: SyncPolicy,
) -> Result<(), CreateDirsError> {
    let mut above = root.to_owned();
    for component in relative.components() {
        let name = match component {
            Component::Normal(name) => name,
            Component::CurDir => continue,
            _ => {
                return Err(CreateDirsError::NotBelow {
                    path: relative.to_owned(),
                });
            }
        };
        let path = above.join(name);
        let created = disk
            .create_dir(&path)
            .map_err(|source| CreateDirsError::Create {
                path: path.clone(),
                source,
            })?;
        if created == Created::New && sync != SyncPolicy::None {
            disk.sync_dir(&above).map_err(|source| {
                // Whoever found it there would take its name for durable.
                let _ = disk.remove_dir(&path);
                CreateDirsError::Sync {
                    path: above.clone(),
                    source,
                }
            })?;
        }
        above = path;
    }
    Ok(())
}

/// Why a directory could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateDirsError {
    /// The path leads out of the root.
    #[error("{} does not lead downwards", path.display())]
    NotBelow {
        /// The relative path.
        path: PathBuf,
    },
    /// One level could not be made, or something other than a directory stands there.
    #[error("cannot create the directory {}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory was made, but may be lost in a power cut.
    #[error("cannot sync the directory {}", path.display())]
    Sync {
        /// The directory above it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl CreateDirsError {
    /// Returns the directory and the reason.
    pub(super) fn into_parts(self) -> (PathBuf, io::Error) {
        match self {
            Self::NotBelow { path } => (path, io::ErrorKind::InvalidInput.into()),
            Self::Create { path, source } | Self::Sync { path, source } => (path, source),
        }
    }
}
