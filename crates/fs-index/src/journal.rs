//! The ingestion journal: which transaction was first seen when, with its bytes.
//!
//! An append-only file. It starts with a head that names it; then come frames (`frame.rs`) of records (`record.rs`).
//!
//! ```text
//! | "tribjnl" 0x01 | journal id: 16 random bytes | crc32 of the 24 bytes before: u32 LE | 4 zero bytes | frames ...
//! ```
//!
//! **Invariant**: a record that was read once is never read otherwise: bytes are only added, by the holder of the
//! write lock, and a journal that cannot be trusted is replaced as a whole, under another id and another epoch.
//! Readers take no lock; they stop before a batch of frames that is not whole yet, so that nobody reads half of what
//! happened: a transaction that went away without the new epoch, an arrival without the new generation.
//!
//! *Not done here*: deciding what arrived and what vanished (`index.rs`).

use std::path::Path;
use std::sync::Arc;

use fs_io::{Disk, File, ReadError, SyncPolicy};

use crate::bytes::Bytes;
use crate::error::IndexError;
use crate::frame::{self, Next};
use crate::layout::Layout;
use crate::record::{self, Record};

const MAGIC: [u8; 8] = *b"tribjnl\x01";
const HEAD: usize = 32;

/// The random name of one journal file.
pub type JournalId = [u8; 16];

/// A read record together with the bytes it lies in.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) payload: Bytes,
}

/// How a look at the journal ended.
#[derive(Debug)]
pub(crate) enum Tail {
    /// These records were added since the last look; `cut` when a batch at the end is not whole.
    Added { entries: Vec<Entry>, cut: bool },
    /// The journal is another one than that read so far: all of it is to be read anew.
    Replaced,
    /// There is no journal, or what is there cannot be trusted.
    Unusable,
}

/// The journal of one handle: which file was read, up to where.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    id: JournalId,
    end: u64,
    /// Whether it holds records that contradict each other.
    refuted: bool,
    writer: Option<Box<dyn File>>,
}

impl Journal {
    /// Returns the id of the journal that was read, once there is one.
    pub(crate) fn id(&self) -> Option<JournalId> {
        self.known.as_ref().map(|known| known.id)
    }

    /// Forgets what was read, so that the next look starts from the beginning.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }

    /// Says that the records read so far contradict each other: there is no use for this journal any more.
    pub(crate) fn refute(&mut self) {
        if let Some(known) = &mut self.known {
            known.refuted = true;
        }
    }

    /// Reads what was added since the last look.
    ///
    /// # Errors
    /// [`IndexError::Read`] when the file is there but cannot be read.
    pub(crate) fn look(&mut self, disk: &dyn Disk, path: &Path) -> Result<Tail, IndexError> {
        let Some(head) = read_range(disk, path, 0, HEAD)? else {
            return Ok(Tail::Unusable);
        };
        let Some(id) = parse_head(&head) else {
            return Ok(Tail::Unusable);
        };
        let from = match &self.known {
            Some(known) if known.id != id => return Ok(Tail::Replaced),
            Some(known) if known.refuted => return Ok(Tail::Unusable),
            Some(known) => known.end,
            None => HEAD as u64,
        };
        let Some(len) = disk
            .stat(path)
            .map_err(|source| IndexError::Read {
                path: path.to_owned(),
                source,
            })?
            .map(|stat| stat.len)
        else {
            return Ok(Tail::Unusable);
        };
        if len < from {
            return Ok(Tail::Unusable);
        }
        let wanted = usize::try_from(len - from).map_err(|_| IndexError::JournalTooLarge {
            path: path.to_owned(),
            len,
        })?;
        let Some(bytes) = read_range(disk, path, from, wanted)? else {
            return Ok(Tail::Unusable);
        };
        let bytes = Arc::new(bytes);
        let (mut entries, mut at, mut cut) = (Vec::new(), 0, false);
        // Where the last whole batch ends, and how many records there are up to there.
        let mut whole = (0, 0);
        loop {
            match frame::next(&bytes[at..]) {
                Next::End => break,
                Next::Cut => {
                    cut = true;
                    break;
                }
                Next::Damaged => return Ok(Tail::Unusable),
                Next::Frame {
                    payload,
                    taken,
                    more,
                } => {
                    let Some(record) = record::parse(payload) else {
                        return Ok(Tail::Unusable);
                    };
                    let range = at + taken - payload.len()..at + taken;
                    entries.push(Entry {
                        record,
                        payload: Bytes::new(Arc::clone(&bytes), range),
                    });
                    at += taken;
                    if !more {
                        whole = (at, entries.len());
                    }
                }
            }
        }
        cut |= whole.0 < at;
        entries.truncate(whole.1);
        let end = from + whole.0 as u64;
        match &mut self.known {
            Some(known) => known.end = end,
            None => {
                self.known = Some(Known {
                    id,
                    end,
                    refuted: false,
                    writer: None,
                })
            }
        }
        Ok(Tail::Added { entries, cut })
    }

    /// Adds a batch of records at the end of what was read; the caller holds the write lock and has just looked.
    ///
    /// A batch that another process began and did not finish is cut off first.
    ///
    /// # Errors
    /// [`IndexError::Write`]; nothing was added then, or what was added in part is cut off by the next writer.
    pub(crate) fn append(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        payloads: &[Vec<u8>],
        sync: SyncPolicy,
    ) -> Result<(), IndexError> {
        let failed = |source| IndexError::Write {
            path: path.to_owned(),
            source,
        };
        let known = self.known.as_mut().ok_or_else(|| IndexError::NoJournal {
            path: path.to_owned(),
        })?;
        let mut bytes = Vec::new();
        frame::push_batch(&mut bytes, payloads);
        if known.writer.is_none() {
            known.writer = Some(disk.open_log(path).map_err(failed)?);
        }
        let writer = known.writer.as_mut().expect("opened just above");
        if writer.len().map_err(failed)? != known.end {
            writer.truncate(known.end).map_err(failed)?;
        }
        writer.append(&bytes).map_err(failed)?;
        if sync == SyncPolicy::Durable {
            writer.sync().map_err(failed)?;
        }
        known.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes a new journal in the place of whatever is there; the caller holds the write lock.
    ///
    /// # Errors
    /// [`IndexError::Replace`]; the old one is still there then.
    pub(crate) fn replace(
        &mut self,
        disk: &dyn Disk,
        layout: &Layout,
        id: JournalId,
        payloads: &[Vec<u8>],
    ) -> Result<(), IndexError> {
        self.known = None;
        let mut bytes = head(id).to_vec();
        frame::push_batch(&mut bytes, payloads);
        let temp = layout
            .temp()
            .join(format!("journal-{}", uuid::Uuid::from_bytes(id)));
        fs_io::replace(disk, &temp, &layout.journal(), &bytes, SyncPolicy::Durable)
            .map_err(IndexError::Replace)?;
        self.known = Some(Known {
            id,
            end: bytes.len() as u64,
            refuted: false,
            writer: None,
        });
        Ok(())
    }
}

fn head(id: JournalId) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..24].copy_from_slice(&id);
    let crc = crc32fast::hash(&head[..24]).to_le_bytes();
    head[24..28].copy_from_slice(&crc);
    head
}

fn parse_head(bytes: &[u8]) -> Option<JournalId> {
    let id: JournalId = bytes.get(8..24)?.try_into().ok()?;
    (bytes == head(id)).then_some(id)
}

fn read_range(
    disk: &dyn Disk,
    path: &Path,
    offset: u64,
    len: usize,
) -> Result<Option<Vec<u8>>, IndexError> {
    match disk.read_range(path, offset, len) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::NotFound { .. }) => Ok(None),
        Err(ReadError::NotAFile { .. }) => Ok(None),
        Err(ReadError::Io { path, source }) => Err(IndexError::Read { path, source }),
        Err(other) => Err(IndexError::Unreadable(other)),
    }
}
