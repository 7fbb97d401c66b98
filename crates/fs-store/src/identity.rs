//! Who this working copy is when it appends.
//!
//! `local/replicas` names the replicas under which this working copy has appended and binds them to the site of the store's
//! directory ([`Site`]) and to the journal that knows each replica's last transaction. A copy, a clone, a worktree and a restored
//! backup are other working copies, so they get replicas of their own. Where only the contents of the directory were restored,
//! the journal is not in the file that it was made as: fs-index makes another, and with it begin other replicas.
//!
//! A store that was moved to another machine and another device goes on as its replicas. It cannot be told from a clone of its
//! disk, so this is remembered until [`Identity::renew`], and the status says so.
//!
//! **Invariant**: one replica's transactions form a chain. A replica goes on only while its own last transaction is
//! in the history; after `git switch` or `git reset` took it away, another of this working copy's replicas whose last
//! one is there goes on, or a new one starts. What another process of this working copy decided about it is known here
//! before the next append.

mod former;

use std::path::{Path, PathBuf};

use fs_format::{ReplicaId, Timestamp, decode_header, limits};
use fs_index::{Index, JournalId, Layout, kept_files};
use fs_io::{FileId, FileKind, Ownership, ReadError, Site, SyncPolicy, System};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{AppendError, IdentityError, NewerVersion, RefreshError};
use crate::sealed::{self, Unbelieved};

pub(crate) use former::former;

/// The format of the file. One of another layout gets another name; a higher number under this one is a newer version's.
const VERSION: u32 = 2;
const LIMIT: u64 = 1 << 20;

/// The word that the file begins with.
const KIND: &str = "replicas";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// Where it was last written, as [`Site`] writes itself.
    site: String,
    journal: Option<Uuid>,
    replicas: Vec<ReplicaId>,
    /// Replicas as which it does not append any more, since other working copies do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<ReplicaId>,
    /// When it was found on another machine, on another device and in another boot than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved: Option<Timestamp>,
    /// Whether the replicas are those of the former identity, which no journal of this version knows yet.
    #[serde(skip)]
    is_inherited: bool,
}

/// The number alone that says how to read the rest.
#[derive(Deserialize)]
struct Format {
    version: u32,
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
    /// It is this working copy's, and stands in the file.
    Here(Identity),
    /// There was none, or another working copy's, or it moved: it is to be written.
    Unsaved(Identity),
}

impl Found {
    pub(crate) fn into_identity(self) -> Identity {
        match self {
            Self::Here(identity) | Self::Unsaved(identity) => identity,
        }
    }
}

impl Identity {
    /// Reads the identity; one that is missing, damaged or of another working copy comes back empty.
    ///
    /// # Errors
    /// [`IdentityError`] when the file is there but cannot be read, or a newer version has written it.
    pub(crate) fn load(system: &System, layout: &Layout) -> Result<Found, IdentityError> {
        let path = layout.local_item("replicas");
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| IdentityError::File {
            path: path.clone(),
            source,
        };
        // Looked at before the content is read: a file that is put in its place in between is read again.
        let seen = seen(system, &path);
        let read = match system.disk.read(&path, LIMIT) {
            Ok(bytes) => parse(&path, &bytes)?,
            Err(ReadError::NotFound { .. }) => None,
            // Nothing can be put in its place.
            Err(ReadError::NotAFile {
                kind: FileKind::Directory,
                ..
            }) => return Err(IdentityError::Directory { path }),
            Err(ReadError::TooLarge { .. } | ReadError::NotAFile { .. }) => None,
            Err(source) => return Err(failed(Box::new(source))),
        };
        let here = Site::of_directory(system, layout.own_root());
        let here = here.map_err(|source| failed(Box::new(source)))?;
        let former = seen.is_none().then(|| former(system, layout)).flatten();
        let with = |content, seen| Self {
            path: path.clone(),
            temp: layout.temp().join("replicas"),
            content,
            seen,
        };
        let ownership = |content: &Content| {
            let recorded = Site::parse(&content.site);
            recorded.map_or(Ownership::Copy, |recorded| recorded.judge(&here))
        };
        let read = read.map(|content| (ownership(&content), content));
        Ok(match (read, former) {
            (Some((Ownership::Ours, content)), _) => Found::Here(with(content, seen)),
            (Some((Ownership::Moved, mut content)), _) => {
                content.site = here.to_string();
                let now = system.clock.now_unix_nanos();
                content.moved = Timestamp::from_unix_nanos(now).or(content.moved);
                Found::Unsaved(with(content, None))
            }
            (None, Some(former)) if former.is_ours(&here) => {
                let mut content = Content::new(&here);
                content.replicas = former.replicas;
                content.retired = former.retired;
                content.is_inherited = true;
                Found::Here(with(content, None))
            }
            _ => Found::Unsaved(with(Content::new(&here), None)),
        })
    }

    /// Reads the identity, and writes it where it is another now than the file says.
    ///
    /// The caller holds the write lock.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub(crate) fn load_and_save(system: &System, layout: &Layout) -> Result<Self, IdentityError> {
        match Self::load(system, layout)? {
            Found::Here(identity) => Ok(identity),
            Found::Unsaved(mut identity) => {
                identity.save(system)?;
                Ok(identity)
            }
        }
    }

    /// Returns when the store was found on another machine, device and boot than before, if nobody has adopted an identity since.
    pub(crate) fn moved(&self) -> Option<Timestamp> {
        self.content.moved
    }

    /// Writes the identity durably.
    ///
    /// # Errors
    /// [`IdentityError::File`].
    pub(crate) fn save(&mut self, system: &System) -> Result<(), IdentityError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| IdentityError::File {
            path: self.path.clone(),
            source,
        };
        let json = serde_json::to_vec(&self.content).map_err(|source| failed(Box::new(source)))?;
        let bytes = sealed::seal(KIND, "", &json);
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

    /// Reads what another process has written since this was read or written; returns whether there was something.
    ///
    /// The caller holds the write lock and has ingested nothing yet: what another process published before it died is then
    /// known to be of this working copy.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub(crate) fn reread(
        &mut self,
        system: &System,
        layout: &Layout,
    ) -> Result<bool, IdentityError> {
        let now = seen(system, &self.path);
        let is_other = now.is_some() && now != self.seen;
        if is_other {
            *self = Self::load_and_save(system, layout)?;
        }
        Ok(is_other)
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
        let replica_id = draw(system)?;
        self.empty_former(system, layout)?;
        let before = self.content.clone();
        for replica_id in std::mem::take(&mut self.content.replicas) {
            if !self.content.retired.contains(&replica_id) {
                self.content.retired.push(replica_id);
            }
        }
        self.content.journal = index.snapshot().journal_id().map(journal_uuid);
        self.content.replicas.push(replica_id);
        self.content.moved = None;
        self.content.is_inherited = false;
        if let Err(error) = self.save(system) {
            self.content = before;
            return Err(error.into());
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
        if self.content.is_inherited {
            self.inherit(system, layout, index)?;
        }
        if let Some(next) = self.continued(index)? {
            self.refresh_site(system, layout)?;
            return Ok(next);
        }
        let replica_id = draw(system)?;
        let journal = index.snapshot().journal_id().map(journal_uuid);
        if self.content.journal != journal {
            self.content.journal = journal;
            self.content.replicas.clear();
        }
        self.content.replicas.push(replica_id);
        self.save(system)?;
        index.add_own(replica_id);
        Ok((replica_id, 1))
    }

    /// Takes the replicas over from the former identity: those whose newest known transaction is in the history.
    ///
    /// The former index, which knew them all, is not read. What it saw go away lies in `local/vanished/`.
    fn inherit(
        &mut self,
        system: &System,
        layout: &Layout,
        index: &Index,
    ) -> Result<(), AppendError> {
        self.empty_former(system, layout)?;
        let disk = system.disk.as_ref();
        let kept = kept_files(disk, layout).map_err(RefreshError::from)?;
        let mut vanished = Some(Vec::new());
        for file in kept {
            let bytes = disk.read(&file.path, limits::MAX_FILE_BYTES);
            let header = bytes.ok().and_then(|bytes| decode_header(&bytes).ok());
            match (header, &mut vanished) {
                (Some(header), Some(vanished)) => {
                    vanished.push((header.replica_id, header.replica_seq));
                }
                // It may have been anybody's.
                (None, _) => vanished = None,
                (_, None) => {}
            }
        }
        self.content.replicas.retain(|replica_id| {
            let last = index.snapshot().last_appended(*replica_id);
            let later = |(of, sequence): &(ReplicaId, Option<u64>)| {
                of == replica_id && last.is_none_or(|(last, _)| sequence.is_none_or(|it| it > last))
            };
            let vanished = vanished.as_ref();
            last.is_some() && vanished.is_some_and(|vanished| !vanished.iter().any(later))
        });
        self.content.journal = index.snapshot().journal_id().map(journal_uuid);
        self.content.is_inherited = false;
        Ok(self.save(system)?)
    }

    /// Retires the replicas of the former identity there, before anybody goes on as one of them here.
    fn empty_former(&self, system: &System, layout: &Layout) -> Result<(), IdentityError> {
        let former = former(system, layout).filter(|_| self.content.is_inherited);
        former.map_or(Ok(()), |former| former.empty(system, layout))
    }

    /// Records where the store is now, after another start of the machine or on another device: a later comparison starts from here.
    fn refresh_site(&mut self, system: &System, layout: &Layout) -> Result<(), AppendError> {
        let here = Site::of_directory(system, layout.own_root());
        let here = here.map_err(|source| IdentityError::File {
            path: layout.own_root().to_owned(),
            source: Box::new(source),
        })?;
        let recorded = Site::parse(&self.content.site);
        let is_same = recorded.is_some_and(|recorded| recorded.is_same_session(&here));
        if is_same || here.boot().is_none() {
            return Ok(());
        }
        self.content.site = here.to_string();
        Ok(self.save(system)?)
    }

    /// Finds the replica that was used last among those whose last transaction is there.
    fn continued(&self, index: &Index) -> Result<Option<(ReplicaId, u64)>, AppendError> {
        if self.content.journal.is_none()
            || self.content.journal != index.snapshot().journal_id().map(journal_uuid)
        {
            return Ok(None);
        }
        for replica_id in self.content.replicas.iter().rev() {
            match index.snapshot().last_appended(*replica_id) {
                Some((sequence, id))
                    if index.snapshot().contains(id).map_err(RefreshError::from)? =>
                {
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

impl Content {
    fn new(here: &Site) -> Self {
        Self {
            version: VERSION,
            site: here.to_string(),
            journal: None,
            replicas: Vec::new(),
            retired: Vec::new(),
            moved: None,
            is_inherited: false,
        }
    }
}

/// Reads the content of the file at `path`; `None` when it is damaged.
fn parse(path: &Path, bytes: &[u8]) -> Result<Option<Content>, IdentityError> {
    let newer = |format, known| {
        Err(IdentityError::NewerVersion(NewerVersion {
            path: path.to_owned(),
            format,
            known,
        }))
    };
    let json = match sealed::unseal(KIND, bytes) {
        Ok(sealed) => sealed.content,
        // Written before there was a checksum.
        Err(Unbelieved::Unsealed) => bytes,
        Err(Unbelieved::Newer { format }) => return newer(format, sealed::FORMAT),
        Err(Unbelieved::Damaged) => return Ok(None),
    };
    match serde_json::from_slice(json) {
        Ok(Format { version }) if version > VERSION => newer(version, VERSION),
        _ => Ok(serde_json::from_slice(json).ok()),
    }
}

fn journal_uuid(id: JournalId) -> Uuid {
    Uuid::from_bytes(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_what_was_written_is_nobody_s_identity() {
        let system = fs_io::sim::Simulation::new(1).system();
        let here = Site::of_directory(&system, Path::new("/")).unwrap();
        let json = serde_json::to_vec(&Content::new(&here)).unwrap();
        let path = Path::new("replicas");
        let whole = sealed::seal(KIND, "", &json);
        assert!(matches!(parse(path, &whole), Ok(Some(_))), "it is whole");
        assert!(
            matches!(parse(path, &json), Ok(Some(_))),
            "so is one from before there was a checksum"
        );
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert!(
                    matches!(parse(path, &flipped), Ok(None)),
                    "bit {bit} of byte {at} is flipped"
                );
            }
        }
    }
}
