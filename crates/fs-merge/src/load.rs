//! Reading open forks from a store.
//!
//! **Invariant**: each is loaded by itself, from one state of the history, so what is wrong with one touches no other.

use std::collections::{BTreeMap, BTreeSet};

use fs_dag::TxIx;
use fs_format::{Header, StreamId, TransactionId};
use fs_index::{History, Omission, Placed, Stored, Undecodable};
use fs_store::{EventDecodeError, FileEventStore, ReadError, RefreshError, Schema, StoredEvent};
use serde::Deserialize;

use crate::chains::Chains;
use crate::detect::{ForkId, Shape, shapes};
use crate::event::{BlockedFork, ForkEvent, Raw, ReadAs, unplaced};
use crate::fork::{Branch, Decision, ForkContext, ForkedStream, Transaction};
use crate::nearest::Nearest;
use crate::participants::{settled_by, settled_heads};
use crate::quiet;
use crate::stale::StaleReads;
use crate::unsure::Missing;

/// Returns the open forks of a store with their events as they are stored, in canonical order of their first members.
///
/// # Errors
/// [`ReadError`].
pub fn forks(store: &FileEventStore) -> Result<Vec<ForkContext>, ReadError> {
    let forks = typed_forks::<Raw>(store)?;
    Ok(forks.into_iter().collect::<Result<_, _>>()?)
}

/// Returns the open forks of a store with their events as the application's own type, in canonical order of their first
/// members.
///
/// A fork with an event on one of its streams that is not of this type is blocked, and no other.
///
/// # Errors
/// [`RefreshError`].
pub fn typed_forks<E: ReadAs>(
    store: &FileEventStore,
) -> Result<Vec<Result<ForkContext<E>, BlockedFork>>, RefreshError> {
    let load = || {
        unless_quiet(store, |history, omissions| {
            load_some(store, history, omissions, |_| true)
        })
    };
    let is_damaged = |fork: &Result<_, _>| matches!(fork, Err(BlockedFork::Damaged { .. }));
    let forks = load()?;
    if !forks.iter().any(is_damaged) {
        return Ok(forks);
    }
    store.repair_index()?;
    load()
}

/// An open fork by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenFork {
    /// The fork.
    pub id: ForkId,
    /// What is missing and makes it [unsure](ForkContext::unsure).
    pub unsure: Vec<Omission>,
}

/// Returns the names of the open forks, in the order of [`forks`], without reading their events.
///
/// # Errors
/// [`RefreshError`].
pub fn open_forks(store: &FileEventStore) -> Result<Vec<OpenFork>, RefreshError> {
    unless_quiet(store, |history, omissions| {
        let missing = Missing::new(history, omissions);
        let open = shapes(history).into_iter().map(|shape| OpenFork {
            unsure: missing.makes_unsure(&shape),
            id: shape.id,
        });
        open.collect()
    })
}

/// Returns what `load` makes of the history, unless it can be told without it that no fork is open.
fn unless_quiet<T>(
    store: &FileEventStore,
    load: impl FnOnce(&History, &[Omission]) -> Vec<T>,
) -> Result<Vec<T>, RefreshError> {
    if quiet::is_quiet(store)? {
        return Ok(Vec::new());
    }
    store.with_history_and_omissions(|history, omissions| {
        let found = load(history, omissions);
        if found.is_empty() {
            quiet::keep(store, history);
        }
        found
    })
}

/// Loads the forks that `wanted` selects; `history` is of `store` and lacks `omissions`.
pub(crate) fn load_some<E: ReadAs>(
    store: &FileEventStore,
    history: &History,
    omissions: &[Omission],
    wanted: impl Fn(&Shape) -> bool,
) -> Vec<Result<ForkContext<E>, BlockedFork>> {
    let shapes: Vec<_> = shapes(history).into_iter().filter(wanted).collect();
    if shapes.is_empty() {
        return Vec::new();
    }
    let stale_reads = StaleReads::of(history);
    let missing = Missing::new(history, omissions);
    let load = |shape| {
        let unsure = missing.makes_unsure(shape);
        Loader::new(store, history, shape).load(&stale_reads, unsure)
    };
    shapes.iter().map(load).collect()
}

/// An event as it is stored, with its place among those of the fork.
type PlacedEvent = ((usize, usize), StoredEvent);

/// The events of a stream in canonical order, each with who wrote it.
type WrittenEvents = Vec<(TxIx, PlacedEvent)>;

/// Reads one fork.
struct Loader<'a> {
    schema: &'a Schema,
    history: &'a History,
    shape: &'a Shape,
    /// Who writes one of the fork's streams at or below the newest, and the members and those on top: each with its
    /// place among them in canonical order.
    places: BTreeMap<TxIx, usize>,
}

impl<'a> Loader<'a> {
    fn new(store: &'a FileEventStore, history: &'a History, shape: &'a Shape) -> Self {
        let dag = history.dag();
        let cover = dag.cover(&shape.newest(dag));
        let mut known: BTreeSet<TxIx> =
            shape.members.iter().chain(&shape.on_top).copied().collect();
        for stream_id in shape.streams.keys() {
            let writers = history
                .writes(stream_id)
                .iter()
                .map(|write| write.transaction);
            known.extend(writers.filter(|writer| dag.is_covered(&cover, *writer)));
        }
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort_by_key(|ix| dag.rank(*ix));
        let places = known.into_iter().enumerate().map(|(place, ix)| (ix, place));
        Self {
            schema: store.schema(),
            history,
            shape,
            places: places.collect(),
        }
    }

    fn load<E: ReadAs>(
        &self,
        stale_reads: &StaleReads,
        unsure: Vec<Omission>,
    ) -> Result<ForkContext<E>, BlockedFork> {
        let dag = self.history.dag();
        let heads = self.shape.heads.iter().copied();
        let branches: Vec<_> = heads.zip(self.shape.branches(dag)).collect();
        let in_branches: BTreeSet<_> = branches.iter().flat_map(|(_, branch)| branch).collect();
        let common: Vec<_> = self
            .shape
            .members
            .iter()
            .copied()
            .filter(|member| !in_branches.contains(member))
            .collect();
        let graph = Nearest::new(self.history, self.shape);
        let all = |of: &[TxIx]| -> Result<Vec<_>, BlockedFork> {
            of.iter().map(|ix| self.transaction(*ix, &graph)).collect()
        };
        let mut by_stream = self.events_by_stream()?;
        let streams = self.shape.streams.iter();
        let streams: Vec<_> = streams
            .map(|(stream_id, members)| {
                let events = by_stream.remove(stream_id).unwrap_or_default();
                self.stream(stream_id, members, events)
            })
            .collect::<Result<_, _>>()?;
        let since: BTreeSet<_> = streams
            .iter()
            .flat_map(|stream| &stream.events_since)
            .map(|event| event.transaction_id)
            .collect();
        let is_head: BTreeSet<_> = self.shape.heads.iter().copied().collect();
        // No head has seen another.
        let mut since: Vec<_> = since
            .into_iter()
            .filter_map(|id| dag.index_of(id))
            .filter(|ix| !is_head.contains(ix))
            .collect();
        since.sort_unstable_by_key(|ix| dag.rank(*ix));
        let since = Chains::new(dag, since);
        Ok(ForkContext {
            id: self.shape.id.clone(),
            streams,
            branches: branches
                .iter()
                .map(|(head, branch)| {
                    Ok(Branch {
                        head: dag.id(*head),
                        transactions: all(branch)?,
                        seen: self.seen_by(*head, &since),
                    })
                })
                .collect::<Result<_, BlockedFork>>()?,
            common: all(&common)?,
            on_top: all(&self.shape.on_top)?,
            stale_reads: stale_reads.touching(dag, self.shape),
            unsure,
            is_settled_anyway: false,
        })
    }

    /// Returns the events of the fork's streams, in canonical order, each with who wrote it.
    ///
    /// # Complexity
    /// Each transaction is decoded once, on however many of the streams it has events.
    fn events_by_stream(&self) -> Result<BTreeMap<&'a StreamId, WrittenEvents>, BlockedFork> {
        let mut writers: Vec<_> = self.places.iter().collect();
        writers.sort_unstable_by_key(|(_, place)| **place);
        let mut found: BTreeMap<_, WrittenEvents> = BTreeMap::new();
        for (ix, _) in writers {
            for (place, event) in self.events(*ix)? {
                let forked = self.shape.streams.get_key_value(&event.stream_id);
                if let Some((stream_id, _)) = forked {
                    let events = found.entry(stream_id).or_default();
                    events.push((*ix, (place, event)));
                }
            }
        }
        Ok(found)
    }

    fn stream<E: ReadAs>(
        &self,
        stream_id: &StreamId,
        members: &BTreeSet<TxIx>,
        events: WrittenEvents,
    ) -> Result<ForkedStream<E>, BlockedFork> {
        let dag = self.history.dag();
        let members: Vec<_> = members.iter().copied().collect();
        // There are several: none is below another.
        let below_all = dag.common(&dag.maximal(&members));
        let mut below: Vec<TxIx> = Vec::new();
        let (mut events_below, mut events_since) = (Vec::new(), Vec::new());
        let mut last = None;
        for (ix, (place, event)) in events {
            let is_below = match last {
                Some((last, is_below)) if last == ix => is_below,
                _ => {
                    let is_below = dag.is_covered(&below_all, ix);
                    below.extend(is_below.then_some(ix));
                    is_below
                }
            };
            last = Some((ix, is_below));
            let events = if is_below {
                &mut events_below
            } else {
                &mut events_since
            };
            events.push(self.read(place, event)?);
        }
        let fork_point = dag.maximal(&below);
        Ok(ForkedStream {
            stream_id: stream_id.clone(),
            base_version: events_below.len() as u64,
            fork_point: fork_point.iter().map(|ix| dag.id(*ix)).collect(),
            events_below,
            events_since,
        })
    }

    fn transaction<E: ReadAs>(
        &self,
        ix: TxIx,
        graph: &Nearest<'_>,
    ) -> Result<Transaction<E>, BlockedFork> {
        let stored = self.load_stored(ix)?;
        let (header, declared) = (stored.header(), self.history.get(ix).declared());
        let (mut events, mut foreign_events) = (Vec::new(), Vec::new());
        for (place, event) in self.events_of(ix, &stored)? {
            let may_be_foreign = !self.shape.streams.contains_key(&event.stream_id);
            match E::read(&event, self.schema) {
                Err(EventDecodeError::Unknown { .. }) if may_be_foreign => {
                    foreign_events.push(event);
                }
                Err(source) => return Err(BlockedFork::by(&self.shape.id, event, source)),
                Ok(read) => events.push(ForkEvent {
                    stored: event,
                    event: read,
                    place,
                }),
            }
        }
        let settles: Vec<_> = settled_by(declared).cloned().collect();
        let dag = self.history.dag();
        let covers = settles
            .iter()
            .filter(|stream_id| self.shape.streams.contains_key(*stream_id))
            .map(|stream_id| {
                let heads = settled_heads(dag, ix, declared, stream_id);
                (stream_id.clone(), graph.at_or_below(&heads))
            });
        Ok(Transaction {
            transaction_id: header.transaction_id,
            replica_id: header.replica_id,
            created_at: header.created_at,
            metadata: header.metadata.clone(),
            events,
            foreign_events,
            decision: (!header.resolves.is_empty()).then(|| decision(header)),
            covers: covers.collect(),
            command_id: header.command_id.clone(),
            settles,
            after: graph.below(ix),
            place: self.place(ix),
        })
    }

    /// Returns the events of a transaction, each with its place.
    fn events(&self, ix: TxIx) -> Result<Vec<PlacedEvent>, BlockedFork> {
        self.events_of(ix, &self.load_stored(ix)?)
    }

    fn events_of(&self, ix: TxIx, stored: &Stored) -> Result<Vec<PlacedEvent>, BlockedFork> {
        let place = self.place(ix);
        let events = self.history.placed(stored).enumerate();
        let unplaced = |(nth, placed): (usize, Result<Placed<'_>, Undecodable>)| {
            Ok((
                (place, nth),
                unplaced(placed.map_err(|it| self.blocked(it))?),
            ))
        };
        events.map(unplaced).collect()
    }

    fn load_stored(&self, ix: TxIx) -> Result<Stored, BlockedFork> {
        self.history.load(ix).map_err(|it| self.blocked(it))
    }

    fn blocked(&self, source: Undecodable) -> BlockedFork {
        BlockedFork::Damaged {
            fork_id: self.shape.id.clone(),
            source,
        }
    }

    fn read<E: ReadAs>(
        &self,
        place: (usize, usize),
        event: StoredEvent,
    ) -> Result<ForkEvent<E>, BlockedFork> {
        match E::read(&event, self.schema) {
            Ok(read) => Ok(ForkEvent {
                stored: event,
                event: read,
                place,
            }),
            Err(source) => Err(BlockedFork::by(&self.shape.id, event, source)),
        }
    }

    fn place(&self, ix: TxIx) -> usize {
        self.places.get(&ix).copied().unwrap_or(usize::MAX)
    }

    /// Selects those that the head descends from, and adds the head.
    fn seen_by(&self, head: TxIx, of: &Chains) -> BTreeSet<TransactionId> {
        let dag = self.history.dag();
        let seen = of.seen_by(dag, head).into_iter();
        seen.chain([head]).map(|ix| dag.id(ix)).collect()
    }
}

fn decision(header: &Header) -> Decision {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        author: Option<serde_json::Value>,
        #[serde(default)]
        reason: Option<serde_json::Value>,
    }
    let text = |value: Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => Some(text),
        _ => None,
    };
    match header.metadata.decode::<Metadata>() {
        Ok(metadata) => Decision {
            author: text(metadata.author),
            reason: text(metadata.reason),
        },
        // A key that stands there twice, which only another program writes.
        Err(_) => Decision::default(),
    }
}
