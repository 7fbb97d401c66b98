//! Making files durable that were published without syncs.

use std::path::Path;

use super::{PublishError, Step};
use crate::disk::Disk;

/// Makes a file, its name and the names of the directories above it up to `root` durable.
///
/// # Errors
/// [`PublishError::Unknown`]: the file may be lost in a power cut, or be left incomplete by it.
pub fn make_durable(disk: &dyn Disk, root: &Path, path: &Path) -> Result<(), PublishError> {
    let unknown = |step, path: &Path, source| PublishError::Unknown {
        step,
        path: path.to_owned(),
        source,
    };
    disk.sync_file(path)
        .map_err(|source| unknown(Step::SyncFile, path, source))?;
    for directory in path
        .ancestors()
        .skip(1)
        .take_while(|above| above.starts_with(root))
    {
        disk.sync_dir(directory)
            .map_err(|source| unknown(Step::SyncDirectory, directory, source))?;
    }
    Ok(())
}
