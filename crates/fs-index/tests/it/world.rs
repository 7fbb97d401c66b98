//! A store on a simulated machine, what the tests do to it, and what they look for in a history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use fs_format::{ContentHash, Encoded, EventId, ReplicaId, TransactionId};
use fs_index::{Depth, Epoch, History, Index, Layout, Observed, Position, Reason};
use fs_io::sim::Simulation;
use fs_io::{Disk, LockGuard, SyncPolicy, Wait};

use crate::build::replica;

/// The replica of this working copy.
pub(crate) fn own() -> ReplicaId {
    replica(1)
}

/// One working copy.
pub(crate) struct World {
    pub(crate) sim: Simulation,
    pub(crate) layout: Layout,
    boot: Option<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self {
            sim: Simulation::new(1),
            layout: Layout::new("/store"),
            boot: Some("first".to_owned()),
        };
        let directories = [
            world.layout.root().to_owned(),
            world.layout.events(),
            world.layout.index(),
            world.layout.local(),
            world.layout.temp(),
        ];
        for directory in directories {
            let _ = world.sim.disk.create_dir(&directory).unwrap();
        }
        world
    }

    /// Starts the machine again, without any loss; `None` for a machine that does not tell its starts apart.
    pub(crate) fn boot(&mut self, boot: Option<&str>) {
        self.boot = boot.map(str::to_owned);
    }

    /// Lets so much time pass that no stamp is young any more.
    pub(crate) fn pass(&self) {
        self.sim.clock.advance(Duration::from_secs(10));
    }

    pub(crate) fn handle(&self) -> Index {
        let mut system = self.sim.system();
        system.machine.boot_id.clone_from(&self.boot);
        Index::new(system, self.layout.clone(), BTreeSet::from([own()]))
    }

    /// Opens a handle and brings it up to date.
    pub(crate) fn open(&self) -> Index {
        let mut index = self.handle();
        self.refresh(&mut index);
        index
    }

    pub(crate) fn lock(&self) -> LockGuard {
        self.sim
            .disk
            .lock(&self.layout.lock(), Wait::Never)
            .unwrap()
    }

    /// Brings a handle up to date as the store does: the lock is taken only when something came or went.
    pub(crate) fn refresh(&self, index: &mut Index) {
        self.refresh_to(index, Depth::Names);
    }

    pub(crate) fn refresh_to(&self, index: &mut Index, depth: Depth) {
        if index.observe(depth).unwrap() == Observed::Changed {
            index.ingest(depth, &self.lock()).unwrap();
        }
    }

    /// Appends as the store does.
    pub(crate) fn append(&self, index: &mut Index, encoded: &Encoded) {
        let lock = self.lock();
        index.ingest(Depth::Names, &lock).unwrap();
        self.put(encoded);
        index.record_append(encoded.clone(), &lock).unwrap();
    }

    /// Lets a file arrive as by a git merge.
    pub(crate) fn put(&self, encoded: &Encoded) {
        self.put_at(&encoded.transaction_id.relative_path(), &encoded.bytes);
    }

    pub(crate) fn put_at(&self, path: &str, bytes: &[u8]) {
        let temp = self.layout.temp().join("arriving");
        let target = self.layout.event_file(path);
        let _ = fs_io::publish(&self.sim.disk, &temp, &target, bytes, SyncPolicy::Durable).unwrap();
    }

    /// Puts other bytes in the place of a file, later than it was written.
    pub(crate) fn overwrite(&self, path: &str, bytes: &[u8]) {
        self.pass();
        self.remove_at(path);
        self.put_at(path, bytes);
    }

    pub(crate) fn remove(&self, id: TransactionId) {
        self.remove_at(&id.relative_path());
    }

    pub(crate) fn remove_at(&self, path: &str) {
        self.sim
            .disk
            .remove_file(&self.layout.event_file(path))
            .unwrap();
    }

    pub(crate) fn journal(&self) -> Vec<u8> {
        self.sim
            .disk
            .read(&self.layout.journal(), u64::MAX)
            .unwrap()
    }

    /// Puts other bytes in the place of the journal, or removes it.
    pub(crate) fn set_journal(&self, bytes: Option<&[u8]>) {
        self.sim.disk.remove_file(&self.layout.journal()).unwrap();
        if let Some(bytes) = bytes {
            let mut file = self.sim.disk.create_new(&self.layout.journal()).unwrap();
            file.append(bytes).unwrap();
        }
    }

    /// Returns what `local/vanished/` keeps, by name.
    pub(crate) fn vanished(&self) -> BTreeMap<String, Vec<u8>> {
        let directory: PathBuf = self.layout.vanished();
        if self.sim.disk.stat(&directory).unwrap().is_none() {
            return BTreeMap::new();
        }
        let listed = self.sim.disk.list(&directory).unwrap();
        let read = |name: &str| self.sim.disk.read(&directory.join(name), u64::MAX).unwrap();
        listed
            .into_iter()
            .map(|entry| entry.name.into_string().unwrap())
            .map(|name| (name.clone(), read(&name)))
            .collect()
    }
}

/// What is a function of the files: the members in canonical order, and the streams with their versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) canonical: Vec<(TransactionId, ContentHash)>,
    pub(crate) streams: Vec<(String, u64)>,
}

pub(crate) fn facts(history: &History) -> Facts {
    Facts {
        canonical: history
            .canonical()
            .map(|(_, stored)| (stored.id(), stored.content_hash()))
            .collect(),
        streams: history
            .streams()
            .map(|(stream, version)| (stream.as_str().to_owned(), version))
            .collect(),
    }
}

/// Returns the members in ingestion order, with their numbers.
pub(crate) fn numbered(history: &History) -> Vec<(u64, TransactionId)> {
    history
        .ingested_from(1)
        .map(|(_, stored)| (stored.number(), stored.id()))
        .collect()
}

/// Returns the members in ingestion order.
pub(crate) fn ingested(history: &History) -> Vec<TransactionId> {
    numbered(history).into_iter().map(|(_, id)| id).collect()
}

pub(crate) fn members(history: &History) -> BTreeSet<TransactionId> {
    history.canonical().map(|(_, stored)| stored.id()).collect()
}

pub(crate) fn epoch(index: &Index) -> Epoch {
    index.history().epoch().unwrap()
}

/// Returns the reported paths with their reasons.
pub(crate) fn troubles(index: &Index) -> BTreeMap<String, Reason> {
    index
        .troubles()
        .map(|trouble| (trouble.path.clone(), trouble.reason.clone()))
        .collect()
}

/// Everything that was ever read at a position, by whatever handle.
#[derive(Clone, Default)]
pub(crate) struct Witness {
    read: BTreeMap<Position, (TransactionId, ContentHash, EventId)>,
}

impl Witness {
    /// Reads everything, and compares it with what was read before at the same positions.
    pub(crate) fn read(&mut self, history: &History) {
        let mut before = None;
        for (ix, stored) in history.ingested_from(1) {
            for placed in history.placed(ix) {
                let placed = placed.unwrap();
                let sequence = Some(placed.position.sequence);
                assert!(before < sequence, "two events at {}", placed.position);
                before = sequence;
                let found = (stored.id(), stored.content_hash(), placed.event.event_id);
                let known = *self.read.entry(placed.position).or_insert(found);
                assert_eq!(
                    known, found,
                    "{} named another event before",
                    placed.position
                );
            }
        }
    }
}
