//! Appending: the one way into the store.
//!
//! ```text
//! lock -> ingest -> check versions -> encode -> publish (durable) -> record in the journal -> unlock
//! ```
//!
//! **Invariant**: what is refused or fails is never stored behind the caller's back; what is acknowledged is in
//! `events/` under its final name, and has survived what [`Durability`](crate::Durability) says.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use fs_format::{
    Encoded, Event, EventId, FormatVersion, Header, Parent, ReplicaId, StreamBase, StreamId,
    Timestamp, TransactionId,
};
use fs_index::{Depth, History};
use fs_io::{LockGuard, PublishError, Published};

use crate::error::AppendError;
use crate::options::OnFork;
use crate::read::appended_of;
use crate::request::{Append, Appended, NewEvent};
use crate::store::{FileEventStore, Inner, Writer};

/// A transaction dated further ahead of the wall clock than this records the wall clock beside it.
const CLOCK_TOLERANCE_NANOS: i64 = 1_000_000_000;

/// A merge transaction to be written: its header and events, whose ids and versions are derived when it is encoded.
#[derive(Clone, Debug)]
pub struct MergeDraft {
    /// The header; `transaction_id`, `replica_id` and `replica_seq` are set when it is encoded.
    pub header: Header,
    /// The events that the decision adds.
    pub events: Vec<Event<'static>>,
}

/// A settlement that was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError<E: std::error::Error> {
    /// The caller decided against it.
    #[error(transparent)]
    Declined(E),
    /// It could not be appended.
    #[error(transparent)]
    Append(AppendError),
}

impl<E: std::error::Error, A: Into<AppendError>> From<A> for SettleError<E> {
    fn from(error: A) -> Self {
        SettleError::Append(error.into())
    }
}

/// The writer of this process together with the lock of all processes; the index is up to date.
struct Turn<'a> {
    inner: &'a Inner,
    writer: MutexGuard<'a, Writer>,
    lock: LockGuard,
}

impl FileEventStore {
    /// Appends a transaction: all its events or none.
    ///
    /// Every expected version is checked under the write lock, against everything that is in `events/` by then. A
    /// `command_id` that is there already, appended here or arrived by merge, gives back the first result and writes
    /// nothing.
    ///
    /// # Errors
    /// [`AppendError`], whose docs tell which of its variants leave nothing behind.
    pub fn append(&self, append: Append) -> Result<Appended, AppendError> {
        if append.events.is_empty() {
            return Err(AppendError::Empty);
        }
        let mut turn = self.inner.begin()?;
        if let Some(appended) = turn.replayed(&append) {
            return Ok(appended);
        }
        turn.check(&append)?;
        let draft = turn.draft(append)?;
        let encoded = fs_format::encode(&draft.0, &draft.1)?;
        let versions = versions_after(&draft.0);
        turn.publish(encoded)?;
        Ok(Appended {
            transaction_id: draft.0.transaction_id,
            created_at: draft.0.created_at,
            versions,
            replayed: false,
        })
    }

    /// Checks expected versions without appending anything.
    ///
    /// # Errors
    /// [`AppendError::VersionConflict`] for the first stream, in byte order, that is elsewhere.
    pub fn check_versions(&self, append: &Append) -> Result<(), AppendError> {
        self.inner.refresh(Depth::Names)?;
        check_versions(self.inner.index().history(), append)
    }

    /// Writes the merge transaction that `prepare` makes of the history as it is under the write lock.
    ///
    /// The file is a pure function of the draft, so writing one that is there already changes nothing.
    ///
    /// # Errors
    /// [`SettleError::Declined`] with what `prepare` returned, and [`SettleError::Append`] as
    /// [`FileEventStore::append`].
    pub fn settle<E: std::error::Error>(
        &self,
        prepare: impl FnOnce(&History) -> Result<MergeDraft, E>,
    ) -> Result<TransactionId, SettleError<E>> {
        let mut turn = self.inner.begin()?;
        let draft = prepare(self.inner.index().history()).map_err(SettleError::Declined)?;
        let encoded =
            fs_format::encode_merge(&draft.header, &draft.events).map_err(AppendError::from)?;
        let transaction_id = encoded.transaction_id;
        let known = self.inner.index().history().find(transaction_id).is_some();
        if !known {
            turn.publish(encoded)?;
        }
        Ok(transaction_id)
    }

    /// Makes every append of this handle so far survive a power cut.
    ///
    /// # Errors
    /// [`AppendError::NotApplied`] when a sync fails; the handle refuses further appends then.
    pub fn flush(&self) -> Result<(), AppendError> {
        let mut writer = self.inner.writer();
        writer.refuse_when_poisoned()?;
        let disk = self.inner.system.disk.as_ref();
        for path in std::mem::take(&mut writer.unsynced) {
            if let Err(source) = fs_io::make_durable(disk, self.inner.layout.root(), &path) {
                writer.poisoned = Some(source.to_string());
                return Err(AppendError::NotApplied(source));
            }
        }
        Ok(())
    }
}

impl Writer {
    fn refuse_when_poisoned(&self) -> Result<(), AppendError> {
        match &self.poisoned {
            Some(reason) => Err(AppendError::Poisoned {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl Inner {
    fn begin(&self) -> Result<Turn<'_>, AppendError> {
        let writer = self.writer();
        writer.refuse_when_poisoned()?;
        let lock = self.lock()?;
        self.index_mut()
            .ingest(Depth::Names, &lock)
            .map_err(crate::error::RefreshError::from)?;
        Ok(Turn {
            inner: self,
            writer,
            lock,
        })
    }
}

impl Turn<'_> {
    /// Finds the first result of the same command.
    fn replayed(&self, append: &Append) -> Option<Appended> {
        let index = self.inner.index();
        let history = index.history();
        appended_of(history, history.command(append.command_id.as_ref()?)?.id())
    }

    fn check(&self, append: &Append) -> Result<(), AppendError> {
        let index = self.inner.index();
        check_versions(index.history(), append)?;
        if let OnFork::Reject(detector) = &self.inner.options.on_fork
            && let Some(stream_id) = detector.forked(
                index.history(),
                &append
                    .events
                    .iter()
                    .map(|event| &event.stream_id)
                    .collect::<Vec<_>>(),
            )
        {
            return Err(AppendError::ForkedStream {
                stream_id: stream_id.clone(),
            });
        }
        Ok(())
    }

    /// Works out the header and events of the transaction.
    fn draft(&mut self, append: Append) -> Result<(Header, Vec<Event<'static>>), AppendError> {
        let (replica_id, replica_seq) = self.replica()?;
        let index = self.inner.index();
        let history = index.history();
        let heads: Vec<_> = history
            .dag()
            .heads()
            .into_iter()
            .take(fs_format::limits::MAX_PARENTS)
            .map(|ix| history.get(ix))
            .collect();
        let parents = heads
            .iter()
            .map(|head| Parent {
                transaction_id: head.id(),
                content_hash: Some(head.content_hash()),
            })
            .collect();
        let now = Timestamp::from_unix_nanos(self.inner.system.clock.now_unix_nanos().max(0))
            .unwrap_or(Timestamp::MAX);
        let created_at = match heads
            .iter()
            .map(|head| (head.header().created_at, head.id()))
            .max()
        {
            Some((newest, transaction_id)) => {
                now.max(newest.successor().ok_or(AppendError::ClockExhausted {
                    transaction_id,
                    created_at: newest,
                })?)
            }
            None => now,
        };
        let ahead =
            created_at.unix_nanos().saturating_sub(now.unix_nanos()) > CLOCK_TOLERANCE_NANOS;
        let mut stream_bases = BTreeMap::new();
        for stream_id in append
            .expected
            .keys()
            .chain(append.events.iter().map(|event| &event.stream_id))
        {
            if !stream_bases.contains_key(stream_id) {
                stream_bases.insert(
                    stream_id.clone(),
                    StreamBase {
                        version: history.version(stream_id),
                        writes: 0,
                    },
                );
            }
        }
        let mut events = Vec::with_capacity(append.events.len());
        for event in append.events {
            let base = stream_bases
                .get_mut(&event.stream_id)
                .expect("every event's stream was entered just above");
            base.writes += 1;
            events.push(self.event(event, base.version + base.writes)?);
        }
        let header = Header {
            format_version: FormatVersion::V3,
            transaction_id: self.transaction_id(created_at)?,
            replica_id,
            replica_seq: Some(replica_seq),
            created_at,
            recorded_at: ahead.then_some(now),
            parents,
            stream_bases,
            command_id: append.command_id,
            resolves: BTreeMap::new(),
            metadata: append.metadata,
        };
        Ok((header, events))
    }

    fn replica(&mut self) -> Result<(ReplicaId, u64), AppendError> {
        let mut index = self.inner.index_mut();
        match self.inner.options.replica_id {
            Some(replica_id) => {
                let of_it = index
                    .history()
                    .canonical()
                    .filter(|(_, stored)| stored.header().replica_id == replica_id);
                let last = of_it
                    .filter_map(|(_, stored)| stored.header().replica_seq)
                    .max()
                    .unwrap_or(0);
                Ok((replica_id, last + 1))
            }
            None => self
                .writer
                .identity
                .next(&self.inner.system, &self.inner.layout, &mut index),
        }
    }

    fn event(&self, event: NewEvent, stream_version: u64) -> Result<Event<'static>, AppendError> {
        let mut bytes = [0; 16];
        self.inner
            .system
            .random
            .fill(&mut bytes)
            .map_err(AppendError::Random)?;
        Ok(Event {
            event_id: EventId::from_uuid(uuid::Builder::from_random_bytes(bytes).into_uuid()),
            stream_id: event.stream_id,
            stream_version,
            event_type: event.event_type.into(),
            event_data: event.event_data,
            metadata: event.metadata,
        })
    }

    fn transaction_id(&self, created_at: Timestamp) -> Result<TransactionId, AppendError> {
        let mut bytes = [0; 10];
        self.inner
            .system
            .random
            .fill(&mut bytes)
            .map_err(AppendError::Random)?;
        Ok(TransactionId::from_parts(created_at.unix_millis(), bytes))
    }

    /// Publishes the file and records it.
    fn publish(&mut self, encoded: Encoded) -> Result<(), AppendError> {
        let layout = &self.inner.layout;
        let sync = self.inner.options.durability.sync();
        let temp = layout.temp().join(encoded.transaction_id.to_string());
        let target = layout.event_file(&encoded.transaction_id.relative_path());
        match fs_io::publish(
            self.inner.system.disk.as_ref(),
            &temp,
            &target,
            &encoded.bytes,
            sync,
        ) {
            Ok(Published::New | Published::AlreadyThere) => {}
            Err(source @ PublishError::Unknown { .. }) => {
                self.writer.poisoned = Some(source.to_string());
                return Err(AppendError::Unknown {
                    transaction_id: encoded.transaction_id,
                    source,
                });
            }
            Err(source) => {
                self.writer.poisoned = Some(source.to_string());
                return Err(AppendError::NotApplied(source));
            }
        }
        if sync == fs_io::SyncPolicy::None {
            self.writer.unsynced.push(target);
        }
        if let Err(error) = self.inner.index_mut().record_append(encoded, &self.lock) {
            tracing::warn!(%error, "the transaction is stored; the journal takes it in at the next refresh");
        }
        Ok(())
    }
}

fn check_versions(history: &History, append: &Append) -> Result<(), AppendError> {
    for (stream_id, expected) in &append.expected {
        let actual = history.version(stream_id);
        if let Some(expected) = expected.version().filter(|expected| *expected != actual) {
            return Err(AppendError::VersionConflict {
                stream_id: stream_id.clone(),
                expected,
                actual,
            });
        }
    }
    Ok(())
}

fn versions_after(header: &Header) -> BTreeMap<StreamId, u64> {
    let written = header
        .stream_bases
        .iter()
        .filter(|(_, base)| base.writes > 0);
    written
        .map(|(stream_id, base)| (stream_id.clone(), base.version + base.writes))
        .collect()
}
