//! Stale reads: decisions taken on a stream that was written concurrently.
//!
//! A stale read is reported, not a fork: nothing was written twice, but somebody decided without knowing. Two that settle the
//! stream and do not know of each other are the other way round: a conflict, and no stale read.

use std::collections::BTreeMap;

use fs_dag::TxIx;
use fs_format::{StreamId, TransactionId};
use fs_index::History;
use fs_store::{FileEventStore, RefreshError};
use serde::Serialize;

use crate::chains::Chains;
use crate::participants;

/// A transaction that decided on a stream which others wrote at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaleRead {
    /// The transaction that read the stream and did not write it.
    pub transaction_id: TransactionId,
    /// The stream.
    pub stream_id: StreamId,
    /// Who wrote the stream concurrently and is in no conflict on it with this transaction, in canonical order.
    pub written_by: Vec<TransactionId>,
}

/// Returns the stale reads of a store, by stream, then in canonical order.
///
/// # Errors
/// [`RefreshError`].
///
/// # Complexity
/// One look at each header; for a stream with readers and w writers on c chains O(w), and O(c log w) a reader, beside
/// the results.
pub fn stale_reads(store: &FileEventStore) -> Result<Vec<StaleRead>, RefreshError> {
    store.with_history(stale_reads_in)
}

pub(crate) fn stale_reads_in(history: &History) -> Vec<StaleRead> {
    let dag = history.dag();
    let mut readers: BTreeMap<&StreamId, Vec<TxIx>> = BTreeMap::new();
    for (ix, stored) in history.canonical() {
        let declared = stored.header().stream_bases.iter();
        for (stream_id, _) in declared.filter(|(_, base)| base.writes == 0) {
            readers.entry(stream_id).or_default().push(ix);
        }
    }
    let mut found = Vec::new();
    for (stream_id, readers) in readers {
        let writes = history.writes(stream_id).iter();
        let writers = Chains::new(dag, writes.map(|write| write.transaction));
        let settles = |ix: TxIx| participants::settles(history.get(ix).header(), stream_id);
        for reader in readers {
            let mut written_by: Vec<_> = writers.concurrent_with(dag, reader).collect();
            if settles(reader) {
                written_by.retain(|writer| !settles(*writer));
            }
            written_by.sort_by_key(|ix| dag.rank(*ix));
            if !written_by.is_empty() {
                let written_by = written_by.into_iter().map(|ix| dag.id(ix)).collect();
                found.push(StaleRead {
                    transaction_id: dag.id(reader),
                    stream_id: stream_id.clone(),
                    written_by,
                });
            }
        }
    }
    found
}
