//! Reading streams from the segments and the tail, one after the other.
//!
//! **Invariant**: an answer holds the transactions that have not vanished, and no other.

use std::collections::BTreeSet;

use fs_format::StreamId;

use crate::error::IndexError;
use crate::table::catalog::Catalog;
use crate::table::segment::{self, NameSearch, Posting};

/// Who writes a stream, in canonical order, with the version that the stream has below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) number: u64,
    pub(crate) base: u64,
    pub(crate) count: u64,
}

/// Reads streams; those that are asked for in byte order are found near each other.
pub(crate) struct StreamReader<'a> {
    catalog: &'a Catalog,
    dead: &'a BTreeSet<u64>,
    searches: Vec<NameSearch<'a>>,
}

impl<'a> StreamReader<'a> {
    pub(crate) fn new(catalog: &'a Catalog, dead: &'a BTreeSet<u64>) -> Self {
        let searches = catalog
            .segments
            .iter()
            .map(|segment| segment.stream_search());
        Self {
            catalog,
            dead,
            searches: searches.collect(),
        }
    }

    /// Returns how many events a stream has.
    pub(crate) fn version(&mut self, stream_id: &StreamId) -> Result<u64, IndexError> {
        let mut version = 0;
        for search in &mut self.searches {
            let Some(run) = search.stream(stream_id.as_str())? else {
                continue;
            };
            version += if self.dead.is_empty() {
                run.events()
            } else {
                live_events(&search.postings(&run)?, self.dead)
            };
        }
        Ok(version + live_events(&self.catalog.tail.postings(stream_id), self.dead))
    }

    /// Returns who writes a stream, in order of the canonical keys.
    ///
    /// # Complexity
    /// O(w log w) for w writers.
    pub(crate) fn writes(&mut self, stream_id: &StreamId) -> Result<Vec<Write>, IndexError> {
        let mut postings = Vec::new();
        for search in &mut self.searches {
            if let Some(run) = search.stream(stream_id.as_str())? {
                postings.extend(search.postings(&run)?);
            }
        }
        postings.extend(self.catalog.tail.postings(stream_id));
        postings.retain(|posting| !self.dead.contains(&posting.number));
        segment::sort(&mut postings, |number| {
            let row = self.catalog.transaction(number)?;
            Ok::<_, IndexError>(row.map(|it| (it.replica_id, it.id)))
        })?;
        let mut version = 0;
        Ok(postings
            .into_iter()
            .map(|posting| {
                let base = version;
                version += posting.count;
                Write {
                    number: posting.number,
                    base,
                    count: posting.count,
                }
            })
            .collect())
    }
}

fn live_events(postings: &[Posting], dead: &BTreeSet<u64>) -> u64 {
    let live = postings
        .iter()
        .filter(|posting| !dead.contains(&posting.number));
    live.map(|posting| posting.count).sum()
}
