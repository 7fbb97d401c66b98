//! Command-state snapshots: a cache of folded state that is served only while what it was folded from stands.
//!
//! A snapshot names the versions of the streams it was folded from. A merge can put events below such a version, so
//! beside it stands a hash of who wrote each stream up to there; where that hash is another one now, the snapshot is
//! not served.

use std::collections::BTreeMap;

use eventcore_types::{CommandStateSnapshot, CommandStateSnapshotId};
use fs_format::{ContentHash, StreamId};
use fs_index::History;
use fs_io::{SyncPolicy, Wait};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::RefreshError;
use crate::state::{Kind, StateError};
use crate::store::FileEventStore;

#[derive(Serialize, Deserialize)]
struct Content {
    id: CommandStateSnapshotId,
    snapshot: CommandStateSnapshot,
    /// By stream: the hash of what is below the snapshot's version.
    prefixes: BTreeMap<String, String>,
}

/// A snapshot that could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SnapshotError {
    /// Its file could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The history it is checked against could not be brought up to date.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// It could not be written as JSON.
    #[error("the snapshot cannot be written as JSON")]
    Serialize(#[from] serde_json::Error),
}

impl FileEventStore {
    /// Returns the snapshot saved under `id` if everything below it still stands as it was.
    pub(crate) fn load_snapshot(
        &self,
        id: &CommandStateSnapshotId,
    ) -> Result<Option<CommandStateSnapshot>, SnapshotError> {
        let path = self.inner.state_path(Kind::Snapshot, id.as_ref());
        let Some(bytes) = self.inner.read_state(&path)? else {
            return Ok(None);
        };
        let Ok(content) = serde_json::from_slice::<Content>(&bytes) else {
            return Ok(None);
        };
        let stands = self.with_history(|history| {
            content.id == *id && prefixes(history, &content.snapshot) == content.prefixes
        })?;
        Ok(stands.then_some(content.snapshot))
    }

    /// Saves a snapshot unless one that stands covers more.
    pub(crate) fn save_snapshot(
        &self,
        id: CommandStateSnapshotId,
        snapshot: CommandStateSnapshot,
    ) -> Result<(), SnapshotError> {
        let path = self.inner.state_path(Kind::Snapshot, id.as_ref());
        self.inner.create_state_dir(&path)?;
        let lock = self.inner.system.disk.lock(
            &path.with_extension("lock"),
            Wait::UpTo(self.inner.options.lock_timeout),
        );
        let _lock = lock.map_err(RefreshError::Busy)?;
        if self
            .load_snapshot(&id)?
            .is_some_and(|known| !snapshot.covers(&known))
        {
            return Ok(());
        }
        let prefixes = self.with_history(|history| prefixes(history, &snapshot))?;
        let bytes = serde_json::to_vec(&Content {
            id,
            snapshot,
            prefixes,
        })?;
        Ok(self.inner.write_state(&path, &bytes, SyncPolicy::None)?)
    }
}

/// Hashes, for each stream of a snapshot, who wrote it up to the snapshot's version.
fn prefixes(history: &History, snapshot: &CommandStateSnapshot) -> BTreeMap<String, String> {
    let of_stream =
        |(stream_id, version): (&eventcore_types::StreamId, &eventcore_types::StreamVersion)| {
            let name = stream_id.as_ref().to_owned();
            let writes = StreamId::new(name.as_str())
                .map(|stream_id| history.writes(&stream_id))
                .unwrap_or(&[]);
            let version = version.into_inner() as u64;
            let below = writes.iter().take_while(|write| write.base < version);
            let hash = below.fold(Sha256::new(), |hash, write| {
                let stored = history.get(write.transaction);
                hash.chain_update(stored.id().as_uuid().as_bytes())
                    .chain_update(stored.content_hash().as_bytes())
            });
            (
                name,
                ContentHash::from_bytes(hash.finalize().into()).to_string(),
            )
        };
    snapshot.stream_versions.iter().map(of_stream).collect()
}
