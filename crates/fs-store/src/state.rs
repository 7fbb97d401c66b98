//! Small files in `local/` that belong to a name: checkpoints, snapshots, leases, consumers.
//!
//! Names may hold anything, so a file is called by the hash of its name and holds the name itself. Each is written and read by way of
//! `sealed.rs`.
//!
//! **Invariant**: what is not what was written is not believed, and what a newer version wrote is left as it is.

use std::io;
use std::path::{Path, PathBuf};

use fs_index::Layout;
use fs_io::{Disk, ReadError, ReplaceError, SyncPolicy, System};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::error::NewerVersion;
use crate::sealed::{self, Unbelieved};
use crate::store::{FileEventStore, Inner};

/// So large may a state file be; a larger state belongs into a database.
const LIMIT: u64 = 1 << 30;

/// Bytes that hold the first line of any state file.
const FIRST_LINE: usize = 64;

/// A kind of state: its directory below `local/`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Checkpoint,
    #[cfg(feature = "eventcore")]
    Snapshot,
    Lease,
    Projection,
    Consumer,
}

impl Kind {
    /// Returns the word that its files begin with.
    fn word(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            #[cfg(feature = "eventcore")]
            Self::Snapshot => "snapshot",
            Self::Lease => "lease",
            Self::Projection => "projection",
            Self::Consumer => "consumer",
        }
    }

    fn directory(self, layout: &Layout) -> PathBuf {
        layout.local_item(match self {
            Self::Checkpoint => "checkpoints",
            #[cfg(feature = "eventcore")]
            Self::Snapshot => "snapshots",
            Self::Lease => "leases",
            Self::Projection => "projections",
            Self::Consumer => "consumers",
        })
    }

    /// Returns the error for a file that holds something else than was written.
    pub(crate) fn damaged(self, path: &Path, name: Option<&str>) -> StateError {
        StateError::Damaged {
            path: path.to_owned(),
            way_out: self.way_out(name),
        }
    }

    /// Returns what helps where a file is damaged.
    fn way_out(self, name: Option<&str>) -> String {
        match (self, name) {
            (Self::Consumer, Some(name)) => {
                format!("`trib consume {name} --reset` starts over, or delete it")
            }
            _ => "delete it to start over".to_owned(),
        }
    }
}

/// What a state file holds, and for whom.
#[derive(Debug)]
pub(crate) struct State<T> {
    pub(crate) name: String,
    pub(crate) content: T,
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
    /// It holds something else than was written.
    #[error("{path} is damaged, so nothing in it is believed; {way_out}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What to do, as a clause.
        way_out: String,
    },
    /// A newer version of the program has written it. Nothing was changed.
    #[error(
        "{path} was written by a newer version (format {format}, this version knows {known}); use that version, or delete the file to start over"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The highest format that this version knows.
        known: u32,
    },
    /// The store may not be written to, so what is saved would go away with this handle.
    #[error(
        "{root} may not be written to by this user, so no checkpoint is kept there; get write access to it, or use a clone of your own"
    )]
    ReadOnly {
        /// The root of the store.
        root: PathBuf,
    },
    /// A file of this working copy was written by a newer version, so what is saved would go away with this handle.
    #[error(transparent)]
    NewerVersion(NewerVersion),
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

/// The kinds of files that keep a place. Command snapshots only save time, and there may be one for each stream; a lease says nothing.
const PLACES: [Kind; 3] = [Kind::Checkpoint, Kind::Projection, Kind::Consumer];

/// Returns the directories of the files that keep a place.
pub(crate) fn place_dirs(layout: &Layout) -> [PathBuf; 3] {
    PLACES.map(|kind| kind.directory(layout))
}

/// Returns a file that a newer version has written, of those that keep a place, if there is one: by looking alone.
///
/// # Complexity
/// The first bytes of each such file.
pub(crate) fn newer_version(system: &System, layout: &Layout) -> Option<NewerVersion> {
    let disk = system.disk.as_ref();
    for kind in PLACES {
        let directory = kind.directory(layout);
        for entry in disk.list(&directory).unwrap_or_default() {
            let path = directory.join(entry.name);
            let Ok(first) = disk.read_range(&path, 0, FIRST_LINE) else {
                continue;
            };
            let format = sealed::announced(kind.word(), &first);
            if format.is_none_or(|format| format <= sealed::FORMAT) {
                continue;
            }
            // The number alone may be a flipped bit.
            let bytes = disk.read(&path, LIMIT).unwrap_or_default();
            if let Err(Unbelieved::Newer { format }) = sealed::unseal(kind.word(), &bytes) {
                let known = sealed::FORMAT;
                return Some(NewerVersion {
                    path,
                    format,
                    known,
                });
            }
        }
    }
    None
}

impl FileEventStore {
    /// Returns the image of a projection's state that was saved under `name`; `None` when none was.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn projection_image(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.inner.load_state_bytes(Kind::Projection, name)
    }

    /// Saves an image of a projection's state under `name`, in the place of what was saved before; its owner encodes it.
    ///
    /// # Errors
    /// [`StateError::Write`], [`StateError::TooLarge`].
    pub fn save_projection_image(&self, name: &str, image: &[u8]) -> Result<(), StateError> {
        let sync = self.inner.options.durability.sync();
        self.inner
            .save_state_bytes(Kind::Projection, name, image, sync)
    }
}

impl Inner {
    /// Checks that what is saved is found again: where this handle may not write into the store, what it saves goes away with it.
    pub(crate) fn must_keep(&self) -> Result<(), StateError> {
        match (self.newer_version(), &self.apart) {
            (Some(newer), _) => Err(StateError::NewerVersion(newer)),
            (None, Some(_)) => Err(StateError::ReadOnly {
                root: self.layout.root().to_owned(),
            }),
            (None, None) => Ok(()),
        }
    }

    /// Returns the path of the state of `name`.
    pub(crate) fn state_path(&self, kind: Kind, name: &str) -> PathBuf {
        let hash =
            fs_format::ContentHash::from_bytes(Sha256::digest(name.as_bytes()).into()).to_string();
        self.state_dir(kind).join(hash)
    }

    fn state_dir(&self, kind: Kind) -> PathBuf {
        kind.directory(&self.layout)
    }

    /// Returns the paths of the states of a kind.
    pub(crate) fn states(&self, kind: Kind) -> Result<Vec<PathBuf>, StateError> {
        let directory = self.state_dir(kind);
        match self.system.disk.list(&directory) {
            Ok(entries) => Ok(entries
                .into_iter()
                .filter(|entry| !entry.name.to_str().is_some_and(fs_format::is_litter))
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

    /// Reads the state in a file, which is JSON; `None` when there is none.
    ///
    /// It is that of `name` where this is known, and in any case of the name that the file is called by. One that was written before there were
    /// checksums is read as it is.
    pub(crate) fn load_state_at<T: DeserializeOwned>(
        &self,
        kind: Kind,
        path: &Path,
        name: Option<&str>,
    ) -> Result<Option<State<T>>, StateError> {
        let Some(bytes) = self.read_state(path)? else {
            return Ok(None);
        };
        let state = match sealed::unseal(kind.word(), &bytes) {
            Ok(sealed) => serde_json::from_slice(sealed.content)
                .ok()
                .map(|content| State {
                    name: sealed.name,
                    content,
                }),
            Err(Unbelieved::Unsealed) => unsealed(&bytes),
            Err(error) => return Err(unbelieved(kind, path, name, error)),
        };
        match state.filter(|state| self.state_path(kind, &state.name) == path) {
            Some(state) => Ok(Some(state)),
            None => Err(unbelieved(kind, path, name, Unbelieved::Damaged)),
        }
    }

    /// Saves the state of `name` as JSON, in the place of what was saved before.
    pub(crate) fn save_state<T: Serialize>(
        &self,
        kind: Kind,
        name: &str,
        content: &T,
        sync: SyncPolicy,
    ) -> Result<(), StateError> {
        let content = serde_json::to_vec(content).map_err(|source| StateError::Write {
            path: self.state_path(kind, name),
            source: Box::new(source),
        })?;
        self.save_state_bytes(kind, name, &content, sync)
    }

    /// Reads the state of `name`, which its owner decodes; `None` when there is none.
    pub(crate) fn load_state_bytes(
        &self,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.state_path(kind, name);
        let Some(mut bytes) = self.read_state(&path)? else {
            return Ok(None);
        };
        let kept = match sealed::unseal(kind.word(), &bytes) {
            Ok(sealed) if sealed.name == name => Ok(sealed.content.len()),
            Ok(_) => Err(Unbelieved::Damaged),
            Err(error) => Err(error),
        };
        match kept {
            Ok(len) => Ok(Some(bytes.split_off(bytes.len() - len))),
            Err(error) => Err(unbelieved(kind, &path, Some(name), error)),
        }
    }

    /// Saves the state of `name`, as its owner has encoded it.
    pub(crate) fn save_state_bytes(
        &self,
        kind: Kind,
        name: &str,
        content: &[u8],
        sync: SyncPolicy,
    ) -> Result<(), StateError> {
        let path = self.state_path(kind, name);
        self.write_state(&path, &sealed::seal(kind.word(), name, content), sync)
    }

    /// Reads a file of `local/`; `None` when there is none.
    pub(crate) fn read_state(&self, path: &Path) -> Result<Option<Vec<u8>>, StateError> {
        read(self.system.disk.as_ref(), path)
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

    /// Replaces a file of `local/` as a whole.
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

fn unbelieved(kind: Kind, path: &Path, name: Option<&str>, error: Unbelieved) -> StateError {
    match error {
        Unbelieved::Newer { format } => StateError::Newer {
            path: path.to_owned(),
            format,
            known: sealed::FORMAT,
        },
        Unbelieved::Damaged | Unbelieved::Unsealed => kind.damaged(path, name),
    }
}

/// Reads a state that was written before there were checksums: an object with the name among its fields.
fn unsealed<T: DeserializeOwned>(bytes: &[u8]) -> Option<State<T>> {
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes).ok()?;
    let name = fields.remove("name")?.as_str()?.to_owned();
    let content = serde_json::from_value(fields.into()).ok()?;
    Some(State { name, content })
}

/// Reads a field that may be null, and is an error when it is missing.
pub(crate) fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Reads a state file; `None` when there is none.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match disk.read(path, LIMIT) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::NotFound { .. }) => Ok(None),
        Err(source) => Err(StateError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
