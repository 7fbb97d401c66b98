//! Checkpoints, as EventCore's projections keep them.

use eventcore_types::{CheckpointStore, StreamPosition};
use fs_index::Position;

use crate::blocking::blocking;
use crate::state::StateError;
use crate::store::FileEventStore;

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
