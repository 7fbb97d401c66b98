//! Replacing a small file of this working copy's own.

use std::io;
use std::path::{Path, PathBuf};

use super::{Step, SyncPolicy, write_temp, write_temp_knowing};
use crate::disk::{Disk, Stat};

/// Gives a file new content, so that every reader sees the old or the new one whole.
///
/// `temp` as for [`publish`](super::publish); the directory of `target` must be there.
///
/// # Errors
/// Before [`Step::Rename`] the old content stands; in [`Step::Rename`] and after it, the old or the new one.
pub fn replace(
    disk: &dyn Disk,
    temp: &Path,
    target: &Path,
    bytes: &[u8],
    sync: SyncPolicy,
) -> Result<(), ReplaceError> {
    rename_written(disk, target, sync, write_temp(disk, temp, bytes, sync))
}

/// As [`replace`], with a content that names the very file it stands in: `bytes` is told what that looks like before anything is written.
///
/// # Errors
/// As [`replace`].
pub fn replace_knowing_itself(
    disk: &dyn Disk,
    temp: &Path,
    target: &Path,
    bytes: impl FnOnce(&Stat) -> Vec<u8>,
    sync: SyncPolicy,
) -> Result<(), ReplaceError> {
    let written = write_temp_knowing(disk, temp, |file| Ok(bytes(&file.stat()?)), sync);
    rename_written(disk, target, sync, written)
}

fn rename_written(
    disk: &dyn Disk,
    target: &Path,
    sync: SyncPolicy,
    written: Result<PathBuf, (Step, PathBuf, io::Error)>,
) -> Result<(), ReplaceError> {
    let failed = |step, path: &Path, source| ReplaceError {
        step,
        path: path.to_owned(),
        source,
    };
    let temp = written.map_err(|(step, path, source)| failed(step, &path, source))?;
    if let Err(source) = disk.rename_over(&temp, target) {
        let _ = disk.remove_file(&temp);
        return Err(failed(Step::Rename, target, source));
    }
    if sync == SyncPolicy::Durable {
        let directory = target.parent().unwrap_or(Path::new(""));
        disk.sync_dir(directory)
            .map_err(|source| failed(Step::SyncDirectory, directory, source))?;
    }
    Ok(())
}

/// Why a file was not, or may not have been, replaced.
#[derive(Debug, thiserror::Error)]
#[error("not replaced for certain: {step} {} failed", path.display())]
#[non_exhaustive]
pub struct ReplaceError {
    /// Where it failed.
    pub step: Step,
    /// On what.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}
