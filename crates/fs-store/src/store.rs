//! The store: one handle over one directory.
//!
//! **Invariant**: `events/` is the only truth; what a handle answers is a function of the files that were there at its
//! last refresh. No lock is held between calls, and a reader never waits for a writer.
//!
//! Locks are taken in this order: the writer of this process, the lock file, the index.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fs_index::{Depth, History, Index, Layout, Observed};
use fs_io::{FileKind, LockError, LockGuard, SyncPolicy, System, Wait};

use crate::error::{AppendError, OpenError, RefreshError};
use crate::identity::{Found, Identity};
use crate::options::StoreOptions;

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
}

/// What only an appending thread uses.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) identity: Identity,
    /// Why this handle refuses to append.
    pub(crate) poisoned: Option<String>,
    /// Files that were published and not synced.
    pub(crate) unsynced: Vec<PathBuf>,
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
        Self::start(system, layout, options)
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
        let events = system.disk.stat(&layout.events()).ok().flatten();
        if events.is_none_or(|stat| stat.kind != FileKind::Directory) {
            return Err(OpenError::NotAStore {
                root: layout.root().to_owned(),
            });
        }
        create_local(&system, &layout)?;
        Self::start(system, layout, options)
    }

    fn start(system: System, layout: Layout, options: StoreOptions) -> Result<Self, OpenError> {
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
                .map_err(RefreshError::Busy)?;
            found = Identity::load(&system, &layout).map_err(failed)?;
            if let Found::Elsewhere(identity) = &found {
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
        let (Found::Here(identity) | Found::Elsewhere(identity)) = found;
        let own: BTreeSet<_> = identity.replicas().chain(options.replica_id).collect();
        let index = RwLock::new(Index::new(system.clone(), layout.clone(), own));
        let writer = Mutex::new(Writer {
            identity,
            poisoned: None,
            unsynced: Vec::new(),
        });
        let store = Self {
            inner: Arc::new(Inner {
                system,
                layout,
                options,
                index,
                writer,
            }),
        };
        store.refresh()?;
        Ok(store)
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

    /// Calls `look` with the history as of now.
    ///
    /// # Errors
    /// [`RefreshError`] when the history cannot be brought up to date.
    pub fn with_history<T>(&self, look: impl FnOnce(&History) -> T) -> Result<T, RefreshError> {
        self.inner.freshen()?;
        Ok(look(self.inner.index().history()))
    }
}

impl Inner {
    /// Brings the index up to date, taking the write lock only when something came or went.
    pub(crate) fn refresh(&self, depth: Depth) -> Result<(), RefreshError> {
        if self.index_mut().observe(depth)? == Observed::Changed {
            let _writer = self.writer();
            let lock = self.lock()?;
            self.index_mut().ingest(depth, &lock)?;
        }
        Ok(())
    }

    /// Brings the index up to date for a read, which never waits: what arrived while another process holds the write
    /// lock is taken in by the next read.
    pub(crate) fn freshen(&self) -> Result<(), RefreshError> {
        if self.index_mut().observe(Depth::Names)? == Observed::Current {
            return Ok(());
        }
        if self.index().history().epoch().is_none() {
            return self.refresh(Depth::Names);
        }
        let Ok(_writer) = self.writer.try_lock() else {
            return Ok(());
        };
        match self.system.disk.lock(&self.layout.lock(), Wait::Never) {
            Ok(lock) => Ok(self.index_mut().ingest(Depth::Names, &lock)?),
            Err(LockError::Busy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
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

/// Returns the layout of the store at `root`, wherever the process goes from here.
fn layout_of(root: &Path) -> Result<Layout, OpenError> {
    let absolute = std::path::absolute(root).map_err(|source| OpenError::SetUp {
        root: root.to_owned(),
        source: Box::new(source),
    })?;
    Ok(Layout::new(absolute))
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
            layout.root(),
            Path::new(directory),
            SyncPolicy::Durable,
        )
        .map_err(|source| failed(Box::new(source) as _))?;
    }
    Ok(())
}
