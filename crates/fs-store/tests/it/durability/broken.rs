//! Protocols that lack something, made of the right one by a disk that does not do what it is told.

use std::io;
use std::path::{Path, PathBuf};

use fs_io::{Disk, File};
use fs_testing::Interposer;

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

impl Broken {
    fn retried(self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match sync() {
            Err(_) if self == Self::RetriedSync => sync(),
            outcome => outcome,
        }
    }
}

impl Interposer for Broken {
    fn read_at(
        &self,
        path: &Path,
        file: &dyn File,
        offset: u64,
        len: usize,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = file.read_at(offset, len)?;
        if *self == Self::NoChecksum && is_log(path) {
            correct(&mut bytes);
        }
        Ok(bytes)
    }

    fn sync(&self, path: &Path, file: &mut dyn File) -> io::Result<()> {
        match self {
            Self::AnswerBeforeSync if is_log(path) => Ok(()),
            Self::RetriedSync => file.sync().or_else(|_| file.sync()),
            _ => file.sync(),
        }
    }

    fn sync_file(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        self.retried(|| disk.sync_file(path))
    }

    fn sync_dir(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        self.retried(|| disk.sync_dir(path))
    }

    fn sync_all(
        &self,
        disk: &dyn Disk,
        files: &[PathBuf],
        directories: &[PathBuf],
    ) -> io::Result<()> {
        self.retried(|| match self {
            Self::NoDirectorySync => disk.sync_all(files, &[]),
            Self::NoFileSync => disk.sync_all(&[], directories),
            _ => disk.sync_all(files, directories),
        })
    }
}

fn is_log(path: &Path) -> bool {
    path.ends_with("local/log")
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
