//! Reading in canonical order, page by page.
//!
//! **Invariant**: pages that go on where the one before ended are the canonical order of the snapshot, without a gap and without anything
//! twice.

use std::collections::HashMap;

use fs_format::{Header, StreamId, TransactionId};

use crate::error::IndexError;
use crate::snapshot::Snapshot;
use crate::snapshot::history::Placed;
use crate::snapshot::load::batches;
use crate::table::segment::TxRow;

impl Snapshot {
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

    /// Calls `each` with the events of at most `limit` transactions behind `after` in canonical order, or of the first; returns also
    /// the last of these transactions, `None` where there is none.
    ///
    /// # Errors
    /// [`IndexError`] when the index cannot be read.
    pub fn read_behind<T>(
        &self,
        after: Option<TransactionId>,
        limit: usize,
        mut each: impl FnMut(Placed<'_>) -> T,
    ) -> Result<(Vec<T>, Option<TransactionId>), IndexError> {
        let rows = self.rows_behind(after, limit)?;
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
        let history = self.history()?;
        let dag = history.dag();
        let after = after.map(|id| dag.index_of(id).and_then(|ix| dag.rank(ix)));
        let first = match after {
            None => 0,
            Some(Some(rank)) => rank + 1,
            // It is not there any more.
            Some(None) => return Ok(Vec::new()),
        };
        let order = dag.order().iter().skip(first).take(limit);
        self.places(order.map(|ix| history.get(*ix).number()))
    }
}
