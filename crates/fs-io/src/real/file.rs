//! A file held open.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::platform;
use crate::disk::{File, Stat};

#[derive(Debug)]
pub(super) struct RealFile {
    file: fs::File,
}

impl RealFile {
    pub(super) fn new(file: fs::File) -> Self {
        Self { file }
    }
}

impl File for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Not opened for appending: Windows could not truncate such a handle.
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        platform::write_at(&self.file, offset, bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        read_range(&self.file, offset, len)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        platform::stat_of(&self.file)
    }
}

/// So many bytes are made room for without a look at what is there.
const SMALL: usize = 1 << 21;

/// Reads up to `len` bytes from `offset` on, whatever others read from the same handle. The memory taken follows what is there, not what was
/// asked for.
pub(super) fn read_range(file: &fs::File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let there = if len > SMALL {
        let there = file.metadata()?.len().saturating_sub(offset);
        usize::try_from(there).unwrap_or(usize::MAX)
    } else {
        len
    };
    let mut bytes = vec![0; there.min(len)];
    let mut filled = 0;
    while filled < bytes.len() {
        match platform::read_at(file, &mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads a file of presumably `len` bytes, and one byte more than `limit` at most.
pub(super) fn read_all(file: &fs::File, len: u64, limit: u64) -> io::Result<Vec<u8>> {
    // One byte of room lets the read that finds the end do without growing the buffer.
    let mut bytes = Vec::with_capacity(
        usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_add(1)
            .min(1 << 24),
    );
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
