//! The ingestion journal: which transaction was first seen when, with its bytes.
//!
//! An append-only file. It starts with a head that names it; then come frames (`frame.rs`) of records (`record.rs`).
//!
//! ```text
//! | head: 512 bytes | frames ...
//!   head: "tribjnl" 0x04 | journal id: 16 random bytes | crc32 of the head with zeros here: u32 LE | two sites, each a length u16 LE and a text | zeros
//! ```
//! The first site is that of the store's directory, the second that of the journal's own file ([`Site`]).
//!
//! **Invariant**: a record that was read once is never read otherwise: bytes are only added, by the holder of the
//! write lock, and a journal that cannot be trusted is replaced as a whole, under another id and another epoch.
//! Readers take no lock; they stop before a batch of frames that is not whole yet, so that nobody reads half of what
//! happened: a transaction that went away without the new epoch, an arrival without the new generation.
//!
//! A journal that [`Site::judge`] takes for a copy is none: it came with a copied directory, or back from a backup, and may lack what was
//! read and appended since. So positions that were given out mean nothing else, and nobody appends as the replica whose last transactions it
//! does not know.
//!
//! Old bytes that were written over the same file (`rsync --inplace`), and a file system that was set back as a whole, make a journal to
//! which nothing was added, and it is gone on with. What was given out since is refused by its running hash (`position.rs`), which each
//! arrival carries on; a handle that has read further notices that what it read last is not there.
//!
//! *Not done here*: deciding what arrived and what vanished (`ingest`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_io::{
    Disk, File, FileId, FileKind, MAX_SITE_BYTES, Ownership, ReadError, Site, Stat, SyncPolicy,
    System,
};

use crate::error::IndexError;
use crate::layout::Layout;
use crate::log::bytes::Bytes;
use crate::log::frame::{self, Next};
use crate::log::record::{self, Record};
use crate::position::JournalId;

const MAGIC: [u8; 8] = *b"tribjnl\x04";
const HEAD: usize = 512;

/// The bytes before a place that tell it from the same place of a journal that was cut and written on.
const MARK_BYTES: u64 = 64;

/// Records of transactions that went away which may always be in a journal.
const SPARE_RECORDS: u64 = 1024;

/// Returns whether a journal with so many arrivals is to be written anew when something goes away, which starts a new epoch anyway:
/// most of what it holds is of transactions that are not there.
///
/// Who switches between branches for years has a journal of twice its transactions at most, and each arrival is copied
/// O(1) times.
pub(crate) fn is_overgrown(arrivals: u64, members: u64) -> bool {
    arrivals > members.saturating_mul(2).saturating_add(SPARE_RECORDS)
}

/// A read record together with the bytes it lies in.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) payload: Bytes,
    /// Where the payload begins in the journal.
    pub(crate) offset: u64,
}

/// How a poll of the journal ended.
#[derive(Debug)]
pub(crate) enum JournalChange {
    /// These records were added since the last poll; `cut` when a batch at the end is not whole.
    Added { entries: Vec<Entry>, cut: bool },
    /// The journal is another one than that read so far.
    Replaced,
    /// It is the journal that was read, and what was read is not there any more: the store was put back to an earlier state.
    PutBack,
    /// There is no journal, or what is there cannot be trusted.
    Unusable,
}

/// The journal of one handle: which file was read, up to where.
#[derive(Debug)]
pub(crate) struct Journal {
    system: System,
    path: Arc<Path>,
    /// The directory whose site tells a journal from a copy of it.
    root: PathBuf,
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    id: JournalId,
    file_id: Option<FileId>,
    reader: Arc<dyn File>,
    end: u64,
    /// The bytes before the end, [`MARK_BYTES`] of them at most.
    last: Vec<u8>,
    /// The times of the file when these were last known to be there.
    stamp: Option<FileStamp>,
    writer: Option<Box<dyn File>>,
}

/// By its times, a file in which bytes were replaced is told from one that is as it was.
type FileStamp = (i64, Option<i64>);

fn stamp_of(stat: &Stat) -> FileStamp {
    (stat.modified_nanos, stat.changed_nanos)
}

impl Known {
    /// Takes note of bytes that were read or written, which go up to the end.
    fn remember(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(
            bytes
                .last_chunk::<{ MARK_BYTES as usize }>()
                .map_or(bytes, |last| last),
        );
        let more = self.last.len().saturating_sub(MARK_BYTES as usize);
        self.last.drain(..more);
    }
}

impl Journal {
    pub(crate) fn new(system: &System, layout: &Layout) -> Self {
        Self {
            system: system.clone(),
            path: layout.journal().into(),
            root: layout.own_root().to_owned(),
            known: None,
        }
    }

    /// Returns the id of the journal that was read, once there is one.
    pub(crate) fn id(&self) -> Option<JournalId> {
        self.known.as_ref().map(|known| known.id)
    }

    /// Returns up to where it was read.
    pub(crate) fn end(&self) -> u64 {
        self.known.as_ref().map_or(HEAD as u64, |known| known.end)
    }

    /// Returns what reads the records that were found so far, also after the file was replaced.
    pub(crate) fn reader(&self) -> JournalReader {
        let known = self.known.as_ref();
        JournalReader {
            path: Arc::clone(&self.path),
            file: known.map(|known| (known.id, Arc::clone(&known.reader))),
        }
    }

    /// Lets the next poll start at `place` again, where a batch begins.
    pub(crate) fn rewind(&mut self, place: u64) {
        let known = self.known.as_mut();
        if let Some(known) = known.filter(|known| place < known.end) {
            known.end = place;
            known.last.clear();
            known.stamp = None;
        }
    }

    /// Forgets what was read, so that the next poll starts from the beginning.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }

    /// Returns the mark of the place up to which it was read.
    ///
    /// # Errors
    /// [`IndexError::Read`].
    pub(crate) fn mark(&self) -> Result<u32, IndexError> {
        let start = self.end().saturating_sub(MARK_BYTES);
        let len = usize::try_from(self.end() - start).expect("it is no more than is marked");
        Ok(crc32fast::hash(&self.reader().read_raw(start, len)?))
    }

    /// Lets the next poll start at `end`, where a batch begins; returns whether it is the journal `id` with that mark.
    ///
    /// # Errors
    /// [`IndexError::Read`] when the file is there but cannot be read.
    pub(crate) fn resume(
        &mut self,
        id: JournalId,
        end: u64,
        mark: u32,
    ) -> Result<bool, IndexError> {
        self.known = None;
        let Some(mut found) = self.open()? else {
            return Ok(false);
        };
        let len = found.reader.len().map_err(|source| self.unread(source))?;
        if found.id != id || len < end {
            return Ok(false);
        }
        found.end = end;
        found.last.clear();
        self.known = Some(found);
        let start = end.saturating_sub(MARK_BYTES);
        let len = usize::try_from(end - start).expect("it is no more than is marked");
        let last = self.reader().read_raw(start, len)?;
        let is_it = crc32fast::hash(&last) == mark;
        if let Some(known) = &mut self.known {
            known.last = last;
        }
        Ok(is_it)
    }

    /// Returns what the file looks like as long as nothing is added to it; `None` where that cannot be told.
    pub(crate) fn known_end(&self) -> Option<JournalEnd> {
        let known = self.known.as_ref()?;
        Some(JournalEnd {
            path: Arc::clone(&self.path),
            file_id: known.file_id?,
            len: known.end,
            stamp: known.stamp?,
        })
    }

    /// Reads what was added since the last poll.
    ///
    /// # Errors
    /// [`IndexError::Read`] when the file is there but cannot be read.
    pub(crate) fn poll(&mut self) -> Result<JournalChange, IndexError> {
        let stat = self.system.disk.stat(&self.path);
        let Some(stat) = stat
            .map_err(|source| self.unread(source))?
            .filter(|stat| stat.kind == FileKind::File)
        else {
            return Ok(JournalChange::Unusable);
        };
        let same = |known: &Known| known.file_id.is_some() && known.file_id == stat.file_id;
        if !self.known.as_ref().is_some_and(same) {
            let Some(found) = self.open()? else {
                return Ok(JournalChange::Unusable);
            };
            match &mut self.known {
                Some(known) if known.id != found.id => return Ok(JournalChange::Replaced),
                Some(known) => {
                    (known.reader, known.file_id) = (found.reader, found.file_id);
                    known.writer = None;
                    known.stamp = None;
                }
                None => self.known = Some(found),
            }
        }
        let Some(known) = &self.known else {
            return Ok(JournalChange::Unusable);
        };
        let (len, from) = (stat.len, known.end);
        if len < from {
            return Ok(JournalChange::PutBack);
        }
        let stamp = Some(stamp_of(&stat));
        if len == from && known.stamp == stamp {
            return Ok(JournalChange::Added {
                entries: Vec::new(),
                cut: false,
            });
        }
        // What was read last is read again: where it is not there, what follows belongs to another past.
        let lead = known.last.len();
        let start = from - lead as u64;
        let wanted = usize::try_from(len - start).map_err(|_| IndexError::JournalTooLarge {
            path: self.path.to_path_buf(),
            len,
        })?;
        let bytes = known
            .reader
            .read_at(start, wanted)
            .map_err(|source| self.unread(source))?;
        if !bytes.starts_with(&known.last) {
            return Ok(JournalChange::PutBack);
        }
        let bytes = Arc::new(bytes);
        let Some((entries, whole, cut)) = entries_in(&bytes, lead, from) else {
            return Ok(JournalChange::Unusable);
        };
        if let Some(known) = &mut self.known {
            known.end = from + whole;
            known.remember(&bytes[lead..lead + usize::try_from(whole).unwrap_or(0)]);
            known.stamp = stamp.filter(|_| known.end == len);
        }
        Ok(JournalChange::Added { entries, cut })
    }

    /// Adds a batch of records at the end of what was read; the caller holds the write lock and has just looked.
    ///
    /// A batch that another process began and did not finish is cut off first. Returns where each payload begins.
    ///
    /// # Errors
    /// [`IndexError::Write`]; nothing was added then, or what was added in part is cut off by the next writer.
    pub(crate) fn append(
        &mut self,
        payloads: &[Vec<u8>],
        sync: SyncPolicy,
    ) -> Result<Vec<u64>, IndexError> {
        let path = &self.path;
        let failed = |source| IndexError::Write {
            path: path.to_path_buf(),
            source,
        };
        let gone = || IndexError::NoJournal {
            path: path.to_path_buf(),
        };
        let known = self.known.as_mut().ok_or_else(gone)?;
        let mut bytes = Vec::new();
        frame::push_batch(&mut bytes, payloads);
        if known.writer.is_none() {
            known.writer = Some(self.system.disk.open_log(path).map_err(failed)?);
        }
        let writer = known.writer.as_mut().expect("opened just above");
        let stat = writer.stat().map_err(failed)?;
        let len = stat.len;
        if len < known.end || stat.file_id != known.file_id {
            // Deleted since the poll; what is there now is not this journal.
            known.writer = None;
            return Err(gone());
        }
        if len > known.end {
            writer.truncate(known.end).map_err(failed)?;
        }
        writer.write_at(known.end, &bytes).map_err(failed)?;
        if sync == SyncPolicy::Durable {
            writer.sync().map_err(failed)?;
        }
        let offsets = offsets(known.end, payloads);
        known.end += bytes.len() as u64;
        known.stamp = writer.stat().ok().map(|stat| stamp_of(&stat));
        known.remember(&bytes);
        Ok(offsets)
    }

    /// Returns where each payload of a new journal begins.
    pub(crate) fn offsets_in_new(payloads: &[Vec<u8>]) -> Vec<u64> {
        offsets(HEAD as u64, payloads)
    }

    /// Writes a new journal in the place of whatever is there; the caller holds the write lock.
    ///
    /// # Errors
    /// [`IndexError::Replace`] and [`IndexError::InTheWay`]; the old one is still there then.
    pub(crate) fn replace(
        &mut self,
        layout: &Layout,
        id: JournalId,
        payloads: &[Vec<u8>],
        sync: SyncPolicy,
    ) -> Result<(), IndexError> {
        self.known = None;
        let size: usize = payloads
            .iter()
            .map(|payload| frame::HEAD + payload.len())
            .sum();
        let mut bytes = Vec::with_capacity(HEAD + size);
        bytes.resize(HEAD, 0);
        frame::push_batch(&mut bytes, payloads);
        let end = bytes.len() as u64;
        let temp = layout
            .temp()
            .join(format!("journal-{}", uuid::Uuid::from_bytes(id)));
        let here = self.site()?;
        let named = |file: &Stat| {
            bytes[..HEAD].copy_from_slice(&head(id, &here, &here.of_file(file)));
            bytes
        };
        fs_io::replace_knowing_itself(self.system.disk.as_ref(), &temp, &self.path, named, sync)
            .map_err(|error| {
                IndexError::not_replaced(self.system.disk.as_ref(), &self.path, error)
            })?;
        self.known = self.open()?.map(|found| Known {
            end,
            last: Vec::new(),
            ..found
        });
        Ok(())
    }

    /// Opens the file; `None` when there is none, or it is no journal, or one that was made as another file.
    fn open(&self) -> Result<Option<Known>, IndexError> {
        let reader = match self.system.disk.open_read(&self.path) {
            Ok(reader) => reader,
            Err(ReadError::NotFound { .. } | ReadError::NotAFile { .. }) => return Ok(None),
            Err(ReadError::Io { path, source }) => return Err(IndexError::Read { path, source }),
            Err(other) => return Err(IndexError::Unreadable(other)),
        };
        let head = reader
            .read_at(0, HEAD)
            .map_err(|source| self.unread(source))?;
        let stat = reader.stat().map_err(|source| self.unread(source))?;
        let Some((id, directory, file)) = parse_head(&head) else {
            return Ok(None);
        };
        let here = self.site()?;
        let is_ours = directory.judge(&here) != Ownership::Copy
            && file.judge(&here.of_file(&stat)) != Ownership::Copy;
        Ok(is_ours.then_some(Known {
            id,
            file_id: stat.file_id,
            reader: reader.into(),
            end: HEAD as u64,
            last: Vec::new(),
            stamp: None,
            writer: None,
        }))
    }

    fn site(&self) -> Result<Site, IndexError> {
        Site::of_directory(&self.system, &self.root).map_err(|source| IndexError::Read {
            path: self.root.clone(),
            source,
        })
    }

    fn unread(&self, source: std::io::Error) -> IndexError {
        IndexError::Read {
            path: self.path.to_path_buf(),
            source,
        }
    }
}

/// A journal as it was when it had been read to its end.
#[derive(Debug)]
pub(crate) struct JournalEnd {
    path: Arc<Path>,
    file_id: FileId,
    len: u64,
    stamp: FileStamp,
}

impl JournalEnd {
    /// Returns whether it is the same file, and nothing was added to it.
    pub(crate) fn holds(&self, disk: &dyn Disk) -> bool {
        let stat = disk.stat(&self.path).ok().flatten();
        stat.is_some_and(|stat| {
            stat.file_id == Some(self.file_id)
                && stat.len == self.len
                && stamp_of(&stat) == self.stamp
        })
    }
}

/// Reads records of a journal. It holds the file open, so it reads on when another journal takes the place of this one.
#[derive(Clone, Debug)]
pub(crate) struct JournalReader {
    path: Arc<Path>,
    /// `None` before there is a journal.
    file: Option<(JournalId, Arc<dyn File>)>,
}

impl JournalReader {
    /// Returns the id of the journal, once there is one.
    pub(crate) fn id(&self) -> Option<JournalId> {
        self.file.as_ref().map(|(id, _)| *id)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether both read the same open file.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.file, &other.file) {
            (Some((_, one)), Some((_, other))) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// Reads the payload that begins at `offset` and has `len` bytes; `None` when it is not what was written there.
    ///
    /// # Errors
    /// [`IndexError::Read`].
    pub(crate) fn read(&self, offset: u64, len: u32) -> Result<Option<Bytes>, IndexError> {
        let taken = frame::HEAD + len as usize;
        let Some(start) = offset.checked_sub(frame::HEAD as u64) else {
            return Ok(None);
        };
        let bytes = Arc::new(self.read_raw(start, taken)?);
        Ok(payload_in(&bytes, 0, len))
    }

    /// Reads bytes for [`payload_in`]; fewer at the end of the journal.
    ///
    /// # Errors
    /// [`IndexError::Read`].
    pub(crate) fn read_raw(&self, start: u64, len: usize) -> Result<Vec<u8>, IndexError> {
        let (_, file) = self.file.as_ref().ok_or_else(|| IndexError::NoJournal {
            path: self.path.to_path_buf(),
        })?;
        file.read_at(start, len).map_err(|source| IndexError::Read {
            path: self.path.to_path_buf(),
            source,
        })
    }
}

/// Returns the payload of `len` bytes whose frame begins at `start` of `bytes`, if it is what was written there.
pub(crate) fn payload_in(bytes: &Arc<Vec<u8>>, start: usize, len: u32) -> Option<Bytes> {
    match frame::next(bytes.get(start..)?) {
        Next::Frame { payload, .. } if payload.len() == len as usize => {
            let from = start + frame::HEAD;
            Some(Bytes::new(Arc::clone(bytes), from..from + payload.len()))
        }
        _ => None,
    }
}

/// Reads the records of whole batches, how many bytes these take, and whether more began; `None` for damage.
///
/// The first of them begins at place `lead` of the bytes, and at place `from` of the journal.
fn entries_in(bytes: &Arc<Vec<u8>>, lead: usize, from: u64) -> Option<(Vec<Entry>, u64, bool)> {
    let (mut entries, mut at, mut cut) = (Vec::new(), lead, false);
    // Where the last whole batch ends, and how many records there are up to there.
    let mut whole = (lead, 0);
    loop {
        match frame::next(&bytes[at..]) {
            Next::End => break,
            Next::Cut => {
                cut = true;
                break;
            }
            Next::Damaged => return None,
            Next::Frame {
                payload,
                taken,
                more,
            } => {
                let record = record::parse(payload)?;
                let start = at + taken - payload.len();
                entries.push(Entry {
                    record,
                    payload: Bytes::new(Arc::clone(bytes), start..at + taken),
                    offset: from + (start - lead) as u64,
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
    Some((entries, (whole.0 - lead) as u64, cut))
}

/// Returns where payloads begin that are written as one batch from `start` on.
fn offsets(start: u64, payloads: &[Vec<u8>]) -> Vec<u64> {
    let mut at = start;
    let offset = |payload: &Vec<u8>| {
        let begins = at + frame::HEAD as u64;
        at = begins + payload.len() as u64;
        begins
    };
    payloads.iter().map(offset).collect()
}

fn head(id: JournalId, directory: &Site, file: &Site) -> [u8; HEAD] {
    let mut bytes = Vec::with_capacity(HEAD);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&id);
    bytes.extend_from_slice(&[0; 4]);
    for site in [directory, file] {
        let text = site.to_string();
        debug_assert!(
            text.len() <= MAX_SITE_BYTES,
            "the text of a site is bounded"
        );
        let len = u16::try_from(text.len()).expect("the text of a site is bounded");
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let mut head = [0; HEAD];
    head[..bytes.len()].copy_from_slice(&bytes);
    let crc = crc32fast::hash(&head).to_le_bytes();
    head[24..28].copy_from_slice(&crc);
    head
}

/// Reads a head: the journal's id, the site of the store's directory and that of the file.
fn parse_head(bytes: &[u8]) -> Option<(JournalId, Site, Site)> {
    let id: JournalId = bytes.get(8..24)?.try_into().ok()?;
    let (directory, rest) = parse_site(bytes.get(28..)?)?;
    let (file, _) = parse_site(rest)?;
    (bytes == head(id, &directory, &file)).then_some((id, directory, file))
}

fn parse_site(bytes: &[u8]) -> Option<(Site, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
    if text.len() > MAX_SITE_BYTES {
        return None;
    }
    Some((Site::parse(std::str::from_utf8(text).ok()?)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let longest = format!(
            "boot={} machine={} device={1} inode={1} born={2} path={1:016x}",
            "b".repeat(64),
            u64::MAX,
            i64::MIN
        );
        let longest = longest.replacen(&u64::MAX.to_string(), &"m".repeat(64), 1);
        let file = format!("passing-inode={} born={}", u64::MAX, i64::MIN);
        for (directory, file) in [("", ""), ("boot=a device=1 inode=2", "inode=3 born=-5")]
            .into_iter()
            .chain([(longest.as_str(), file.as_str())])
        {
            let (directory, file) = (Site::parse(directory).unwrap(), Site::parse(file).unwrap());
            let mut bytes = head([3; 16], &directory, &file);
            assert_eq!(
                parse_head(&bytes),
                Some(([3; 16], directory, file)),
                "a head reads as it was written"
            );
            for at in 0..HEAD {
                bytes[at] ^= 4;
                assert_eq!(parse_head(&bytes), None, "byte {at} is covered");
                bytes[at] ^= 4;
            }
        }
    }
}
