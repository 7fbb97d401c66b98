//! Bytes on pages that are checked when they are read.
//!
//! ```text
//! | payload: 4092 bytes | crc32 of segment id, page number, payload: u32 LE |   ... and so on; the last is filled with zeros
//! ```
//!
//! **Invariant**: a byte that is read is the one that was written at this place of this segment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_io::{Disk, File, ReadError};

use super::{SegmentError, SegmentId};
use crate::cache::Cache;

const PAGE_BYTES: usize = 4096;

/// Bytes of a page that are not the checksum.
pub(super) const PAYLOAD_BYTES: usize = PAGE_BYTES - 4;

/// Pages are written in parts of this size.
const BUFFER_BYTES: usize = 64 * PAGE_BYTES;

/// Soft bound of the page cache; it may hold twice this.
const PAGE_CACHE_BYTES: usize = 8 << 20;

/// Payload of one page.
type Page = Arc<Vec<u8>>;

/// Verified pages of the segments of a handle.
#[derive(Debug)]
pub(crate) struct PageCache(Cache<(SegmentId, u64), Page>);

impl Default for PageCache {
    fn default() -> Self {
        Self(Cache::new(PAGE_CACHE_BYTES))
    }
}

/// A file of pages, open for reading.
#[derive(Debug)]
pub(super) struct Pages {
    id: SegmentId,
    path: PathBuf,
    file: Box<dyn File>,
    count: u64,
    cache: Arc<PageCache>,
}

impl Pages {
    /// Opens a file of whole pages.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        id: SegmentId,
        cache: &Arc<PageCache>,
    ) -> Result<Self, SegmentError> {
        let path = path.to_owned();
        let file = match disk.open_read(&path) {
            Ok(file) => file,
            Err(ReadError::Io { source, .. }) => return Err(SegmentError::Read { path, source }),
            Err(_) => return Err(SegmentError::Damaged { path }),
        };
        let len = match file.len() {
            Ok(len) => len,
            Err(source) => return Err(SegmentError::Read { path, source }),
        };
        if len % PAGE_BYTES as u64 != 0 {
            return Err(SegmentError::Damaged { path });
        }
        Ok(Self {
            id,
            path,
            file,
            count: len / PAGE_BYTES as u64,
            cache: Arc::clone(cache),
        })
    }

    pub(super) fn id(&self) -> SegmentId {
        self.id
    }

    /// Returns how many pages there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn damaged(&self) -> SegmentError {
        SegmentError::Damaged {
            path: self.path.clone(),
        }
    }

    /// Fills `into` with the bytes from `at` on.
    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> Result<(), SegmentError> {
        let (mut number, mut start) = (
            at / PAYLOAD_BYTES as u64,
            (at % PAYLOAD_BYTES as u64) as usize,
        );
        let mut rest = into;
        while !rest.is_empty() {
            let page = self.page(number)?;
            let taken = rest.len().min(PAYLOAD_BYTES - start);
            let (part, left) = rest.split_at_mut(taken);
            part.copy_from_slice(&page[start..start + taken]);
            (number, start, rest) = (number + 1, 0, left);
        }
        Ok(())
    }

    /// Returns a reader for bytes that lie close to each other.
    pub(super) fn nearby(&self) -> Nearby<'_> {
        Nearby {
            pages: self,
            last: None,
        }
    }

    fn page(&self, number: u64) -> Result<Page, SegmentError> {
        if number >= self.count {
            return Err(self.damaged());
        }
        if let Some(page) = self.cache.0.get(&(self.id, number)) {
            return Ok(page);
        }
        let read = self.file.read_at(number * PAGE_BYTES as u64, PAGE_BYTES);
        let mut bytes = read.map_err(|source| SegmentError::Read {
            path: self.path.clone(),
            source,
        })?;
        let Some((payload, crc)) = bytes.split_last_chunk::<4>() else {
            return Err(self.damaged());
        };
        if payload.len() != PAYLOAD_BYTES
            || checksum(self.id, number, payload) != u32::from_le_bytes(*crc)
        {
            return Err(self.damaged());
        }
        bytes.truncate(PAYLOAD_BYTES);
        let page = Arc::new(bytes);
        self.cache
            .0
            .insert((self.id, number), Arc::clone(&page), PAGE_BYTES);
        Ok(page)
    }
}

/// Reads bytes as [`Pages::read`] does, and remembers the page that it read last: most steps of a search stay on one.
pub(super) struct Nearby<'a> {
    pages: &'a Pages,
    last: Option<(u64, Page)>,
}

impl Nearby<'_> {
    /// Fills `into` with the bytes from `at` on.
    pub(super) fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), SegmentError> {
        let (number, start) = (
            at / PAYLOAD_BYTES as u64,
            (at % PAYLOAD_BYTES as u64) as usize,
        );
        if start + into.len() > PAYLOAD_BYTES {
            return self.pages.read(at, into);
        }
        let page = match &self.last {
            Some((last, page)) if *last == number => page,
            _ => &self.last.insert((number, self.pages.page(number)?)).1,
        };
        into.copy_from_slice(&page[start..start + into.len()]);
        Ok(())
    }
}

fn checksum(id: SegmentId, number: u64, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id);
    crc.update(&number.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

/// A file of pages that is being written.
#[derive(Debug)]
pub(super) struct PageWriter {
    id: SegmentId,
    path: PathBuf,
    file: Box<dyn File>,
    /// Whole pages that are not written yet.
    full: Vec<u8>,
    page: Vec<u8>,
    number: u64,
}

impl PageWriter {
    /// Creates the file; its first page is for the head.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        id: SegmentId,
    ) -> Result<Self, SegmentError> {
        let file = disk
            .create_new(path)
            .map_err(|source| SegmentError::Write {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            id,
            path: path.to_owned(),
            file,
            full: vec![0; PAGE_BYTES],
            page: Vec::with_capacity(PAGE_BYTES),
            number: 1,
        })
    }

    /// Returns the place of the next byte.
    pub(super) fn place(&self) -> u64 {
        self.number * PAYLOAD_BYTES as u64 + self.page.len() as u64
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = rest.len().min(PAYLOAD_BYTES - self.page.len());
            self.page.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if self.page.len() == PAYLOAD_BYTES {
                self.end_page()?;
            }
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), SegmentError> {
        let crc = checksum(self.id, self.number, &self.page);
        self.full.extend_from_slice(&self.page);
        self.full.extend_from_slice(&crc.to_le_bytes());
        self.page.clear();
        self.number += 1;
        if self.full.len() >= BUFFER_BYTES {
            self.write_full()?;
        }
        Ok(())
    }

    fn write_full(&mut self) -> Result<(), SegmentError> {
        let written = self.file.append(&self.full);
        self.full.clear();
        written.map_err(|source| self.failed(source))
    }

    /// Writes what is left, and the head.
    pub(super) fn finish(mut self, head: &[u8]) -> Result<(), SegmentError> {
        if !self.page.is_empty() {
            self.page.resize(PAYLOAD_BYTES, 0);
            self.end_page()?;
        }
        self.write_full()?;
        let mut page = head.to_vec();
        page.resize(PAYLOAD_BYTES, 0);
        let crc = checksum(self.id, 0, &page);
        page.extend_from_slice(&crc.to_le_bytes());
        let written = self.file.write_at(0, &page);
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> SegmentError {
        SegmentError::Write {
            path: self.path.clone(),
            source,
        }
    }
}
