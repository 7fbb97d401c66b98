//! Writing again what a power cut has taken.
//!
//! **Invariant**: the log is started anew only after everything that it gives back is durable in `events/`; until then, doing it all again comes to
//! the same.

use fs_format::limits;
use fs_io::{ReadError, Step, SyncPolicy};

use super::error::LogError;
use super::frame::{Frame, Front, Mark, Record};
use super::log::{self, Live, Log};
use super::{Wal, file_of};

/// What is known of the time between the writing of a frame and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// The machine has run: what is gone was removed.
    SameBoot,
    /// The same, and a sync has failed: what is there may not be durable whatever syncs say.
    SyncFailed,
    /// The machine was started anew: what is gone was lost.
    Restarted,
}

impl Wal {
    /// Brings `events/` into line with a log that was written in another boot, at another place, or that a sync has failed on.
    pub(super) fn recover(&mut self, boot: Mark, front: Front) -> Result<(), LogError> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let mut frames = log.read_all()?;
        // A frame is newer than a head that the power cut kept from being written.
        let newest = frames.iter().map(|frame| frame.generation);
        let of_head = front.head.as_ref().map(|head| head.generation);
        let newest = newest.chain(of_head).max();
        let newest = newest.unwrap_or_default();
        frames.retain(|frame| frame.generation == newest);
        log.head.generation = newest;
        let place = log::place_of(&self.system, log.file_id);
        let is_whole = !front.suspect;
        let Some(head) = front.head.filter(|head| head.place == place) else {
            self.set_aside(&frames)?;
            return self.replace(boot, Log::slots_for(0, 0));
        };
        let mut given_back = Vec::new();
        for frame in &frames {
            let since = match (frame.boot == boot, is_whole) {
                (false, _) => Since::Restarted,
                (true, true) => Since::SameBoot,
                (true, false) => Since::SyncFailed,
            };
            for record in &frame.records {
                self.give_back(record, since, is_whole)?;
                given_back.push(Live {
                    record: *record,
                    written: frame.written,
                });
            }
        }
        if let Err(error) = self.sync_files(&given_back) {
            if let Some(log) = &mut self.log {
                log.suspect();
            }
            return Err(error);
        }
        if !is_whole {
            return self.replace(boot, Log::slots_for(0, 0));
        }
        let generation = self.next_generation()?;
        let log = self.log.as_mut().expect("there was one above");
        log.begin(head);
        log.renew(boot, generation)
    }

    /// Compares a record with its file, and writes the file again where it was lost.
    fn give_back(&mut self, record: &Record, since: Since, is_whole: bool) -> Result<(), LogError> {
        let Some(log) = &self.log else { return Ok(()) };
        let bytes = log.bytes_of(record)?;
        let target = file_of(&self.layout, record.id);
        let found = self.system.disk.read(&target, limits::MAX_FILE_BYTES);
        let is_lost = match found {
            Ok(there) if there == bytes && is_whole => return Ok(()),
            Ok(there) if there == bytes => false,
            Ok(_) | Err(ReadError::TooLarge { .. } | ReadError::NotFound { .. })
                if since != Since::Restarted =>
            {
                return Ok(());
            }
            Ok(_) | Err(ReadError::TooLarge { .. } | ReadError::NotFound { .. }) => true,
            Err(ReadError::NotAFile { .. }) => return self.keep(record, &bytes),
            Err(ReadError::Io { path, source }) => {
                return Err(LogError::new(Step::ReadLog, &path, source));
            }
            Err(_) => return Ok(()),
        };
        self.write_again(record, &bytes)?;
        if is_lost {
            tracing::warn!(transaction = %record.id, "written again from the log: a power cut had taken it");
            self.recovered.push(record.id);
        }
        Ok(())
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

    /// Keeps the bytes of a copied or damaged log whose files are not there.
    fn set_aside(&mut self, frames: &[Frame]) -> Result<(), LogError> {
        for record in frames.iter().flat_map(|frame| &frame.records) {
            let target = file_of(&self.layout, record.id);
            let stat = self.system.disk.stat(&target);
            if matches!(stat, Ok(None))
                && let Some(log) = &self.log
            {
                let bytes = log.bytes_of(record)?;
                self.keep(record, &bytes)?;
            }
        }
        Ok(())
    }

    fn keep(&self, record: &Record, bytes: &[u8]) -> Result<(), LogError> {
        let name = record.id.file_name();
        let temp = self.layout.temp().join(format!("kept-{name}"));
        let target = self.layout.vanished().join(name);
        let kept = fs_io::publish(
            self.system.disk.as_ref(),
            &temp,
            &target,
            bytes,
            SyncPolicy::Durable,
        );
        tracing::warn!(transaction = %record.id, path = %target.display(), "found in the log only, and kept beside the store");
        match kept {
            Ok(_) | Err(fs_io::PublishError::Occupied { .. }) => Ok(()),
            Err(error) => Err(LogError::from(error)),
        }
    }
}
