//! What was read and worked out once, for all snapshots of a handle.
//!
//! **Invariant**: an entry is found by the epoch that it was read in, and by whatever else its answer hangs on. A store that is put back to an
//! earlier state under an open handle gives epochs and numbers out again, so the handle begins with new caches then.

use std::sync::{Arc, Mutex};

use crate::snapshot::completeness::OmissionsCache;
use crate::snapshot::events::EventsCache;
use crate::snapshot::history::History;
use crate::snapshot::parts::PartsCache;
use crate::snapshot::select::Narrowed;
use crate::snapshot::writes_cache::WritesCache;

/// The caches of one handle.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    pub(crate) events: EventsCache,
    pub(crate) writes: WritesCache,
    pub(crate) parts: PartsCache,
    pub(crate) narrowed: Narrowed,
    pub(crate) omissions: OmissionsCache,
    /// The history that was loaded last; the thread that loads one holds the lock.
    pub(crate) history: Mutex<Option<Arc<History>>>,
}
