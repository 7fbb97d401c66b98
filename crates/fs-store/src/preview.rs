//! Looking at a store without touching it, with files that may come.
//!
//! **Invariant**: nothing below the root is written or created, and no lock is taken.
//!
//! # Limitations
//! What only the log of this working copy holds after a power cut is not seen before the store is opened.

use std::path::Path;

use fs_index::{Incoming, Preview, Progress};
use fs_io::System;

use crate::error::{OpenError, RefreshError};
use crate::store::{FileEventStore, layout_of, must_be_there};

impl FileEventStore {
    /// Works out the history of the store at `root` as it is, and as it would be with `incoming` files.
    ///
    /// # Errors
    /// [`OpenError::NotAStore`] when `root` holds no `events/` directory, [`OpenError::Unreadable`] and [`OpenError::Refresh`] when it cannot be read.
    /// Files that cannot be used are no errors, the [`Preview`] lists them.
    ///
    /// # Complexity
    /// Reads what the index has of the history, and the files that it does not know.
    pub fn preview(
        root: impl AsRef<Path>,
        incoming: Vec<Incoming>,
        progress: Progress,
    ) -> Result<Preview, OpenError> {
        let (system, layout) = (System::real(), layout_of(root.as_ref())?);
        must_be_there(&system, &layout)?;
        let preview = Preview::of(system, layout, incoming, progress);
        Ok(preview.map_err(RefreshError::from)?)
    }
}
