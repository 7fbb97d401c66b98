//! The runtime of a task that appends.

use std::fmt;
use std::sync::Arc;

/// Work for a thread that may block.
type Work = Box<dyn FnOnce() + Send>;

/// A runtime that has threads for work that blocks.
#[derive(Clone)]
pub(crate) struct Runtime(Arc<dyn Fn(Work) + Send + Sync>);

impl Runtime {
    /// Returns the runtime that runs the calling task; `None` outside of one.
    #[cfg(feature = "eventcore")]
    pub(crate) fn current() -> Option<Self> {
        let handle = tokio::runtime::Handle::try_current().ok()?;
        Some(Self(Arc::new(move |work| {
            handle.spawn_blocking(work);
        })))
    }

    /// Lets one of its threads do some work.
    pub(crate) fn run(&self, work: impl FnOnce() + Send + 'static) {
        self.0(Box::new(work));
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}
