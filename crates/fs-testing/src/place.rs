//! Where a simulated replica lives: a machine in memory, or a directory on the real disk.
//!
//! **Invariant**: everything goes through one [`Disk`], so that both kinds behave alike. The store's clock is set by the
//! world, years behind the real one, so that no directory of the real disk ever looks old to it.
//!
//! *Not done here*: git. Files are carried from one replica to another as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_io::sim::{SimClock, Simulation};
use fs_io::{Disk, FileKind, PrivateDir, System};
use fs_store::{Durability, FileEventStore, StoreOptions};

/// What went wrong around a store.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The files of a replica: paths below `events/` with `/` between the parts, and bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Longer than any file.
const NO_LIMIT: u64 = u64::MAX >> 1;

/// What a replica lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Memory,
    Disk,
}

/// What goes away with a place.
#[derive(Debug)]
enum Machine {
    Simulated(Simulation),
    Real(PrivateDir),
}

/// A store and what it lives on.
#[derive(Debug)]
pub(crate) struct Place {
    machine: Machine,
    disk: Arc<dyn Disk>,
    clock: SimClock,
    store: FileEventStore,
}

impl Place {
    /// Makes an empty store, on a machine or in a directory of its own.
    pub(crate) fn new(medium: Medium, seed: u64) -> Result<Self, Failure> {
        let simulation = Simulation::new(seed);
        match medium {
            Medium::Memory => Self::start(Machine::Simulated(simulation.clone()), &simulation),
            Medium::Disk => Self::start(Machine::Real(PrivateDir::new()?), &simulation),
        }
    }

    /// Makes a place like this one, local files and all.
    ///
    /// In memory that is a cloned machine, whose store takes itself for the first one; on disk it is `cp -r`, after
    /// which the store finds out that it is somewhere else.
    pub(crate) fn copy(&self, seed: u64) -> Result<Self, Failure> {
        match &self.machine {
            Machine::Simulated(simulation) => {
                let simulation = simulation.copy(seed);
                Self::start(Machine::Simulated(simulation.clone()), &simulation)
            }
            Machine::Real(_) => {
                let dir = PrivateDir::new()?;
                copy_below(self.disk.as_ref(), self.store.root(), &root_in(dir.path()))?;
                Self::start(Machine::Real(dir), &Simulation::new(seed))
            }
        }
    }

    fn start(machine: Machine, simulation: &Simulation) -> Result<Self, Failure> {
        let (disk, root) = match &machine {
            Machine::Simulated(_) => (simulation.system().disk, PathBuf::from("/store")),
            Machine::Real(dir) => (System::real().disk, root_in(dir.path())),
        };
        let system = System {
            disk: Arc::clone(&disk),
            ..simulation.system()
        };
        let options = StoreOptions::default().durability(Durability::None);
        Ok(Self {
            store: options.system(system).create(root)?,
            clock: simulation.clock.clone(),
            disk,
            machine,
        })
    }

    pub(crate) fn store(&self) -> &FileEventStore {
        &self.store
    }

    pub(crate) fn set_clock(&self, unix_nanos: i64) {
        self.clock.set(unix_nanos);
    }

    /// Returns the files below `events/`.
    pub(crate) fn files(&self) -> Result<Files, Failure> {
        let mut files = Files::new();
        for path in self.paths()? {
            let bytes = self.disk.read(&self.events().join(&path), NO_LIMIT)?;
            files.insert(path, bytes);
        }
        Ok(files)
    }

    /// Returns the paths of the files below `events/`.
    pub(crate) fn paths(&self) -> Result<BTreeSet<String>, Failure> {
        let events = self.events();
        let mut paths = BTreeSet::new();
        let mut waiting = vec![String::new()];
        while let Some(directory) = waiting.pop() {
            for entry in self.disk.list(&events.join(&directory))? {
                let Some(name) = entry.name.to_str() else {
                    continue;
                };
                let path = match directory.as_str() {
                    "" => name.to_owned(),
                    directory => format!("{directory}/{name}"),
                };
                match entry.kind {
                    FileKind::Directory => waiting.push(path),
                    FileKind::File if name.ends_with(".jsonl") => {
                        paths.insert(path);
                    }
                    _ => {}
                }
            }
        }
        Ok(paths)
    }

    /// Puts a file below `events/`, as a checkout does, unless there is one of that name.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let events = self.events();
        for (at, _) in path.match_indices('/') {
            self.disk.create_dir(&events.join(&path[..at]))?;
        }
        match self.disk.create_new(&events.join(path)) {
            Ok(mut file) => Ok(file.append(bytes)?),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file below `events/`.
    pub(crate) fn remove(&self, path: &str) -> Result<(), Failure> {
        Ok(self.disk.remove_file(&self.events().join(path))?)
    }

    fn events(&self) -> PathBuf {
        self.store.root().join("events")
    }
}

fn root_in(directory: &Path) -> PathBuf {
    directory.join("store")
}

fn copy_below(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), Failure> {
    disk.create_dir(to)?;
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        for entry in disk.list(&from.join(&directory))? {
            let path = directory.join(&entry.name);
            match entry.kind {
                FileKind::Directory => {
                    disk.create_dir(&to.join(&path))?;
                    waiting.push(path);
                }
                FileKind::File => {
                    let bytes = disk.read(&from.join(&path), NO_LIMIT)?;
                    disk.create_new(&to.join(&path))?.append(&bytes)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
