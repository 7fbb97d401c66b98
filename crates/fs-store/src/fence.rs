//! Keeping programs of eventcore-fs out of a store that Tributary writes.
//!
//! They see the files of formats 1 and 2 alone, and append to the newest of those without knowing of anything written
//! since. The fence makes them refuse to open.

use fs_format::{FENCE, FENCE_NAME, TransactionId, limits};
use fs_io::{PublishError, Published, ReadError, SyncPolicy};

use crate::error::AppendError;
use crate::store::FileEventStore;

/// A fence that was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FenceError {
    /// The turn to write did not come, or the store may not be written to.
    #[error(transparent)]
    NotBegun(#[from] AppendError),
    /// The file could not be written, or one with another content has its name.
    #[error(
        "the fence could not be written; move away what has its name, if anything, and try again"
    )]
    Publish(#[source] PublishError),
}

impl FileEventStore {
    /// Writes the fence into `events/`, over which eventcore-fs refuses to open the store; returns whether it is new.
    ///
    /// It is to be committed like transactions.
    ///
    /// # Errors
    /// [`FenceError`].
    pub fn fence(&self) -> Result<bool, FenceError> {
        let turn = self.inner.begin()?;
        let (system, layout) = (&turn.inner.system, &turn.inner.layout);
        let temp = format!("fence-{}", system.machine.process_id);
        let published = fs_io::publish(
            system.disk.as_ref(),
            &layout.temp().join(temp),
            &layout.event_file(FENCE_NAME),
            FENCE.as_bytes(),
            SyncPolicy::Durable,
        );
        Ok(published.map_err(FenceError::Publish)? == Published::New)
    }

    /// Returns whether a transaction is the first of its writer in a store that a program of eventcore-fs has written too, or follows
    /// what such a program wrote, and no fence keeps it from writing beside it.
    ///
    /// # Errors
    /// When the file of the transaction cannot be read.
    pub fn wants_fence(&self, transaction_id: TransactionId) -> Result<bool, ReadError> {
        let (disk, layout) = (self.inner.system.disk.as_ref(), &self.inner.layout);
        let is_there = |name: &str| matches!(disk.stat(&layout.event_file(name)), Ok(Some(_)));
        if is_there(FENCE_NAME) {
            return Ok(false);
        }
        let path = layout.event_file(&transaction_id.relative_path());
        let bytes = disk.read(&path, limits::MAX_FILE_BYTES)?;
        let header = fs_format::decode_header(&bytes);
        Ok(header.is_ok_and(|header| {
            let is_first = header.replica_seq == Some(1) && self.inner.snapshot().has_flat_files();
            let mut parents = header.parents.iter();
            is_first || parents.any(|parent| is_there(&parent.transaction_id.file_name()))
        }))
    }
}
