//! The log of what was acknowledged and is not yet durable as files: `local/log`.
//!
//! ```text
//! under the write lock:   catch up -> write one frame -> sync it -> publish the files, unsynced -> acknowledge
//! now and then:           sync the files and their directories -> start the log anew
//! ```
//!
//! **Invariant**: what was acknowledged is durable in the log or as a file, whatever fails, and a transaction that went away on purpose, as far
//! as the store has seen it go, is in no log that a power cut could give back.
//!
//! # What each crash leaves
//! - *Before the frame is synced*: a part of it, which its checksum refutes, or all of it, which is then as good as synced. Nothing was
//!   acknowledged.
//! - *Between the sync and the last publication, the process dies*: a record without a file. The next turn of any process looks for the files of
//!   the newest frame, and starts the log anew when one is missing. Not applied; nobody had an answer.
//! - *The power is cut at any later time before a checkpoint*: each record is compared with its file, and a file that is missing or different is
//!   written again, before anything else is done ([`recover`]).
//! - *In the middle of a checkpoint*: the old head, in a slot of its own, and its frames stand until the new head is durable. All files were
//!   durable before that.
//! - *In the middle of recovery*: the old head stands. It is done again, and whatever was written again is the same.
//! - *A write or sync fails*: the log is marked as suspect, in the memory that all processes share, and is not written to any more. Whoever comes
//!   next writes the files of its records anew, as new files, and then a new log: pages whose sync failed may look well and be lost.
//!
//! # Sessions and sites
//! A record whose file is missing was removed on purpose if the machine has run since it was written, and may be lost if it has not, or if the
//! file system was on another device meanwhile. So frames bear the id of the boot, and without one (only Linux tells) nothing is written to the
//! log: appends are durable as files then. The head bears the sites of the store and of the log's file ([`Site`]), by which a copy is told, made
//! by `cp -r` or restored from a backup. Whether a file that is missing beside a copy was lost or removed nobody knows: the bytes are kept in
//! `local/vanished/`. The same goes for a log both of whose heads are damaged. A file that is there and cut off is written again in any case.
//!
//! # Files that are spoiled in the same session
//! The index keeps the bytes of what goes away or is spoiled. A new one, in the place of one that was deleted or cannot be read, has none: so the
//! bytes of records whose files are not the same are kept in `local/vanished/` before it looks, and before a record is dropped.
//!
//! # Limitations
//! A file that is removed while no process looks, and before the power is cut, comes back. Deleting `local/` takes the log along: a handle that
//! is open notices and syncs the files it knew of, but until then they are as durable as the system has made them.

mod error;
mod former;
mod frame;
mod log;
mod recover;

use std::collections::BTreeSet;
use std::path::PathBuf;

use fs_format::TransactionId;
use fs_index::{Layout, Stored, activity_around, sweep_temp};
use fs_io::{LockGuard, Ownership, Site, Stat, Step, System};

use crate::error::NewerVersion;

pub use error::LogError;
use frame::{Body, Frame, Front, Generation, LogHead, Mark, Trust};
use log::{Live, Log};
use recover::Since;

/// Records older than this are checkpointed by the next append.
const PATIENCE_NANOS: u64 = 30_000_000_000;

/// A log of so many bytes is checkpointed.
const MOST_BYTES: usize = 1 << 20;

/// A transaction of more bytes is written as a file at once: twice would cost more than the second sync.
const LARGE: usize = 256 << 10;

/// Whether the index has the bytes of what was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexState {
    /// It keeps them when it sees that a file is gone or spoiled.
    Known,
    /// It was deleted or cannot be read, so nobody has them but the log.
    Lost,
}

/// The log as one handle knows it.
#[derive(Debug)]
pub(crate) struct Wal {
    system: System,
    layout: Layout,
    /// The boot, where the machine tells it.
    boot: Option<Mark>,
    /// A log of so many records is checkpointed.
    most_records: usize,
    log: Option<Log>,
    /// The log of the versions before, as it was when it was last found or left empty.
    former_seen: Option<former::Seen>,
    recovered: Vec<TransactionId>,
}

impl Wal {
    pub(crate) fn new(system: System, layout: Layout, most_records: usize) -> Self {
        let boot = system.machine.boot_id.as_deref().map(log::mark);
        Self {
            system,
            layout,
            boot,
            most_records: most_records.max(1),
            log: None,
            former_seen: None,
            recovered: Vec::new(),
        }
    }

    /// Returns whether appends can be made durable by the log.
    pub(crate) fn is_usable(&self) -> bool {
        self.boot.is_some()
    }

    /// Returns whether a transaction is to be made durable by the log, and not as a file.
    pub(crate) fn takes(&self, transaction: &Stored) -> bool {
        self.is_usable() && transaction.file_bytes().len() <= LARGE
    }

    /// Returns how many bytes of transactions belong into one frame at most.
    pub(crate) fn most_bytes() -> usize {
        MOST_BYTES / 2
    }

    /// Returns whether there is a log, empty or not.
    pub(crate) fn is_there(&self) -> bool {
        let stat = self.system.disk.stat(&log::path_of(&self.layout));
        !matches!(stat, Ok(None)) || self.former_wants_recovery()
    }

    /// Takes the transactions that were written again since the last call.
    pub(crate) fn take_recovered(&mut self) -> Vec<TransactionId> {
        std::mem::take(&mut self.recovered)
    }

    /// Returns the log's file if it is of a newer format than this version knows: looks without the lock, and writes nothing.
    pub(crate) fn newer_version(&self) -> Option<NewerVersion> {
        let path = log::path_of(&self.layout);
        let bytes = self.system.disk.read_range(&path, 0, frame::FRONT);
        let newer = bytes
            .ok()
            .and_then(|bytes| newer(&path, &Front::parse(&bytes)));
        newer.or_else(|| self.newer_former())
    }

    /// Returns whether what the log holds may be missing from `events/`: looks without the lock, and writes nothing.
    pub(crate) fn wants_recovery(&self) -> bool {
        if self.former_wants_recovery() {
            return true;
        }
        let path = log::path_of(&self.layout);
        let disk = self.system.disk.as_ref();
        let Ok(bytes) = disk.read_range(&path, 0, frame::FRONT) else {
            return false;
        };
        let front = Front::parse(&bytes);
        let is_current = |head: &LogHead| {
            let here = self.site().ok();
            let stat = disk.stat(&path).ok().flatten();
            here.zip(stat)
                .is_some_and(|(here, stat)| self.is_current(head, &here, &stat))
        };
        match &front.head {
            Some(head) if front.trust == Trust::Sound && !is_current(head) => {
                // Where one boot is not told from the next, an empty log is as good as a current one.
                let first = disk.read_range(
                    &path,
                    frame::offset_of(frame::FIRST_FRAME),
                    frame::FRAME_HEAD,
                );
                let is_empty =
                    first.is_ok_and(|first| Frame::announced(&first, head.generation).is_none());
                self.is_usable() || !is_empty
            }
            head => front.trust == Trust::Suspect || head.is_none(),
        }
    }

    /// Reads what others wrote, and puts right what a crash has left. At the start of each turn, before anything else.
    ///
    /// Where the index is lost, the bytes of records whose files are not the same are kept in `local/vanished/` first: nothing becomes of log
    /// and files by this.
    ///
    /// # Errors
    /// [`LogError`]; when it is fatal, the handle must not be used for appends any more.
    pub(crate) fn catch_up(&mut self, index: IndexState, lock: &LockGuard) -> Result<(), LogError> {
        let path = log::path_of(&self.layout);
        let disk = self.system.disk.clone();
        let there = disk
            .stat(&path)
            .map_err(|source| LogError::new(Step::ReadLog, &path, source))?;
        let known = self.log.as_ref().map(|log| log.file_id);
        if there.is_none() || known != there.map(|stat| stat.file_id) {
            if let Some(orphaned) = self.log.take() {
                // It was deleted, with `local/`, or another process has made a new one: then these are durable already.
                self.settle(&orphaned)?;
            }
            if there.is_some() {
                let opened = Log::open(disk.as_ref(), &path)?;
                if let Some(newer) = newer(&path, &opened.read_front()?) {
                    return Err(LogError::newer(newer));
                }
                self.log = Some(opened);
            }
        }
        self.take_over_former()?;
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let front = log.read_front()?;
        if let Some(newer) = newer(&path, &front) {
            return Err(LogError::newer(newer));
        }
        let stat = log.stat()?;
        let here = self.site()?;
        let is_sound = front.trust == Trust::Sound;
        let Some(head) = front.head.clone().filter(|_| is_sound) else {
            return self.recover(&here, front);
        };
        let is_current = self.is_current(&head, &here, &stat);
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        if is_current {
            if head.generation != log.head.generation {
                log.begin(head);
            }
            log.read_on()?;
            if index == IndexState::Lost {
                self.keep_all_that_differs()?;
            }
            return self.drop_unpublished(lock);
        }
        // Where one boot is not told from the next, an empty log is as good as a current one.
        if self.boot.is_none() && !log.holds_any(head.generation)? {
            return Ok(());
        }
        self.recover(&here, front)
    }

    /// Returns where the store is now.
    fn site(&self) -> Result<Site, LogError> {
        let root = self.layout.own_root();
        Site::of_directory(&self.system, root)
            .map_err(|source| LogError::new(Step::ReadLog, root, source))
    }

    /// Returns whether nothing that the log holds can have been lost since it was begun.
    fn is_current(&self, head: &LogHead, here: &Site, file: &Stat) -> bool {
        is_ours(head, here, file) && head.directory.is_same_session(here)
    }

    /// Drops records whose files went away, so that no power cut brings them back.
    ///
    /// To be called when something went away, before anybody hears of it.
    ///
    /// # Complexity
    /// One look at the directory for each record.
    ///
    /// # Errors
    /// As [`Wal::catch_up`].
    pub(crate) fn drop_missing(&mut self, lock: &LockGuard) -> Result<(), LogError> {
        let Some(log) = &self.log else { return Ok(()) };
        let missing = log
            .live
            .iter()
            .any(|live| is_missing(&self.system, &self.layout, live));
        if missing {
            self.checkpoint(lock)
        } else {
            Ok(())
        }
    }

    /// Makes these transactions durable as one frame: after a power cut, all of them are found or none.
    ///
    /// The caller publishes them next and calls [`Wal::published`].
    ///
    /// # Errors
    /// As [`Wal::catch_up`]. Whether they would survive a power cut is unknown then.
    pub(crate) fn write(
        &mut self,
        transactions: &[Stored],
        _lock: &LockGuard,
    ) -> Result<(), LogError> {
        let transactions: &[Body<'_>] = &transactions
            .iter()
            .map(|it| (it.id(), it.file_bytes()))
            .collect::<Vec<_>>();
        let boot = self
            .boot
            .expect("the caller has asked whether there can be a log");
        let here = self.site()?;
        let now = self.system.clock.now_unix_nanos();
        let slots = Frame::slots_for(transactions);
        let room = self.log.as_ref().map_or(0, |log| log.head.slots - log.next);
        if room < slots || self.is_due(transactions, now) {
            self.restart(&here, slots)?;
        }
        let log = self
            .log
            .as_mut()
            .expect("a log with room was made just above");
        let frame = Frame::encode(log.head.generation, log.next, boot, now, transactions);
        log.write(&frame)
    }

    /// Says that everything in the log has been published.
    pub(crate) fn published(&mut self) {
        if let Some(log) = &mut self.log {
            log.published = log.live.len();
        }
    }

    /// Makes the files of all records durable that are there, and starts the log anew: those of records that have none are dropped.
    ///
    /// # Errors
    /// As [`Wal::catch_up`].
    pub(crate) fn checkpoint(&mut self, _lock: &LockGuard) -> Result<(), LogError> {
        let holds_any = self.log.as_ref().is_some_and(|log| !log.live.is_empty());
        if holds_any {
            let here = self.site()?;
            self.restart(&here, 0)?;
        }
        Ok(())
    }

    /// Lets go of the records of transactions that nobody is to miss: their bytes are written nowhere any more.
    ///
    /// # Errors
    /// As [`Wal::catch_up`].
    pub(crate) fn let_go(
        &mut self,
        ids: &BTreeSet<TransactionId>,
        _lock: &LockGuard,
    ) -> Result<(), LogError> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let is_held = log.live.iter().any(|live| ids.contains(&live.record.id));
        if !is_held {
            return Ok(());
        }
        log.let_go.extend(ids);
        let here = self.site()?;
        self.restart(&here, 0)
    }

    fn is_due(&self, transactions: &[Body<'_>], now: i64) -> bool {
        let Some(log) = &self.log else { return false };
        let Some(oldest) = log.live.first() else {
            return false;
        };
        let bytes: usize = transactions.iter().map(|(_, body)| body.len()).sum();
        log.live.len() + transactions.len() > self.most_records
            || log.bytes + bytes > MOST_BYTES
            || now.abs_diff(oldest.written) > PATIENCE_NANOS
    }

    /// Empties the log, which has room for a frame of so many slots then, and clears away what killed processes have left.
    fn restart(&mut self, here: &Site, slots: u32) -> Result<(), LogError> {
        let Some(log) = &self.log else {
            return self.replace(here, Log::slots_for(0, slots));
        };
        let (settled, before) = (self.settle(log), log.head.slots);
        if let Err(error) = settled {
            if error.is_fatal()
                && let Some(log) = &mut self.log
            {
                log.suspect();
            }
            return Err(error);
        }
        let log = self.log.as_ref().expect("there was one above");
        sweep_temp(&self.system, &self.layout);
        let is_full = log.head.slots - log.next < slots;
        let after = if is_full {
            Log::slots_for(before, slots)
        } else {
            before
        };
        if after > before {
            return self.replace(here, after);
        }
        let generation = self.next_generation()?;
        match &mut self.log {
            Some(log) => log.renew(here, generation),
            None => Ok(()),
        }
    }

    /// Puts a new, empty log in the place of the present one.
    fn replace(&mut self, here: &Site, slots: u32) -> Result<(), LogError> {
        let generation = self.next_generation()?;
        let log = Log::create(&self.system, &self.layout, here, generation, slots)?;
        self.log = Some(log);
        Ok(())
    }

    fn next_generation(&self) -> Result<Generation, LogError> {
        let before = self.log.as_ref().map(|log| log.head.generation);
        self.generation_after(before.unwrap_or_default())
    }

    fn generation_after(&self, before: Generation) -> Result<Generation, LogError> {
        let mut nonce = [0; 8];
        self.system
            .random
            .fill(&mut nonce)
            .map_err(|source| LogError::new(Step::WriteLog, &log::path_of(&self.layout), source))?;
        Ok(Generation {
            number: before.number.saturating_add(1),
            nonce: u64::from_le_bytes(nonce),
        })
    }

    /// Looks for the files of the newest frame: its process may have died before it published them.
    ///
    /// Those of older frames were looked for before the newest was written.
    fn drop_unpublished(&mut self, lock: &LockGuard) -> Result<(), LogError> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let from = log.published.max(log.newest_frame);
        let mut newest = log.live[from..].iter();
        let missing = newest.any(|live| is_missing(&self.system, &self.layout, live));
        if missing && activity_around(&self.system, &self.layout).is_some() {
            // Taken away for a moment, maybe: the next turn looks again.
            return Ok(());
        }
        log.published = log.live.len();
        if missing {
            self.checkpoint(lock)
        } else {
            Ok(())
        }
    }

    /// Makes durable what the records of a log stand for: the files that are there, and the bytes of records whose files are not what they were.
    fn settle(&self, log: &Log) -> Result<(), LogError> {
        let held = log
            .live
            .iter()
            .filter(|live| !log.let_go.contains(&live.record.id));
        let held: Vec<_> = held.copied().collect();
        self.put_right(log, &held, Since::SameSession, Trust::Sound)?;
        self.sync_files(&log.live)
    }

    fn sync_files(&self, live: &[Live]) -> Result<(), LogError> {
        let files: Vec<_> = live
            .iter()
            .map(|live| file_of(&self.layout, live.record.id))
            .collect();
        let disk = self.system.disk.as_ref();
        fs_io::make_all_durable(disk, self.layout.root(), &files).map_err(LogError::from)
    }
}

/// Returns whether a log with this head, in this file, is this working copy's.
fn is_ours(head: &LogHead, here: &Site, file: &Stat) -> bool {
    head.directory.judge(here) != Ownership::Copy
        && head.file.judge(&here.of_file(file)) != Ownership::Copy
}

fn newer(path: &std::path::Path, front: &Front) -> Option<NewerVersion> {
    Some(NewerVersion {
        path: path.to_owned(),
        format: front.newer?.into(),
        known: frame::LOG_FORMAT.into(),
    })
}

fn file_of(layout: &Layout, id: TransactionId) -> PathBuf {
    layout.event_file(&id.relative_path())
}

fn is_missing(system: &System, layout: &Layout, live: &Live) -> bool {
    let stat = system.disk.stat(&file_of(layout, live.record.id));
    matches!(stat, Ok(None))
}
