//! Checkpoints of projections that keep their state elsewhere.
//!
//! A checkpoint is saved apart from what the projection did, so a crash between the two makes it see events again:
//! at least once, not exactly once.

use eventcore_types::{CheckpointStore, StreamPosition};
use fs_index::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::blocking::blocking;
use crate::state::{Kind, StateError};
use crate::store::FileEventStore;

#[derive(Serialize, Deserialize)]
struct Content {
    name: String,
    position: Uuid,
}

impl FileEventStore {
    /// Returns the position saved under `name`; `None` when none was saved.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn checkpoint(&self, name: &str) -> Result<Option<Position>, StateError> {
        let path = self.inner.state_path(Kind::Checkpoint, name);
        let Some(bytes) = self.inner.read_state(&path)? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.name == name => Ok(Some(Position::from_uuid(content.position))),
            _ => Err(StateError::Damaged { path }),
        }
    }

    /// Saves `position` under `name`, in the place of what was saved before.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn save_checkpoint(&self, name: &str, position: Position) -> Result<(), StateError> {
        let path = self.inner.state_path(Kind::Checkpoint, name);
        let content = Content {
            name: name.to_owned(),
            position: position.to_uuid(),
        };
        let bytes = serde_json::to_vec(&content).map_err(|source| StateError::Write {
            path: path.clone(),
            source: Box::new(source),
        })?;
        self.inner
            .write_state(&path, &bytes, self.inner.options.durability.sync())
    }

    /// Forgets what was saved under `name`, so that the projection starts from the beginning.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn clear_checkpoint(&self, name: &str) -> Result<(), StateError> {
        let path = self.inner.state_path(Kind::Checkpoint, name);
        self.inner.remove_state(&path)
    }
}

impl CheckpointStore for FileEventStore {
    type Error = StateError;

    async fn load(&self, name: &str) -> Result<Option<StreamPosition>, Self::Error> {
        let (store, name) = (self.clone(), name.to_owned());
        let position = blocking(move || store.checkpoint(&name)).await?;
        Ok(position.map(|position| StreamPosition::new(position.to_uuid())))
    }

    async fn save(&self, name: &str, position: StreamPosition) -> Result<(), Self::Error> {
        let (store, name) = (self.clone(), name.to_owned());
        let position = Position::from_uuid(position.into_inner());
        blocking(move || store.save_checkpoint(&name, position)).await
    }
}
