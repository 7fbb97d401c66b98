//! Protocols that lack something, made of the right one by a disk that does not do what it is told.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_io::{
    Created, DirEntry, Disk, File, LockError, LockGuard, ReadError, RenameError, Stat, Wait,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// The checkpoint does not sync directories.
    NoDirectorySync,
    /// The checkpoint does not sync files.
    NoFileSync,
    /// The log is not synced before the answer.
    AnswerBeforeSync,
    /// Frames are believed whatever their checksum says.
    NoChecksum,
    /// A sync that failed is done again, and believed.
    RetriedSync,
}

#[derive(Debug)]
pub(crate) struct BrokenDisk {
    disk: Arc<dyn Disk>,
    broken: Broken,
}

#[derive(Debug)]
struct BrokenFile {
    file: Box<dyn File>,
    broken: Broken,
    is_log: bool,
}

impl BrokenDisk {
    pub(crate) fn new(disk: Arc<dyn Disk>, broken: Broken) -> Self {
        Self { disk, broken }
    }

    fn file(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File> {
        let (broken, is_log) = (self.broken, path.ends_with("local/log"));
        Box::new(BrokenFile {
            file,
            broken,
            is_log,
        })
    }

    fn retried(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match sync() {
            Err(_) if self.broken == Broken::RetriedSync => sync(),
            outcome => outcome,
        }
    }
}

impl Disk for BrokenDisk {
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
        self.disk.open_read(path)
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
        self.retried(|| self.disk.sync_file(path))
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.retried(|| self.disk.sync_dir(path))
    }
    fn sync_all(&self, files: &[PathBuf], directories: &[PathBuf]) -> io::Result<()> {
        self.retried(|| match self.broken {
            Broken::NoDirectorySync => self.disk.sync_all(files, &[]),
            Broken::NoFileSync => self.disk.sync_all(&[], directories),
            _ => self.disk.sync_all(files, directories),
        })
    }
    fn lock(&self, path: &Path, wait: Wait) -> Result<LockGuard, LockError> {
        self.disk.lock(path, wait)
    }
}

impl File for BrokenFile {
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
        let mut bytes = self.file.read_at(offset, len)?;
        if self.broken == Broken::NoChecksum && self.is_log {
            correct(&mut bytes);
        }
        Ok(bytes)
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }
    fn sync(&mut self) -> io::Result<()> {
        match self.broken {
            Broken::AnswerBeforeSync if self.is_log => Ok(()),
            Broken::RetriedSync => self.file.sync().or_else(|_| self.file.sync()),
            _ => self.file.sync(),
        }
    }
    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }
}

/// Gives every frame in these bytes of the log the checksum that it should have.
fn correct(bytes: &mut [u8]) {
    for slot in (0..bytes.len()).step_by(4096) {
        let frame = &mut bytes[slot..];
        if !frame.starts_with(b"tribfrm\x01") || frame.len() < 64 {
            continue;
        }
        let len = u32::from_le_bytes(frame[28..32].try_into().unwrap()) as usize;
        if let Some(records) = frame.get(64..64 + len) {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&frame[..60]);
            hasher.update(records);
            frame[60..64].copy_from_slice(&hasher.finalize().to_le_bytes());
        }
    }
}
