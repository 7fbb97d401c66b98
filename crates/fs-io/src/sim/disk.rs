//! The simulated disk as processes see it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::SimClock;
use super::state::{
    Class, Content, Directory, Fault, FileData, Ino, Name, NameChange, ROOT, State, Write, no_power,
};
use crate::disk::{Created, DirEntry, Disk, File, FileId, FileKind, Stat};
use crate::error::{ReadError, RenameError, refused};
use crate::lock::{Held, LockError, LockGuard, Wait};
use crate::system::Clock;

/// A disk in memory that can lose power. Clones are the same disk; paths start at its root, relative ones too.
#[derive(Clone, Debug)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    unlocked: Condvar,
    clock: SimClock,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimDisk {
    /// Makes an empty disk whose stamps are of that clock.
    #[must_use]
    pub fn new(clock: SimClock) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new()),
                unlocked: Condvar::new(),
                clock,
            }),
        }
    }

    /// Returns how many changing operations there were: creating, writing, syncing, renaming, removing, each call one.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.state().operations
    }

    /// Lets the `n`-th changing operation from now, from 1, fail.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        let mut state = self.shared.state();
        state.fault = Some((state.operations + n, fault));
    }

    /// Cuts the power and starts the machine again.
    ///
    /// `choice(n)` draws one of `0..n` legal fates for each operation that was not durable. Files held open from before are dead, locks are gone.
    pub fn crash(&self, choice: &mut dyn FnMut(usize) -> usize) {
        self.shared.state().crash(choice);
        self.shared.unlocked.notify_all();
    }

    /// Returns how often the power was cut.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.shared.state().crashes
    }

    /// Returns another disk that is as this one is now, with everything that is not durable yet; its stamps are of that clock.
    #[must_use]
    pub fn copy(&self, clock: SimClock) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(self.shared.state().clone()),
                unlocked: Condvar::new(),
                clock,
            }),
        }
    }

    /// Returns a number that tells disks apart whose files, as processes see them, have other names or other bytes.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let state = self.shared.state();
        let mut hasher = DefaultHasher::new();
        let mut waiting = vec![ROOT];
        while let Some(ino) = waiting.pop() {
            match state.inodes.get(&ino).map(|inode| &inode.content) {
                Some(Content::Directory(directory)) => {
                    directory.current.len().hash(&mut hasher);
                    for (name, below) in &directory.current {
                        name.hash(&mut hasher);
                        waiting.push(*below);
                    }
                }
                Some(Content::File(file)) => file.current.hash(&mut hasher),
                None => {}
            }
        }
        hasher.finish()
    }

    /// Makes the stamps of files and directories multiples of a unit, at first of a nanosecond.
    pub fn set_stamp_granularity(&self, unit: Duration) {
        self.shared.state().granularity = i64::try_from(unit.as_nanos()).unwrap_or(i64::MAX);
    }

    /// Gives the disk another device number, as after it was mounted again; at first it is 1.
    pub fn set_device(&self, device: u64) {
        self.shared.state().device = device;
    }

    /// Lets the disk tell from now on when files and directories came to be, or not; at first it does.
    pub fn set_tells_births(&self, tells_births: bool) {
        self.shared.state().tells_births = tells_births;
    }

    fn now(&self) -> i64 {
        self.shared.clock.now_unix_nanos()
    }

    fn open(&self, state: &State, ino: Ino) -> Box<dyn File> {
        Box::new(SimFile {
            disk: self.clone(),
            ino,
            crashes: state.crashes,
        })
    }

    /// Changes names; when the power goes meanwhile, the change is under way.
    fn change_names(&self, state: &mut State, change: NameChange) -> io::Result<()> {
        let fault = state.count(Class::Other);
        state.change_names(change, self.now());
        interrupted(fault)
    }

    fn add(&self, state: &mut State, at: Name, content: Content) -> io::Result<Ino> {
        let fault = state.count(Class::Other);
        let ino = state.add(at, content, self.now());
        interrupted(fault)?;
        Ok(ino)
    }

    fn open_or_create(&self, state: &mut State, path: &Path) -> io::Result<Ino> {
        state.powered()?;
        match state.find(path)? {
            Some(ino) if state.kind(ino) == FileKind::File => Ok(ino),
            Some(ino) => Err(refused("a regular file", state.kind(ino))),
            None => {
                let at = state.name(path)?;
                self.add(state, at, Content::File(FileData::default()))
            }
        }
    }

    fn rename(&self, state: &mut State, from: &Path, to: &Path) -> io::Result<()> {
        let ino = state.must_find(from)?;
        let change = NameChange::Renamed {
            from: state.name(from)?,
            to: state.name(to)?,
            ino,
        };
        self.change_names(state, change)
    }
}

fn interrupted(fault: Option<Fault>) -> io::Result<()> {
    if fault.is_some() {
        Err(no_power())
    } else {
        Ok(())
    }
}

/// Syncs, unless a fault strikes; returns whether what was pending is kept.
fn sync_outcome(fault: Option<Fault>) -> (bool, io::Result<()>) {
    let error = io::Error::other("simulated failure of a sync");
    if fault.is_some() {
        (false, Err(error))
    } else {
        (true, Ok(()))
    }
}

impl State {
    fn kind(&self, ino: Ino) -> FileKind {
        match self.inodes.get(&ino).map(|inode| &inode.content) {
            Some(Content::Directory(_)) => FileKind::Directory,
            _ => FileKind::File,
        }
    }

    fn stat(&self, ino: Ino) -> io::Result<Stat> {
        let inode = self.inodes.get(&ino).ok_or(io::ErrorKind::NotFound)?;
        let len = match &inode.content {
            Content::File(file) => file.current.len() as u64,
            Content::Directory(_) => 0,
        };
        let (kind, modified_nanos) = (self.kind(ino), inode.modified_nanos);
        Ok(Stat {
            kind,
            len,
            modified_nanos,
            changed_nanos: Some(modified_nanos),
            born_nanos: self.tells_births.then_some(inode.born_nanos),
            file_id: Some(FileId {
                device: self.device,
                inode: ino,
            }),
        })
    }

    fn sync_open_file(&mut self, ino: Ino) -> io::Result<()> {
        match self.count(Class::Sync) {
            Some(Fault::PowerCut) => Err(no_power()),
            fault => {
                let (keep, outcome) = sync_outcome(fault);
                self.sync_file(ino, keep)?;
                outcome
            }
        }
    }

    fn range(&self, ino: Ino, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let bytes = &self.file(ino)?.current;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        Ok(bytes[start..start.saturating_add(len).min(bytes.len())].to_vec())
    }

    /// Finds a regular file for reading.
    fn readable(&self, path: &Path) -> Result<Ino, ReadError> {
        let found = self
            .powered()
            .and_then(|()| self.must_find(path))
            .map_err(|source| ReadError::from_io(path, source))?;
        match self.kind(found) {
            FileKind::File => Ok(found),
            kind => Err(ReadError::NotAFile {
                path: path.to_owned(),
                kind,
            }),
        }
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<Created> {
        let mut state = self.shared.state();
        state.powered()?;
        match state.find(path)? {
            Some(ino) if state.kind(ino) == FileKind::Directory => Ok(Created::AlreadyThere),
            Some(ino) => Err(refused("a directory", state.kind(ino))),
            None => {
                let at = state.name(path)?;
                self.add(&mut state, at, Content::Directory(Directory::default()))
                    .map(|_| Created::New)
            }
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut state = self.shared.state();
        state.powered()?;
        let at = state.name(path)?;
        if state.at(&at).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let ino = self.add(&mut state, at, Content::File(FileData::default()))?;
        Ok(self.open(&state, ino))
    }

    fn open_log(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut state = self.shared.state();
        let ino = self.open_or_create(&mut state, path)?;
        Ok(self.open(&state, ino))
    }

    fn open_read(&self, path: &Path) -> Result<Box<dyn File>, ReadError> {
        let state = self.shared.state();
        let ino = state.readable(path)?;
        Ok(self.open(&state, ino))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let state = self.shared.state();
        let ino = state.readable(path)?;
        let bytes = state
            .range(ino, 0, usize::MAX)
            .map_err(|source| ReadError::from_io(path, source))?;
        let len = bytes.len() as u64;
        if len > limit {
            Err(ReadError::TooLarge {
                path: path.to_owned(),
                len,
                limit,
            })
        } else {
            Ok(bytes)
        }
    }

    fn read_range(&self, path: &Path, offset: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        let state = self.shared.state();
        let ino = state.readable(path)?;
        state
            .range(ino, offset, len)
            .map_err(|source| ReadError::from_io(path, source))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.shared.state();
        state.powered()?;
        let ino = state.must_find(dir)?;
        match &state.inodes[&ino].content {
            Content::Directory(directory) => Ok(directory
                .current
                .iter()
                .map(|(name, ino)| DirEntry {
                    name: name.clone(),
                    kind: state.kind(*ino),
                })
                .collect()),
            Content::File(_) => Err(refused("a directory", FileKind::File)),
        }
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let state = self.shared.state();
        state.powered()?;
        state.find(path)?.map(|ino| state.stat(ino)).transpose()
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<(), RenameError> {
        let failed = |source| RenameError::Io {
            from: from.to_owned(),
            to: to.to_owned(),
            source,
        };
        let mut state = self.shared.state();
        state.powered().map_err(failed)?;
        state.must_find(from).map_err(failed)?;
        if state.find(to).map_err(failed)?.is_some() {
            return Err(RenameError::AlreadyExists {
                path: to.to_owned(),
            });
        }
        self.rename(&mut state, from, to).map_err(failed)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.powered()?;
        if let Some(there) = state.find(to)?
            && state.kind(there) == FileKind::Directory
        {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.rename(&mut state, from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.powered()?;
        let ino = state.must_find(path)?;
        if state.kind(ino) == FileKind::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let at = state.name(path)?;
        self.change_names(&mut state, NameChange::Removed { at })
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.powered()?;
        let ino = state.must_find(path)?;
        state.file(ino)?;
        state.sync_open_file(ino)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.powered()?;
        let ino = state.must_find(path)?;
        if state.kind(ino) != FileKind::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        match state.count(Class::Sync) {
            Some(Fault::PowerCut) => Err(no_power()),
            fault => {
                let (keep, outcome) = sync_outcome(fault);
                state.sync_dir(ino, keep);
                outcome
            }
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.powered()?;
        let ino = state.must_find(path)?;
        match &state.inodes[&ino].content {
            Content::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Content::Directory(directory) if !directory.current.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            Content::Directory(_) => {}
        }
        let at = state.name(path)?;
        self.change_names(&mut state, NameChange::Removed { at })
    }

    fn lock(&self, path: &Path, wait: Wait) -> Result<LockGuard, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let patience = match wait {
            Wait::Never => Duration::ZERO,
            Wait::UpTo(patience) => patience,
        };
        let start = Instant::now();
        let mut state = self.shared.state();
        loop {
            let ino = self.open_or_create(&mut state, path).map_err(failed)?;
            let left = patience.saturating_sub(start.elapsed());
            match state.locks.get(&ino) {
                None => {
                    state
                        .locks
                        .insert(ino, format!("pid 1 since {}", self.now()));
                    let crashes = state.crashes;
                    return Ok(LockGuard::new(SimLock {
                        disk: self.clone(),
                        ino,
                        path: path.to_owned(),
                        crashes,
                    }));
                }
                Some(holder) if left.is_zero() => {
                    return Err(LockError::Busy {
                        path: path.to_owned(),
                        holder: Some(holder.clone()),
                    });
                }
                Some(_) => {
                    state = self
                        .shared
                        .unlocked
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            }
        }
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    ino: Ino,
    path: PathBuf,
    crashes: u64,
}

impl Held for SimLock {
    fn is_named(&self) -> bool {
        let state = self.disk.shared.state();
        matches!(state.find(&self.path), Ok(Some(ino)) if ino == self.ino)
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.shared.state();
        // After a crash the lock may be another's.
        if state.crashes == self.crashes {
            state.locks.remove(&self.ino);
            self.disk.shared.unlocked.notify_all();
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    ino: Ino,
    crashes: u64,
}

impl SimFile {
    /// Returns the state, unless the process that opened this file died in a power cut.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.shared.state();
        state.powered()?;
        if state.crashes == self.crashes {
            Ok(state)
        } else {
            Err(no_power())
        }
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        let fault = state.count(Class::Append);
        let written = if fault == Some(Fault::WriteFails) {
            &bytes[..bytes.len() / 2]
        } else {
            bytes
        };
        state.write(
            self.ino,
            Write::Bytes {
                offset,
                bytes: written.to_vec(),
            },
            self.disk.now(),
        )?;
        match fault {
            Some(Fault::WriteFails) => Err(io::ErrorKind::StorageFull.into()),
            fault => interrupted(fault),
        }
    }
}

impl File for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let offset = self.state()?.file(self.ino)?.current.len();
        self.write(offset, bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.write(offset, bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.file(self.ino)?.current.len() as u64)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.state()?.range(self.ino, offset, len)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let fault = state.count(Class::Other);
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        state.write(self.ino, Write::Truncate { len }, self.disk.now())?;
        interrupted(fault)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.state()?.sync_open_file(self.ino)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.state()?.stat(self.ino)
    }
}
