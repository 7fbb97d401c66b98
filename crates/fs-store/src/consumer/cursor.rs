//! Where consumers are: one file each in `local/consumers/`, beside the file that its lock is.
//!
//! **Invariant**: no two cursors that were ever saved are equal, so whoever finds the one that it had read knows that nobody moved it
//! meanwhile, nor there and back.

use fs_index::Position;
use fs_io::{LockError, LockGuard, Wait};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::ConsumerError;
use crate::error::{StoreBusy, is_refusal};
use crate::state::{Kind, StateError, required};
use crate::store::{FileEventStore, Inner};

/// What the names of lock files end in.
const LOCK: &str = "lock";

/// Where a consumer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) position: Option<Position>,
    /// Drawn at random whenever it is saved.
    mark: Uuid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(deserialize_with = "required")]
    position: Option<Uuid>,
    mark: Uuid,
}

/// A consumer of a store, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerState {
    /// The name.
    pub name: String,
    /// The place that was reached; `None` at the beginning.
    pub position: Option<Position>,
}

impl FileEventStore {
    /// Returns whether this working copy has the consumer `name`; creates none.
    ///
    /// # Errors
    /// [`StateError`] when its file cannot be read.
    pub fn has_consumer(&self, name: &str) -> Result<bool, StateError> {
        self.inner.has_cursor(name)
    }

    /// Returns the consumers of this working copy, in byte order of their names.
    ///
    /// # Errors
    /// [`StateError`] when one of their files cannot be read.
    pub fn consumers(&self) -> Result<Vec<ConsumerState>, StateError> {
        let inner = &self.inner;
        let mut found = Vec::new();
        for path in inner.states(Kind::Consumer)? {
            if path.extension().is_some_and(|extension| extension == LOCK) {
                continue;
            }
            let state = inner.load_state_at::<Content>(Kind::Consumer, &path, None)?;
            // One that is removed meanwhile is none.
            found.extend(state.map(|state| ConsumerState {
                name: state.name,
                position: state.content.position.map(Position::from_uuid),
            }));
        }
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

impl Inner {
    /// Returns where a consumer is; `None` when there is none.
    pub(super) fn cursor(&self, name: &str) -> Result<Option<Cursor>, StateError> {
        let content: Option<Content> = self.load_state(Kind::Consumer, name)?;
        Ok(content.map(|content| Cursor {
            position: content.position.map(Position::from_uuid),
            mark: content.mark,
        }))
    }

    /// Returns whether there is a consumer of this name, be its file damaged or not.
    pub(super) fn has_cursor(&self, name: &str) -> Result<bool, StateError> {
        match self.cursor(name) {
            Err(StateError::Damaged { .. }) => Ok(true),
            cursor => Ok(cursor?.is_some()),
        }
    }

    /// Saves where a consumer is; for the holder of its lock.
    pub(super) fn save_cursor(
        &self,
        name: &str,
        position: Option<Position>,
    ) -> Result<(), ConsumerError> {
        let mut mark = [0; 16];
        let drawn = self.system.random.fill(&mut mark);
        drawn.map_err(ConsumerError::Random)?;
        let content = Content {
            position: position.map(Position::to_uuid),
            mark: Uuid::from_bytes(mark),
        };
        let sync = self.options.durability.sync();
        Ok(self.save_state(Kind::Consumer, name, &content, sync)?)
    }

    /// Forgets where a consumer is; for the holder of its lock.
    pub(super) fn remove_cursor(&self, name: &str) -> Result<(), StateError> {
        self.remove_state(&self.state_path(Kind::Consumer, name))
    }

    /// Takes the lock of a consumer, where a cursor can be kept.
    pub(super) fn lock_cursor(&self, name: &str, wait: Wait) -> Result<LockGuard, ConsumerError> {
        let read_only = || ConsumerError::ReadOnly {
            name: name.to_owned(),
            root: self.layout.root().to_owned(),
        };
        if let Some(newer) = &self.newer {
            return Err(ConsumerError::NewerVersion(newer.clone()));
        }
        if self.apart.is_some() {
            // What lies elsewhere goes away with this handle.
            return Err(read_only());
        }
        let path = self.state_path(Kind::Consumer, name).with_extension(LOCK);
        self.create_state_dir(&path)?;
        match self.system.disk.lock(&path, wait) {
            Ok(lock) => Ok(lock),
            Err(LockError::Busy { path, holder }) => {
                Err(ConsumerError::Busy(StoreBusy { path, holder }))
            }
            Err(LockError::Io { source, .. }) if is_refusal(&source) => Err(read_only()),
            Err(source) => Err(ConsumerError::Lock {
                name: name.to_owned(),
                source,
            }),
        }
    }
}
