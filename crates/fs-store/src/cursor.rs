//! Cursors: how far somebody has read this working copy's ingestion order, one file each in `local/`.
//!
//! There are two kinds. A checkpoint is saved by whoever leads its projection, in the place of what was saved before. The cursor of a named
//! consumer is moved by any number of processes, so it has a lock, a file beside its own, and a mark that tells each move from every other.
//!
//! **Invariant**: no two cursors of consumers that were ever saved are equal, so whoever finds the one that it had read knows that nobody
//! moved it meanwhile, nor there and back.

use std::path::{Path, PathBuf};

use fs_index::Position;
use fs_io::{LockError, LockGuard, Wait};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{NewerVersion, StoreBusy, is_refusal};
use crate::state::{Kind, StateError, required};
use crate::store::{FileEventStore, Inner};

/// What the names of lock files end in.
const LOCK: &str = "lock";

/// Where somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The place that was reached; `None` at the beginning.
    pub position: Option<Position>,
    /// Drawn at random whenever a consumer's is saved.
    mark: Option<Uuid>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(deserialize_with = "required")]
    position: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Uuid>,
}

impl Content {
    /// Returns the cursor, when it has what those of a kind have.
    fn into_cursor(self, kind: Kind) -> Option<Cursor> {
        let is_whole = match kind {
            Kind::Consumer => self.mark.is_some(),
            _ => self.mark.is_none() && self.position.is_some(),
        };
        is_whole.then(|| Cursor {
            position: self.position.map(Position::from_uuid),
            mark: self.mark,
        })
    }
}

/// The cursor of a consumer that was not locked or moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The store may not be written to, so no cursor can be kept in it.
    #[error(
        "{root} may not be written to by this user, so consumer {name} cannot be kept there; get write access to it, or consume in a clone of your own"
    )]
    ReadOnly {
        /// The consumer.
        name: String,
        /// The root of the store.
        root: PathBuf,
    },
    /// A file of this working copy was written by a newer version, so no cursor is kept by this one.
    #[error(transparent)]
    NewerVersion(NewerVersion),
    /// Another held the lock for too long.
    #[error(transparent)]
    Busy(StoreBusy),
    /// The lock could not be taken.
    #[error("cannot take the lock of consumer {name}")]
    Lock {
        /// The consumer.
        name: String,
        /// Why not.
        source: LockError,
    },
    /// The file that keeps the cursor could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] std::io::Error),
}

/// The cursor of a consumer, held against all others who would move it until this is dropped.
#[derive(Debug)]
#[must_use = "others may move the cursor when this is dropped"]
pub struct CursorLock<'a> {
    inner: &'a Inner,
    name: &'a str,
    #[expect(dead_code, reason = "it is held")]
    lock: LockGuard,
}

impl CursorLock<'_> {
    /// Saves where the consumer is.
    ///
    /// # Errors
    /// [`CursorError::Random`], [`CursorError::State`]; the cursor stays.
    pub fn save(&self, position: Option<Position>) -> Result<(), CursorError> {
        let mut mark = [0; 16];
        let drawn = self.inner.system.random.fill(&mut mark);
        drawn.map_err(CursorError::Random)?;
        let mark = Some(Uuid::from_bytes(mark));
        let cursor = Cursor { position, mark };
        Ok(self.inner.save_cursor(Kind::Consumer, self.name, &cursor)?)
    }

    /// Forgets where the consumer is.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn remove(&self) -> Result<(), StateError> {
        let path = self.inner.state_path(Kind::Consumer, self.name);
        self.inner.remove_state(&path)
    }
}

impl FileEventStore {
    /// Returns where the consumer `name` is; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`StateError`] when its file cannot be read, or is not what was written.
    pub fn cursor(&self, name: &str) -> Result<Option<Cursor>, StateError> {
        self.inner.cursor(Kind::Consumer, name)
    }

    /// Returns whether there is a cursor of the consumer `name`, be its file damaged or not.
    ///
    /// # Errors
    /// [`StateError`] when its file cannot be read.
    pub fn has_cursor(&self, name: &str) -> Result<bool, StateError> {
        match self.cursor(name) {
            Err(StateError::Damaged { .. }) => Ok(true),
            cursor => Ok(cursor?.is_some()),
        }
    }

    /// Returns the consumers of this working copy and where they are, in byte order of their names.
    ///
    /// # Errors
    /// [`StateError`] when one of their files cannot be read.
    pub fn cursors(&self) -> Result<Vec<(String, Cursor)>, StateError> {
        let mut found = Vec::new();
        for path in self.inner.states(Kind::Consumer)? {
            if path.extension().is_some_and(|extension| extension == LOCK) {
                continue;
            }
            // One that is removed meanwhile is none.
            found.extend(self.inner.cursor_at(Kind::Consumer, &path, None)?);
        }
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    /// Takes the lock of a consumer's cursor, where one can be kept.
    ///
    /// # Errors
    /// [`CursorError`].
    pub fn lock_cursor<'a>(&'a self, name: &'a str) -> Result<CursorLock<'a>, CursorError> {
        let inner = &*self.inner;
        let read_only = || CursorError::ReadOnly {
            name: name.to_owned(),
            root: inner.layout.root().to_owned(),
        };
        if let Some(newer) = inner.newer_version() {
            return Err(CursorError::NewerVersion(newer));
        }
        if inner.apart.is_some() {
            // What lies elsewhere goes away with this handle.
            return Err(read_only());
        }
        let path = inner.state_path(Kind::Consumer, name).with_extension(LOCK);
        inner.create_state_dir(&path)?;
        let wait = Wait::UpTo(inner.options.lock_timeout);
        match inner.system.disk.lock(&path, wait) {
            Ok(lock) => Ok(CursorLock { inner, name, lock }),
            Err(LockError::Busy { path, holder }) => {
                Err(CursorError::Busy(StoreBusy { path, holder }))
            }
            Err(LockError::Io { source, .. }) if is_refusal(&source) => Err(read_only()),
            Err(source) => Err(CursorError::Lock {
                name: name.to_owned(),
                source,
            }),
        }
    }
}

impl Inner {
    /// Returns where the cursor of a kind and name is; `None` when there is none.
    pub(crate) fn cursor(&self, kind: Kind, name: &str) -> Result<Option<Cursor>, StateError> {
        let found = self.cursor_at(kind, &self.state_path(kind, name), Some(name))?;
        Ok(found.map(|(_, cursor)| cursor))
    }

    fn cursor_at(
        &self,
        kind: Kind,
        path: &Path,
        name: Option<&str>,
    ) -> Result<Option<(String, Cursor)>, StateError> {
        let Some(state) = self.load_state_at::<Content>(kind, path, name)? else {
            return Ok(None);
        };
        match state.content.into_cursor(kind) {
            Some(cursor) => Ok(Some((state.name, cursor))),
            None => Err(kind.damaged(path, Some(&state.name))),
        }
    }

    /// Saves a cursor in the place of what was saved before.
    pub(crate) fn save_cursor(
        &self,
        kind: Kind,
        name: &str,
        cursor: &Cursor,
    ) -> Result<(), StateError> {
        let content = Content {
            position: cursor.position.map(Position::to_uuid),
            mark: cursor.mark,
        };
        self.save_state(kind, name, &content, self.options.durability.sync())
    }
}

impl From<Position> for Cursor {
    fn from(position: Position) -> Self {
        Self {
            position: Some(position),
            mark: None,
        }
    }
}
