//! Everything a store answers, as one value that compares, and what has to hold of it by itself.
//!
//! **Invariant**: [`Answers`] holds nothing that may differ between two clones with the same files: no position, no
//! epoch, no path. What belongs to one working copy is in [`Ingestion`].

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

use fs_format::{EventId, Header, StreamId, TransactionId};
use fs_index::{Position, Proof};
use fs_merge::{ForkContext, StaleRead, forks, stale_reads};
use fs_store::{All, Digest, FileEventStore, StoreOptions, StoredEvent};

/// An event as every clone tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The stream.
    pub stream_id: StreamId,
    /// The canonical version.
    pub version: u64,
    /// The event.
    pub event_id: EventId,
    /// The type.
    pub event_type: String,
    /// The data as it was written.
    pub data: String,
    /// The transaction.
    pub transaction_id: TransactionId,
}

impl From<StoredEvent> for Told {
    fn from(event: StoredEvent) -> Self {
        Self {
            stream_id: event.stream_id,
            version: event.version,
            event_id: event.event_id,
            event_type: event.event_type,
            data: event.event_data.as_str().to_owned(),
            transaction_id: event.transaction_id,
        }
    }
}

/// What a store answers to every query whose answer follows from the files in `events/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Set, order and heads.
    pub digest: Digest,
    /// The headers in canonical order.
    pub headers: Vec<Header>,
    /// The streams with their versions.
    pub streams: Vec<(StreamId, u64)>,
    /// Each stream, read by itself.
    pub reads: BTreeMap<StreamId, Vec<Told>>,
    /// Everything in canonical order.
    pub canonical: Vec<Told>,
    /// The open forks.
    pub forks: Vec<ForkContext>,
    /// The stale reads.
    pub stale_reads: Vec<StaleRead>,
}

impl Answers {
    /// Asks a store everything.
    ///
    /// # Errors
    /// That of the first query that fails.
    pub fn of(store: &FileEventStore) -> Result<Self, Box<dyn Error>> {
        let told = |events: Vec<StoredEvent>| events.into_iter().map(Told::from).collect();
        let streams = store.streams()?;
        let mut reads = BTreeMap::new();
        for (stream_id, _) in &streams {
            reads.insert(
                stream_id.clone(),
                told(store.stream_events(stream_id)?.into_inner()),
            );
        }
        Ok(Self {
            digest: store.digest()?.into_inner(),
            headers: store.transactions()?.into_inner(),
            streams: streams.into_inner(),
            reads,
            canonical: told(store.canonical_events()?.into_inner()),
            forks: forks(store)?,
            stale_reads: stale_reads(store)?,
        })
    }

    /// Asks a new store that holds the same files as that at `root` and nothing else of it.
    pub fn of_files(root: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(&root.join("events"), &dir.path().join("events"));
        let store = unsynced().create(dir.path()).unwrap();
        let answers = Self::of(&store).expect("a new store over the same files reads");
        answers.assert_consistent();
        answers
    }

    /// Checks that another store, or the same at another time, answers the same.
    ///
    /// # Panics
    /// When it does not, with the first part that differs.
    pub fn assert_same(&self, other: &Self, what: &str) {
        let ids = |answers: &Self| -> Vec<_> {
            let headers = answers.headers.iter();
            headers.map(|header| header.transaction_id).collect()
        };
        assert_eq!(ids(self), ids(other), "{what}: the order");
        assert_eq!(self.headers, other.headers, "{what}: the headers");
        assert_eq!(self.digest, other.digest, "{what}: the digest");
        assert_eq!(self.streams, other.streams, "{what}: the streams");
        for (one, two) in self.canonical.iter().zip(&other.canonical) {
            assert_eq!(one, two, "{what}: an event in canonical order");
        }
        assert_eq!(
            self.canonical.len(),
            other.canonical.len(),
            "{what}: how many events there are"
        );
        for (one, two) in self.reads.iter().zip(&other.reads) {
            assert_eq!(one, two, "{what}: a stream");
        }
        assert_eq!(self.forks, other.forks, "{what}: the forks");
        assert_eq!(
            self.stale_reads, other.stale_reads,
            "{what}: the stale reads"
        );
        assert!(self == other, "{what}: all of it");
    }

    /// Checks that the answers agree with each other: versions without holes, streams with the whole.
    pub fn assert_consistent(&self) {
        let mut versions: BTreeMap<&StreamId, u64> = BTreeMap::new();
        for event in &self.canonical {
            let version = versions.entry(&event.stream_id).or_default();
            *version += 1;
            assert_eq!(
                event.version, *version,
                "versions of {} count its events in canonical order, from 1, without holes",
                event.stream_id
            );
        }
        assert_eq!(
            self.streams
                .iter()
                .map(|(stream_id, version)| (stream_id, *version))
                .collect::<BTreeMap<_, _>>(),
            versions,
            "a stream's version is the number of its events"
        );
        for (stream_id, read) in &self.reads {
            let expected: Vec<_> = self
                .canonical
                .iter()
                .filter(|event| event.stream_id == *stream_id)
                .collect();
            assert_eq!(
                read.iter().collect::<Vec<_>>(),
                expected,
                "a stream is its part of the canonical order"
            );
        }
        let ids: BTreeSet<_> = self.canonical.iter().map(|event| event.event_id).collect();
        assert_eq!(ids.len(), self.canonical.len(), "no event is told twice");
        let transactions: BTreeSet<_> = self
            .headers
            .iter()
            .map(|header| header.transaction_id)
            .collect();
        assert_eq!(
            transactions.len(),
            self.headers.len(),
            "no transaction is told twice"
        );
        assert_eq!(
            self.digest.transactions,
            self.headers.len() as u64,
            "the digest counts the transactions"
        );
    }
}

/// The ingestion order of one working copy: each event's position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingestion(pub Vec<(Position, EventId)>);

impl Ingestion {
    /// Reads the ingestion order; checks that positions ascend within one epoch.
    ///
    /// # Errors
    /// That of the query.
    pub fn of(store: &FileEventStore) -> Result<Self, Box<dyn Error>> {
        let events = store.ingested_events(None, &All, usize::MAX)?;
        let order: Vec<_> = events
            .iter()
            .map(|event| (event.position, event.event_id))
            .collect();
        assert!(
            order
                .windows(2)
                .all(|pair| pair[0].0.sequence < pair[1].0.sequence),
            "positions of one answer ascend and do not repeat: {order:?}"
        );
        Ok(Self(order))
    }

    /// Returns what tells the epoch from others, where there is an event: what the first position proves.
    pub fn epoch(&self) -> Option<Proof> {
        Some(self.0.first()?.0.proof)
    }

    /// Checks that this is the order in which the events of `answers` came, each of them once.
    pub fn assert_covers(&self, answers: &Answers) {
        let ingested: BTreeSet<_> = self.0.iter().map(|(_, event_id)| *event_id).collect();
        assert_eq!(ingested.len(), self.0.len(), "no event has two positions");
        let canonical: BTreeSet<_> = answers
            .canonical
            .iter()
            .map(|event| event.event_id)
            .collect();
        assert_eq!(
            ingested, canonical,
            "the ingestion order holds the events of the canonical order"
        );
    }
}

/// What was seen of every epoch so far, by any handle of one working copy.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    epochs: BTreeMap<Proof, Ingestion>,
}

impl Follower {
    /// Takes notice of an answer: within an epoch, of two answers one continues the other.
    pub fn see(&mut self, seen: &Ingestion) {
        let Some(epoch) = seen.epoch() else { return };
        let before = self.epochs.entry(epoch).or_default();
        let common = before.0.len().min(seen.0.len());
        assert_eq!(
            seen.0[..common],
            before.0[..common],
            "within epoch {epoch:?} what was read once is read so for ever"
        );
        if seen.0.len() > before.0.len() {
            *before = seen.clone();
        }
    }

    /// Takes notice of an answer of a handle that has seen all there was before.
    pub fn see_no_less(&mut self, seen: &Ingestion) {
        let epoch = seen.epoch();
        let before = epoch
            .and_then(|epoch| self.epochs.get(&epoch))
            .map_or(0, |known| known.0.len());
        assert!(
            seen.0.len() >= before,
            "within an epoch nothing that was read is missing later: {} of {before}",
            seen.0.len()
        );
        self.see(seen);
    }

    /// Returns how many epochs there were.
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }
}

/// Asks `store` everything and checks it against the files it is made of, and against itself.
///
/// # Panics
/// When a query fails or answers wrongly, or the working copy has an identity conflict.
pub fn assert_true_to_its_files(store: &FileEventStore) -> (Answers, Ingestion) {
    let answers = Answers::of(store).unwrap();
    answers.assert_same(
        &Answers::of_files(store.root()),
        "a store answers as a new clone of its files does",
    );
    let ingestion = Ingestion::of(store).unwrap();
    ingestion.assert_covers(&answers);
    assert_eq!(
        store.status().unwrap().replica_conflicts,
        [],
        "one replica's transactions form a chain"
    );
    (answers, ingestion)
}

/// Returns options for appends that need not survive a power cut.
pub fn unsynced() -> StoreOptions {
    StoreOptions::default().durability(fs_store::Durability::None)
}

/// Copies a directory with everything below it; what vanishes meanwhile is left out.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
