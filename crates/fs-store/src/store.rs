//! The store: one handle over one directory.
//!
//! **Invariant**: `events/` is the only truth; what a handle answers is a function of the files that were there at its
//! last refresh. No lock is held between calls, and a reader never waits for a writer.
//!
//! Locks are taken in this order: the writer of this process, the lock file, the index.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fs_format::TransactionId;
use fs_index::{Depth, Effort, History, Index, IndexError, Layout, Observed};
use fs_io::{FileKind, LockError, LockGuard, PrivateDir, SyncPolicy, System, Wait};

use crate::error::{AppendError, NoStore, OpenError, RefreshError, is_refusal};
use crate::group::Queue;
use crate::identity::{Found, Identity};
use crate::options::{Reads, StoreOptions};
use crate::subscribe::Tail;
use crate::wal::{LogError, Wal};

/// What git is told of the transaction files: never convert, a union is a merge, not shown in statistics.
const GIT_ATTRIBUTES: &[u8] = b"* -text merge=union linguist-generated=true\n";

/// What git is told to leave alone.
const GIT_IGNORE: &[u8] = b"/index/\n/local/\n";

/// An event store in a directory.
///
/// Cloning is cheap and gives another handle on the same opened store. All methods block; none needs a runtime.
#[derive(Clone, Debug)]
pub struct FileEventStore {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) system: System,
    pub(crate) layout: Layout,
    pub(crate) options: StoreOptions,
    index: RwLock<Index>,
    writer: Mutex<Writer>,
    /// Appends that wait for their turn.
    pub(crate) queue: Queue,
    recovered: Mutex<Vec<TransactionId>>,
    pub(crate) tail: Tail,
    /// What holds `index/` and `local/` of a store that may not be written to.
    pub(crate) private: Option<PrivateDir>,
}

/// What only an appending thread uses.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) identity: Identity,
    /// Why this handle refuses to append.
    pub(crate) poisoned: Option<String>,
    /// Files that were published and not synced.
    pub(crate) unsynced: Vec<PathBuf>,
    /// What was published and not synced, and would be written again after a power cut.
    pub(crate) wal: Wal,
    /// Whether the index has been brought up to date in this boot by this handle.
    has_ingested: bool,
}

impl FileEventStore {
    /// Opens the store at `root` and creates it when there is none.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be set up or read. Files in `events/` that cannot be used are no error;
    /// the status lists them.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(root, StoreOptions::default())
    }

    /// Opens or creates the store at `root` with these options.
    ///
    /// # Errors
    /// As [`FileEventStore::open`].
    pub fn open_with(root: impl AsRef<Path>, options: StoreOptions) -> Result<Self, OpenError> {
        Self::open_on(System::real(), root, options)
    }

    /// Opens or creates the store at `root` on another system than the real one: a simulated disk, another clock.
    ///
    /// # Errors
    /// As [`FileEventStore::open`].
    pub fn open_on(
        system: System,
        root: impl AsRef<Path>,
        options: StoreOptions,
    ) -> Result<Self, OpenError> {
        let layout = layout_of(root.as_ref())?;
        set_up(&system, &layout)?;
        Self::start(system, layout, options, None)
    }

    /// Opens the store at `root`; where there is none, nothing is created or written.
    ///
    /// # Errors
    /// [`OpenError::NotAStore`] when `root` holds no `events/` directory, else as [`FileEventStore::open`].
    pub fn open_existing(root: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_existing_with(root, StoreOptions::default())
    }

    /// Opens the store at `root` with these options; where there is none, nothing is created or written.
    ///
    /// # Errors
    /// As [`FileEventStore::open_existing`].
    pub fn open_existing_with(
        root: impl AsRef<Path>,
        options: StoreOptions,
    ) -> Result<Self, OpenError> {
        let (system, layout) = (System::real(), layout_of(root.as_ref())?);
        must_be_there(&system, &layout)?;
        let opened = create_local(&system, &layout)
            .and_then(|()| Self::start(system.clone(), layout.clone(), options.clone(), None));
        match opened {
            Err(error) if is_read_only(&error) => Self::start_apart(system, &layout, options),
            opened => opened,
        }
    }

    /// Opens a store that may not be written to: what is made of it lies elsewhere, and goes away with the handle.
    fn start_apart(
        system: System,
        layout: &Layout,
        options: StoreOptions,
    ) -> Result<Self, OpenError> {
        let private = PrivateDir::new().map_err(|source| OpenError::NoTemporaryPlace {
            root: layout.root().to_owned(),
            source,
        })?;
        let apart = Layout::apart(layout.root(), private.path());
        create_local(&system, &apart)?;
        Self::start(system, apart, options, Some(private))
    }

    fn start(
        system: System,
        layout: Layout,
        options: StoreOptions,
        private: Option<PrivateDir>,
    ) -> Result<Self, OpenError> {
        let failed = |source: AppendError| OpenError::SetUp {
            root: layout.root().to_owned(),
            source: Box::new(source),
        };
        let mut found = Identity::load(&system, &layout).map_err(failed)?;
        if let Found::Elsewhere(_) = found {
            let wait = Wait::UpTo(options.lock_timeout);
            let _lock = system
                .disk
                .lock(&layout.lock(), wait)
                .map_err(RefreshError::from)?;
            found = Identity::load(&system, &layout).map_err(failed)?;
            if let Found::Elsewhere(identity) = &mut found {
                let removed = system.disk.remove_file(&layout.journal());
                removed
                    .or_else(|error| {
                        if error.kind() == std::io::ErrorKind::NotFound {
                            Ok(())
                        } else {
                            Err(error)
                        }
                    })
                    .map_err(|source| OpenError::SetUp {
                        root: layout.root().to_owned(),
                        source: Box::new(source),
                    })?;
                identity.save(&system).map_err(failed)?;
            }
        }
        let mut wal = Wal::new(system.clone(), layout.clone(), options.checkpoint_after);
        if wal.wants_recovery() {
            recover(&system, &layout, &options, &mut wal)?;
        }
        let recovered = Mutex::new(wal.take_recovered());
        let (Found::Here(identity) | Found::Elsewhere(identity)) = found;
        let own: BTreeSet<_> = identity.replicas().chain(options.replica_id).collect();
        let index = Index::new(system.clone(), layout.clone(), own);
        let index = RwLock::new(index.reporting_to(options.progress.clone()));
        let writer = Mutex::new(Writer {
            identity,
            poisoned: None,
            unsynced: Vec::new(),
            wal,
            has_ingested: false,
        });
        let store = Self {
            inner: Arc::new(Inner {
                system,
                layout,
                options,
                index,
                writer,
                queue: Queue::default(),
                recovered,
                tail: Tail::default(),
                private,
            }),
        };
        // With an index at hand, the directories are compared by the first read; but what cannot be taken in here has to
        // be known now.
        let is_loaded = store.inner.index_mut().load();
        if !is_loaded.map_err(RefreshError::from)? || !store.inner.may_lock() {
            store.inner.freshen()?;
        }
        Ok(store)
    }

    /// Tells whether there is a store at `root`, by looking alone.
    ///
    /// # Errors
    /// [`OpenError::NotAStore`] when there is none, and [`OpenError::Unreadable`] when that cannot be told.
    pub fn look_for(root: impl AsRef<Path>) -> Result<(), OpenError> {
        must_be_there(&System::real(), &layout_of(root.as_ref())?)
    }

    /// Returns the directory of the store.
    pub fn root(&self) -> &Path {
        self.inner.layout.root()
    }

    /// Takes notice of what other processes appended and of files that came or went, as by `git merge`.
    ///
    /// # Errors
    /// [`RefreshError`]; what was known before is still served.
    pub fn refresh(&self) -> Result<(), RefreshError> {
        self.inner.refresh(Depth::Names)
    }

    /// Returns the transactions that a power cut had taken, or cut short, and that this handle has written again from its log.
    pub fn recovered(&self) -> Vec<TransactionId> {
        self.inner.recovered().clone()
    }

    /// Calls `look` with the history as of now.
    ///
    /// # Errors
    /// [`RefreshError`] when the history cannot be brought up to date.
    pub fn with_history<T>(&self, look: impl FnOnce(&History) -> T) -> Result<T, RefreshError> {
        self.inner.freshen()?;
        let history = self.inner.history()?;
        Ok(look(&history))
    }
}

impl Inner {
    /// Brings the index up to date, taking the write lock only when something came or went.
    pub(crate) fn refresh(&self, depth: Depth) -> Result<(), RefreshError> {
        if self.index_mut().observe(depth)? == Observed::Changed {
            let mut writer = self.writer();
            let lock = self.lock()?;
            self.take_in_what_changed(&mut writer, depth, &lock)?;
            self.tail.wake();
        }
        Ok(())
    }

    /// Brings the index up to date for a read, which never waits: what arrived while another process holds the write
    /// lock is taken in by the next read.
    pub(crate) fn freshen(&self) -> Result<(), RefreshError> {
        if self.options.reads == Reads::AsRefreshed && self.index().epoch().is_some() {
            return Ok(());
        }
        if self.index_mut().observe(Depth::Recent)? == Observed::Current {
            return Ok(());
        }
        if self.index().epoch().is_none() {
            return self.refresh(Depth::Names);
        }
        let Ok(mut writer) = self.writer.try_lock() else {
            return Ok(());
        };
        match self.system.disk.lock(&self.layout.lock(), Wait::Never) {
            Ok(lock) => match self.take_in_what_changed(&mut writer, Depth::Recent, &lock) {
                // The writer refuses to go on; what is there can be read all the same.
                Err(RefreshError::Log(error)) => {
                    tracing::warn!(%error, "the log could not be put right, so nothing that arrived is taken in");
                    Ok(())
                }
                outcome => outcome,
            },
            Err(LockError::Busy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Answers from the index as of now, which is built anew when a part of it is damaged.
    pub(crate) fn ask<T>(
        &self,
        question: impl Fn(&Index) -> Result<T, IndexError>,
    ) -> Result<T, RefreshError> {
        self.freshen()?;
        let ordered = self.index_mut().load_order();
        match ordered.and_then(|()| question(&self.index())) {
            Err(IndexError::Damaged { .. }) => {
                self.repair()?;
                self.index_mut().load_order()?;
                Ok(question(&self.index())?)
            }
            answer => Ok(answer?),
        }
    }

    /// As [`Inner::ask`]; under [`Effort::Little`] `None` when somebody else has to be waited for, or files to be read.
    pub(crate) fn ask_with<T>(
        &self,
        effort: Effort,
        question: impl Fn(&Index) -> Result<T, IndexError>,
    ) -> Result<Option<T>, RefreshError> {
        if effort == Effort::Any {
            return self.ask(question).map(Some);
        }
        let Ok(mut index) = self.index.try_write() else {
            return Ok(None);
        };
        let is_current = match self.options.reads {
            Reads::AsRefreshed => index.epoch().is_some(),
            Reads::Present => index.is_current_at_a_glance(),
        };
        drop(index);
        match self.index.try_read() {
            Ok(index) if is_current && index.is_ordered_by_key() => Ok(question(&index).ok()),
            _ => Ok(None),
        }
    }

    /// Returns the whole history, as of the last look at the files.
    pub(crate) fn history(&self) -> Result<Arc<History>, RefreshError> {
        match self.loaded_history() {
            Err(RefreshError::Index(IndexError::Damaged { .. })) => {
                self.repair()?;
                self.loaded_history()
            }
            loaded => loaded,
        }
    }

    /// As [`Inner::history`], for the holder of the write lock.
    pub(crate) fn loaded_history(&self) -> Result<Arc<History>, RefreshError> {
        let mut index = self.index_mut();
        index.load_history()?;
        Ok(index.history())
    }

    fn repair(&self) -> Result<(), RefreshError> {
        let mut writer = self.writer();
        let lock = self.lock()?;
        writer.log(|wal| wal.catch_up(&lock))?;
        writer.log(|wal| wal.drop_missing(&lock))?;
        Ok(self.index_mut().repair(&lock)?)
    }

    /// Brings the log and the index into line with the files, at the start of every turn under the write lock.
    ///
    /// Returns whether there was something to do.
    pub(crate) fn take_in(
        &self,
        writer: &mut Writer,
        depth: Depth,
        lock: &LockGuard,
    ) -> Result<bool, RefreshError> {
        self.catch_up(writer, lock)?;
        if self.index_mut().observe(depth)? == Observed::Changed {
            self.ingest(writer, depth, lock)?;
        } else if !writer.has_ingested {
            self.index_mut().ingest(depth, lock)?;
        } else {
            return Ok(false);
        }
        writer.has_ingested = true;
        Ok(true)
    }

    /// As [`Inner::take_in`], right after a look at the files has found that something came or went.
    fn take_in_what_changed(
        &self,
        writer: &mut Writer,
        depth: Depth,
        lock: &LockGuard,
    ) -> Result<(), RefreshError> {
        self.catch_up(writer, lock)?;
        self.ingest(writer, depth, lock)?;
        writer.has_ingested = true;
        Ok(())
    }

    fn catch_up(&self, writer: &mut Writer, lock: &LockGuard) -> Result<(), RefreshError> {
        writer.log(|wal| wal.catch_up(lock))?;
        let recovered = writer.wal.take_recovered();
        if !recovered.is_empty() {
            self.recovered().extend(recovered);
        }
        Ok(())
    }

    /// Takes in what came or went.
    ///
    /// A transaction that went away leaves the log before the index says that it is gone: after that, no power cut brings it back.
    fn ingest(
        &self,
        writer: &mut Writer,
        depth: Depth,
        lock: &LockGuard,
    ) -> Result<(), RefreshError> {
        writer.log(|wal| wal.drop_missing(lock))?;
        let epoch = self.index().epoch();
        self.index_mut().ingest(depth, lock)?;
        if self.index().epoch() != epoch {
            // Something may have gone away since the look at the files.
            writer.log(|wal| wal.drop_missing(lock))?;
        }
        Ok(())
    }

    fn recovered(&self) -> MutexGuard<'_, Vec<TransactionId>> {
        self.recovered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the write lock may be taken here; takes it from nobody.
    fn may_lock(&self) -> bool {
        self.system.disk.open_log(&self.layout.lock()).is_ok()
    }

    pub(crate) fn lock(&self) -> Result<LockGuard, LockError> {
        self.system
            .disk
            .lock(&self.layout.lock(), Wait::UpTo(self.options.lock_timeout))
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Works on the log; after a failed write or sync, this handle appends no more.
    pub(crate) fn log<T>(
        &mut self,
        work: impl FnOnce(&mut Wal) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let outcome = work(&mut self.wal);
        if let Err(error) = &outcome
            && error.is_fatal()
        {
            self.poisoned = Some(error.to_string());
        }
        outcome
    }
}

/// Writes again what a power cut has taken, before anything of the store is read.
///
/// Whoever may not write here reads what there is.
fn recover(
    system: &System,
    layout: &Layout,
    options: &StoreOptions,
    wal: &mut Wal,
) -> Result<(), RefreshError> {
    let wait = Wait::UpTo(options.lock_timeout);
    match system.disk.lock(&layout.lock(), wait) {
        Ok(lock) => Ok(wal.catch_up(&lock)?),
        Err(LockError::Io { path, source }) if is_refusal(&source) => {
            tracing::warn!(path = %path.display(), error = %source, "the log is not looked into: the store is opened for reading only");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns whether an error says that the store may not be written to.
fn is_read_only(error: &OpenError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return is_refusal(error);
        }
        cause = error.source();
    }
    false
}

/// Returns the layout of the store at `root`, wherever the process goes from here.
pub(crate) fn layout_of(root: &Path) -> Result<Layout, OpenError> {
    let absolute = std::path::absolute(root).map_err(|source| OpenError::SetUp {
        root: root.to_owned(),
        source: Box::new(source),
    })?;
    Ok(Layout::new(absolute))
}

/// Checks that there is a store, by looking alone.
pub(crate) fn must_be_there(system: &System, layout: &Layout) -> Result<(), OpenError> {
    let look = |path: &Path| {
        let stat = system.disk.stat(path);
        stat.map_err(|source| OpenError::Unreadable {
            root: layout.root().to_owned(),
            source,
        })
    };
    let found = match look(&layout.events())?.map(|stat| stat.kind) {
        Some(FileKind::Directory) => return Ok(()),
        Some(other) => NoStore::OtherEvents(other),
        None => match look(layout.root())?.map(|stat| stat.kind) {
            None => NoStore::Nothing,
            Some(FileKind::Directory | FileKind::Symlink) => NoStore::NoEvents,
            Some(other) => NoStore::Other(other),
        },
    };
    Err(OpenError::NotAStore {
        root: layout.root().to_owned(),
        found,
    })
}

/// Creates what is missing of a store.
fn set_up(system: &System, layout: &Layout) -> Result<(), OpenError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::SetUp {
        root: layout.root().to_owned(),
        source,
    };
    let disk = system.disk.as_ref();
    let mut above = Path::new("");
    for ancestor in layout.root().ancestors() {
        above = ancestor;
        let is_there = disk
            .stat(ancestor)
            .map_err(|source| failed(Box::new(source)))?;
        if is_there.is_some() {
            break;
        }
    }
    let missing = layout.root().strip_prefix(above).unwrap_or(Path::new(""));
    fs_io::create_dirs(disk, above, missing, SyncPolicy::Durable)
        .map_err(|source| failed(Box::new(source)))?;
    fs_io::create_dirs(
        disk,
        layout.root(),
        Path::new("events"),
        SyncPolicy::Durable,
    )
    .map_err(|source| failed(Box::new(source)))?;
    create_local(system, layout)?;
    for (name, path, bytes) in [
        ("gitignore", layout.root().join(".gitignore"), GIT_IGNORE),
        (
            "gitattributes",
            layout.events().join(".gitattributes"),
            GIT_ATTRIBUTES,
        ),
    ] {
        let there = disk
            .stat(&path)
            .map_err(|source| failed(Box::new(source)))?
            .is_some();
        if !there {
            let temp = layout
                .temp()
                .join(format!("{name}-{}", system.machine.process_id));
            match fs_io::publish(disk, &temp, &path, bytes, SyncPolicy::Durable) {
                Ok(_) | Err(fs_io::PublishError::Occupied { .. }) => {}
                Err(source) => return Err(failed(Box::new(source))),
            }
        }
    }
    Ok(())
}

/// Creates the directories that git does not carry.
fn create_local(system: &System, layout: &Layout) -> Result<(), OpenError> {
    for directory in ["index", "local", "local/tmp", "local/vanished"] {
        let failed = |source| OpenError::SetUp {
            root: layout.root().to_owned(),
            source,
        };
        fs_io::create_dirs(
            system.disk.as_ref(),
            layout.own_root(),
            Path::new(directory),
            SyncPolicy::Durable,
        )
        .map_err(|source| failed(Box::new(source) as _))?;
    }
    Ok(())
}
