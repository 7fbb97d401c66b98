//! Settling forks: the resolver decides, a merge transaction records it.
//!
//! **Invariant**: nothing here picks a winner. One fork is settled by one transaction or not at all, and none is lost
//! from sight: each is settled, declined, failed, or changed, and reported so. What several clones come to is in
//! [`convergence`](crate::convergence).

use fs_format::StreamId;
use fs_store::FileEventStore;

use crate::detect::{ForkId, Shape};
use crate::event::ReadAs;
use crate::report::{ReconcileError, Report};
use crate::resolver::{AsyncResolver, Resolver};
use crate::run::{Run, agreed};

/// Asks the resolver about every open fork and settles those it decides; [`Reconcile`] has the choices.
///
/// Each fork is settled by a transaction of its own; one that is declined stays open and is reported. A fork that the
/// settlement of another changed into a different one is left to the next call.
///
/// # Errors
/// [`ReconcileError::Refresh`] and [`ReconcileError::Append`], when the store fails; forks settled before it stay
/// settled. What is wrong with one fork is in the report.
pub fn reconcile<E: ReadAs>(
    store: &FileEventStore,
    resolver: &(impl Resolver<E> + ?Sized),
) -> Result<Report, ReconcileError> {
    Reconcile::new(store).run(resolver)
}

/// A reconciliation to be run: which forks, and how.
///
/// ```
/// # use fs_merge::{ForkContext, Raw, Reconcile, policy::AcceptAll};
/// # let dir = tempfile::tempdir()?;
/// # let store = fs_store::FileEventStore::create(dir.path().join(".tributary"))?;
/// let report = Reconcile::new(&store).dry_run().run::<Raw>(&AcceptAll)?;
/// for planned in &report.planned {
///     println!("fork {} would be settled by {}", planned.fork_id, planned.path);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is reconciled before it is run"]
pub struct Reconcile<'s> {
    pub(crate) store: &'s FileEventStore,
    pub(crate) fork_id: Option<ForkId>,
    pub(crate) stream_id: Option<StreamId>,
    pub(crate) is_dry: bool,
    pub(crate) is_anyway: bool,
    asks_once: bool,
}

impl<'s> Reconcile<'s> {
    /// Reconciles every open fork.
    pub fn new(store: &'s FileEventStore) -> Self {
        Self {
            store,
            fork_id: None,
            stream_id: None,
            is_dry: false,
            is_anyway: false,
            asks_once: false,
        }
    }

    /// Reconciles this fork only; when it is not open any more, the report has it among the changed ones.
    pub fn fork(mut self, fork_id: ForkId) -> Self {
        self.fork_id = Some(fork_id);
        self
    }

    /// Reconciles the forks that involve this stream only.
    pub fn stream(mut self, stream_id: StreamId) -> Self {
        self.stream_id = Some(stream_id);
        self
    }

    /// Writes nothing; the report has what would be written, in [`Report::planned`].
    pub fn dry_run(mut self) -> Self {
        self.is_dry = true;
        self
    }

    /// Settles [unsure](crate::ForkContext::unsure) forks too.
    ///
    /// Without this, none of these is shown to the resolver; each is among [`Report::failed`], as
    /// [`ReconcileError::Unsure`]. When what is missing comes back, what was settled stays, and may prove to have been no
    /// conflict.
    pub fn anyway(mut self) -> Self {
        self.is_anyway = true;
        self
    }

    /// Asks the resolver only once about each fork.
    ///
    /// For a person who is asked, and for rules that are known not to be deterministic: clones decide differently then,
    /// which shows up as a fork of resolutions. Without this, each fork is asked about three times, twice as it is and
    /// once with its branches in the opposite order, and is refused with [`ReconcileError::NonDeterministicResolver`] when the
    /// answers differ in anything.
    pub fn ask_once(mut self) -> Self {
        self.asks_once = true;
        self
    }

    /// Asks the resolver, and settles.
    ///
    /// # Errors
    /// As [`reconcile`].
    pub fn run<E: ReadAs>(
        self,
        resolver: &(impl Resolver<E> + ?Sized),
    ) -> Result<Report, ReconcileError> {
        let mut run = Run::start(&self)?;
        while let Some(mut fork) = run.next()? {
            let first = resolver.resolve(&fork);
            let mut answer = Ok(first);
            if let (false, Ok(first)) = (self.asks_once, &answer) {
                let again = resolver.resolve(&fork);
                fork.reverse();
                let reversed = resolver.resolve(&fork);
                fork.reverse();
                answer = agreed(&fork.id, first, again, reversed);
            }
            run.take(&fork, answer)?;
        }
        Ok(run.report)
    }

    /// As [`Reconcile::run`], with a resolver that waits for something.
    ///
    /// The store itself works in place, as long as an append takes. Dropping the future between two answers leaves
    /// settled what is settled, and nothing half done.
    ///
    /// # Errors
    /// As [`reconcile`].
    pub async fn run_async<E: ReadAs>(
        self,
        resolver: &impl AsyncResolver<E>,
    ) -> Result<Report, ReconcileError> {
        let mut run = Run::start(&self)?;
        while let Some(mut fork) = run.next()? {
            let first = resolver.resolve(&fork).await;
            let mut answer = Ok(first);
            if let (false, Ok(first)) = (self.asks_once, &answer) {
                let again = resolver.resolve(&fork).await;
                fork.reverse();
                let reversed = resolver.resolve(&fork).await;
                fork.reverse();
                answer = agreed(&fork.id, first, again, reversed);
            }
            run.take(&fork, answer)?;
        }
        Ok(run.report)
    }

    pub(crate) fn wants(&self, shape: &Shape) -> bool {
        let is_fork = self.fork_id.as_ref().is_none_or(|id| *id == shape.id);
        let stream_id = self.stream_id.as_ref();
        is_fork && stream_id.is_none_or(|stream_id| shape.streams.contains_key(stream_id))
    }
}
