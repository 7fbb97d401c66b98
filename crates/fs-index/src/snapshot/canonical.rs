//! Reading in canonical order, page by page.
//!
//! **Invariant**: pages that go on where the one before ended are the canonical order of the snapshot, without a gap and without anything
//! twice.

use std::collections::HashMap;

use fs_format::{ContentHash, Header, ReplicaId, StreamId, Timestamp, TransactionId};

use crate::error::IndexError;
use crate::snapshot::Snapshot;
use crate::snapshot::history::Placed;
use crate::snapshot::load::batches;
use crate::table::segment::{GraphRow, TxRow};
use crate::table::stream_reader::StreamReader;

/// Rows that are looked up at a time where all are read.
const PAGE_ROWS: usize = 8192;

/// What there is to tell of a transaction without what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outline {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// Who wrote it; nil for a merge transaction.
    pub replica_id: ReplicaId,
    /// Its place in the chain of its writer's transactions, where its format records one.
    pub replica_seq: Option<u64>,
    /// When it was written.
    pub created_at: Timestamp,
    /// On what it was written, as it is recorded.
    pub parents: Vec<TransactionId>,
    /// The streams that it writes, in byte order.
    pub streams: Vec<StreamId>,
    /// Whether it names streams whose forks it settles.
    pub settles: bool,
}

impl Outline {
    /// Takes it from a header.
    pub fn of(header: &Header) -> Self {
        let bases = header.stream_bases.iter();
        let written = bases.filter(|(_, base)| base.writes > 0);
        let parents = header.parents.iter();
        Self {
            transaction_id: header.transaction_id,
            replica_id: header.replica_id,
            replica_seq: header.replica_seq,
            created_at: header.created_at,
            parents: parents.map(|parent| parent.transaction_id).collect(),
            streams: written.map(|(stream_id, _)| stream_id.clone()).collect(),
            settles: !header.resolves.is_empty(),
        }
    }
}

impl Snapshot {
    /// Returns what there is to tell of at most `limit` transactions behind `after` in canonical order, or of the first, without what they
    /// hold.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn outlines_behind(
        &self,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Result<Vec<Outline>, IndexError> {
        let rows = self.rows_behind(after, limit)?;
        let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
        let found = self.catalog.graphs(&numbers)?;
        if found.len() < numbers.len() {
            return Err(self.damaged());
        }
        let outline = |it: GraphRow| Outline {
            transaction_id: it.row.id,
            replica_id: it.row.replica_id,
            replica_seq: it.links.replica_seq,
            created_at: it.row.created_at,
            streams: it
                .links
                .declared()
                .writes()
                .map(|(id, _)| id.clone())
                .collect(),
            settles: !it.links.resolves.is_empty(),
            parents: it.links.parents,
        };
        Ok(found.into_iter().map(outline).collect())
    }

    /// Returns the transactions by id, each with its content hash.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    ///
    /// # Complexity
    /// O(n log n) for n transactions, of 48 bytes each.
    pub fn content_hashes(&self) -> Result<Vec<(TransactionId, ContentHash)>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let mut found = Vec::with_capacity(usize::try_from(state.transactions).unwrap_or(0));
        let mut next = 1;
        loop {
            let batch = self.catalog.hashes_from(next, PAGE_ROWS, &state.dead)?;
            let Some((last, _)) = batch.last() else { break };
            next = last.number + 1;
            found.extend(batch.into_iter().map(|(row, hash)| (row.id, hash)));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Calls `each` with all transactions in canonical order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn each_in_order(&self, mut each: impl FnMut(TransactionId)) -> Result<(), IndexError> {
        let mut after = None;
        loop {
            let rows = self.rows_behind(after, PAGE_ROWS)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some(last.id);
            rows.iter().for_each(|row| each(row.id));
        }
    }

    /// Returns the transactions that no other descends from, in canonical order.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn heads_in_order(&self) -> Result<Vec<TransactionId>, IndexError> {
        let heads = self.heads();
        let mut heads: Vec<_> = heads.into_iter().map(|head| head.transaction_id).collect();
        if let Some(history) = self.ordering_history()? {
            let dag = history.dag();
            heads.sort_by_key(|id| dag.index_of(*id).and_then(|ix| dag.rank(ix)));
        }
        Ok(heads)
    }

    /// Returns at most `limit` streams behind `after`, or the first, with their versions, in byte order of the ids.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn streams_behind(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, u64)>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut reader = StreamReader::new(&self.catalog, &state.dead);
        let mut after = after.cloned();
        while found.len() < limit {
            let wanted = (limit - found.len()).min(PAGE_ROWS);
            let streams = self.catalog.streams_behind(after.as_ref(), wanted)?;
            let Some(last) = streams.last() else { break };
            after = Some(last.clone());
            for stream_id in streams {
                let version = reader.version(&stream_id)?;
                if version > 0 {
                    found.push((stream_id, version));
                }
            }
        }
        Ok(found)
    }

    /// Returns the headers of at most `limit` transactions behind `after` in canonical order, or of the first.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn headers_behind(
        &self,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Result<Vec<Header>, IndexError> {
        let rows = self.rows_behind(after, limit)?;
        let mut headers = Vec::with_capacity(rows.len());
        for batch in batches(&rows) {
            let loaded = self.load_places(batch)?.into_iter();
            headers.extend(loaded.map(|stored| stored.header));
        }
        Ok(headers)
    }

    /// Calls `each` with the events of transactions behind `after` in canonical order, or of the first: of as many as have no more than
    /// `limit` together, and of one at least. Returns also the last of these transactions, `None` where there is none.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn read_behind<T>(
        &self,
        after: Option<TransactionId>,
        limit: usize,
        mut each: impl FnMut(Placed<'_>) -> T,
    ) -> Result<(Vec<T>, Option<TransactionId>), IndexError> {
        let mut rows = self.rows_behind(after, limit.max(1))?;
        let mut events = 0;
        let fits = rows.iter().take_while(|row| {
            events += row.event_count as usize;
            events <= limit
        });
        rows.truncate(fits.count().max(1));
        let mut found = Vec::new();
        for batch in batches(&rows) {
            let recorded = self.recorded(batch)?;
            let written = recorded.iter().flat_map(|it| {
                let streams = it.writes().iter();
                streams.map(|(stream_id, _)| (it.number(), stream_id))
            });
            let mut bases = self.bases(written)?.into_iter();
            for recorded in &recorded {
                let streams = recorded.writes().iter().map(|(stream_id, _)| stream_id);
                let mut versions: HashMap<&StreamId, u64> = streams.zip(bases.by_ref()).collect();
                for (place, event) in (0..=u16::MAX).zip(recorded.events()) {
                    let event = event.map_err(|_| self.damaged())?;
                    let version = versions.get_mut(&event.stream_id);
                    let version = version.ok_or_else(|| self.damaged())?;
                    *version += 1;
                    found.push(each(Placed {
                        provenance: recorded.provenance(),
                        version: *version,
                        position: self.position_in(recorded, place),
                        event,
                    }));
                }
            }
        }
        Ok((found, rows.last().map(|row| row.id)))
    }

    /// Returns at most `limit` transactions behind `after` in canonical order, or the first.
    fn rows_behind(
        &self,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Result<Vec<TxRow>, IndexError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let number = match after {
            Some(after) => match self.number_of(after)? {
                Some(number) => Some(number),
                // It is not there any more.
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let Some(history) = self.ordering_history()? else {
            let after = number.map(|number| self.catalog.transaction(number));
            let after = after.transpose()?.flatten().map(|row| row.key());
            return self.catalog.behind(after.as_ref(), limit, &state.dead);
        };
        let dag = history.dag();
        let rank = after.and_then(|after| dag.rank(dag.index_of(after)?));
        let order = dag.order().iter();
        let order = order.skip(rank.map_or(0, |rank| rank + 1)).take(limit);
        self.places(order.map(|ix| history.get(*ix).number()))
    }
}
