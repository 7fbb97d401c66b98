//! Looking at a store without touching it, with files that may come.
//!
//! **Invariant**: nothing below the root is written or created, and no lock is taken.
//!
//! # Limitations
//! What only the log of this working copy holds after a power cut is not seen before the store is opened.

use std::collections::BTreeSet;
use std::path::Path;

use fs_format::{Header, TransactionId};
use fs_index::{Foreseen, Incoming, Layout, Position, Progress};
use fs_io::System;

use crate::accepted;
use crate::answer;
use crate::error::{OpenError, RefreshError};
use crate::open::{check_requires, layout_of, must_be_there};
use crate::state::StateError;
use crate::store::FileEventStore;

/// A store that was looked at and not opened, and files that may come to it.
#[derive(Debug)]
pub struct Preview {
    system: System,
    layout: Layout,
    preview: fs_index::Preview,
}

impl FileEventStore {
    /// Looks at the store at `root`, to which `incoming` files may come.
    ///
    /// # Errors
    /// [`OpenError::NotAStore`] when `root` holds no `events/` directory, [`OpenError::Unreadable`] and [`OpenError::Refresh`] when it cannot be read.
    /// Files that cannot be used are no errors, [`fs_index::Merged`] lists them.
    pub fn preview(
        root: impl AsRef<Path>,
        incoming: Vec<Incoming>,
        progress: Progress,
    ) -> Result<Preview, OpenError> {
        let (system, layout) = (System::real(), layout_of(root.as_ref())?);
        must_be_there(&system, &layout)?;
        check_requires(&system, &layout)?;
        let preview = fs_index::Preview::of(system.clone(), layout.clone(), incoming, progress);
        Ok(Preview {
            system,
            layout,
            preview: preview.map_err(RefreshError::from)?,
        })
    }
}

impl Preview {
    /// As [`FileEventStore::headers_since`], for what is here; `None` too when the index does not hold just that.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn headers_since(
        &self,
        since: Position,
        most: usize,
    ) -> Result<Option<Vec<Header>>, RefreshError> {
        match self.preview.snapshot() {
            Some(snapshot) => Ok(answer::headers_since(snapshot, since, most)?),
            None => Ok(None),
        }
    }

    /// As [`FileEventStore::kept_answer`].
    pub fn kept_answer(&self, name: &str) -> Option<Vec<u8>> {
        answer::kept(self.system.disk.as_ref(), &self.layout, name)
    }

    /// Returns the transactions that are missing and not to be missed any more.
    ///
    /// # Errors
    /// [`StateError`]; an answer takes it then that nothing was accepted.
    pub fn accepted(&self) -> Result<BTreeSet<TransactionId>, StateError> {
        accepted::read(self.system.disk.as_ref(), &self.layout)
    }

    /// As [`fs_index::Preview::load`].
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn load(self, is_settled: bool) -> Result<Foreseen, RefreshError> {
        Ok(self.preview.load(is_settled)?)
    }
}
