//! Command-state snapshots: a cache of folded state that is served only while what it was folded from stands.
//!
//! A snapshot names the versions of the streams it was folded from. A merge can put events below such a version, so
//! beside it stands a hash of who wrote each stream up to there; where that hash is another one now, the snapshot is
//! not served.

use std::collections::BTreeMap;

use eventcore_types::{CommandStateSnapshot, CommandStateSnapshotId};
use fs_format::{ContentHash, StreamId};
use fs_io::{SyncPolicy, Wait};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::RefreshError;
use crate::state::{Kind, StateError};
use crate::store::FileEventStore;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
}

impl FileEventStore {
    /// Returns the snapshot saved under `id` if everything below it still stands as it was.
    pub(crate) fn load_snapshot(
        &self,
        id: &CommandStateSnapshotId,
    ) -> Result<Option<CommandStateSnapshot>, SnapshotError> {
        let content = match self.saved_snapshot(id) {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(None),
            Err(error @ (StateError::Damaged { .. } | StateError::Newer { .. })) => {
                tracing::warn!(%error, "the command's state is folded again");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let stands = content.id == *id && self.prefixes(&content.snapshot)? == content.prefixes;
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
        let _lock = lock.map_err(RefreshError::from)?;
        let known = self.saved_snapshot(&id);
        if matches!(known, Err(StateError::Newer { .. })) {
            // That version will need it.
            return Ok(());
        }
        if self
            .load_snapshot(&id)?
            .is_some_and(|known| !snapshot.covers(&known))
        {
            return Ok(());
        }
        let prefixes = self.prefixes(&snapshot)?;
        let name = id.clone();
        let content = Content {
            id,
            snapshot,
            prefixes,
        };
        let (inner, kind) = (&self.inner, Kind::Snapshot);
        Ok(inner.save_state(kind, name.as_ref(), &content, SyncPolicy::None)?)
    }

    fn saved_snapshot(&self, id: &CommandStateSnapshotId) -> Result<Option<Content>, StateError> {
        let (inner, kind, name) = (&self.inner, Kind::Snapshot, id.as_ref());
        let state = inner.load_state_at(kind, &inner.state_path(kind, name), Some(name))?;
        Ok(state.map(|state| state.content))
    }

    /// Hashes, for each stream of a snapshot, who wrote it up to the snapshot's version.
    fn prefixes(
        &self,
        command: &CommandStateSnapshot,
    ) -> Result<BTreeMap<String, String>, RefreshError> {
        self.inner.ask(|snapshot| {
            let mut prefixes = BTreeMap::new();
            for (stream_id, version) in &command.stream_versions {
                let name: &str = stream_id.as_ref();
                let writers = match StreamId::new(name) {
                    Ok(stream_id) => {
                        snapshot.writers_below(&stream_id, version.into_inner() as u64)?
                    }
                    Err(_) => Vec::new(),
                };
                let hash = writers.iter().fold(Sha256::new(), |hash, (id, content)| {
                    hash.chain_update(id.as_uuid().as_bytes())
                        .chain_update(content.as_bytes())
                });
                let hash = ContentHash::from_bytes(hash.finalize().into());
                prefixes.insert(name.to_owned(), hash.to_string());
            }
            Ok(prefixes)
        })
    }
}
