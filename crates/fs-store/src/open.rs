//! Opening a store: finding or creating its directories, and what has to be put right before anything is read.
//!
//! **Invariant**: what a power cut has taken is written again before anything of the store is read; a store that may not
//! be written to is opened all the same, with what is made of it elsewhere.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fs_index::{Activity, Index, Layout, activity_at};
use fs_io::{FileKind, LockError, PrivateDir, SyncPolicy, System, Wait};

use crate::above::Companions;
use crate::accepted;
use crate::completeness::LacksCache;
use crate::error::{IdentityError, NewerVersion, NoStore, OpenError, RefreshError, is_refusal};
#[cfg(feature = "eventcore")]
use crate::eventcore::LastFailure;
use crate::foreign;
use crate::git_files;
use crate::group::Queue;
use crate::identity::{Found, Identity};
use crate::newer::NewerCache;
use crate::options::StoreOptions;
use crate::requires;
use crate::shared_index::SharedIndex;
use crate::state;
use crate::store::{Apart, FileEventStore, Inner, Writer};
use crate::wal::{IndexState, Wal};

/// The directory of a store in a project.
pub const STORE_DIR: &str = ".tributary";

impl FileEventStore {
    /// Opens the store at `root`; where there is none, nothing is created or written.
    ///
    /// # Errors
    /// As [`StoreOptions::open`].
    pub fn open(root: impl AsRef<Path>) -> Result<Self, OpenError> {
        StoreOptions::default().open(root)
    }

    /// Creates a store at `root` and opens it; a store that is there already is opened as it is.
    ///
    /// # Errors
    /// As [`StoreOptions::create`].
    pub fn create(root: impl AsRef<Path>) -> Result<Self, OpenError> {
        StoreOptions::default().create(root)
    }

    /// Opens the nearest store: the `.tributary` of `from`, or of the nearest directory above it that has one.
    ///
    /// # Errors
    /// As [`StoreOptions::discover`].
    pub fn discover(from: impl AsRef<Path>) -> Result<Self, OpenError> {
        StoreOptions::default().discover(from)
    }
}

impl StoreOptions {
    /// Opens the store at `root`; where there is none, nothing is created or written.
    ///
    /// A store that may not be written to is opened for reading.
    ///
    /// # Errors
    /// [`OpenError::NotAStore`] when `root` holds no store, other variants when it cannot be read. Files in `events/` that
    /// cannot be used are no error; the status lists them.
    pub fn open(&self, root: impl AsRef<Path>) -> Result<FileEventStore, OpenError> {
        let (system, layout) = (self.system_or_real(), layout_of(root.as_ref())?);
        must_be_there(&system, &layout)?;
        check_requires(&system, &layout)?;
        if let Some(newer) = newer_version(&system, &layout) {
            return FileEventStore::start_apart(system, &layout, self.clone(), Some(newer));
        }
        let opened = create_local(&system, &layout).and_then(|()| {
            FileEventStore::start(system.clone(), layout.clone(), self.clone(), None, None)
        });
        match opened {
            Err(error) if is_read_only(&error) => {
                FileEventStore::start_apart(system, &layout, self.clone(), None)
            }
            opened => opened,
        }
    }

    /// Creates a store at `root` and opens it; a store that is there already is opened as it is.
    ///
    /// # Errors
    /// [`OpenError::Occupied`] when the directory holds what is no part of a store, [`OpenError::SetUp`] when a directory or file cannot be
    /// created, else as [`StoreOptions::open`].
    pub fn create(&self, root: impl AsRef<Path>) -> Result<FileEventStore, OpenError> {
        let (system, layout) = (self.system_or_real(), layout_of(root.as_ref())?);
        must_be_no_link(&system, &layout)?;
        check_requires(&system, &layout)?;
        if let Some(newer) = newer_version(&system, &layout) {
            must_be_there(&system, &layout)?;
            return FileEventStore::start_apart(system, &layout, self.clone(), Some(newer));
        }
        let renewed = set_up(&system, &layout)?;
        let store = FileEventStore::start(system, layout, self.clone(), None, None)?;
        store.inner.writer().renewed_git_files = renewed;
        Ok(store)
    }

    /// Opens the nearest store: the [`.tributary`](STORE_DIR) of `from`, or of the nearest directory above it that has one.
    ///
    /// # Errors
    /// [`OpenError::NoneAbove`] when there is none, else as [`StoreOptions::open`]. A store that cannot be looked into is an
    /// error: a program does not append to another one farther up because the nearest is out of reach.
    pub fn discover(&self, from: impl AsRef<Path>) -> Result<FileEventStore, OpenError> {
        self.open(self.nearest(from)?)
    }

    /// Returns the root of the store that [`StoreOptions::discover`] opens, by looking alone.
    ///
    /// # Errors
    /// As [`StoreOptions::discover`].
    pub fn nearest(&self, from: impl AsRef<Path>) -> Result<PathBuf, OpenError> {
        let (system, from) = (self.system_or_real(), absolute(from.as_ref())?);
        for directory in from.ancestors() {
            let root = directory.join(STORE_DIR);
            match must_be_there(&system, &Layout::new(&root)) {
                Ok(()) => return Ok(root),
                Err(
                    error @ OpenError::NotAStore {
                        found: NoStore::OtherEvents(_),
                        ..
                    },
                ) => return Err(error),
                Err(OpenError::NotAStore { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(OpenError::NoneAbove { from })
    }

    fn system_or_real(&self) -> System {
        self.system.clone().unwrap_or_else(System::real)
    }
}

impl FileEventStore {
    /// Opens a store that may not be written to, or whose `local/` a newer version has written: what is made of it lies elsewhere, and goes
    /// away with the handle.
    fn start_apart(
        system: System,
        layout: &Layout,
        options: StoreOptions,
        newer: Option<NewerVersion>,
    ) -> Result<Self, OpenError> {
        let private = PrivateDir::new().map_err(|source| OpenError::NoTemporaryPlace {
            root: layout.root().to_owned(),
            source,
        })?;
        let apart = Layout::apart(layout.root(), private.path());
        create_local(&system, &apart)?;
        let unrecovered = Wal::new(system.clone(), layout.clone(), 1).unrecovered();
        let opened = Apart {
            private,
            unrecovered,
        };
        Self::start(system, apart, options, Some(opened), newer)
    }

    fn start(
        system: System,
        layout: Layout,
        options: StoreOptions,
        apart: Option<Apart>,
        newer: Option<NewerVersion>,
    ) -> Result<Self, OpenError> {
        let failed = |source: IdentityError| OpenError::SetUp {
            root: layout.root().to_owned(),
            source: Box::new(source),
        };
        // Where the store is, is asked only after this: on file systems of layers, the first writing gives the directory another inode.
        let may_lock = system.disk.open_log(&layout.lock()).is_ok();
        let mut wal = Wal::new(system.clone(), layout.clone(), options.checkpoint_after);
        if wal.wants_recovery() {
            recover(&system, &layout, &options, &mut wal)?;
        }
        let recovered = Mutex::new(wal.take_recovered());
        let identity = match Identity::load(&system, &layout).map_err(failed)? {
            Found::Here(identity) => identity,
            Found::Unsaved(_) => {
                let wait = Wait::UpTo(options.lock_timeout);
                let lock = system.disk.lock(&layout.lock(), wait);
                let _lock = lock.map_err(RefreshError::from)?;
                Identity::load_and_save(&system, &layout).map_err(failed)?
            }
        };
        let own: BTreeSet<_> = identity.replicas().chain(options.replica_id).collect();
        let index = Index::new(system.clone(), layout.clone(), own);
        let index = SharedIndex::new(index.reporting_to(options.progress.clone()));
        let writer = Mutex::new(Writer {
            identity,
            poisoned: None,
            unsynced: Vec::new(),
            wal,
            has_ingested: false,
            git_files: None,
            renewed_git_files: Vec::new(),
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
                #[cfg(feature = "eventcore")]
                last_failure: LastFailure::default(),
                lacks_cache: LacksCache::default(),
                companions: Companions::default(),
                apart,
                newer,
                newer_cache: NewerCache::default(),
            }),
        };
        // With an index at hand, the directories are compared by the first read; but what cannot be taken in here has to
        // be known now.
        let is_loaded = store.inner.index.lock().load();
        if !is_loaded.map_err(RefreshError::from)? || !may_lock {
            store.inner.freshen()?;
        }
        if store.inner.options.refuses_incomplete {
            let completeness = store.completeness()?;
            if !completeness.is_complete() {
                return Err(OpenError::Incomplete {
                    root: store.root().to_owned(),
                    completeness: Box::new(completeness),
                });
            }
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
}

/// Returns the file of `local/` that a newer version has written, if there is one: by looking alone.
fn newer_version(system: &System, layout: &Layout) -> Option<NewerVersion> {
    let wal = Wal::new(system.clone(), layout.clone(), 1);
    let newer = wal.newer_version();
    newer
        .or_else(|| state::newer_version(system, layout))
        .or_else(|| accepted::newer_version(system.disk.as_ref(), layout))
        .or_else(|| match Identity::load(system, layout) {
            Err(IdentityError::NewerVersion(newer)) => Some(newer),
            _ => None,
        })
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
        // Of another session or place: the index is not asked.
        Ok(lock) => Ok(wal.catch_up(IndexState::Known, &lock)?),
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
    // A path that ends in a slash stands for what a link points to.
    absolute(root).map(|root| Layout::new(root.components().collect::<PathBuf>()))
}

fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(|source| OpenError::SetUp {
        root: path.to_owned(),
        source: Box::new(source),
    })
}

/// Checks that the root of a store is no link: a clone may bring one that leads anywhere.
fn must_be_no_link(system: &System, layout: &Layout) -> Result<(), OpenError> {
    match look(system, layout, layout.root())? {
        Some(FileKind::Symlink) => Err(OpenError::Link {
            root: layout.root().to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Returns what stands under a path of a store.
fn look(system: &System, layout: &Layout, path: &Path) -> Result<Option<FileKind>, OpenError> {
    let stat = system.disk.stat(path);
    let stat = stat.map_err(|source| OpenError::Unreadable {
        root: layout.root().to_owned(),
        source,
    })?;
    Ok(stat.map(|stat| stat.kind))
}

/// Checks that there is a store, by looking alone.
pub(crate) fn must_be_there(system: &System, layout: &Layout) -> Result<(), OpenError> {
    must_be_no_link(system, layout)?;
    let mut events = look(system, layout, &layout.events())?;
    if events.is_none() && look(system, layout, &layout.local())? == Some(FileKind::Directory) {
        // There was a store: version control may have taken its events away for a moment.
        match activity_at(system, layout, layout.root()) {
            None => {}
            Some(Activity::Moving { rest }) => {
                system.clock.wait(rest);
                events = look(system, layout, &layout.events())?;
            }
            Some(_) => return Ok(()),
        }
    }
    let found = match events {
        Some(FileKind::Directory) => {
            let holds = foreign::holds_store(system.disk.as_ref(), layout);
            let unreadable = |source| OpenError::Unreadable {
                root: layout.root().to_owned(),
                source,
            };
            if holds.map_err(unreadable)? {
                return Ok(());
            }
            NoStore::ForeignEvents
        }
        Some(other) => NoStore::OtherEvents(other),
        None => match look(system, layout, layout.root())? {
            None => NoStore::Nothing,
            Some(FileKind::Directory) => NoStore::NoEvents,
            Some(other) => NoStore::Other(other),
        },
    };
    Err(OpenError::NotAStore {
        root: layout.root().to_owned(),
        found,
    })
}

/// Checks that this version can take the store for what it means.
pub(crate) fn check_requires(system: &System, layout: &Layout) -> Result<(), OpenError> {
    let checked = requires::check(system.disk.as_ref(), layout);
    Ok(checked.map_err(RefreshError::from)?)
}

/// Creates what is missing of a store; returns the files for git that are not as they were.
fn set_up(system: &System, layout: &Layout) -> Result<Vec<PathBuf>, OpenError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::SetUp {
        root: layout.root().to_owned(),
        source,
    };
    let disk = system.disk.as_ref();
    let foreign =
        foreign::first_foreign(disk, layout).map_err(|source| failed(Box::new(source)))?;
    if let Some(found) = foreign {
        return Err(OpenError::Occupied {
            root: layout.root().to_owned(),
            found,
        });
    }
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
    git_files::renew(system, layout).map_err(|source| failed(Box::new(source)))
}

/// Creates the directories that git does not carry.
pub(crate) fn create_local(system: &System, layout: &Layout) -> Result<(), OpenError> {
    let own = [
        layout.index(),
        layout.local(),
        layout.temp(),
        layout.vanished(),
    ];
    for directory in own {
        let failed = |source| OpenError::SetUp {
            root: layout.root().to_owned(),
            source,
        };
        fs_io::create_dirs(
            system.disk.as_ref(),
            layout.own_root(),
            directory
                .strip_prefix(layout.own_root())
                .unwrap_or(Path::new("")),
            SyncPolicy::Durable,
        )
        .map_err(|source| failed(Box::new(source) as _))?;
    }
    git_files::hide_own_directories(system, layout);
    Ok(())
}
