//! The log of the versions before: `local/wal`. It is read, its files are made durable, and it is emptied.
//!
//! ```text
//! slot 0 | "triblog" 0x01 | generation 16 | slots u32 | boot 16 | place 16 | crc32 of all before |     of even generations
//! slot 1 | the same                                                                               |     of odd ones
//! ```
//! The place is the hash of the log's inode and the machine's id. Everything else is as in `frame.rs`.
//!
//! **Invariant**: it is emptied by a head of the next generation only after what it held is durable as files. A program of such a version that
//! runs beside this one finds an empty log, as after a checkpoint of its own; what it appends is taken over by the next turn.

use std::path::{Path, PathBuf};

use fs_io::{FileId, Site, Stat, Step};

use super::Wal;
use super::error::LogError;
use super::frame::{
    FIRST_FRAME, FRAME_HEAD, FRONT, Fields, Frame, Generation, Mark, SLOT, offset_of,
};
use super::log::{Log, mark};
use super::recover::Since;
use crate::error::NewerVersion;
use crate::identity;

const MAGIC: [u8; 8] = *b"triblog\x01";
const HEAD: usize = 64;

/// What a file looks like from outside.
pub(super) type Seen = (Option<FileId>, u64, i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    generation: Generation,
    slots: u32,
    boot: Mark,
    place: Mark,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD)?;
        let mut fields = Fields(bytes);
        let magic: [u8; 8] = fields.array()?;
        let head = Self {
            generation: fields.generation()?,
            slots: fields.u32()?,
            boot: fields.array()?,
            place: fields.array()?,
        };
        (magic == MAGIC && head.encode() == bytes).then_some(head)
    }

    /// Reads the head of the newest generation.
    fn of_front(bytes: &[u8]) -> Option<Self> {
        let heads = [bytes.get(..HEAD), bytes.get(SLOT..SLOT + HEAD)];
        let heads = heads.into_iter().flatten().filter_map(Self::parse);
        heads.max_by_key(|head| head.generation)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.generation.number.to_le_bytes());
        bytes.extend_from_slice(&self.generation.nonce.to_le_bytes());
        bytes.extend_from_slice(&self.slots.to_le_bytes());
        bytes.extend_from_slice(&self.boot);
        bytes.extend_from_slice(&self.place);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }
}

/// Returns what a newer version has made of the former log, if no head of this format is there.
fn newer(path: &Path, front: &[u8]) -> Option<NewerVersion> {
    let slots = [front.get(..8), front.get(SLOT..SLOT + 8)];
    let formats = slots.into_iter().flatten();
    let formats = formats.filter_map(|slot| slot.strip_prefix(&MAGIC[..7])?.first().copied());
    let newest = formats.max().filter(|format| *format > MAGIC[7])?;
    Head::of_front(front).is_none().then(|| NewerVersion {
        path: path.to_owned(),
        format: newest.into(),
        known: MAGIC[7].into(),
    })
}

fn seen(stat: &Stat) -> Seen {
    (stat.file_id, stat.len, stat.modified_nanos)
}

impl Wal {
    fn former_path(&self) -> PathBuf {
        self.layout.local_item("wal")
    }

    fn former_stat(&self) -> Result<Option<Stat>, LogError> {
        let path = self.former_path();
        let stat = self.system.disk.stat(&path);
        stat.map_err(|source| LogError::new(Step::ReadLog, &path, source))
    }

    /// Returns the former log's file if it is of a newer format than it ever had: looks without the lock, and writes nothing.
    pub(super) fn newer_former(&self) -> Option<NewerVersion> {
        let path = self.former_path();
        let front = self.system.disk.read_range(&path, 0, FRONT).ok()?;
        newer(&path, &front)
    }

    /// Returns whether there may be a record in the former log: looks without the lock, and writes nothing.
    pub(super) fn former_wants_recovery(&self) -> bool {
        let (path, disk) = (self.former_path(), self.system.disk.as_ref());
        let first = disk.read_range(&path, offset_of(FIRST_FRAME), FRAME_HEAD);
        let Ok(first) = first else { return false };
        let front = disk.read_range(&path, 0, FRONT).unwrap_or_default();
        match Head::of_front(&front) {
            Some(head) => Frame::announced(&first, head.generation).is_some(),
            None => !first.is_empty(),
        }
    }

    /// Takes over what the former log holds, if it was written to since the last call.
    pub(super) fn take_over_former(&mut self) -> Result<(), LogError> {
        let Some(stat) = self.former_stat()? else {
            return Ok(());
        };
        if self.former_seen == Some(seen(&stat)) {
            return Ok(());
        }
        let mut former = Log::open(self.system.disk.as_ref(), &self.former_path())?;
        let bytes = former.front_bytes()?;
        if let Some(newer) = newer(&self.former_path(), &bytes) {
            return Err(LogError::newer(newer));
        }
        let head = Head::of_front(&bytes);
        let known = head.map(|head| head.generation);
        let frames = former.newest_frames(known)?;
        if !frames.is_empty() {
            let here = self.site()?;
            let is_ours = head.is_some_and(|head| self.is_former_ours(&head, &here, &stat));
            let since = |frame: &Frame| match (is_ours, self.boot == Some(frame.boot)) {
                (true, true) => Since::SameSession,
                (true, false) => Since::Restarted,
                (false, _) => Since::Copied,
            };
            let trust = super::frame::Front::parse(&bytes).trust;
            let lost = self.give_back_from(&former, &frames, since, trust)?;
            self.recovered.extend(lost);
            let emptied = Head {
                generation: self
                    .generation_after(frames[0].generation.max(known.unwrap_or_default()))?,
                slots: head.map_or(FIRST_FRAME, |head| head.slots),
                boot: head.map_or([0; 16], |head| head.boot),
                place: head.map_or([0; 16], |head| head.place),
            };
            let slot = emptied.generation.number % 2;
            former.overwrite(slot * SLOT as u64, &emptied.encode())?;
        }
        self.former_seen = self.former_stat()?.as_ref().map(seen);
        Ok(())
    }

    /// Returns whether a former log is the one of this place: its own file, on this machine or on the one of the former identity.
    fn is_former_ours(&self, head: &Head, here: &Site, stat: &Stat) -> bool {
        let inode = stat.file_id.map_or(0, |id| id.inode);
        let place =
            |machine: Option<&str>| mark(&format!("{inode} {}", machine.unwrap_or_default()));
        if head.place == place(self.system.machine.machine_id.as_deref()) {
            return true;
        }
        let former = identity::former(&self.system, &self.layout);
        former
            .is_some_and(|former| former.is_ours(here) && head.place == place(former.machine_id()))
    }
}
