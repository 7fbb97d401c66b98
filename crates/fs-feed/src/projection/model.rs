//! Where the state of a projection lives.

use crate::projection::progress::Progress;

/// A place that holds the state of a projection and its cursor, and changes both together or neither.
///
/// **Invariant**: whatever happens, killing the process included, [`progress`](Self::progress) tells what the state holds.
/// This is all that exactly-once needs; whoever cannot give it keeps a
/// [checkpoint](fs_store::FileEventStore::checkpoint) apart, which is at least once.
pub trait ReadModel {
    /// What a [`Projection`](crate::projection::Projection) is lent to change.
    type State;
    /// Why the place cannot be read or written.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns what was committed last under the name of a projection; `None` when nothing was.
    ///
    /// # Errors
    /// The place's own.
    fn progress(&mut self, name: &str) -> Result<Option<Progress>, Self::Error>;

    /// Calls `change` with the state, and keeps what it did together with the progress that it returns.
    ///
    /// When `change` fails, neither is kept. It may also be that more is undone, down to an earlier commit, as long as
    /// [`progress`](Self::progress) says so.
    ///
    /// # Errors
    /// [`CommitError`]; nothing of this change is kept.
    fn commit<E>(
        &mut self,
        name: &str,
        expected: Option<&Progress>,
        change: impl FnOnce(&mut Self::State) -> Result<Progress, E>,
    ) -> Result<Progress, CommitError<Self::Error, E>>;

    /// Makes sure that nothing committed so far is undone by a later failure or a crash; called when there is nothing to
    /// apply for a while, and at the end.
    ///
    /// # Errors
    /// The place's own.
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Returns whether [`flush`](Self::flush) has something to do.
    fn wants_flush(&self) -> bool {
        false
    }
}

/// A change that was not kept.
#[derive(Debug, thiserror::Error)]
pub enum CommitError<M, E> {
    /// The place could not be read or written.
    #[error("the read model failed: {0}")]
    Model(#[source] M),
    /// The progress there is not the expected one: somebody else has changed the state.
    #[error("somebody else has moved the cursor")]
    Moved,
    /// The change itself failed.
    #[error("the change failed: {0}")]
    Change(#[source] E),
}
