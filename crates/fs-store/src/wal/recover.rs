//! Putting files right that are not what the log says.
//!
//! **Invariant**: no record is dropped while its bytes stand nowhere else. Before the log is started anew, everything that its records stand for
//! was made durable as files; until then, doing it all again comes to the same.

use std::io::ErrorKind;
use std::path::Path;

use fs_format::{Location, TransactionId, decode, limits};
use fs_io::{ReadError, Site, Step, SyncPolicy};
use sha2::{Digest, Sha256};

use super::error::LogError;
use super::frame::{Frame, Front, LogHead, Record, Trust};
use super::log::{self, Live, Log};
use super::{Wal, file_of};

/// What is known of the time between the writing of a frame and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// The machine has run: what is gone was removed.
    SameSession,
    /// The machine was started anew, or the file system was on another device: what is gone may have been lost.
    Restarted,
    /// The log is a copy, or both of its heads are damaged: whether what is gone was lost or removed, nobody knows.
    Copied,
}

/// What stands under the name of a record's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileState {
    Missing,
    /// The bytes of the record, or what a checkout made of their ends of lines.
    Same,
    /// What a power cut or a checkout leaves: nothing, a beginning, NUL at the end.
    Incomplete,
    /// No transaction, and not only cut off.
    Damaged,
    /// A whole file with another content, or one of a newer version.
    Another,
    /// Something that is no file.
    NotAFile,
}

/// What is done about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Nothing,
    /// The file is written again.
    Rewrite,
    /// The bytes are kept in `local/vanished/`.
    KeepAside,
}

/// Decides what is done about a record.
fn remedy(file: FileState, since: Since, trust: Trust) -> Remedy {
    match (file, since) {
        (FileState::Same, _) if trust == Trust::Suspect => Remedy::Rewrite,
        (FileState::Same, _) | (FileState::Missing, Since::SameSession) => Remedy::Nothing,
        (FileState::Incomplete, _) => Remedy::Rewrite,
        (FileState::Missing | FileState::Damaged, Since::Restarted) => Remedy::Rewrite,
        (FileState::Damaged, Since::Copied) => Remedy::Rewrite,
        (FileState::Missing, Since::Copied) => Remedy::KeepAside,
        (FileState::Damaged, Since::SameSession) => Remedy::KeepAside,
        (FileState::Another | FileState::NotAFile, _) => Remedy::KeepAside,
    }
}

impl Wal {
    /// Brings `events/` into line with a log that was written in another session, that is a copy, or that a sync has failed on.
    pub(super) fn recover(&mut self, here: &Site, front: Front) -> Result<(), LogError> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let known = front.head.as_ref().map(|head| head.generation);
        let stat = log.stat()?;
        let head = front.head.filter(|head| super::is_ours(head, here, &stat));
        let boot = self.boot;
        let frames = log.newest_frames(known)?;
        log.head.generation = frames
            .first()
            .map(|frame| frame.generation)
            .or(known)
            .unwrap_or_default();
        let recovered = self.give_back(
            &frames,
            |frame| since(frame, head.as_ref(), here, boot),
            front.trust,
        )?;
        self.recovered.extend(recovered);
        match head {
            Some(head) if front.trust == Trust::Sound => {
                let generation = self.next_generation()?;
                let log = self.log.as_mut().expect("there was one above");
                log.begin(head);
                log.renew(here, generation)
            }
            _ => self.replace(here, Log::slots_for(0, 0)),
        }
    }

    /// Returns the transactions that a recovery would write again: looks without the lock, and writes nothing.
    ///
    /// For a store that may not be written to. What cannot be read is not told here; whoever writes next meets it.
    pub(crate) fn unrecovered(&self) -> Vec<TransactionId> {
        if !self.wants_recovery() {
            return Vec::new();
        }
        let (disk, path) = (self.system.disk.as_ref(), log::path_of(&self.layout));
        let read = disk.stat(&path).ok().flatten().and_then(|stat| {
            let len = usize::try_from(stat.len).ok()?;
            Some((stat, disk.read_range(&path, 0, len).ok()?))
        });
        let (Some((stat, bytes)), Ok(here)) = (read, self.site()) else {
            return Vec::new();
        };
        let front = Front::parse(&bytes);
        if front.newer.is_some() {
            return Vec::new();
        }
        let known = front.head.as_ref().map(|head| head.generation);
        let head = front.head.filter(|head| super::is_ours(head, &here, &stat));
        let mut lost = Vec::new();
        for frame in log::newest_frames_in(&bytes, known) {
            let since = since(&frame, head.as_ref(), &here, self.boot);
            for record in &frame.records {
                let start = usize::try_from(record.offset).unwrap_or(usize::MAX);
                let Some(bytes) = bytes.get(start..start.saturating_add(record.len)) else {
                    continue;
                };
                let file = self.look_at(record, bytes);
                let is_lost = |file| remedy(file, since, Trust::Sound) == Remedy::Rewrite;
                if file.is_ok_and(is_lost) {
                    lost.push(record.id);
                }
            }
        }
        lost
    }

    /// Puts the files of these frames of the log right and makes them durable; returns what was lost.
    fn give_back(
        &mut self,
        frames: &[Frame],
        since: impl Fn(&Frame) -> Since,
        trust: Trust,
    ) -> Result<Vec<TransactionId>, LogError> {
        let Some(log) = &self.log else {
            return Ok(Vec::new());
        };
        let given_back = self.give_back_from(log, frames, since, trust);
        if given_back.as_ref().is_err_and(LogError::is_fatal)
            && let Some(log) = &mut self.log
        {
            log.suspect();
        }
        given_back
    }

    /// As [`Wal::give_back`], of any log.
    pub(super) fn give_back_from(
        &self,
        log: &Log,
        frames: &[Frame],
        since: impl Fn(&Frame) -> Since,
        trust: Trust,
    ) -> Result<Vec<TransactionId>, LogError> {
        let mut lost = Vec::new();
        let mut live = Vec::new();
        for frame in frames {
            let records = frame.records.iter();
            let of_frame: Vec<_> = records
                .map(|record| Live {
                    record: *record,
                    written: frame.written,
                })
                .collect();
            lost.extend(self.put_right(log, &of_frame, since(frame), trust)?);
            live.extend(of_frame);
        }
        self.sync_files(&live)?;
        Ok(lost)
    }

    /// Compares records with their files and puts these right, without making them durable; returns what was written again.
    ///
    /// # Complexity
    /// Reads the file and the bytes of each record.
    pub(super) fn put_right(
        &self,
        log: &Log,
        live: &[Live],
        since: Since,
        trust: Trust,
    ) -> Result<Vec<TransactionId>, LogError> {
        let mut lost = Vec::new();
        for Live { record, .. } in live {
            let bytes = log.bytes_of(record)?;
            let file = self.look_at(record, &bytes)?;
            match remedy(file, since, trust) {
                Remedy::Nothing => {}
                Remedy::KeepAside => self.keep(record, &bytes)?,
                Remedy::Rewrite => {
                    self.write_again(record, &bytes)?;
                    if file != FileState::Same {
                        tracing::warn!(transaction = %record.id, "written again from the log: the file was {file:?}");
                        lost.push(record.id);
                    }
                }
            }
        }
        Ok(lost)
    }

    /// Keeps the bytes of all records whose files are not the same, durably.
    ///
    /// # Complexity
    /// Reads the file and the bytes of each record.
    pub(super) fn keep_all_that_differs(&self) -> Result<(), LogError> {
        let Some(log) = &self.log else { return Ok(()) };
        for Live { record, .. } in &log.live {
            let bytes = log.bytes_of(record)?;
            if self.look_at(record, &bytes)? != FileState::Same {
                self.keep(record, &bytes)?;
            }
        }
        Ok(())
    }

    fn look_at(&self, record: &Record, bytes: &[u8]) -> Result<FileState, LogError> {
        let target = file_of(&self.layout, record.id);
        let there = match self.system.disk.read(&target, limits::MAX_FILE_BYTES) {
            Ok(there) => there,
            Err(ReadError::NotFound { .. }) => return Ok(FileState::Missing),
            Err(ReadError::TooLarge { .. }) => return Ok(FileState::Damaged),
            Err(ReadError::NotAFile { .. }) => return Ok(FileState::NotAFile),
            // A file stands in the place of a directory above it.
            Err(ReadError::Io { source, .. }) if source.kind() == ErrorKind::NotADirectory => {
                return Ok(FileState::NotAFile);
            }
            Err(ReadError::Io { path, source }) => {
                return Err(LogError::new(Step::ReadLog, &path, source));
            }
            Err(other) => {
                let source = std::io::Error::other(other);
                return Err(LogError::new(Step::ReadLog, &target, source));
            }
        };
        if there == bytes {
            return Ok(FileState::Same);
        }
        let whole = decode(&there).and_then(|transaction| {
            transaction.check_location(Location::Sharded(record.id))?;
            Ok(transaction.content_hash)
        });
        Ok(match whole {
            Ok(hash) if decode(bytes).is_ok_and(|it| it.content_hash == hash) => FileState::Same,
            Ok(_) => FileState::Another,
            Err(error) if error.is_newer() => FileState::Another,
            Err(error) if error.is_incomplete() => FileState::Incomplete,
            Err(_) => FileState::Damaged,
        })
    }

    fn write_again(&self, record: &Record, bytes: &[u8]) -> Result<(), LogError> {
        let disk = self.system.disk.as_ref();
        let target = file_of(&self.layout, record.id);
        let directory = target.parent().unwrap_or(self.layout.root());
        let relative = directory
            .strip_prefix(self.layout.root())
            .unwrap_or(directory);
        fs_io::create_dirs(disk, self.layout.root(), relative, SyncPolicy::Durable).map_err(
            |error| {
                let source = std::io::Error::other(error);
                LogError::new(Step::CreateDirectory, directory, source)
            },
        )?;
        let temp = self.layout.temp().join(record.id.to_string());
        // A new file even in the place of an equal one, whose pages may be lost though they can be read.
        fs_io::replace(disk, &temp, &target, bytes, SyncPolicy::None)
            .map_err(|error| LogError::new(error.step, &error.path, error.source))
    }

    /// Keeps the bytes of a record durably. Another content under the same id gets a name of its own.
    fn keep(&self, record: &Record, bytes: &[u8]) -> Result<(), LogError> {
        let disk = self.system.disk.as_ref();
        let temp = self.layout.temp().join(format!("kept-{}", record.id));
        let mut target = self.layout.vanished_first(record.id);
        let mut kept = fs_io::publish(disk, &temp, &target, bytes, SyncPolicy::Durable);
        let is_torn = |path: &Path| {
            let there = disk.read(path, limits::MAX_FILE_BYTES);
            there.is_ok_and(|there| decode(&there).is_err_and(|error| error.is_incomplete()))
        };
        if let Err(fs_io::PublishError::Occupied { .. }) = kept
            && !is_torn(&target)
        {
            let hash = fs_format::ContentHash::from_bytes(Sha256::digest(bytes).into()).to_string();
            let other = format!("{}-{}.jsonl", record.id, &hash[..16]);
            target = self.layout.vanished().join(other);
            kept = fs_io::publish(disk, &temp, &target, bytes, SyncPolicy::Durable);
        }
        tracing::warn!(transaction = %record.id, path = %target.display(), "found in the log only, and kept beside the store");
        match kept {
            Ok(_) => Ok(()),
            // Torn by a power cut, as whatever else is there under a name that holds the hash of the bytes.
            Err(fs_io::PublishError::Occupied { .. }) => {
                fs_io::replace(disk, &temp, &target, bytes, SyncPolicy::Durable)
                    .map_err(|error| LogError::new(error.step, &error.path, error.source))
            }
            Err(error) => Err(LogError::from(error)),
        }
    }
}

/// Returns what is known of the time since a frame of a log with this head, `None` when the log is not ours.
fn since(
    frame: &Frame,
    head: Option<&LogHead>,
    here: &Site,
    boot: Option<super::frame::Mark>,
) -> Since {
    match head {
        None => Since::Copied,
        Some(head) if boot == Some(frame.boot) && head.directory.is_same_session(here) => {
            Since::SameSession
        }
        Some(_) => Since::Restarted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_is_dropped_that_stands_nowhere_else() {
        use FileState::{Another, Damaged, Incomplete, Missing, NotAFile, Same};
        use Remedy::{KeepAside, Nothing, Rewrite};
        for (file, in_the_same_session, after_a_restart, in_a_copy) in [
            (Same, Nothing, Nothing, Nothing),
            (Missing, Nothing, Rewrite, KeepAside),
            (Incomplete, Rewrite, Rewrite, Rewrite),
            (Damaged, KeepAside, Rewrite, Rewrite),
            (Another, KeepAside, KeepAside, KeepAside),
            (NotAFile, KeepAside, KeepAside, KeepAside),
        ] {
            for (since, right) in [
                (Since::SameSession, in_the_same_session),
                (Since::Restarted, after_a_restart),
                (Since::Copied, in_a_copy),
            ] {
                assert_eq!(
                    remedy(file, since, Trust::Sound),
                    right,
                    "{file:?}, {since:?}"
                );
                let suspect = if file == Same { Rewrite } else { right };
                assert_eq!(
                    remedy(file, since, Trust::Suspect),
                    suspect,
                    "{file:?}, {since:?}, after a failed sync nothing that can be read is believed durable"
                );
            }
        }
    }
}
