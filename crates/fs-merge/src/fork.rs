//! An open fork as a resolver sees it: what lies below, what each branch did, what was appended since.

use fs_dag::TxIx;
use fs_format::{Json, ReplicaId, StreamId, Timestamp, TransactionId};
use fs_index::{History, Undecodable};
use fs_store::{FileEventStore, ReadError, RefreshError, StoredEvent};

use crate::detect::{ForkId, Shape, shapes};

/// An open fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Its name, the same in every clone that has the same heads.
    pub id: ForkId,
    /// The streams in conflict, in byte order.
    pub streams: Vec<ForkedStream>,
    /// One for each head, in canonical order of the heads.
    pub branches: Vec<Branch>,
    /// Members below every head, in canonical order.
    pub common: Vec<Transaction>,
    /// Transactions that write or settle one of the streams and descend from a member, in canonical order.
    pub on_top: Vec<Transaction>,
}

/// A stream in conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkedStream {
    /// The stream.
    pub stream_id: StreamId,
    /// How many of its events lie below the fork.
    pub base_version: u64,
    /// Those events, in canonical order, so that an application can fold the state that both sides started from.
    pub events_below: Vec<StoredEvent>,
}

/// One side of a fork: the transactions up to a head that are not below every other head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The newest transaction.
    pub head: TransactionId,
    /// All of them in canonical order, the head last.
    pub transactions: Vec<Transaction>,
}

/// A transaction: who decided what, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The id.
    pub transaction_id: TransactionId,
    /// The replica that appended it; nil for a merge transaction.
    pub replica_id: ReplicaId,
    /// The time by the hybrid logical clock.
    pub created_at: Timestamp,
    /// The metadata, an object.
    pub metadata: Json<'static>,
    /// Its events, on forked streams and on others, in the order in which they were appended.
    pub events: Vec<StoredEvent>,
}

impl Fork {
    /// Returns whether `stream_id` is one of the streams in conflict.
    pub fn involves(&self, stream_id: &StreamId) -> bool {
        self.streams
            .iter()
            .any(|stream| stream.stream_id == *stream_id)
    }

    /// Returns the branch whose head is `head`.
    pub fn branch(&self, head: TransactionId) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.head == head)
    }

    pub(crate) fn load(history: &History, shape: &Shape) -> Result<Self, Undecodable> {
        let dag = history.dag();
        let branches: Vec<_> = shape
            .heads
            .iter()
            .map(|head| (*head, shape.branch(dag, *head)))
            .collect();
        let is_common = |member: &TxIx| !branches.iter().any(|(_, branch)| branch.contains(member));
        let common = shape
            .members
            .iter()
            .copied()
            .filter(is_common)
            .map(|ix| transaction(history, ix))
            .collect::<Result<_, _>>()?;
        let streams = shape.streams.iter().map(|(stream_id, members)| {
            let members: Vec<_> = members.iter().copied().collect();
            below(history, stream_id, &dag.maximal(&members))
        });
        Ok(Self {
            id: shape.id.clone(),
            streams: streams.collect::<Result<_, _>>()?,
            common,
            on_top: shape
                .on_top
                .iter()
                .map(|ix| transaction(history, *ix))
                .collect::<Result<_, _>>()?,
            branches: branches
                .iter()
                .map(|(head, branch)| {
                    Ok(Branch {
                        head: dag.id(*head),
                        transactions: branch
                            .iter()
                            .map(|ix| transaction(history, *ix))
                            .collect::<Result<_, _>>()?,
                    })
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Branch {
    /// Returns the events of the branch, in order.
    pub fn events(&self) -> impl Iterator<Item = &StoredEvent> {
        self.transactions
            .iter()
            .flat_map(|transaction| &transaction.events)
    }
}

/// Returns the events of a stream that lie below every one of `heads`.
fn below(
    history: &History,
    stream_id: &StreamId,
    heads: &[TxIx],
) -> Result<ForkedStream, Undecodable> {
    let dag = history.dag();
    let writes = history.writes(stream_id).iter().filter(|write| {
        heads
            .iter()
            .all(|head| dag.is_ancestor(write.transaction, *head))
    });
    let mut events_below = Vec::new();
    for write in writes {
        for placed in history.placed(write.transaction) {
            let placed = placed?;
            if placed.event.stream_id == *stream_id {
                events_below.push(StoredEvent::from(placed));
            }
        }
    }
    Ok(ForkedStream {
        stream_id: stream_id.clone(),
        base_version: events_below.len() as u64,
        events_below,
    })
}

fn transaction(history: &History, ix: TxIx) -> Result<Transaction, Undecodable> {
    let header = history.get(ix).header();
    Ok(Transaction {
        transaction_id: header.transaction_id,
        replica_id: header.replica_id,
        created_at: header.created_at,
        metadata: header.metadata.clone(),
        events: history
            .placed(ix)
            .map(|placed| placed.map(StoredEvent::from))
            .collect::<Result<_, _>>()?,
    })
}

/// Returns the open forks of a store, in canonical order of their first members.
///
/// # Errors
/// [`ReadError`].
pub fn forks(store: &FileEventStore) -> Result<Vec<Fork>, ReadError> {
    let forks = store.with_history(|history| {
        shapes(history)
            .iter()
            .map(|shape| Fork::load(history, shape))
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(forks?)
}

/// Returns how many forks are open, without reading their events.
///
/// # Errors
/// [`RefreshError`].
pub fn open_forks(store: &FileEventStore) -> Result<Vec<ForkId>, RefreshError> {
    store.with_history(|history| shapes(history).into_iter().map(|shape| shape.id).collect())
}
