//! What each replica wrote, by its own count, and what is missing of it.
//!
//! ```text
//!   replica A   1  2  -  -  5  6       a gap from 3 to 4: that much of A's has not come here yet, or is lost
//!   replica B   1  2' 2"  3            a conflict at 2: two working copies appended as B (identity_conflict.rs)
//!   nil         M1 M2 M3               merge transactions have no count of their own
//! ```
//!
//! **Invariant**: a function of the files alone, so every clone that holds the same files has the same feeds, local positions apart. Every
//! transaction of the canonical order is in one feed, and whatever number is not is in a gap.
//!
//! What is not done here: nobody tells how many transactions a replica has written since its last that is here.

use std::collections::BTreeMap;
use std::sync::Arc;

use fs_dag::TxIx;
use fs_format::{Header, ReplicaId, TransactionId};
use fs_index::History;

use crate::completeness::Answer;
use crate::error::{ReadError, RefreshError};
use crate::event::StoredEvent;
use crate::identity_conflict::{Pair, counted, identity_conflicts};
use crate::store::FileEventStore;

/// The transactions of one replica.
#[derive(Clone, Debug)]
pub struct ReplicaFeed {
    replica_id: ReplicaId,
    entries: Vec<Entry>,
    history: Arc<History>,
}

#[derive(Clone, Debug)]
enum Entry {
    Transaction(TxIx),
    Gap { first: u64, last: u64 },
    Conflict { sequence: u64, of: Vec<TxIx> },
}

/// What comes next in the count of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaItem {
    /// A transaction.
    Transaction {
        /// Its header; `replica_seq` is its number.
        header: Box<Header>,
        /// Its events, in the order in which they were appended.
        events: Vec<StoredEvent>,
    },
    /// Numbers whose transactions are not here.
    Gap {
        /// The replica.
        replica_id: ReplicaId,
        /// The first number that is missing.
        first: u64,
        /// The last number that is missing.
        last: u64,
    },
    /// Transactions that cannot be of one writer: two working copies appended as one replica. Of them, those that have this number
    /// come next; another comes before where neither it nor they descend from the other.
    ///
    /// [`status`](FileEventStore::status) tells of the same conflicts.
    Conflict {
        /// The replica.
        replica_id: ReplicaId,
        /// The number.
        sequence: u64,
        /// The transactions, in canonical order.
        transactions: Vec<TransactionId>,
    },
}

impl ReplicaFeed {
    /// Returns the replica; nil for merge transactions.
    pub fn replica_id(&self) -> ReplicaId {
        self.replica_id
    }

    /// Returns its transactions by number, with gaps and conflicts where they are. Events are decoded one transaction at a time.
    ///
    /// Those without a number come first, in canonical order: of the formats 1 and 2. Of the nil replica, all are in canonical order.
    ///
    /// # Errors
    /// An item is an error only when its bytes cannot be read, or are not those that were verified.
    pub fn items(&self) -> impl Iterator<Item = Result<ReplicaItem, ReadError>> {
        self.entries.iter().map(|entry| self.item(entry))
    }

    fn item(&self, entry: &Entry) -> Result<ReplicaItem, ReadError> {
        let replica_id = self.replica_id;
        Ok(match entry {
            Entry::Transaction(ix) => {
                let stored = self.history.load(*ix)?;
                let events = self.history.placed(&stored);
                let events = events.map(|placed| Ok(StoredEvent::from(placed?)));
                ReplicaItem::Transaction {
                    header: Box::new(stored.header().clone()),
                    events: events.collect::<Result<_, ReadError>>()?,
                }
            }
            Entry::Gap { first, last } => ReplicaItem::Gap {
                replica_id,
                first: *first,
                last: *last,
            },
            Entry::Conflict { sequence, of } => ReplicaItem::Conflict {
                replica_id,
                sequence: *sequence,
                transactions: of.iter().map(|ix| self.history.dag().id(*ix)).collect(),
            },
        })
    }
}

impl FileEventStore {
    /// Returns the feed of every replica, in the order of the replicas' ids.
    ///
    /// # Errors
    /// [`RefreshError`].
    ///
    /// # Complexity
    /// O(n log n) for n transactions; the history is loaded, and shared by the feeds.
    pub fn read_by_replica(&self) -> Result<Answer<Vec<ReplicaFeed>>, RefreshError> {
        self.inner.answer_from_history(feeds)
    }
}

/// Returns the feed of every replica of a history, which they share.
fn feeds(history: &Arc<History>) -> Vec<ReplicaFeed> {
    // Canonical order is kept among those that have one number.
    let mut by_replica: BTreeMap<ReplicaId, BTreeMap<Option<u64>, Vec<TxIx>>> = BTreeMap::new();
    for (ix, member) in history.canonical() {
        let sequence = counted(member).map(|(_, sequence)| sequence);
        let of_replica = by_replica.entry(member.replica_id()).or_default();
        of_replica.entry(sequence).or_default().push(ix);
    }
    let mut conflicts = identity_conflicts(history);
    let feeds = by_replica
        .into_iter()
        .map(|(replica_id, numbered)| ReplicaFeed {
            replica_id,
            entries: entries(
                numbered,
                by_number(history, conflicts.remove(&replica_id).unwrap_or_default()),
            ),
            history: Arc::clone(history),
        });
    feeds.collect()
}

/// Returns who is in conflict with some transaction of a number, and those of the number that are, in canonical order.
fn by_number(history: &History, pairs: Vec<Pair>) -> BTreeMap<u64, Vec<TxIx>> {
    let dag = history.dag();
    let mut by_number: BTreeMap<u64, Vec<TxIx>> = BTreeMap::new();
    for Pair { earlier, later } in pairs {
        if let Some((_, number)) = counted(history.get(later)) {
            by_number
                .entry(number)
                .or_default()
                .extend([earlier, later]);
        }
    }
    for of in by_number.values_mut() {
        of.sort_unstable_by_key(|ix| dag.rank(*ix));
        of.dedup();
    }
    by_number
}

fn entries(
    numbered: BTreeMap<Option<u64>, Vec<TxIx>>,
    mut conflicts: BTreeMap<u64, Vec<TxIx>>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    // The number that comes next; numbers begin at 1.
    let mut next = 1;
    for (sequence, of) in numbered {
        if let Some(sequence) = sequence {
            if sequence > next {
                let last = sequence - 1;
                entries.push(Entry::Gap { first: next, last });
            }
            next = sequence.saturating_add(1);
            let conflict = conflicts.remove(&sequence);
            entries.extend(conflict.map(|of| Entry::Conflict { sequence, of }));
        }
        entries.extend(of.into_iter().map(Entry::Transaction));
    }
    entries
}
