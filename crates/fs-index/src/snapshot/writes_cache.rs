//! Who writes a stream, kept for the next who asks: readers of many pages meet the same streams again and again.
//!
//! **Invariant**: what is kept is found only as long as nothing came and nothing went since.

use std::sync::Arc;

use fs_format::StreamId;

use crate::cache::Cache;
use crate::error::IndexError;
use crate::position::Epoch;
use crate::state::State;
use crate::table::stream_reader::Write;

/// Soft bound of the cache; it may hold twice this.
const WRITES_CACHE_BYTES: usize = 8 << 20;

/// As of when it holds: whatever comes gets a number, and whatever goes begins an epoch.
type AsOf = (Epoch, u64);

#[derive(Debug)]
pub(crate) struct WritesCache(Cache<(AsOf, StreamId), Arc<Vec<Write>>>);

impl Default for WritesCache {
    fn default() -> Self {
        Self(Cache::new(WRITES_CACHE_BYTES))
    }
}

impl WritesCache {
    /// Returns what was kept of a stream, and else works it out.
    pub(crate) fn get_or(
        &self,
        state: &State,
        stream_id: &StreamId,
        work: impl FnOnce() -> Result<Vec<Write>, IndexError>,
    ) -> Result<Arc<Vec<Write>>, IndexError> {
        let as_of = (state.epoch, state.next_number);
        let key = (as_of, stream_id.clone());
        if let Some(writes) = self.0.get(&key) {
            return Ok(writes);
        }
        let writes = Arc::new(work()?);
        let bytes = 2 * size_of::<(AsOf, StreamId)>()
            + stream_id.as_str().len()
            + writes.len() * size_of::<Write>();
        self.0.insert(key, Arc::clone(&writes), bytes);
        Ok(writes)
    }
}
