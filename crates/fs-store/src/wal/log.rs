//! The log's file: making it, reading it on, starting it anew.
//!
//! **Invariant**: a log appears under its name whole and durable, or not at all; bytes of one generation are written once, after all that were
//! there before. Only the holder of the write lock calls anything here.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use fs_format::TransactionId;
use fs_index::Layout;
use fs_io::{Disk, File, FileId, Site, Stat, Step, System};
use sha2::{Digest, Sha256};

use super::error::LogError;
use super::frame::{
    FIRST_FRAME, FRAME_HEAD, FRONT, Frame, Front, Generation, LogHead, Mark, Record, SLOT,
    offset_of,
};

/// Slots of a log when it is made: enough for a few calls of a command line.
const FIRST_SLOTS: u32 = 16;

/// A log without room grows by this factor ...
const GROWTH: u32 = 8;

/// ... up to so many slots, unless a single frame needs more: 1,000 frames, the bytes they may hold, and the head.
const MOST_SLOTS: u32 = 1280;

/// A transaction that a power cut may take from `events/`, and that the log would give back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    pub(super) record: Record,
    pub(super) written: i64,
}

/// A log held open.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Box<dyn File>,
    pub(super) file_id: Option<FileId>,
    /// The head as it was last read or written.
    pub(super) head: LogHead,
    /// The first slot that no frame of this generation takes.
    pub(super) next: u32,
    /// What the frames of this generation hold, in their order.
    pub(super) live: Vec<Live>,
    /// How many bytes of transactions these are.
    pub(super) bytes: usize,
    /// How many of them, from the first on, are known to have been published.
    pub(super) published: usize,
    /// How many there were before the newest frame.
    pub(super) newest_frame: usize,
    /// Transactions whose records stand for nothing any more.
    pub(super) let_go: BTreeSet<TransactionId>,
}

impl Log {
    /// Opens the log, having read nothing of it.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, LogError> {
        let failed = |source| LogError::new(Step::ReadLog, path, source);
        let file = disk.open_log(path).map_err(failed)?;
        let file_id = file.stat().map_err(failed)?.file_id;
        let head = LogHead {
            generation: Generation::default(),
            slots: 0,
            directory: Site::default(),
            file: Site::default(),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            file_id,
            head,
            next: FIRST_FRAME,
            live: Vec::new(),
            bytes: 0,
            published: 0,
            newest_frame: 0,
            let_go: BTreeSet::new(),
        })
    }

    /// Makes an empty log durably, in the place of one that may be there.
    pub(super) fn create(
        system: &System,
        layout: &Layout,
        here: &Site,
        generation: Generation,
        slots: u32,
    ) -> Result<Self, LogError> {
        let disk = system.disk.as_ref();
        let path = path_of(layout);
        let failed = |step, source| LogError::new(step, &path, source);
        let temp = layout.temp().join(format!("log-{:016x}", generation.nonce));
        let mut head = LogHead {
            generation,
            slots,
            directory: here.clone(),
            file: Site::default(),
        };
        let written = disk.create_new(&temp).and_then(|mut file| {
            head.file = here.of_file(&file.stat()?);
            // Zeros are written, not only reserved: else the first sync of each page would wait for the file system's own journal.
            let mut bytes = vec![0; usize::try_from(head.offset()).unwrap_or(0)];
            bytes.extend(head.encode());
            bytes.resize(slots as usize * SLOT, 0);
            file.append(&bytes)?;
            file.sync()
        });
        if let Err(source) = written {
            let _ = disk.remove_file(&temp);
            return Err(failed(Step::WriteLog, source));
        }
        if let Err(source) = disk.rename_over(&temp, &path) {
            let _ = disk.remove_file(&temp);
            return Err(failed(Step::Rename, source));
        }
        let synced = disk.sync_dir(&layout.local());
        let mut log = Self::open(disk, &path)?;
        log.head = head;
        if let Err(source) = synced {
            log.suspect();
            return Err(failed(Step::SyncDirectory, source));
        }
        Ok(log)
    }

    /// Returns how many slots a log is to have that has to hold a frame of so many.
    pub(super) fn slots_for(now: u32, frame: u32) -> u32 {
        let grown = now.saturating_mul(GROWTH).clamp(FIRST_SLOTS, MOST_SLOTS);
        grown.max(now).max(FIRST_FRAME + frame)
    }

    /// Returns the bytes before the frames as they are now.
    pub(super) fn front_bytes(&self) -> Result<Vec<u8>, LogError> {
        self.read(0, FRONT)
    }

    /// Reads what stands before the frames as it is now.
    pub(super) fn read_front(&self) -> Result<Front, LogError> {
        self.front_bytes().map(|bytes| Front::parse(&bytes))
    }

    /// Takes over a head that another process wrote.
    pub(super) fn begin(&mut self, head: LogHead) {
        self.head = head;
        self.next = FIRST_FRAME;
        self.live.clear();
        self.bytes = 0;
        self.published = 0;
        self.newest_frame = 0;
        self.let_go.clear();
    }

    /// Reads the frames that follow those that are known.
    ///
    /// In one boot every process sees what any other wrote, so the first slot without a frame of this generation is the end.
    pub(super) fn read_on(&mut self) -> Result<(), LogError> {
        while self.next < self.head.slots {
            let head = self.read(offset_of(self.next), FRAME_HEAD)?;
            let Some(len) = Frame::announced(&head, self.head.generation) else {
                break;
            };
            let bytes = self.read(offset_of(self.next), FRAME_HEAD + len)?;
            let Some(frame) = Frame::parse(&bytes, self.next) else {
                break;
            };
            self.take(&frame);
        }
        Ok(())
    }

    /// Returns the frames of the newest generation there is, where `head` is that of the head: a frame may be newer than a head that the power
    /// cut kept from being written.
    pub(super) fn newest_frames(&self, head: Option<Generation>) -> Result<Vec<Frame>, LogError> {
        let failed = |source| LogError::new(Step::ReadLog, &self.path, source);
        let len = usize::try_from(self.file.len().map_err(failed)?).unwrap_or(usize::MAX);
        Ok(newest_frames_in(&self.read(0, len)?, head))
    }

    /// Returns what the system knows of the file.
    pub(super) fn stat(&self) -> Result<Stat, LogError> {
        let stat = self.file.stat();
        stat.map_err(|source| LogError::new(Step::ReadLog, &self.path, source))
    }

    /// Returns whether there is a frame of a generation, whole or not.
    pub(super) fn holds_any(&self, generation: Generation) -> Result<bool, LogError> {
        let head = self.read(offset_of(FIRST_FRAME), FRAME_HEAD)?;
        Ok(Frame::announced(&head, generation).is_some())
    }

    /// Writes a few bytes over what is there, durably.
    pub(super) fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LogError> {
        let written = self.file.write_at(offset, bytes);
        self.synced(written)
    }

    /// Returns the bytes of a transaction.
    pub(super) fn bytes_of(&self, record: &Record) -> Result<Vec<u8>, LogError> {
        self.read(record.offset, record.len)
    }

    /// Writes a frame behind the others and makes it durable.
    pub(super) fn write(&mut self, frame: &[u8]) -> Result<(), LogError> {
        let written = self.file.write_at(offset_of(self.next), frame);
        let outcome = self.synced(written);
        if outcome.is_ok() {
            let frame = Frame::parse(frame, self.next).expect("it was encoded for this slot");
            self.take(&frame);
        }
        outcome
    }

    /// Starts a new generation, of which there is no frame yet, durably.
    pub(super) fn renew(&mut self, here: &Site, generation: Generation) -> Result<(), LogError> {
        let stat = self.stat()?;
        let head = LogHead {
            generation,
            slots: self.head.slots,
            directory: here.clone(),
            file: here.of_file(&stat),
        };
        let written = self.file.write_at(head.offset(), &head.encode());
        self.begin(head);
        self.synced(written)
    }

    /// Says in the log itself that a sync has failed, for whoever comes next: from now on what is read may be other than what would survive a
    /// power cut, so this file is not written to any more.
    ///
    /// The mark need not survive one itself: then everything is compared anyway.
    pub(super) fn suspect(&mut self) {
        let (offset, mark) = Front::suspicion();
        let _ = self.file.write_at(offset, &mark);
    }

    fn take(&mut self, frame: &Frame) {
        self.next += frame.slots();
        self.newest_frame = self.live.len();
        self.bytes += frame.len;
        let live = |record: &Record| Live {
            record: *record,
            written: frame.written,
        };
        self.live.extend(frame.records.iter().map(live));
    }

    /// Syncs what was written; a failure of either leaves a suspect log.
    fn synced(&mut self, written: io::Result<()>) -> Result<(), LogError> {
        let (step, outcome) = match written {
            Ok(()) => (Step::SyncLog, self.file.sync()),
            Err(error) => (Step::WriteLog, Err(error)),
        };
        outcome.map_err(|source| {
            self.suspect();
            LogError::new(step, &self.path, source)
        })
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, LogError> {
        self.file
            .read_at(offset, len)
            .map_err(|source| LogError::new(Step::ReadLog, &self.path, source))
    }
}

/// Returns the frames of the newest generation in the bytes of a log; every slot is looked at, since a power cut may have spared any.
pub(super) fn newest_frames_in(bytes: &[u8], head: Option<Generation>) -> Vec<Frame> {
    let (mut frames, mut slot) = (Vec::new(), FIRST_FRAME);
    while let Some(rest) = bytes
        .get(slot as usize * SLOT..)
        .filter(|rest| !rest.is_empty())
    {
        let frame = Frame::parse(rest, slot);
        slot += frame.as_ref().map_or(1, Frame::slots);
        frames.extend(frame);
    }
    let generations = frames.iter().map(|frame| frame.generation);
    let newest = generations.chain(head).max();
    frames.retain(|frame| Some(frame.generation) == newest);
    frames
}

/// Returns where the log of a store lies.
pub(super) fn path_of(layout: &Layout) -> PathBuf {
    layout.local_item("log")
}

/// Returns 16 bytes that stand for a text.
pub(super) fn mark(text: &str) -> Mark {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut mark = [0; 16];
    mark.copy_from_slice(&hash[..16]);
    mark
}
