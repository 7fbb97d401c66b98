//! Deciding on an append and drafting its transaction.
//!
//! **Invariant**: a transaction is drafted on the history together with those of its group that are encoded and not yet committed ([`Ahead`]), as if
//! they were in it: its parents, versions and sequence are the ones it would have had if they had been appended one by one.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::TxIx;
use fs_format::CommandId;
use fs_format::{
    Event, EventId, FormatVersion, Header, Parent, ReplicaId, StreamBase, StreamId, Timestamp,
    TransactionId, limits,
};
use fs_index::{Snapshot, Stored};

use crate::append::WriteTxn;
use crate::command;
use crate::completeness::Lacks;
use crate::error::{AppendError, RefreshError};
use crate::heads_above::HeadsAbove;
use crate::identity::next_sequence;
use crate::options::OnFork;
use crate::request::{Append, Appended, NewEvent};

/// A transaction dated further ahead of the wall clock than this records the wall clock beside it.
const CLOCK_TOLERANCE_NANOS: i64 = 1_000_000_000;

/// What encoded transactions add to the history before they are committed.
///
/// The first has all heads of the history for parents, so it is the only head after itself, and so on.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    newest: Option<(Parent, Timestamp)>,
    versions: BTreeMap<StreamId, u64>,
    commands: BTreeMap<CommandId, (Appended, Stored)>,
    replica: Option<(ReplicaId, u64)>,
    is_blind: bool,
}

impl Ahead {
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// Returns whether the newest transaction could not name all heads, or has its replica's last number, so that the next cannot be drafted
    /// before it is committed.
    pub(crate) fn is_blind(&self) -> bool {
        self.is_blind
    }

    /// Adds a transaction and returns what its append gives.
    pub(crate) fn add(&mut self, encoded: &Stored) -> Appended {
        let header = encoded.header();
        let versions = versions_after(header);
        let parent = Parent {
            transaction_id: encoded.id(),
            content_hash: Some(encoded.content_hash()),
        };
        self.is_blind = header.parents.len() >= limits::MAX_PARENTS
            || header.replica_seq == Some(limits::MAX_REPLICA_SEQ);
        self.newest = Some((parent, header.created_at));
        self.replica = header.replica_seq.map(|seq| (header.replica_id, seq));
        self.versions.extend(versions.clone());
        let appended = Appended {
            transaction_id: encoded.id(),
            created_at: header.created_at,
            versions,
            replayed: false,
            lacks: Lacks::default(),
        };
        if let Some(command_id) = &header.command_id {
            let replayed = Appended {
                replayed: true,
                ..appended.clone()
            };
            self.commands
                .insert(command_id.clone(), (replayed, encoded.clone()));
        }
        appended
    }

    fn version(&self, snapshot: &Snapshot, stream_id: &StreamId) -> Result<u64, RefreshError> {
        match self.versions.get(stream_id) {
            Some(version) => Ok(*version),
            None => Ok(snapshot.version(stream_id)?),
        }
    }
}

impl WriteTxn<'_> {
    /// Finds the first result of the same command, which has to be of the same content.
    pub(crate) fn replayed(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        let Some(command_id) = append.command_id.as_ref() else {
            return Ok(None);
        };
        if let Some((appended, encoded)) = self.ahead.commands.get(command_id) {
            command::check_same(command_id, append, encoded)?;
            return Ok(Some(appended.clone()));
        }
        command::earlier_result(&self.inner.snapshot(), command_id, append)
    }

    /// Checks what the caller expects.
    ///
    /// An append to the tip forks nothing, so what is ahead is of no interest to a detector of forks.
    pub(crate) fn check(&self, append: &Append) -> Result<(), AppendError> {
        self.inner.refuse_on_hole(append)?;
        check_versions(&self.inner.snapshot(), &self.ahead, append)?;
        if let OnFork::Reject(detector) = &self.inner.options.on_fork
            && let history = self.inner.loaded_history()?
            && let Some(stream_id) = detector.forked(
                &history,
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
    pub(crate) fn draft(
        &mut self,
        append: Append,
    ) -> Result<(Header, Vec<Event<'static>>), AppendError> {
        let (replica_id, replica_seq) = self.replica()?;
        let heads = self.heads(&append)?;
        let snapshot = self.inner.snapshot();
        let unix_nanos = self.inner.system.clock.now_unix_nanos();
        let now = Timestamp::from_unix_nanos(unix_nanos)
            .filter(|now| *now <= Timestamp::LATEST_CREATED_AT)
            .ok_or(AppendError::ClockOutOfRange { unix_nanos })?;
        let newest = heads.iter().map(|(_, created_at)| *created_at).max();
        let created_at = newest.map_or(now, |newest| now.max(newest.of_next_child()));
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
                        version: self.ahead.version(&snapshot, stream_id)?,
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
        let mut parents: Vec<Parent> = heads.into_iter().map(|(parent, _)| parent).collect();
        parents.sort_unstable_by_key(|parent| parent.transaction_id);
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

    /// Returns the heads as parents of the next transaction, each with its time.
    ///
    /// Of more heads than a transaction may have parents, those come first that the newest writers of the append's streams
    /// are or lie below, and then the others; by canonical key.
    ///
    /// # Complexity
    /// O(h log h) for h heads. Where they are too many, the history is loaded, and of each writer that no other writer of the stream descends from
    /// the heads above it are gone through.
    fn heads(&self, append: &Append) -> Result<Vec<(Parent, Timestamp)>, RefreshError> {
        if let Some(newest) = &self.ahead.newest {
            return Ok(vec![*newest]);
        }
        let mut heads = self.inner.snapshot().heads();
        if heads.len() > limits::MAX_PARENTS {
            let own = self.own_heads(append)?;
            heads.sort_by_key(|head| !own.contains(&head.transaction_id));
        }
        let heads = heads.into_iter().take(limits::MAX_PARENTS).map(|head| {
            let parent = Parent {
                transaction_id: head.transaction_id,
                content_hash: Some(head.content_hash),
            };
            (parent, head.created_at)
        });
        Ok(heads.collect())
    }

    /// Returns the heads that the newest writers of the append's streams are or lie below.
    fn own_heads(&self, append: &Append) -> Result<BTreeSet<TransactionId>, RefreshError> {
        let history = self.inner.loaded_history()?;
        let dag = history.dag();
        let heads = HeadsAbove::new(dag);
        let written = append.events.iter().map(|event| &event.stream_id);
        let streams: BTreeSet<_> = append.expected.keys().chain(written).collect();
        let mut asked: BTreeSet<TxIx> = BTreeSet::new();
        let mut own: BTreeSet<TxIx> = BTreeSet::new();
        for stream_id in streams {
            let writers = history.writes(stream_id).iter();
            let writers: Vec<_> = writers.map(|write| write.transaction).collect();
            for newest in dag.maximal(&writers) {
                if asked.insert(newest) {
                    own.extend(heads.at_or_above(newest));
                }
            }
        }
        Ok(own.into_iter().map(|ix| dag.id(ix)).collect())
    }

    fn replica(&mut self) -> Result<(ReplicaId, u64), AppendError> {
        if let Some((replica_id, last)) = self.ahead.replica {
            return Ok((replica_id, last + 1));
        }
        match self.inner.options.replica_id {
            Some(replica_id) => {
                let next = |last| {
                    let next = next_sequence(last);
                    next.ok_or(AppendError::SequenceExhausted { replica_id })
                };
                let snapshot = self.inner.snapshot();
                if let Some((last, _)) = snapshot.last_appended(replica_id) {
                    return Ok((replica_id, next(last)?));
                }
                let history = snapshot.history().map_err(RefreshError::from)?;
                let transactions = history.canonical();
                let of_it = transactions.filter(|(_, it)| it.replica_id() == replica_id);
                let last = of_it.filter_map(|(_, it)| it.replica_seq()).max();
                Ok((replica_id, next(last.unwrap_or(0))?))
            }
            None => {
                let (system, layout) = (&self.inner.system, &self.inner.layout);
                let mut index = self.inner.index.lock();
                self.writer.identity.next(system, layout, &mut index)
            }
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
}

/// Compares the versions that the caller expects with those that are.
pub(crate) fn check_versions(
    snapshot: &Snapshot,
    ahead: &Ahead,
    append: &Append,
) -> Result<(), AppendError> {
    for (stream_id, expected) in &append.expected {
        let actual = ahead.version(snapshot, stream_id)?;
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
