//! A store on a simulated machine, what the tests do to it, and what they look for in a history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fs_dag::TxIx;
use fs_format::{ContentHash, Encoded, EventId, ReplicaId, StreamId, TransactionId};
use fs_index::{
    All, Budget, Epoch, History, Index, IndexError, Layout, Placed, PollOutcome, Position,
    RawEvents, Reason, Scan, Stored, Unconfirmed,
};
use fs_io::sim::Simulation;
use fs_io::{Clock, Disk, FileKind, LockGuard, Site, Stat, SyncPolicy, Wait};

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
            world.layout.indexes(),
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
        self.refresh_to(index, Scan::Names);
    }

    pub(crate) fn refresh_to(&self, index: &mut Index, scan: Scan) {
        if index.poll(scan).unwrap() == PollOutcome::Changed {
            ingest(&self.sim.clock, index, scan, &self.lock());
        }
        let snapshot = index.snapshot();
        let all = |placed: Placed<'_>| placed.position;
        let read = snapshot
            .history()
            .and_then(|_| snapshot.read_ingested(None, &All, usize::MAX, all));
        if let Err(IndexError::Damaged { .. }) = read {
            index.repair(&self.lock()).unwrap();
        }
        load(index);
    }

    /// Appends as the store does.
    pub(crate) fn append(&self, index: &mut Index, encoded: &Encoded) {
        self.append_unread(index, encoded);
        load(index);
    }

    /// Appends, and compares nothing; for many.
    pub(crate) fn append_unread(&self, index: &mut Index, encoded: &Encoded) {
        let lock = self.lock();
        ingest(&self.sim.clock, index, Scan::Names, &lock);
        self.put(encoded);
        let stored = Stored::of_encoded_bytes(encoded.clone());
        index.record_appends(vec![stored], &lock).unwrap();
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

    /// Puts a journal with these bytes in the place of the present one, as if it had been made there, or removes it.
    pub(crate) fn set_journal(&self, bytes: Option<&[u8]>) {
        self.sim.disk.remove_file(&self.layout.journal()).unwrap();
        if let Some(bytes) = bytes {
            let mut file = self.sim.disk.create_new(&self.layout.journal()).unwrap();
            let stat = file.stat().unwrap();
            file.append(&made_as(&stat, bytes)).unwrap();
        }
    }

    /// Puts a new file with these bytes in the place of the journal, as a restored backup does.
    pub(crate) fn restore_journal(&self, bytes: &[u8]) {
        self.sim.disk.remove_file(&self.layout.journal()).unwrap();
        let mut file = self.sim.disk.create_new(&self.layout.journal()).unwrap();
        file.append(bytes).unwrap();
    }

    /// Changes bytes of the journal in the file that handles hold open.
    pub(crate) fn overwrite_journal(&self, bytes: &[u8]) {
        let mut file = self.sim.disk.open_log(&self.layout.journal()).unwrap();
        file.write_at(0, bytes).unwrap();
    }

    /// Returns every file of the store.
    pub(crate) fn backup(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.layout.root().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in self.sim.disk.list(&directory).unwrap() {
                let path = directory.join(&entry.name);
                match entry.kind {
                    FileKind::Directory => directories.push(path),
                    _ => {
                        _ = files.insert(path.clone(), self.sim.disk.read(&path, u64::MAX).unwrap())
                    }
                }
            }
        }
        files
    }

    /// Writes a backup over the files that are there, as `rsync --inplace --delete` does: the journal stays the same file.
    pub(crate) fn put_back(&self, backup: &BTreeMap<PathBuf, Vec<u8>>) {
        self.pass();
        for path in self
            .backup()
            .keys()
            .filter(|path| !backup.contains_key(*path))
        {
            self.sim.disk.remove_file(path).unwrap();
        }
        for (path, bytes) in backup {
            let mut file = match self.sim.disk.open_log(path) {
                Ok(file) => file,
                Err(_) => self.sim.disk.create_new(path).unwrap(),
            };
            file.truncate(0).unwrap();
            file.write_at(0, bytes).unwrap();
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

/// The history that a handle knows.
pub(crate) trait Shown {
    fn shown(&self) -> Arc<History>;
}

impl Shown for Index {
    fn shown(&self) -> Arc<History> {
        self.snapshot().history().unwrap()
    }
}

/// Returns what is told of the events of a transaction, each with its stream.
fn events_of<T>(history: &History, ix: TxIx, told: impl Fn(Placed<'_>) -> T) -> Vec<(StreamId, T)> {
    let stored = history.load(ix).unwrap();
    let placed = history.placed(&stored).map(Result::unwrap);
    let told = placed.map(|placed| (placed.event.stream_id.clone(), told(placed)));
    told.collect()
}

/// Returns the bytes of the file of a transaction.
pub(crate) fn bytes_of(history: &History, id: TransactionId) -> Vec<u8> {
    let ix = history.dag().index_of(id).unwrap();
    history.load(ix).unwrap().file_bytes().to_vec()
}

/// Loads the history, and compares with it what is answered without it.
pub(crate) fn load(index: &mut Index) {
    let history = index.shown();
    assert_eq!(
        index.snapshot().streams().unwrap(),
        history
            .streams()
            .map(|(stream_id, version)| (stream_id.clone(), version))
            .collect::<Vec<_>>(),
        "the streams are those of the history"
    );
    let mut heads: Vec<_> = index
        .snapshot()
        .heads()
        .iter()
        .map(|head| (head.transaction_id, head.content_hash))
        .collect();
    heads.sort_unstable();
    let dag = history.dag();
    let mut expected: Vec<_> = dag
        .heads()
        .into_iter()
        .map(|ix| (history.get(ix).id(), history.get(ix).content_hash()))
        .collect();
    expected.sort_unstable();
    assert_eq!(heads, expected, "the heads are those of the history");
    for (stream_id, _) in history.streams() {
        let told = |placed: Placed<'_>| (placed.event.event_id, placed.version, placed.position);
        let writers = history.writes(stream_id).iter();
        let expected: Vec<_> = writers
            .flat_map(|write| events_of(&history, write.transaction, told))
            .filter(|(is_of_it, _)| is_of_it == stream_id)
            .map(|(_, told)| told)
            .filter(|(_, version, _)| *version > 1)
            .collect();
        assert_eq!(
            index.snapshot().read_stream(stream_id, 1, told).unwrap(),
            expected,
            "{stream_id} reads as in the history"
        );
        let expected: Vec<_> = expected.iter().map(|(_, _, position)| *position).collect();
        let scan = |effort| {
            index
                .snapshot()
                .scan_stream(stream_id, 1, effort)
                .map(positions)
        };
        let (any, little) = (
            scan(Budget::Unlimited).unwrap(),
            scan(Budget::Inline).unwrap(),
        );
        assert_eq!(
            any.as_ref(),
            Some(&expected),
            "{stream_id} scans as it reads"
        );
        assert!(
            little.is_none_or(|little| little == expected),
            "{stream_id} scans as it reads where that is little work"
        );
    }
    let canonical: Vec<_> = history.canonical().map(|(_, it)| it.id()).collect();
    for limit in [7, usize::MAX] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = index.snapshot().headers_behind(after, limit).unwrap();
            let ids = page.into_iter().map(|header| header.transaction_id);
            paged.extend(ids);
            if paged.last().copied() == after {
                break;
            }
            after = paged.last().copied();
        }
        assert_eq!(paged, canonical, "pages of {limit} are the canonical order");
    }
    let told = |placed: Placed<'_>| (placed.event.event_id, placed.version, placed.position);
    let expected = history.canonical();
    let expected: Vec<_> = expected
        .flat_map(|(ix, _)| events_of(&history, ix, told))
        .map(|(_, told)| told)
        .collect();
    let (read, _) = index
        .snapshot()
        .read_behind(None, usize::MAX, told)
        .unwrap();
    assert_eq!(
        read, expected,
        "the events are those of the canonical order"
    );
    let ingested: Vec<_> = history
        .ingested_from(1)
        .flat_map(|(ix, _)| events_of(&history, ix, |placed| placed.position))
        .map(|(_, position)| position)
        .collect();
    let read = index
        .snapshot()
        .read_ingested(None, &All, usize::MAX, |placed| placed.position);
    assert_eq!(
        read.unwrap(),
        ingested,
        "the events are those of the history"
    );
    let scanned = index
        .snapshot()
        .scan_ingested(None, &All, usize::MAX, Budget::Unlimited)
        .map(positions);
    assert_eq!(
        scanned.unwrap(),
        Some(ingested),
        "the events scan as they read"
    );
    assert_eq!(
        index.snapshot().epoch(),
        history.epoch(),
        "the epoch is that of the history"
    );
    // For the rejected files.
    let _ = index.poll(Scan::Contents).unwrap();
}

pub(crate) fn look(index: &mut Index, scan: Scan) -> PollOutcome {
    let polled = index.poll(scan).unwrap();
    load(index);
    polled
}

pub(crate) fn take_in(clock: &dyn Clock, index: &mut Index, scan: Scan, lock: &LockGuard) {
    ingest(clock, index, scan, lock);
    load(index);
}

/// Ingests, and once more after the directories have rested where that is asked for.
fn ingest(clock: &dyn Clock, index: &mut Index, scan: Scan, lock: &LockGuard) {
    index.ingest(scan, lock).unwrap();
    if let Some(rest) = index.snapshot().unconfirmed().and_then(Unconfirmed::rest) {
        clock.wait(rest);
        index.ingest(scan, lock).unwrap();
    }
}

/// Bytes of the head of a journal.
pub(crate) const HEAD: usize = 512;

/// Returns a journal whose head, if it is whole, names the file with this stat.
fn made_as(file: &Stat, journal: &[u8]) -> Vec<u8> {
    let mut bytes = journal.to_vec();
    let sum = |bytes: &[u8]| {
        let mut head = bytes[..HEAD].to_vec();
        head[24..28].fill(0);
        crc32fast::hash(&head).to_le_bytes()
    };
    if bytes.len() < HEAD || bytes[24..28] != sum(&bytes) {
        return bytes;
    }
    let at = 30 + usize::from(u16::from_le_bytes([bytes[28], bytes[29]]));
    let site = Site::default().of_file(file).to_string();
    bytes[at..HEAD].fill(0);
    bytes[at..at + 2].copy_from_slice(&u16::try_from(site.len()).unwrap().to_le_bytes());
    bytes[at + 2..][..site.len()].copy_from_slice(site.as_bytes());
    let sum = sum(&bytes);
    bytes[24..28].copy_from_slice(&sum);
    bytes
}

/// Returns where each frame of a journal begins, and the end of the last.
pub(crate) fn frames(journal: &[u8]) -> Vec<usize> {
    let mut starts = vec![HEAD];
    loop {
        let at = *starts.last().unwrap();
        let Some(len) = journal.get(at..at + 4) else {
            assert_eq!(at, journal.len(), "the journal is whole");
            return starts;
        };
        starts.push(at + 12 + (u32::from_le_bytes(len.try_into().unwrap()) & 0x7fff_ffff) as usize);
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
    index.snapshot().epoch().unwrap()
}

/// Returns the reported paths with their reasons.
pub(crate) fn rejected_files(index: &Index) -> BTreeMap<String, Reason> {
    index
        .snapshot()
        .rejected_files()
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
            let told = |placed: Placed<'_>| (placed.position, placed.event.event_id);
            for (_, (position, event_id)) in events_of(history, ix, told) {
                let sequence = Some(position.sequence);
                assert!(before < sequence, "two events at {position}");
                before = sequence;
                let found = (stored.id(), stored.content_hash(), event_id);
                let known = *self.read.entry(position).or_insert(found);
                assert_eq!(known, found, "{position} named another event before");
            }
        }
    }
}

fn positions(events: Option<RawEvents>) -> Option<Vec<Position>> {
    events.map(|events| events.iter().map(|event| event.position).collect())
}
