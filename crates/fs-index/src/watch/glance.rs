//! Telling by a few `stat`s, and without the handle, that a poll would find nothing.
//!
//! **Invariant**: it is made of what a poll has found current, and given up by whatever changes the handle after that. It says no where a
//! poll might find something.

use fs_io::{FileKind, System};

use crate::layout::Layout;
use crate::log::journal::JournalEnd;
use crate::watch::scan::{self, Scan, Stamp};

/// What shows that nothing came or went since the last poll.
#[derive(Debug)]
pub(crate) struct Glance {
    pub(crate) system: System,
    pub(crate) layout: Layout,
    pub(crate) journal: JournalEnd,
    pub(crate) watched: Watched,
}

/// The directories of a store.
#[derive(Debug)]
pub(crate) enum Watched {
    /// They are few enough to be compared each time.
    Directories(Vec<(String, Stamp)>),
    /// They are compared again when this time has passed since they were.
    ComparedAt(i64, i64),
}

impl Glance {
    /// Returns whether nothing was journaled, and no directory has another stamp.
    pub(crate) fn is_current(&self) -> bool {
        if !self.journal.holds(self.system.disk.as_ref()) {
            return false;
        }
        let now = self.system.clock.now_unix_nanos();
        match &self.watched {
            Watched::ComparedAt(nanos, patience) => {
                (0..*patience).contains(&now.saturating_sub(*nanos))
            }
            Watched::Directories(directories) => {
                let names: Vec<&str> = directories.iter().map(|(name, _)| name.as_str()).collect();
                let stats = self.system.disk.stat_all(&self.layout.events(), &names);
                directories.iter().zip(stats).all(|((_, stamp), stat)| {
                    let stat = stat.ok().flatten();
                    let stat = stat.filter(|stat| stat.kind == FileKind::Directory);
                    stat.is_some_and(|stat| {
                        stamp.is_current(scan::stamp_of(&stat), now, Scan::Throttled)
                    })
                })
            }
        }
    }
}
