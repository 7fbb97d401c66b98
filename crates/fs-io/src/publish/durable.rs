//! Making files durable that were published without syncs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{PublishError, Step};
use crate::disk::{Disk, FileKind};

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

/// Makes files, their names and the names of the directories above them up to `root` durable, with as few syncs as the disk can do with.
///
/// Files that are gone by now are passed over, and so is what is no regular file, or no directory above one, by now.
///
/// # Errors
/// [`PublishError::Unknown`]: any of them may be lost in a power cut, or be left incomplete by it.
pub fn make_all_durable(
    disk: &dyn Disk,
    root: &Path,
    files: &[PathBuf],
) -> Result<(), PublishError> {
    let is_still = |path: &Path, kind: FileKind| {
        let stat = disk.stat(path);
        // What cannot be looked at cannot be synced either, and that is an error.
        stat.map_or(true, |stat| stat.is_some_and(|stat| stat.kind == kind))
    };
    let parents: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let above = parents.into_iter().flat_map(Path::ancestors);
    let directories: BTreeSet<&Path> = above.filter(|above| above.starts_with(root)).collect();
    let directories = directories.into_iter().rev();
    let directories = directories.filter(|path| is_still(path, FileKind::Directory));
    let directories: Vec<_> = directories.map(PathBuf::from).collect();
    let files = files.iter().filter(|path| is_still(path, FileKind::File));
    let files: Vec<_> = files.cloned().collect();
    let Some(first) = files.first().or(directories.first()) else {
        return Ok(());
    };
    disk.sync_all(&files, &directories)
        .map_err(|source| PublishError::Unknown {
            step: Step::SyncFile,
            path: first.clone(),
            source,
        })
}
