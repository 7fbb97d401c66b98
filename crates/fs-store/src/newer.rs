//! Files of `local/` that a newer version of the program writes while a store is open.
//!
//! The log and the names of the replicas are read in every turn to write. The other files that count are many, and are looked at again only
//! when the directories that they lie in have moved.
//!
//! **Invariant**: an append that begins after such a file was written is refused. Where nothing has moved, that costs an append four stamps.

use std::sync::{Mutex, PoisonError};

use fs_io::Stat;

use crate::error::NewerVersion;
use crate::store::Inner;
use crate::{accepted, state};

/// What the last look found.
#[derive(Debug, Default)]
pub(crate) struct NewerCache(Mutex<Option<LastLook>>);

#[derive(Debug)]
struct LastLook {
    /// Taken before the look: of what was accepted to be missing, and of the directories of files that keep a place.
    stamps: [Option<Stat>; 4],
    /// Whether nothing can have changed since without moving a stamp.
    is_settled: bool,
    found: Option<NewerVersion>,
}

impl Inner {
    /// Returns the file that a newer version has written, as far as this handle has met one.
    pub(crate) fn newer_version(&self) -> Option<NewerVersion> {
        let met = || {
            let last = self.newer_cache.0.lock();
            let last = last.unwrap_or_else(PoisonError::into_inner);
            last.as_ref()?.found.clone()
        };
        self.newer.clone().or_else(met)
    }

    /// As [`Inner::newer_version`], with a look at what may have changed.
    ///
    /// # Complexity
    /// A stamp of one file and three directories. Where one has moved, the first bytes of each file that keeps a place.
    pub(crate) fn look_for_newer_version(&self) -> Option<NewerVersion> {
        if self.newer.is_some() {
            return self.newer.clone();
        }
        let (system, layout) = (&self.system, &self.layout);
        let stamp = |path| system.disk.stat(path).ok().flatten();
        let [checkpoints, projections, consumers] = state::place_dirs(layout);
        let stamps = [
            self.accepted_stat(),
            stamp(&checkpoints),
            stamp(&projections),
            stamp(&consumers),
        ];
        let mut last = self
            .newer_cache
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref()
            && last.is_settled
            && last.stamps == stamps
        {
            return last.found.clone();
        }
        let now = system.clock.now_unix_nanos();
        let is_settled = |stat: &Stat| !fs_index::is_racy(stat, now);
        let found = state::newer_version(system, layout)
            .or_else(|| accepted::newer_version(system.disk.as_ref(), layout));
        *last = Some(LastLook {
            is_settled: stamps.iter().flatten().all(is_settled),
            stamps,
            found: found.clone(),
        });
        found
    }
}
