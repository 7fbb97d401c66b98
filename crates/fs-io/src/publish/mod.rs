//! The protocols of writing, once for every disk.
//!
//! **Invariant:** under its final name a file is whole or absent for every process at every moment, and after an answer under
//! [`SyncPolicy::Durable`] also after a power cut:
//!
//! ```text
//! create temp -> write -> sync temp -> rename without clobbering -> sync directory -> answer
//!                                 ^ the bytes are durable         ^ the name is durable
//! ```
//! A power cut before the second mark leaves the file absent or whole. Without syncs any mixture is possible after a power cut, an empty or a
//! partial file included; after the death of the process alone, none is.
//!
//! A directory that is already there is taken to have a durable name: its creator syncs it (see [`create_dirs`]), and file systems write
//! their journals in order. [`make_durable`] relies on neither.

mod dirs;
mod durable;
mod error;
mod replace;
mod together;

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, File};
use crate::error::ReadError;

pub use dirs::{CreateDirsError, create_dirs};
pub use durable::{make_all_durable, make_durable};
pub use error::{PublishError, Step};
pub use replace::{ReplaceError, replace, replace_knowing_itself};
pub use together::{NewFile, publish_all};

/// Whether an answer waits until what it says survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// It does.
    Durable,
    /// It does not, but for the names of new directories.
    Directories,
    /// It does not.
    None,
}

/// What [`publish`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The file is new.
    New,
    /// A file with the same name and bytes was there; it is as durable now as if it were new.
    AlreadyThere,
}

/// Writes a file that appears under its name whole or not at all, and never in place of another.
///
/// `temp` is a name in a directory on the same file system, unique among those who write at the same time. A file left under it by a process
/// that died is stepped over, not removed. The directories from the common parent of `temp` and `target` down to `target` are made when missing.
///
/// # Errors
/// [`PublishError`] says which of the three outcomes it was: not published, occupied by other bytes, or unknown but atomic.
pub fn publish(
    disk: &dyn Disk,
    temp: &Path,
    target: &Path,
    bytes: &[u8],
    sync: SyncPolicy,
) -> Result<Published, PublishError> {
    let file = NewFile {
        temp: temp.to_owned(),
        target: target.to_owned(),
        bytes,
    };
    let mut outcomes = publish_all(disk, &[file], sync);
    outcomes.pop().expect("each file has an outcome")
}

/// Returns the directory that both names are below, which is there.
fn root_of<'a>(temp: &Path, target: &'a Path) -> &'a Path {
    let mut above = target.ancestors().skip(1);
    above
        .find(|above| temp.starts_with(above))
        .unwrap_or(target.parent().unwrap_or(Path::new("")))
}

/// Compares what stands under the name with what was to be published, and makes it durable when it is the same.
fn take_existing(
    disk: &dyn Disk,
    root: &Path,
    target: &Path,
    bytes: &[u8],
    sync: SyncPolicy,
) -> Result<Published, PublishError> {
    match disk.read(target, bytes.len() as u64) {
        Ok(there) if there == bytes => {}
        Ok(_) | Err(ReadError::TooLarge { .. } | ReadError::NotAFile { .. }) => {
            return Err(PublishError::Occupied {
                path: target.to_owned(),
            });
        }
        Err(ReadError::NotFound { path }) => {
            let source = io::Error::new(
                io::ErrorKind::NotFound,
                "the file of that name was removed at the same moment",
            );
            return Err(PublishError::NotPublished {
                step: Step::Compare,
                path,
                source,
            });
        }
        Err(ReadError::Io { path, source }) => {
            return Err(PublishError::NotPublished {
                step: Step::Compare,
                path,
                source,
            });
        }
    }
    if sync == SyncPolicy::Durable {
        // Whoever put it there may have synced nothing, the directories included.
        make_durable(disk, root, target)?;
    }
    Ok(Published::AlreadyThere)
}

/// Tells apart a rename that failed and one whose failure was only reported (network file systems do that): the latter took the old name away.
fn after_failed_rename(
    disk: &dyn Disk,
    temp: &Path,
    target: &Path,
    source: io::Error,
) -> PublishError {
    if let Ok(Some(_)) = disk.stat(temp) {
        let _ = disk.remove_file(temp);
        return PublishError::NotPublished {
            step: Step::Rename,
            path: target.to_owned(),
            source,
        };
    }
    PublishError::Unknown {
        step: Step::Rename,
        path: target.to_owned(),
        source,
    }
}

/// Writes a temporary file and returns the name it got; after an error, it is gone.
fn write_temp(
    disk: &dyn Disk,
    temp: &Path,
    bytes: &[u8],
    sync: SyncPolicy,
) -> Result<PathBuf, (Step, PathBuf, io::Error)> {
    write_temp_knowing(disk, temp, |_| Ok(bytes), sync)
}

/// As [`write_temp`], with a content that depends on the file it is written to.
fn write_temp_knowing<B: AsRef<[u8]>>(
    disk: &dyn Disk,
    temp: &Path,
    bytes: impl FnOnce(&dyn File) -> io::Result<B>,
    sync: SyncPolicy,
) -> Result<PathBuf, (Step, PathBuf, io::Error)> {
    let (path, mut file) =
        create_temp(disk, temp).map_err(|source| (Step::CreateTemp, temp.to_owned(), source))?;
    let written = bytes(file.as_ref())
        .and_then(|bytes| file.write_at(0, bytes.as_ref()))
        .map_err(|source| (Step::WriteTemp, source))
        .and_then(|()| match sync {
            SyncPolicy::Durable => file.sync().map_err(|source| (Step::SyncFile, source)),
            SyncPolicy::Directories | SyncPolicy::None => Ok(()),
        });
    // Windows neither renames nor removes a file that is open.
    drop(file);
    match written {
        Ok(()) => Ok(path),
        Err((step, source)) => {
            let _ = disk.remove_file(&path);
            Err((step, path, source))
        }
    }
}

/// Creates the temporary file, under the next free name when a process that died left one.
///
/// The old one is not removed: it may belong to a process elsewhere, in another container, that has the same id.
fn create_temp(disk: &dyn Disk, temp: &Path) -> io::Result<(PathBuf, Box<dyn File>)> {
    const TRIES: u32 = 1000;
    let mut path = temp.to_owned();
    for number in 1..=TRIES {
        match disk.create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < TRIES => {
                let mut name = temp.as_os_str().to_owned();
                name.push(format!(".{number}"));
                path = PathBuf::from(name);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests;
