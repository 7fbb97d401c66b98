//! Checkpoints of projections that keep their state elsewhere.
//!
//! A checkpoint is saved apart from what the projection did, so a crash between the two makes it see events again:
//! at least once, not exactly once.

use fs_index::Position;

use crate::state::{Kind, StateError};
use crate::store::FileEventStore;

impl FileEventStore {
    /// Returns the position saved under `name`; `None` when none was saved.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn checkpoint(&self, name: &str) -> Result<Option<Position>, StateError> {
        let cursor = self.inner.cursor(Kind::Checkpoint, name)?;
        Ok(cursor.and_then(|cursor| cursor.position))
    }

    /// Saves `position` under `name`, in the place of what was saved before.
    ///
    /// # Errors
    /// [`StateError::Write`]; [`StateError::Newer`] where a newer version has saved one; [`StateError::ReadOnly`] and
    /// [`StateError::NewerVersion`] where this handle may not write into the store.
    pub fn save_checkpoint(&self, name: &str, position: Position) -> Result<(), StateError> {
        self.spare_newer(name)?;
        self.inner
            .save_cursor(Kind::Checkpoint, name, &position.into())
    }

    /// Forgets what was saved under `name`, so that the projection starts from the beginning.
    ///
    /// # Errors
    /// As [`FileEventStore::save_checkpoint`].
    pub fn clear_checkpoint(&self, name: &str) -> Result<(), StateError> {
        self.spare_newer(name)?;
        let path = self.inner.state_path(Kind::Checkpoint, name);
        self.inner.remove_state(&path)
    }

    /// Refuses where nothing is kept, and to replace what a newer version has saved; what is damaged may be replaced.
    fn spare_newer(&self, name: &str) -> Result<(), StateError> {
        self.inner.must_keep()?;
        match self.checkpoint(name) {
            Err(newer @ StateError::Newer { .. }) => Err(newer),
            _ => Ok(()),
        }
    }
}
