//! What an application does at a replica.
//!
//! **Invariant**: the kit knows nothing of the application but this.

use std::fmt::Debug;

use fs_store::{Append, AppendError, FileEventStore};

/// Something that an application does at one replica: an [`Append`], or a command of its own.
///
/// What it does may depend on what the store holds and on `replica`, and on nothing else: the same script has to go the
/// same way each time. An application that is async waits for its future in here.
pub trait Action: Clone + Debug {
    /// Does it.
    ///
    /// # Errors
    /// What must not happen, and fails the test. A command that is merely refused, since its stream is elsewhere, is
    /// none.
    fn act(
        &self,
        store: &FileEventStore,
        replica: usize,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

impl Action for Append {
    /// Appends; a version conflict is a refusal, and so is a hole in a stream that was decided on.
    fn act(
        &self,
        store: &FileEventStore,
        _: usize,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match store.append(self.clone()) {
            Ok(_) | Err(AppendError::VersionConflict { .. } | AppendError::Hole { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
