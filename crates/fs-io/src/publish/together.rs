//! Publishing several files with as few syncs as one.
//!
//! **Invariant:** the files get their names in the order given, and none gets one after an earlier one failed. Nothing has a name before all are
//! written, and under [`SyncPolicy::Durable`] synced.
//!
//! # Limitations
//! The names are made durable together: a power cut before the answer may keep a later one without an earlier one.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::{
    PublishError, Published, Step, SyncPolicy, after_failed_rename, create_dirs, root_of,
    take_existing, write_temp,
};
use crate::disk::Disk;
use crate::error::RenameError;

/// A file to be published; the fields are those of [`publish`](super::publish).
#[derive(Clone, Debug)]
pub struct NewFile<'a> {
    /// The name it is written under.
    pub temp: PathBuf,
    /// The name it gets.
    pub target: PathBuf,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Publishes files that are to appear in this order, and returns the outcome of each.
///
/// # Errors
/// As [`publish`](super::publish), each for itself. After the first that failed, the rest is [`PublishError::NotPublished`].
pub fn publish_all(
    disk: &dyn Disk,
    files: &[NewFile<'_>],
    sync: SyncPolicy,
) -> Vec<Result<Published, PublishError>> {
    let staged = match stage(disk, files, sync) {
        Ok(staged) => staged,
        Err((step, path, source)) => {
            return files
                .iter()
                .map(|_| Err(not_published(step, &path, again(&source))))
                .collect();
        }
    };
    let mut outcomes: Vec<Result<Published, PublishError>> = Vec::with_capacity(files.len());
    let mut directories = BTreeSet::new();
    for (file, temp) in files.iter().zip(&staged) {
        if outcomes.last().is_some_and(Result::is_err) {
            let _ = disk.remove_file(temp);
            let earlier = io::Error::other("an earlier file of the same group was not published");
            outcomes.push(Err(not_published(Step::Rename, &file.target, earlier)));
            continue;
        }
        outcomes.push(match disk.rename_new(temp, &file.target) {
            Ok(()) => {
                directories.extend(file.target.parent());
                Ok(Published::New)
            }
            Err(RenameError::AlreadyExists { .. }) => {
                let _ = disk.remove_file(temp);
                take_existing(
                    disk,
                    root_of(&file.temp, &file.target),
                    &file.target,
                    file.bytes,
                    sync,
                )
            }
            Err(RenameError::Io { source, .. }) => {
                Err(after_failed_rename(disk, temp, &file.target, source))
            }
        });
    }
    if sync == SyncPolicy::Durable {
        let failed = directories.into_iter().find_map(|directory| {
            let error = disk.sync_dir(directory).err()?;
            Some((directory, error))
        });
        if let Some((directory, source)) = failed {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(PublishError::Unknown {
                    step: Step::SyncDirectory,
                    path: directory.to_owned(),
                    source: again(&source),
                });
            }
        }
    }
    outcomes
}

/// Makes the directories and writes every file under its temporary name; after an error, none is left.
fn stage(
    disk: &dyn Disk,
    files: &[NewFile<'_>],
    sync: SyncPolicy,
) -> Result<Vec<PathBuf>, (Step, PathBuf, io::Error)> {
    let mut made = BTreeSet::new();
    for file in files {
        let directory = file.target.parent().unwrap_or(Path::new(""));
        if made.insert(directory) {
            let root = root_of(&file.temp, &file.target);
            let relative = directory.strip_prefix(root).unwrap_or(Path::new(""));
            create_dirs(disk, root, relative, sync).map_err(|error| {
                let (path, source) = error.into_parts();
                (Step::CreateDirectory, path, source)
            })?;
        }
    }
    // A single file is synced while it is open.
    let at_once = match files {
        [_] => sync,
        _ => SyncPolicy::None,
    };
    let mut staged = Vec::with_capacity(files.len());
    let mut failure = None;
    for file in files {
        match write_temp(disk, &file.temp, file.bytes, at_once) {
            Ok(temp) => staged.push(temp),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    if failure.is_none() && sync == SyncPolicy::Durable && at_once == SyncPolicy::None {
        let synced = disk.sync_all(&staged, &[]);
        failure = synced
            .err()
            .zip(staged.first().cloned())
            .map(|(source, path)| (Step::SyncFile, path, source));
    }
    match failure {
        None => Ok(staged),
        Some(error) => {
            for temp in &staged {
                let _ = disk.remove_file(temp);
            }
            Err(error)
        }
    }
}

fn not_published(step: Step, path: &Path, source: io::Error) -> PublishError {
    PublishError::NotPublished {
        step,
        path: path.to_owned(),
        source,
    }
}

/// Returns the same error for another who is to hear of it.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
