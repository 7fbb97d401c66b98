//! The operating system's own files.
//!
//! **Invariant:** links are refused by the very call that opens a file, so that nothing can be swapped between a look and the opening.
//! Directories are looked at first and listed then; whoever can swap one in between can write to the store anyway.
//!
//! # Limitations
//! Where the file system cannot rename without replacing, the new name is looked up before: a file that comes under it between the two, from a
//! program that does not hold the store's lock, is replaced. Windows has no sync of directories: there the name of a file is as durable as NTFS's journal makes it. File systems that answer that they
//! cannot sync directories are taken at their word.

mod file;
mod lock;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;
mod watch;

use std::fs::{self, FileType, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Created, DirEntry, Disk, File, FileKind, Stat};
use crate::error::{ReadError, RenameError, refused, says_nothing_is_there};
use crate::lock::{LockError, LockGuard, Wait};
use crate::watch::{Changed, Watch};
use file::RealFile;

/// Up to so many files are synced each by itself, by [`THREADS`] at once; of more, the file system as a whole.
///
/// Each sync of a new file commits the file system's journal, unless it comes together with others. Measured on ext4 with 1,000 new files: 2.4 ms
/// a file one after the other, 0.25 ms in eight threads, 0.03 ms in one sync of the file system, which however may have to wait for the data
/// of others.
const EACH: usize = 64;

/// So many syncs are under way at once.
const THREADS: usize = 16;

/// Checks that standard output is open for writing: the standard library passes over that error, as if all were printed.
///
/// One that was closed before the process began cannot be told: the standard library opens `/dev/null` in its place, just as many programs do
/// for those that they start.
///
/// # Errors
/// What the operating system says to whoever writes there. On Windows there is none.
pub fn check_stdout() -> io::Result<()> {
    platform::check_stdout()
}

/// The disk of this machine.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<Created> {
        // Nearly always it is there, and looking is cheaper than a refusal.
        if let Ok(Some(stat)) = self.stat(path)
            && stat.kind == FileKind::Directory
        {
            return Ok(Created::AlreadyThere);
        }
        match fs::create_dir(path) {
            Ok(()) => Ok(Created::New),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match self.stat(path)?.map(|stat| stat.kind) {
                    Some(FileKind::Directory) => Ok(Created::AlreadyThere),
                    Some(kind) => Err(refused("a directory", kind)),
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Ok(Box::new(RealFile::new(file)))
    }

    fn open_log(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(RealFile::new(open_writable(path)?)))
    }

    fn open_read(&self, path: &Path) -> Result<Box<dyn File>, ReadError> {
        let (file, _) = open_regular(path)?;
        Ok(Box::new(RealFile::new(file)))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let (file, metadata) = open_regular(path)?;
        let len = metadata.len();
        ReadError::check(path, len, limit)?;
        let bytes =
            file::read_all(&file, len, limit).map_err(|source| ReadError::from_io(path, source))?;
        ReadError::check(path, bytes.len() as u64, limit)?;
        Ok(bytes)
    }

    fn read_as_said(&self, path: &Path, limit: u64) -> Result<(Vec<u8>, Stat), ReadError> {
        let (file, metadata) = open_regular(path)?;
        let len = ReadError::check(path, metadata.len(), limit)?;
        let bytes = file::read_range(&file, 0, len);
        let bytes = bytes.map_err(|source| ReadError::from_io(path, source))?;
        Ok((bytes, platform::stat(path, &metadata)))
    }

    fn read_range(&self, path: &Path, offset: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        let (file, _) = open_regular(path)?;
        file::read_range(&file, offset, len).map_err(|source| ReadError::from_io(path, source))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        match fs::symlink_metadata(or_here(dir))?.file_type() {
            found if found.is_dir() => {}
            found => return Err(refused("a directory", kind_of(found))),
        }
        let mut entries = fs::read_dir(or_here(dir))?
            .map(|entry| {
                entry.and_then(|entry| {
                    Ok(DirEntry {
                        kind: kind_of(entry.file_type()?),
                        name: entry.file_name(),
                    })
                })
            })
            // An entry that vanished between its name and its kind was not there.
            .filter(|entry| {
                entry
                    .as_ref()
                    .map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true)
            })
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match fs::symlink_metadata(or_here(path)) {
            Ok(metadata) => Ok(Some(platform::stat(path, &metadata))),
            Err(error) if says_nothing_is_there(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[cfg(unix)]
    fn stat_all(&self, dir: &Path, names: &[&str]) -> Vec<io::Result<Option<Stat>>> {
        platform::stat_all(or_here(dir), names)
    }

    fn keeps_inodes(&self, path: &Path) -> bool {
        platform::keeps_inodes(path)
    }

    #[cfg(unix)]
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), RenameError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => RenameError::AlreadyExists {
                path: to.to_owned(),
            },
            _ => RenameError::Io {
                from: from.to_owned(),
                to: to.to_owned(),
                source,
            },
        };
        let temp = tempfile::TempPath::try_from_path(from).map_err(failed)?;
        let Err(error) = temp.persist_noclobber(to) else {
            return Ok(());
        };
        // Dropping the path would remove the file; that is for the caller to decide.
        let _ = error.path.keep();
        if cfg!(unix) && may_lack_renaming(&error.error) {
            return rename_if_free(from, to).map_err(failed);
        }
        Err(failed(error.error))
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        // Windows syncs only through a handle that may write.
        options.read(true).write(cfg!(windows));
        let file = platform::without_following(&mut options).open(path)?;
        must_be_regular(&file)?;
        file.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        platform::sync_dir(or_here(path))
    }

    fn sync_all(&self, files: &[PathBuf], directories: &[PathBuf]) -> io::Result<()> {
        if files.len() > EACH
            && let Some(place) = common_place(files.iter().take(1).chain(directories))
            && let Some(synced) = platform::sync_file_system(or_here(place))
        {
            return synced;
        }
        let sync_file = |path: &PathBuf| unless_gone(RealDisk.sync_file(path));
        match files {
            [] => {}
            [file] => sync_file(file)?,
            files => std::thread::scope(|scope| {
                let share = files.len().div_ceil(THREADS);
                let work = |share: &[PathBuf]| share.iter().try_for_each(sync_file);
                let shares: Vec<_> = files
                    .chunks(share)
                    .map(|share| scope.spawn(move || work(share)))
                    .collect();
                let outcomes = shares.into_iter().map(|share| {
                    let panicked = |_| Err(io::Error::other("a thread that synced files panicked"));
                    share.join().unwrap_or_else(panicked)
                });
                outcomes.fold(Ok(()), io::Result::and)
            })?,
        }
        for directory in directories {
            unless_gone(self.sync_dir(directory))?;
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn lock(&self, path: &Path, wait: Wait) -> Result<LockGuard, LockError> {
        lock::take(path, wait)
    }

    fn watch(&self, changed: Changed) -> io::Result<Box<dyn Watch>> {
        watch::start(changed)
    }
}

/// Returns whether an error may say that the file system knows neither a rename that replaces nothing nor hard links (exFAT, shared folders of
/// virtual machines). If it says something else, a plain rename says it again.
fn may_lack_renaming(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::TooManyLinks
            | io::ErrorKind::Unsupported
    )
}

/// Looks whether the new name is free, then renames; who writes to a store holds its lock meanwhile.
fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    match RealDisk.stat(to)? {
        Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
        None => fs::rename(from, to),
    }
}

/// Takes what is not there any more for synced.
fn unless_gone(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error) if says_nothing_is_there(&error) => Ok(()),
        synced => synced,
    }
}

/// Returns one of these that is there, if all that are lie on one file system.
fn common_place<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Option<&'a Path> {
    let mut common: Option<(&Path, u64)> = None;
    for path in paths {
        let stat = RealDisk.stat(path).ok()?;
        let Some(stat) = stat.filter(|stat| stat.kind != FileKind::Symlink) else {
            continue;
        };
        let device = stat.file_id?.device;
        if common.is_some_and(|(_, first)| first != device) {
            return None;
        }
        common = Some((path, device));
    }
    common.map(|(path, _)| path)
}

/// Opens a regular file for reading and returns its length.
fn open_regular(path: &Path) -> Result<(fs::File, Metadata), ReadError> {
    let not_a_file = |kind| ReadError::NotAFile {
        path: path.to_owned(),
        kind,
    };
    let file = match platform::without_following(OpenOptions::new().read(true)).open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(ReadError::from_io(path, source));
        }
        // Why it cannot be opened is told by what it is: links, sockets and (on Windows) directories answer with errors of their own.
        Err(source) => {
            match fs::symlink_metadata(path).map(|metadata| kind_of(metadata.file_type())) {
                Ok(kind) if kind != FileKind::File => return Err(not_a_file(kind)),
                _ => return Err(ReadError::from_io(path, source)),
            }
        }
    };
    let metadata = file
        .metadata()
        .map_err(|source| ReadError::from_io(path, source))?;
    match kind_of(metadata.file_type()) {
        FileKind::File => Ok((file, metadata)),
        kind => Err(not_a_file(kind)),
    }
}

/// Opens a regular file for reading and writing, and creates it when it is missing.
fn open_writable(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = match platform::without_following(&mut options).open(path) {
        Ok(file) => file,
        Err(error) => {
            match fs::symlink_metadata(path).map(|metadata| kind_of(metadata.file_type())) {
                Ok(kind) if kind != FileKind::File => return Err(refused("a regular file", kind)),
                _ => return Err(error),
            }
        }
    };
    must_be_regular(&file)?;
    Ok(file)
}

fn must_be_regular(file: &fs::File) -> io::Result<()> {
    match kind_of(file.metadata()?.file_type()) {
        FileKind::File => Ok(()),
        kind => Err(refused("a regular file", kind)),
    }
}

fn kind_of(found: FileType) -> FileKind {
    match found {
        found if found.is_symlink() => FileKind::Symlink,
        found if found.is_file() => FileKind::File,
        found if found.is_dir() => FileKind::Directory,
        _ => FileKind::Other,
    }
}

/// Returns the directory itself; the parent of a bare name is the empty path, which the system does not know.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_help_of_the_file_system_a_taken_name_stays_taken() {
        let dir = tempfile::tempdir().expect("the test has a directory");
        let at = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).expect("it is written");
        write("temp", "new");
        write("taken", "old");
        let refused = rename_if_free(&at("temp"), &at("taken")).map_err(|error| error.kind());
        assert_eq!(
            refused,
            Err(io::ErrorKind::AlreadyExists),
            "it is not replaced"
        );
        rename_if_free(&at("temp"), &at("free")).expect("a free name is given");
        let found = ["temp", "taken", "free"].map(|name| fs::read_to_string(at(name)).ok());
        assert_eq!(
            found,
            [None, Some("old".to_owned()), Some("new".to_owned())],
            "one file moved, and no other changed"
        );
    }

    #[test]
    fn what_lacks_is_told_from_what_fails() {
        let says = |code| may_lack_renaming(&io::Error::from_raw_os_error(code));
        if cfg!(target_os = "linux") {
            for (code, name) in [
                (1, "EPERM"),
                (22, "EINVAL"),
                (31, "EMLINK"),
                (38, "ENOSYS"),
                (95, "EOPNOTSUPP"),
            ] {
                assert!(says(code), "{name} may say that there is no such rename");
            }
            for (code, name) in [(17, "EEXIST"), (2, "ENOENT"), (5, "EIO"), (28, "ENOSPC")] {
                assert!(!says(code), "{name} is a failure");
            }
        }
    }
}
