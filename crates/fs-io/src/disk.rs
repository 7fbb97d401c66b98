//! The single operations of a file system that the store is built on.
//!
//! **Invariant:** nothing here follows a symbolic link in the last component of a path, and nothing combines two operations: what
//! needs an order (write, then sync, then rename) is a protocol on top.

use std::ffi::OsString;
use std::fmt::{self, Debug};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{ReadError, RenameError, says_nothing_is_there};
use crate::lock::{LockError, LockGuard, Wait};
use crate::watch::{Changed, Watch};

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, or a junction on Windows.
    Symlink,
    /// A pipe, a socket, a device.
    Other,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Other => "a special file",
        })
    }
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without the directory.
    pub name: OsString,
    /// What stands under it.
    pub kind: FileKind,
}

/// The identity of a file or directory on one machine, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The device, or the volume's serial number on Windows.
    pub device: u64,
    /// The inode, or the file index on Windows.
    pub inode: u64,
}

/// What the file system knows of a name, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What stands there.
    pub kind: FileKind,
    /// The length in bytes; of no meaning but for regular files.
    pub len: u64,
    /// When the content was last changed, in nanoseconds since 1970, as coarse as the file system's clock.
    pub modified_nanos: i64,
    /// When the content or the attributes were last changed (`ctime`), where the system knows.
    pub changed_nanos: Option<i64>,
    /// When the file was made, where the system knows and lets nobody give it to another file: not on Windows. With it, a file can be told
    /// from a later one that was given the same inode.
    pub born_nanos: Option<i64>,
    /// The identity, where the system tells.
    pub file_id: Option<FileId>,
}

/// Whether [`Disk::create_dir`] had anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The directory was made by this call; its name is not durable before [`Disk::sync_dir`] of its parent.
    New,
    /// It was there.
    AlreadyThere,
}

/// A file system.
///
/// Paths may be absolute or relative to the current directory. All methods may be called from several threads.
pub trait Disk: Send + Sync + Debug {
    /// Creates a directory, unless it is there.
    ///
    /// # Errors
    /// Also when something else, a link to a directory included, stands under that name.
    fn create_dir(&self, path: &Path) -> io::Result<Created>;

    /// Creates a file that is not there yet and opens it for writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when anything, a dangling link included, stands under that name.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens a file for reading and appending, and creates it when it is missing.
    ///
    /// # Errors
    /// Also when something other than a regular file stands under that name.
    fn open_log(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens a regular file for reading alone.
    ///
    /// # Errors
    /// As [`Disk::read`], without the limit.
    fn open_read(&self, path: &Path) -> Result<Box<dyn File>, ReadError>;

    /// Returns the whole content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError::TooLarge`] from the length before reading, and again if the file grows beyond the limit meanwhile.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError>;

    /// Returns the content of a regular file, as long as it was when it was opened, with what was said of it then.
    ///
    /// # Errors
    /// As [`Disk::read`].
    fn read_as_said(&self, path: &Path, limit: u64) -> Result<(Vec<u8>, Stat), ReadError> {
        let file = self.open_read(path)?;
        let stat = file.stat();
        let stat = stat.map_err(|source| ReadError::from_io(path, source))?;
        let len = ReadError::check(path, stat.len, limit)?;
        let bytes = file.read_at(0, len);
        let bytes = bytes.map_err(|source| ReadError::from_io(path, source))?;
        Ok((bytes, stat))
    }

    /// Returns up to `len` bytes of a regular file from `offset` on: fewer at its end, none beyond it.
    ///
    /// # Errors
    /// As [`Disk::read`], without the limit.
    fn read_range(&self, path: &Path, offset: u64, len: usize) -> Result<Vec<u8>, ReadError>;

    /// Returns the names in a directory, sorted.
    ///
    /// Costs no look at the entries themselves where the system tells their kinds with their names.
    ///
    /// # Errors
    /// Also when the path is a link to a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Returns what stands under a name, or `None` when nothing does.
    ///
    /// # Errors
    /// When the system does not say, a missing name apart.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;

    /// Returns what stands under each of many names below a directory, in their order, as [`Disk::stat`] does; `""` is the
    /// directory itself. Where it costs more, nothing is said of when something came to be.
    fn stat_all(&self, dir: &Path, names: &[&str]) -> Vec<io::Result<Option<Stat>>> {
        let stat = |name: &&str| match *name {
            "" => self.stat(dir),
            name => self.stat(&dir.join(name)),
        };
        names.iter().map(stat).collect()
    }

    /// Returns whether files of the file system that `path` lies on have the same inodes after it was mounted again, as far as is known.
    fn keeps_inodes(&self, path: &Path) -> bool {
        let _ = path;
        true
    }

    /// Returns the path of a file or directory without links on the way there, where the disk has links.
    ///
    /// # Errors
    /// When nothing is there, or the system does not say.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    /// Renames a file atomically if the new name is free. Where the system cannot do both in one, it looks first, so that the callers need a
    /// lock around this.
    ///
    /// # Errors
    /// [`RenameError::AlreadyExists`] when it is not; then the file keeps its old name.
    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), RenameError>;

    /// Renames a file atomically, replacing a file of the new name.
    ///
    /// # Errors
    /// When the system refuses.
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name of a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it is not there.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes the content of a regular file durable that is not held open.
    ///
    /// # Errors
    /// When the sync fails. Not to be repeated: the next sync would say that all is well.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable; nothing to do where directories cannot be synced (Windows).
    ///
    /// # Errors
    /// As [`Disk::sync_file`].
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the content of these files and the names in these directories durable, all on one file system.
    ///
    /// What is not there any more is passed over. Many at once may cost one sync of the whole file system.
    ///
    /// # Errors
    /// When a sync fails: any of them may not be durable. Not to be repeated, as [`Disk::sync_file`].
    fn sync_all(&self, files: &[PathBuf], directories: &[PathBuf]) -> io::Result<()> {
        let unless_gone = |synced: io::Result<()>| match synced {
            Err(error) if says_nothing_is_there(&error) => Ok(()),
            synced => synced,
        };
        for file in files {
            unless_gone(self.sync_file(file))?;
        }
        for directory in directories {
            unless_gone(self.sync_dir(directory))?;
        }
        Ok(())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is not there, not empty, or not a directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock that a file stands for, and creates the file when it is missing.
    ///
    /// The lock is the operating system's: it ends with the process, however that ends. It excludes every other caller, in this
    /// process and in others, whose path names the same file. The file names its holder for those who wait; it may be deleted
    /// while nobody holds the lock.
    ///
    /// # Errors
    /// [`LockError::Busy`] when it is held and `wait` is over.
    fn lock(&self, path: &Path, wait: Wait) -> Result<LockGuard, LockError>;

    /// Starts a watch, over no directory yet, that calls `changed` after something changed.
    ///
    /// A disk need not be able to: by default it is not, and whoever waits for changes looks at intervals.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] from a disk that has no events, and when the system has no more watches to give.
    fn watch(&self, changed: Changed) -> io::Result<Box<dyn Watch>> {
        drop(changed);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file held open by the one who writes it.
#[expect(
    clippy::len_without_is_empty,
    reason = "a log is asked for its end, never whether it is empty"
)]
pub trait File: Send + Sync + Debug {
    /// Writes at the end of the file. A failed call may have written a part.
    ///
    /// Where the end is, is looked up first: two writers at once need a lock around this.
    ///
    /// # Errors
    /// When the system refuses, for instance because the disk is full.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes at `offset`, over what is there; beyond the end, the gap is filled with zeros.
    ///
    /// A failed call may have written a part. Before the next sync, a power cut may leave any of the sectors of 512 bytes old or new.
    /// Over bytes that were written and synced before, it changes no metadata that a sync would have to wait for.
    ///
    /// # Errors
    /// As [`File::append`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    fn len(&self) -> io::Result<u64>;

    /// Returns up to `len` bytes from `offset` on: fewer at the end of the file. Several threads may read at once.
    ///
    /// # Errors
    /// When reading fails.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Cuts the file to `len` bytes, or extends it with zeros.
    ///
    /// # Errors
    /// When the system refuses.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Makes the content durable, but not the name of a new file. Times and other attributes need not be: where the length stays, this is
    /// one write of data.
    ///
    /// # Errors
    /// When the data may be lost. Not to be repeated: the next sync would say that all is well.
    fn sync(&mut self) -> io::Result<()>;

    /// Returns what the system knows of this file, even when its name is another's by now.
    ///
    /// # Errors
    /// When the system does not say.
    fn stat(&self) -> io::Result<Stat>;
}
