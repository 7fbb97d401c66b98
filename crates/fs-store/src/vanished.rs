//! Transactions whose files went away: what is kept of them, bringing them back, letting them go.
//!
//! `git reset`, `git switch` and the like take files away; the index keeps the bytes in `local/vanished/`. A transaction
//! that is brought back arrives like any other: it gets a new position, and its parents may be missing still.
//!
//! **Invariant**: nothing is published that does not decode as the transaction that its name says, and nothing in
//! `events/` is replaced but a file of the same transaction that is damaged, or that its children contradict as they
//! confirm what is kept; its bytes stay in `local/vanished/`. Where one of several transactions is refused, all stay as
//! they are.
//!
//! *Not done here*: keeping the bytes (fs-index).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use fs_format::{
    ContentHash, FormatVersion, Header, ReplicaId, StreamId, Timestamp, TransactionId, limits,
};
use fs_index::{Omission, Scan, kept_files};
use fs_io::{PublishError, ReadError, ReplaceError, SyncPolicy};

use crate::error::{AppendError, RefreshError};
use crate::state::StateError;
use crate::store::{FileEventStore, Inner};

/// A transaction whose file went away and whose bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// What it is; `None` where that cannot be told, as the obstacle says.
    pub summary: Option<VanishedSummary>,
    /// Why it cannot be brought back as things are.
    pub obstacle: Option<Obstacle>,
}

/// What is known of a vanished transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VanishedSummary {
    /// When it was written.
    pub created_at: Timestamp,
    /// Who wrote it.
    pub replica_id: ReplicaId,
    /// The streams that it writes, in byte order.
    pub streams: Vec<StreamId>,
    /// How many events it holds.
    pub events: u64,
}

/// Why a vanished transaction cannot be brought back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// What is kept is not the transaction.
    #[error("what is kept of it in {path} is damaged: {reason}")]
    Damaged {
        /// The file that keeps it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Several contents are kept; which of them was the transaction, nobody knows.
    #[error("{} kept files hold different contents of it; delete all but the right one: {}", paths.len(), list(paths))]
    Several {
        /// The files that keep them.
        paths: Vec<PathBuf>,
    },
    /// Something else than a damaged file of it stands under its name, or in the place of one of its directories.
    #[error("{found} stands in its place, {path}; move that out of events/ first")]
    Occupied {
        /// What stands there, with an article.
        found: String,
        /// Where.
        path: PathBuf,
    },
}

/// What is kept could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VanishedError {
    /// The directory of what is kept could not be read.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Transactions that were not brought back. Unless it says otherwise, none of them was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Nothing is kept of a transaction.
    #[error("nothing is kept of transaction {transaction_id}")]
    NotKept {
        /// The transaction.
        transaction_id: TransactionId,
    },
    /// Something is in the way.
    #[error("transaction {transaction_id} cannot be restored")]
    Refused {
        /// The transaction.
        transaction_id: TransactionId,
        /// What it is.
        #[source]
        obstacle: Obstacle,
    },
    /// What is kept could not be looked at.
    #[error(transparent)]
    Look(#[from] VanishedError),
    /// The turn to write did not come, or the store may not be written to.
    #[error(transparent)]
    NotBegun(#[from] AppendError),
    /// A file could not be written; those before it, in canonical order, are back. Restoring them again does no harm.
    #[error("transaction {transaction_id} could not be written to events/")]
    Publish {
        /// The transaction.
        transaction_id: TransactionId,
        /// What failed.
        #[source]
        source: PublishError,
    },
    /// A damaged file could not be replaced, or may not have been; those before it, in canonical order, are back.
    #[error("the damaged file of transaction {transaction_id} could not be replaced")]
    Replace {
        /// The transaction.
        transaction_id: TransactionId,
        /// What failed.
        #[source]
        source: ReplaceError,
    },
    /// The files are back, and the index could not take them in; the next refresh does.
    #[error("the files are back, and could not be taken in yet")]
    TakeIn(#[source] RefreshError),
}

/// Transactions that were not let go of. Unless it says otherwise, none of them was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// A transaction is not missed here.
    #[error(
        "nothing is kept of transaction {transaction_id}, and it is neither missing nor damaged here"
    )]
    NotMissed {
        /// The transaction.
        transaction_id: TransactionId,
    },
    /// What is kept could not be looked at.
    #[error(transparent)]
    Look(#[from] RefreshError),
    /// That it is missed no more could not be written down.
    #[error(transparent)]
    Accept(#[from] StateError),
    /// The turn to write did not come, or the store may not be written to.
    #[error(transparent)]
    NotBegun(#[from] AppendError),
    /// A file could not be deleted; some of the others may be.
    #[error("cannot delete {path}")]
    Delete {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What is kept of one transaction.
struct Kept {
    /// The files that keep nothing else, once it is back.
    spent: Vec<PathBuf>,
    whole: Option<Whole>,
    obstacle: Option<Obstacle>,
    /// The file is in `events/` again, and nothing else is kept.
    is_back: bool,
}

/// Kept files of one transaction, by what they hold.
type Contents = BTreeMap<ContentHash, (Whole, PathBuf)>;

/// What stands in the place of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Occupant {
    Nothing,
    Itself,
    /// Bytes that are no transaction, or not what its children recorded as they did what is kept.
    Damaged,
    /// Something else, which has an article.
    Another(String),
}

/// Kept bytes that are the transaction that their name says.
pub(crate) struct Whole {
    header: Header,
    events: u64,
    pub(crate) content_hash: ContentHash,
    bytes: Vec<u8>,
}

impl FileEventStore {
    /// Returns the transactions whose files went away and whose bytes are kept, in the order of their ids.
    ///
    /// # Errors
    /// [`VanishedError`]. Kept bytes that are damaged are no error but an [`Obstacle`].
    ///
    /// # Complexity
    /// Reads everything that is kept.
    pub fn vanished(&self) -> Result<Vec<Vanished>, VanishedError> {
        self.inner.freshen()?;
        let mut found = Vec::new();
        for (transaction_id, paths) in self.inner.kept_paths()? {
            let kept = self.inner.look_at_kept(transaction_id, paths)?;
            let is_gone_meanwhile = kept.whole.is_none() && kept.obstacle.is_none();
            if !kept.is_back && !is_gone_meanwhile {
                found.push(Vanished {
                    transaction_id,
                    summary: kept.whole.as_ref().map(Whole::summary),
                    obstacle: kept.obstacle,
                });
            }
        }
        Ok(found)
    }

    /// Publishes vanished transactions in `events/` again, and returns them in canonical order.
    ///
    /// They are durable as files then, and nothing is kept of them any more. One that is there again already is no error.
    ///
    /// # Errors
    /// [`RestoreError`]; where one of them is refused, none is restored.
    pub fn restore(&self, ids: &[TransactionId]) -> Result<Vec<TransactionId>, RestoreError> {
        let mut turn = self.inner.begin()?;
        let mut all = self.inner.kept_paths().map_err(VanishedError::from)?;
        let mut restored = Vec::new();
        for transaction_id in ids.iter().copied().collect::<BTreeSet<_>>() {
            let paths = all
                .remove(&transaction_id)
                .ok_or(RestoreError::NotKept { transaction_id })?;
            let kept = self.inner.look_at_kept(transaction_id, paths)?;
            match (kept.obstacle, kept.whole) {
                (Some(obstacle), _) => {
                    return Err(RestoreError::Refused {
                        transaction_id,
                        obstacle,
                    });
                }
                (None, Some(whole)) => restored.push((whole, kept.spent)),
                (None, None) => return Err(RestoreError::NotKept { transaction_id }),
            }
        }
        restored.sort_by_key(|(whole, _)| whole.key());
        for (whole, _) in &restored {
            self.inner.publish_again(whole)?;
        }
        let scan = Scan::Names;
        let taken_in = self.inner.take_in(&mut turn.writer, scan, &turn.lock);
        taken_in.map_err(RestoreError::TakeIn)?;
        self.inner.companions.wake();
        for path in restored.iter().flat_map(|(_, paths)| paths) {
            // What stays is known to be back by its content.
            let _ = self.inner.system.disk.remove_file(path);
        }
        let ids = restored.iter().map(|(whole, _)| whole.id());
        Ok(ids.collect())
    }

    /// Lets go of transactions: deletes what is kept of them, and accepts in this working copy that they are missing or
    /// damaged. There is no way back but another clone that holds them; one that comes back is ingested as ever.
    ///
    /// What was accepted makes no answer incomplete and no append refused; [`status`](FileEventStore::status) still lists it.
    ///
    /// # Errors
    /// [`ForgetError`].
    pub fn forget(&self, ids: &[TransactionId]) -> Result<Vec<Omission>, ForgetError> {
        let mut turn = self.inner.begin()?;
        let all = self.inner.kept_paths()?;
        let snapshot = self.inner.snapshot();
        let omissions = snapshot.omissions().map_err(RefreshError::from)?;
        let mut paths = Vec::new();
        let mut accepted = Vec::new();
        for transaction_id in ids.iter().copied().collect::<BTreeSet<_>>() {
            let kept = all.get(&transaction_id);
            let omission = omissions
                .iter()
                .find(|omission| omission.transaction_id == Some(transaction_id));
            if kept.is_none() && omission.is_none() {
                return Err(ForgetError::NotMissed { transaction_id });
            }
            paths.extend(kept.into_iter().flatten());
            accepted.extend(omission.cloned());
        }
        let missed = accepted.iter().filter_map(|it| it.transaction_id);
        self.inner.accept(missed, &turn.lock)?;
        let ids = ids.iter().copied().collect();
        let let_go = turn.writer.log(|wal| wal.let_go(&ids, &turn.lock));
        let_go.map_err(|error| AppendError::NotFlushed(error.into_unknown()))?;
        for path in paths {
            match self.inner.system.disk.remove_file(path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(ForgetError::Delete {
                        path: path.clone(),
                        source,
                    });
                }
                _ => {}
            }
        }
        Ok(accepted)
    }
}

impl Inner {
    /// Returns the files that keep what vanished, by transaction.
    pub(crate) fn kept_paths(&self) -> Result<BTreeMap<TransactionId, Vec<PathBuf>>, RefreshError> {
        let mut kept: BTreeMap<TransactionId, Vec<PathBuf>> = BTreeMap::new();
        for file in kept_files(self.system.disk.as_ref(), &self.layout)? {
            kept.entry(file.transaction_id).or_default().push(file.path);
        }
        Ok(kept)
    }

    /// Returns the headers of a transaction, by what is kept of it; several where files of several contents are, and none where all are
    /// damaged.
    pub(crate) fn kept_headers(&self, id: TransactionId, paths: &[PathBuf]) -> Vec<Header> {
        let read = paths.iter().map(|path| self.read_kept(id, path));
        let whole = read.filter_map(|read| read.ok()?.ok());
        whole.map(|whole| whole.header).collect()
    }

    /// Reads what is kept of one transaction, and looks at what stands in its place.
    fn look_at_kept(
        &self,
        id: TransactionId,
        mut paths: Vec<PathBuf>,
    ) -> Result<Kept, VanishedError> {
        let mut contents = Contents::new();
        let mut damaged = None;
        for path in &paths {
            let read = match self.read_kept(id, path) {
                // Another process has brought it back, or let it go.
                Err(ReadError::NotFound { .. }) => continue,
                read => read?,
            };
            match read {
                Ok(found) => _ = contents.insert(found.content_hash, (found, path.clone())),
                Err(reason) => {
                    let path = path.clone();
                    damaged = Some(Obstacle::Damaged { path, reason });
                }
            }
        }
        let kept = |spent, whole, obstacle, is_back| Kept {
            spent,
            whole,
            obstacle,
            is_back,
        };
        let Some((whole, _)) = self.choose(id, &mut contents)? else {
            return Ok(match contents.is_empty() {
                true => kept(paths, None, damaged, false),
                false => {
                    let paths = contents.into_values().map(|(_, path)| path).collect();
                    let several = Obstacle::Several { paths };
                    kept(Vec::new(), None, Some(several), false)
                }
            });
        };
        let target = self.layout.event_file(&whole.relative_path());
        let there = self.occupant_of(&whole, &target)?;
        if !contents.is_empty() {
            // What was seen first tells that it is, as long as another content is kept.
            let first = self.layout.vanished_first(id);
            let others: Vec<_> = contents.into_values().map(|(_, path)| path).collect();
            paths.retain(|it| *it != first && !others.contains(it));
        }
        let is_back = there == Occupant::Itself;
        let obstacle = match there {
            Occupant::Another(found) => Some(Obstacle::Occupied {
                found,
                path: self.blocker_of(id).unwrap_or(target),
            }),
            _ => None,
        };
        Ok(kept(paths, Some(whole), obstacle, is_back))
    }
    /// Takes out what is to be brought back of contents that are kept: the only one of those that children confirm, or else of all, but for
    /// what the file holds; `None` where there is none, or where it cannot be told.
    fn choose(
        &self,
        id: TransactionId,
        contents: &mut Contents,
    ) -> Result<Option<(Whole, PathBuf)>, VanishedError> {
        let recorded = self.recorded_hashes(id)?;
        let hashes = contents.keys().copied();
        let mut candidates: Vec<_> = hashes.filter(|it| recorded.contains(it)).collect();
        if candidates.is_empty() {
            candidates.extend(contents.keys());
        }
        if candidates.len() > 1 {
            let mut left = Vec::new();
            for hash in candidates {
                let (whole, _) = &contents[&hash];
                let target = self.layout.event_file(&whole.relative_path());
                if self.occupant_of(whole, &target)? != Occupant::Itself {
                    left.push(hash);
                }
            }
            candidates = left;
        }
        match candidates[..] {
            [only] => Ok(contents.remove(&only)),
            _ => Ok(None),
        }
    }

    /// Returns what children recorded of a transaction, as of the last look at the files.
    fn recorded_hashes(&self, id: TransactionId) -> Result<BTreeSet<ContentHash>, RefreshError> {
        self.ask_present(|snapshot| snapshot.recorded_hashes(id))
    }

    /// Looks at what stands in the place of a transaction's file.
    fn occupant_of(&self, whole: &Whole, target: &Path) -> Result<Occupant, VanishedError> {
        match self.system.disk.read(target, limits::MAX_FILE_BYTES) {
            Err(ReadError::NotFound { .. }) => Ok(match self.blocker_of(whole.id()) {
                Some(_) => Occupant::Another("a file that is no directory".to_owned()),
                None => Occupant::Nothing,
            }),
            Err(ReadError::TooLarge { .. }) => {
                Ok(Occupant::Another("a file that is too large".to_owned()))
            }
            Err(ReadError::NotAFile { kind, .. }) => Ok(Occupant::Another(kind.to_string())),
            read => Ok(whole.compare(&read?, &self.recorded_hashes(whole.id())?)),
        }
    }

    /// Returns what is known to stand in the place of a directory of a transaction.
    fn blocker_of(&self, id: TransactionId) -> Option<PathBuf> {
        let blocker = self.snapshot().blocker_of(id);
        blocker.map(|path| self.layout.event_file(&path))
    }

    /// Reads a kept file; the inner error says what is wrong with it.
    pub(crate) fn read_kept(
        &self,
        id: TransactionId,
        path: &Path,
    ) -> Result<Result<Whole, String>, ReadError> {
        let bytes = match self.system.disk.read(path, limits::MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(error @ (ReadError::TooLarge { .. } | ReadError::NotAFile { .. })) => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let transaction = match fs_format::decode(&bytes) {
            Ok(transaction) => transaction,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let found = transaction.header.transaction_id;
        if found != id {
            return Ok(Err(format!("it holds transaction {found}")));
        }
        let (events, content_hash) = (transaction.events.len() as u64, transaction.content_hash);
        Ok(Ok(Whole {
            header: transaction.header,
            events,
            content_hash,
            bytes,
        }))
    }

    fn publish_again(&self, whole: &Whole) -> Result<(), RestoreError> {
        let transaction_id = whole.id();
        let temp = self
            .layout
            .temp()
            .join(format!("restored-{transaction_id}"));
        let target = self.layout.event_file(&whole.relative_path());
        let disk = self.system.disk.as_ref();
        match fs_io::publish(disk, &temp, &target, &whole.bytes, SyncPolicy::Durable) {
            Ok(_) => Ok(()),
            // It is there with other line ends, or damaged, or else something came in between.
            Err(PublishError::Occupied { path }) => match self.occupant_of(whole, &path)? {
                Occupant::Itself => Ok(()),
                Occupant::Damaged => self.replace_damaged(whole, &path),
                Occupant::Nothing => Err(RestoreError::Refused {
                    transaction_id,
                    obstacle: Obstacle::Occupied {
                        found: "something that came and went".to_owned(),
                        path,
                    },
                }),
                Occupant::Another(found) => Err(RestoreError::Refused {
                    transaction_id,
                    obstacle: Obstacle::Occupied { found, path },
                }),
            },
            Err(source) => Err(RestoreError::Publish {
                transaction_id,
                source,
            }),
        }
    }

    /// Puts a transaction in the place of its damaged file, whose bytes are kept aside unless they are a part of it.
    fn replace_damaged(&self, whole: &Whole, target: &Path) -> Result<(), RestoreError> {
        let transaction_id = whole.id();
        let disk = self.system.disk.as_ref();
        let damaged = disk.read(target, limits::MAX_FILE_BYTES);
        let damaged = &damaged.map_err(VanishedError::from)?;
        let temp = self.layout.temp().join(format!("damaged-{transaction_id}"));
        if !whole.bytes.starts_with(damaged) {
            let hash = ContentHash::of_lines([damaged]).to_string();
            let name = format!("{transaction_id}-{}.damaged", &hash[..16]);
            let aside = self.layout.vanished().join(name);
            let sync = SyncPolicy::Durable;
            fs_io::publish(disk, &temp, &aside, damaged, sync).map_err(|source| {
                RestoreError::Publish {
                    transaction_id,
                    source,
                }
            })?;
        }
        let replaced = fs_io::replace(disk, &temp, target, &whole.bytes, SyncPolicy::Durable);
        replaced.map_err(|source| RestoreError::Replace {
            transaction_id,
            source,
        })
    }
}

impl Whole {
    fn id(&self) -> TransactionId {
        self.header.transaction_id
    }

    /// Returns the canonical sort key.
    fn key(&self) -> (Timestamp, ReplicaId, TransactionId) {
        (self.header.created_at, self.header.replica_id, self.id())
    }

    /// Returns where its file belongs below `events/`.
    fn relative_path(&self) -> String {
        match self.header.format_version {
            FormatVersion::V3 => self.id().relative_path(),
            FormatVersion::V1 | FormatVersion::V2 => self.id().file_name(),
        }
    }

    /// Tells what stands in the place of its file, of which children recorded these hashes.
    fn compare(&self, file: &[u8], recorded: &BTreeSet<ContentHash>) -> Occupant {
        let is_recorded = |hash| recorded.contains(&hash);
        match fs_format::decode(file) {
            Ok(there) if there.header.transaction_id != self.id() => {
                Occupant::Another("a file of another transaction".to_owned())
            }
            Ok(there) if there.content_hash == self.content_hash => Occupant::Itself,
            Ok(there) if is_recorded(self.content_hash) && !is_recorded(there.content_hash) => {
                Occupant::Damaged
            }
            Ok(_) => Occupant::Another("another content of it".to_owned()),
            Err(error) if error.is_newer() => {
                Occupant::Another("a file that a newer version wrote".to_owned())
            }
            Err(_) => Occupant::Damaged,
        }
    }

    fn summary(&self) -> VanishedSummary {
        let bases = self.header.stream_bases.iter();
        let written = bases.filter(|(_, base)| base.writes > 0);
        VanishedSummary {
            created_at: self.header.created_at,
            replica_id: self.header.replica_id,
            streams: written.map(|(stream_id, _)| stream_id.clone()).collect(),
            events: self.events,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}
