//! Telling how far the reading of many files has come.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Is told how many of how many files were read, now and then and from several threads.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(u64, u64) + Send + Sync>);

impl Progress {
    /// Tells `report` the number of files read and the number of files to read.
    pub fn new(report: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }
}

impl Default for Progress {
    /// Tells nobody.
    fn default() -> Self {
        Self::new(|_, _| {})
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// One reading of many files.
pub(crate) struct Count<'a> {
    progress: &'a Progress,
    done: AtomicU64,
    total: u64,
}

impl<'a> Count<'a> {
    /// Files between two reports.
    const STEP: u64 = 256;

    pub(crate) fn new(progress: &'a Progress, total: usize) -> Self {
        Self {
            progress,
            done: AtomicU64::new(0),
            total: total as u64,
        }
    }

    /// Counts one more.
    pub(crate) fn one(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(Self::STEP) || done == self.total {
            (self.progress.0)(done, self.total);
        }
    }
}
