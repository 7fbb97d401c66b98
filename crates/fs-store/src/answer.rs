//! Answers about the whole history, kept for the next process.
//!
//! They lie in `index/`, so they may go away at any moment, and nothing is lost but time.
//!
//! **Invariant**: an answer that is given back is the one that was kept, bit by bit.

use fs_format::Header;
use fs_index::{IndexError, Layout, Position, Snapshot};
use fs_io::{Disk, SyncPolicy};

use crate::error::RefreshError;
use crate::store::FileEventStore;

impl FileEventStore {
    /// Returns the headers of the transactions that were ingested after a position, in ingestion order, without loading the
    /// history; `None` when what the position stands on is not there any more, or they are more than `most`.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn headers_since(
        &self,
        since: Position,
        most: usize,
    ) -> Result<Option<Vec<Header>>, RefreshError> {
        self.inner
            .ask(|snapshot| headers_since(snapshot, since, most))
    }

    /// Returns the answer that was kept under a name, if it is there and whole.
    pub fn kept_answer(&self, name: &str) -> Option<Vec<u8>> {
        kept(self.inner.system.disk.as_ref(), &self.inner.layout, name)
    }

    /// Keeps an answer under a name, in the place of the one before. Where that fails, there is none.
    pub fn keep_answer(&self, name: &str, answer: &[u8]) {
        let layout = &self.inner.layout;
        let path = layout.index().join(name);
        let process = self.inner.system.machine.process_id;
        let temp = layout.temp().join(format!("{name}-{process}"));
        let mut bytes = answer.to_vec();
        bytes.extend_from_slice(&crc32fast::hash(answer).to_le_bytes());
        let disk = self.inner.system.disk.as_ref();
        if let Err(error) = fs_io::replace(disk, &temp, &path, &bytes, SyncPolicy::None) {
            tracing::debug!(%error, name, "the next process will have to work it out again");
        }
    }
}

pub(crate) fn headers_since(
    snapshot: &Snapshot,
    since: Position,
    most: usize,
) -> Result<Option<Vec<Header>>, IndexError> {
    match snapshot.sequence_of(since) {
        Ok(since) => snapshot.headers_after(since.number(), most),
        Err(IndexError::Stale(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn kept(disk: &dyn Disk, layout: &Layout, name: &str) -> Option<Vec<u8>> {
    let path = layout.index().join(name);
    let mut bytes = disk.read(&path, fs_format::limits::MAX_FILE_BYTES).ok()?;
    let (answer, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(answer).to_le_bytes() != *checksum {
        return None;
    }
    bytes.truncate(bytes.len() - 4);
    Some(bytes)
}
