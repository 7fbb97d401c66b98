//! A disk that does some things otherwise than the one below it.
//!
//! **Invariant**: what an [`Interposer`] leaves out is done by the disk below, unchanged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_io::{
    Created, DirEntry, Disk, File, LockError, LockGuard, ReadError, RenameError, Stat, Wait,
};

/// What is done otherwise than by the disk below. Each method passes on what is asked, unless it is implemented.
pub trait Interposer: std::fmt::Debug + Send + Sync + 'static {
    /// Reads from a file that is open.
    ///
    /// # Errors
    /// As [`File::read_at`].
    fn read_at(
        &self,
        _path: &Path,
        file: &dyn File,
        offset: u64,
        len: usize,
    ) -> io::Result<Vec<u8>> {
        file.read_at(offset, len)
    }

    /// Syncs a file that is open.
    ///
    /// # Errors
    /// As [`File::sync`].
    fn sync(&self, _path: &Path, file: &mut dyn File) -> io::Result<()> {
        file.sync()
    }

    /// Syncs a file by its name.
    ///
    /// # Errors
    /// As [`Disk::sync_file`].
    fn sync_file(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.sync_file(path)
    }

    /// Syncs a directory.
    ///
    /// # Errors
    /// As [`Disk::sync_dir`].
    fn sync_dir(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.sync_dir(path)
    }

    /// Syncs files and directories together.
    ///
    /// # Errors
    /// As [`Disk::sync_all`].
    fn sync_all(
        &self,
        disk: &dyn Disk,
        files: &[PathBuf],
        directories: &[PathBuf],
    ) -> io::Result<()> {
        disk.sync_all(files, directories)
    }
}

/// A disk with an [`Interposer`] before it.
#[derive(Debug)]
pub struct Interposed<I> {
    disk: Arc<dyn Disk>,
    interposer: Arc<I>,
}

#[derive(Debug)]
struct InterposedFile<I> {
    file: Box<dyn File>,
    path: PathBuf,
    interposer: Arc<I>,
}

impl<I: Interposer> Interposed<I> {
    /// Puts an interposer before a disk.
    pub fn new(disk: Arc<dyn Disk>, interposer: Arc<I>) -> Self {
        Self { disk, interposer }
    }

    fn file(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(InterposedFile {
            file,
            path: path.to_owned(),
            interposer: Arc::clone(&self.interposer),
        })
    }
}

impl<I: Interposer> Disk for Interposed<I> {
    fn create_dir(&self, path: &Path) -> io::Result<Created> {
        self.disk.create_dir(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.file(path, self.disk.create_new(path)?))
    }

    fn open_log(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.file(path, self.disk.open_log(path)?))
    }

    fn open_read(&self, path: &Path) -> Result<Box<dyn File>, ReadError> {
        Ok(self.file(path, self.disk.open_read(path)?))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.disk.read(path, limit)
    }

    fn read_range(&self, path: &Path, offset: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        self.disk.read_range(path, offset, len)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.disk.stat(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), RenameError> {
        self.disk.rename_new(from, to)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename_over(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.interposer.sync_file(self.disk.as_ref(), path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.interposer.sync_dir(self.disk.as_ref(), path)
    }

    fn sync_all(&self, files: &[PathBuf], directories: &[PathBuf]) -> io::Result<()> {
        let disk = self.disk.as_ref();
        self.interposer.sync_all(disk, files, directories)
    }

    fn lock(&self, path: &Path, wait: Wait) -> Result<LockGuard, LockError> {
        self.disk.lock(path, wait)
    }
}

impl<I: Interposer> File for InterposedFile<I> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = self.file.as_ref();
        self.interposer.read_at(&self.path, file, offset, len)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.interposer.sync(&self.path, self.file.as_mut())
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }
}
