//! The manifest: which segments there are, how far into the journal they reach, and the state and the directories at that place.
//!
//! ```text
//! | "tribman" 0x03 | crc32 of the rest: u32 LE | journal id | covered u64 | mark u32 | segments: list of ids | state | directories |
//! ```
//!
//! **Invariant**: it is replaced as a whole, after the segments that it names are there. A manifest that does not
//! verify, or that belongs to another journal, is none.

use fs_io::{Disk, ReadError, SyncPolicy};

use crate::codec::{Fields, Writer};
use crate::error::IndexError;
use crate::layout::Layout;
use crate::position::JournalId;
use crate::state::State;
use crate::table::segment::SegmentId;
use crate::watch::directories::Directories;

const MAGIC: [u8; 8] = *b"tribman\x03";

/// Larger than any manifest.
const MAX_MANIFEST_BYTES: u64 = 1 << 30;

/// What stands in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) journal_id: JournalId,
    /// Up to where the journal is in the segments and the state.
    pub(crate) covered: u64,
    /// Checksum of the journal's last bytes before that place, which no other journal of this id has there.
    pub(crate) mark: u32,
    /// In order of their numbers.
    pub(crate) segments: Vec<SegmentId>,
    pub(crate) state: State,
    pub(crate) directories: Directories,
}

impl Manifest {
    /// Reads the manifest; `None` when there is none to believe.
    ///
    /// # Errors
    /// [`IndexError::Read`] when it is there and cannot be read.
    pub(crate) fn load(disk: &dyn Disk, layout: &Layout) -> Result<Option<Self>, IndexError> {
        let bytes = match disk.read(&layout.manifest(), MAX_MANIFEST_BYTES) {
            Ok(bytes) => bytes,
            Err(ReadError::Io { path, source }) => return Err(IndexError::Read { path, source }),
            Err(_) => return Ok(None),
        };
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut from = Fields::new(bytes.strip_prefix(&MAGIC)?);
        let crc = from.u32()?;
        if crc32fast::hash(from.rest()) != crc {
            return None;
        }
        let manifest = Self {
            journal_id: from.array()?,
            covered: from.u64()?,
            mark: from.u32()?,
            segments: from.list(Fields::array)?,
            state: State::read(&mut from)?,
            directories: Directories::read(&mut from)?,
        };
        from.rest().is_empty().then_some(manifest)
    }

    /// Puts the manifest in the place of the one that is there; the caller holds the write lock.
    ///
    /// It is not synced: after a power cut it is whole, an older one, or none.
    ///
    /// # Errors
    /// [`IndexError::Replace`] and [`IndexError::InTheWay`].
    pub(crate) fn save(&self, disk: &dyn Disk, layout: &Layout) -> Result<(), IndexError> {
        let mut to = Writer::default();
        to.raw(&self.journal_id).u64(self.covered).u32(self.mark);
        to.list(self.segments.iter(), |to, id| _ = to.raw(id));
        self.state.write(&mut to);
        self.directories.write(&mut to);
        let rest = to.finish();
        let mut to = Writer::default();
        to.raw(&MAGIC).u32(crc32fast::hash(&rest)).raw(&rest);
        let temp = layout.temp().join("manifest");
        fs_io::replace(
            disk,
            &temp,
            &layout.manifest(),
            &to.finish(),
            SyncPolicy::None,
        )
        .map_err(|error| IndexError::not_replaced(disk, &layout.manifest(), error))
    }
}
