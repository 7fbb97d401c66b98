//! Small files in `local/` that belong to a name: checkpoints, snapshots, leases, consumers.
//!
//! Names may hold anything, so a file is called by the hash of its name and holds the name itself.

use std::io;
use std::path::{Path, PathBuf};

use fs_io::{ReadError, ReplaceError, SyncPolicy};
use sha2::{Digest, Sha256};

use crate::store::Inner;

/// So large may a state file be; a larger state belongs into a database.
const LIMIT: u64 = 1 << 30;

/// A kind of state: its directory below `local/`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Checkpoint,
    Snapshot,
    Lease,
    Projection,
    Consumer,
}

/// A state file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
    /// The directory of such files could not be listed.
    #[error("cannot list {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It holds something else than it should.
    #[error("{path} is damaged; delete it to start over")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It would be larger than such a file may be; what was there stays.
    #[error(
        "{path} would have {len} bytes, and {limit} is the most; keep such a state in a database"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many bytes it would have.
        len: u64,
        /// How many it may have.
        limit: u64,
    },
    /// It could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Inner {
    /// Returns the path of the state of `name`.
    pub(crate) fn state_path(&self, kind: Kind, name: &str) -> PathBuf {
        let hash =
            fs_format::ContentHash::from_bytes(Sha256::digest(name.as_bytes()).into()).to_string();
        self.state_dir(kind).join(hash)
    }

    fn state_dir(&self, kind: Kind) -> PathBuf {
        self.layout.local_item(match kind {
            Kind::Checkpoint => "checkpoints",
            Kind::Snapshot => "snapshots",
            Kind::Lease => "leases",
            Kind::Projection => "projections",
            Kind::Consumer => "consumers",
        })
    }

    /// Returns the paths of the states of a kind.
    pub(crate) fn states(&self, kind: Kind) -> Result<Vec<PathBuf>, StateError> {
        let directory = self.state_dir(kind);
        match self.system.disk.list(&directory) {
            Ok(entries) => Ok(entries
                .into_iter()
                .map(|entry| directory.join(entry.name))
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(StateError::List {
                path: directory,
                source,
            }),
        }
    }

    /// Removes a state file, unless there is none.
    pub(crate) fn remove_state(&self, path: &Path) -> Result<(), StateError> {
        match self.system.disk.remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError::Write {
                path: path.to_owned(),
                source: Box::new(source),
            }),
            _ => Ok(()),
        }
    }

    /// Reads a state file; `None` when there is none.
    pub(crate) fn read_state(&self, path: &Path) -> Result<Option<Vec<u8>>, StateError> {
        match self.system.disk.read(path, LIMIT) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ReadError::NotFound { .. }) => Ok(None),
            Err(source) => Err(StateError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Creates the directory of a state file, and what is above it where somebody has deleted that (`git clean`).
    pub(crate) fn create_state_dir(&self, path: &Path) -> Result<(), StateError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StateError::Write {
            path: path.to_owned(),
            source,
        };
        let own_root = self.layout.own_root();
        let directory = path.parent().and_then(|it| it.strip_prefix(own_root).ok());
        fs_io::create_dirs(
            self.system.disk.as_ref(),
            own_root,
            directory.unwrap_or(Path::new("")),
            SyncPolicy::Durable,
        )
        .map_err(|source| failed(Box::new(source)))
    }

    /// Replaces a state file as a whole.
    pub(crate) fn write_state(
        &self,
        path: &Path,
        bytes: &[u8],
        sync: SyncPolicy,
    ) -> Result<(), StateError> {
        if bytes.len() as u64 > LIMIT {
            return Err(StateError::TooLarge {
                path: path.to_owned(),
                len: bytes.len() as u64,
                limit: LIMIT,
            });
        }
        self.create_state_dir(path)?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let temp = self.layout.temp().join(format!(
            "{name}-{}-{:?}",
            self.system.machine.process_id,
            std::thread::current().id()
        ));
        self.create_state_dir(&temp)?;
        fs_io::replace(self.system.disk.as_ref(), &temp, path, bytes, sync).map_err(
            |source: ReplaceError| StateError::Write {
                path: path.to_owned(),
                source: Box::new(source),
            },
        )
    }
}
