//! Who this working copy is when it appends.
//!
//! `local/identity` names the replicas under which this working copy has appended and binds them to the place: the
//! device and inode of the store's directory, the machine, and the journal that knows each replica's last transaction.
//! A copy, a clone, a worktree and a restored backup are other places, so they get replicas of their own. Where only the
//! contents of the directory were restored, the journal is not in the file that it was made as: fs-index makes another,
//! and with it begin other replicas.
//!
//! **Invariant**: one replica's transactions form a chain. A replica goes on only while its own last transaction is
//! in the history; after `git switch` or `git reset` took it away, another of this working copy's replicas whose last
//! one is there goes on, or a new one starts. What another process of this working copy decided about it is known here
//! before the next append.

use std::path::{Path, PathBuf};

use fs_format::ReplicaId;
use fs_index::{Index, JournalId, Layout};
use fs_io::{FileId, ReadError, SyncPolicy, System};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{AppendError, RefreshError};

const VERSION: u32 = 1;
const LIMIT: u64 = 1 << 20;

/// The place that an identity is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Binding {
    device: Option<u64>,
    inode: Option<u64>,
    machine_id: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    binding: Binding,
    journal: Option<Uuid>,
    replicas: Vec<ReplicaId>,
    /// Replicas as which it does not append any more, since other working copies do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<ReplicaId>,
}

/// The identity of a working copy.
#[derive(Debug)]
pub(crate) struct Identity {
    path: PathBuf,
    temp: PathBuf,
    content: Content,
    /// What the file looked like from which this was read; `None` when it was not read.
    seen: Option<Seen>,
}

/// What a file looks like from outside: every writing makes another.
type Seen = (Option<FileId>, u64, i64);

/// What was found of an identity.
pub(crate) enum Found {
    /// It is this place's.
    Here(Identity),
    /// There is none, or it is another place's: the index beside it is not this place's either.
    Elsewhere(Identity),
}

impl Identity {
    /// Reads the identity; one that is missing, damaged or bound to another place comes back empty.
    ///
    /// # Errors
    /// [`AppendError::Identity`] when the file is there but cannot be read.
    pub(crate) fn load(system: &System, layout: &Layout) -> Result<Found, AppendError> {
        let path = layout.local_item("identity");
        let temp = layout.temp().join("identity");
        let binding = binding_of(system, layout);
        // Looked at before the content is read: a file that is put in its place in between is read again.
        let seen = seen(system, &path);
        let read = match system.disk.read(&path, LIMIT) {
            Ok(bytes) => serde_json::from_slice::<Content>(&bytes).ok(),
            Err(
                ReadError::NotFound { .. }
                | ReadError::TooLarge { .. }
                | ReadError::NotAFile { .. },
            ) => None,
            Err(source) => {
                return Err(AppendError::Identity {
                    path,
                    source: Box::new(source),
                });
            }
        };
        match read {
            Some(content) if content.version == VERSION && content.binding == binding => {
                Ok(Found::Here(Self {
                    path,
                    temp,
                    content,
                    seen,
                }))
            }
            _ => Ok(Found::Elsewhere(Self {
                path,
                temp,
                content: Content {
                    version: VERSION,
                    binding,
                    journal: None,
                    replicas: Vec::new(),
                    retired: Vec::new(),
                },
                seen: None,
            })),
        }
    }

    /// Writes the identity durably.
    ///
    /// # Errors
    /// [`AppendError::Identity`].
    pub(crate) fn save(&mut self, system: &System) -> Result<(), AppendError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| AppendError::Identity {
            path: self.path.clone(),
            source,
        };
        let bytes = serde_json::to_vec(&self.content).map_err(|source| failed(Box::new(source)))?;
        fs_io::replace(
            system.disk.as_ref(),
            &self.temp,
            &self.path,
            &bytes,
            SyncPolicy::Durable,
        )
        .map_err(|source| failed(Box::new(source)))?;
        self.seen = seen(system, &self.path);
        Ok(())
    }

    /// Takes over what another process has written since this was read or written.
    ///
    /// The caller holds the write lock.
    ///
    /// # Errors
    /// [`AppendError::Identity`].
    pub(crate) fn reread(&mut self, system: &System, layout: &Layout) -> Result<(), AppendError> {
        let now = seen(system, &self.path);
        if now.is_some()
            && now != self.seen
            && let Found::Here(reread) = Self::load(system, layout)?
        {
            *self = reread;
        }
        Ok(())
    }

    /// Returns the replicas as which this working copy does not append any more.
    pub(crate) fn retired(&self) -> impl Iterator<Item = ReplicaId> {
        self.content.retired.iter().copied()
    }

    /// Goes on as a new replica and returns it: none of the former ones is used again.
    ///
    /// The caller holds the write lock and has ingested everything.
    ///
    /// # Errors
    /// [`AppendError::Identity`] and [`AppendError::Random`]; the former replicas stay in use then.
    pub(crate) fn renew(
        &mut self,
        system: &System,
        layout: &Layout,
        index: &mut Index,
    ) -> Result<ReplicaId, AppendError> {
        self.reread(system, layout)?;
        let replica_id = draw(system)?;
        let before = self.content.clone();
        for replica_id in std::mem::take(&mut self.content.replicas) {
            if !self.content.retired.contains(&replica_id) {
                self.content.retired.push(replica_id);
            }
        }
        self.content.journal = index.journal_id().map(journal_uuid);
        self.content.replicas.push(replica_id);
        if let Err(error) = self.save(system) {
            self.content = before;
            return Err(error);
        }
        index.add_own(replica_id);
        Ok(replica_id)
    }

    /// Returns the replicas of this working copy.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = ReplicaId> {
        self.content.replicas.iter().copied()
    }

    /// Returns the replica to append as and the sequence of its next transaction.
    ///
    /// The caller holds the write lock and has ingested everything.
    ///
    /// # Errors
    /// [`AppendError::Identity`] and [`AppendError::Random`] when a new replica is needed and cannot be made.
    pub(crate) fn next(
        &mut self,
        system: &System,
        layout: &Layout,
        index: &mut Index,
    ) -> Result<(ReplicaId, u64), AppendError> {
        self.reread(system, layout)?;
        if let Some(next) = self.continued(index)? {
            return Ok(next);
        }
        let replica_id = draw(system)?;
        let journal = index.journal_id().map(journal_uuid);
        if self.content.journal != journal {
            self.content.journal = journal;
            self.content.replicas.clear();
        }
        self.content.replicas.push(replica_id);
        self.save(system)?;
        index.add_own(replica_id);
        Ok((replica_id, 1))
    }

    /// Finds the replica that was used last among those whose last transaction is there.
    fn continued(&self, index: &Index) -> Result<Option<(ReplicaId, u64)>, AppendError> {
        if self.content.journal.is_none()
            || self.content.journal != index.journal_id().map(journal_uuid)
        {
            return Ok(None);
        }
        for replica_id in self.content.replicas.iter().rev() {
            match index.last_appended(*replica_id) {
                Some((sequence, id)) if index.contains(id).map_err(RefreshError::from)? => {
                    // One that has used its last number ends.
                    if let Some(next) = next_sequence(sequence) {
                        return Ok(Some((*replica_id, next)));
                    }
                }
                Some(_) => {}
                None => return Ok(Some((*replica_id, 1))),
            }
        }
        Ok(None)
    }
}

/// Returns the number that follows `last` in the chain of a replica; `None` after the highest.
pub(crate) fn next_sequence(last: u64) -> Option<u64> {
    (last < fs_format::limits::MAX_REPLICA_SEQ).then(|| last + 1)
}

/// Draws the id of a new replica.
fn draw(system: &System) -> Result<ReplicaId, AppendError> {
    let mut bytes = [0; 16];
    let drawn = system.random.fill(&mut bytes);
    drawn.map_err(AppendError::Random)?;
    Ok(ReplicaId::from_uuid(
        uuid::Builder::from_random_bytes(bytes).into_uuid(),
    ))
}

fn seen(system: &System, path: &Path) -> Option<Seen> {
    let stat = system.disk.stat(path).ok().flatten()?;
    Some((stat.file_id, stat.len, stat.modified_nanos))
}

fn binding_of(system: &System, layout: &Layout) -> Binding {
    let file_id = system
        .disk
        .stat(layout.root())
        .ok()
        .flatten()
        .and_then(|stat| stat.file_id);
    Binding {
        device: file_id.map(|id| id.device),
        inode: file_id.map(|id| id.inode),
        machine_id: system.machine.machine_id.clone(),
    }
}

fn journal_uuid(id: JournalId) -> Uuid {
    Uuid::from_bytes(id)
}
