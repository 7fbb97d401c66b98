//! The runner as an application holds it: what it is told before it runs, and the ways to let it run.
//!
//! **Invariant**: nothing is read or written before it is let run, and however that ends, the status says that it has.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::projection::error::ProjectionError;
use crate::projection::model::ReadModel;
use crate::projection::policy::{OnFailure, OnUnknown, Retry};
use crate::projection::projector::Projection;
use crate::projection::status::Status;
use crate::subscribe::SubscribeOptions;
use fs_store::FileEventStore;
use fs_store::blocking;

/// How many events are applied at a time, unless said otherwise.
const BATCH: usize = 1000;

/// Takes the events of a store to a read model, by a projection.
///
/// One runner at a time works on a projection, in all processes of a working copy: it holds the
/// [lease](FileEventStore::lease) of the projection's name as long as it runs.
pub struct Runner<P, M> {
    pub(super) store: FileEventStore,
    pub(super) projection: P,
    pub(super) model: M,
    pub(super) batch: usize,
    pub(super) retry: Retry,
    pub(super) on_failure: OnFailure,
    pub(super) on_unknown: OnUnknown,
    pub(super) lease_timeout: Duration,
    pub(super) poll_interval: Duration,
    pub(super) stop: CancellationToken,
    pub(super) status: watch::Sender<Status>,
    pub(super) wants_rebuild: bool,
}

impl<P: Projection, M: ReadModel<State = P::State>> Runner<P, M> {
    pub(crate) fn new(store: &FileEventStore, projection: P, model: M) -> Self {
        Self {
            store: store.clone(),
            projection,
            model,
            batch: BATCH,
            retry: Retry::default(),
            on_failure: OnFailure::default(),
            on_unknown: OnUnknown::default(),
            lease_timeout: Duration::ZERO,
            poll_interval: SubscribeOptions::default().poll_interval,
            stop: CancellationToken::new(),
            status: watch::Sender::default(),
            wants_rebuild: false,
        }
    }
}

impl<P, M> Runner<P, M> {
    /// Sets how many events are applied at most in one transaction of the read model, at least one. 1,000 without this.
    #[must_use]
    pub fn batch(mut self, events: usize) -> Self {
        self.batch = events.max(1);
        self
    }

    /// Sets how often and how soon something that failed is tried again: an event, the read model, the store.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets what becomes of an event that cannot be applied.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets what becomes of an event of a type that the application does not know.
    #[must_use]
    pub fn on_unknown(mut self, on_unknown: OnUnknown) -> Self {
        self.on_unknown = on_unknown;
        self
    }

    /// Sets how long another runner of the projection is waited for. Not at all without this.
    #[must_use]
    pub fn lease_timeout(mut self, timeout: Duration) -> Self {
        self.lease_timeout = timeout;
        self
    }

    /// Sets how long an event may stay unnoticed while following, where the system gives no file events or loses one; see
    /// [`SubscribeOptions::poll_interval`]. 200 milliseconds without this.
    #[must_use]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// Sets what ends the runner: when the token is cancelled, it ends after the batch it is at.
    #[must_use]
    pub fn stop_on(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Builds the state again from the first event, once.
    #[must_use]
    pub fn rebuild(mut self) -> Self {
        self.wants_rebuild = true;
        self
    }

    /// Returns how the runner stands, now and whenever that changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Returns the projection.
    pub fn projection(&self) -> &P {
        &self.projection
    }

    /// Returns the read model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Returns the read model, to be asked.
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// Returns the read model, and closes the runner.
    pub fn into_model(self) -> M {
        self.model
    }
}

impl<P: Projection, M: ReadModel<State = P::State>> Runner<P, M> {
    /// Applies everything that is there, and returns how the projection stands then. Ends early when told to stop.
    ///
    /// # Errors
    /// [`ProjectionError`]; asked again, it goes on from where it stood.
    pub fn catch_up(&mut self) -> Result<Status, ProjectionError> {
        self.run(|runner, run| runner.work_off(run))
    }

    /// Applies everything that is there, and then what is appended by any process or arrives by git, until told to stop.
    ///
    /// # Errors
    /// As [`Runner::catch_up`].
    pub fn follow(&mut self) -> Result<Status, ProjectionError> {
        self.run(|runner, run| {
            while !runner.stop.is_cancelled() {
                runner.work_off(run)?;
                runner.wait_for_more(run)?;
            }
            Ok(())
        })
    }

    /// Does as [`Runner::catch_up`] from async code, on a thread that may block, and gives the runner back.
    ///
    /// # Cancel safety
    /// When the future is dropped, the runner ends after the batch it is at.
    pub async fn catch_up_async(self) -> (Self, Result<Status, ProjectionError>)
    where
        P: Send + 'static,
        M: Send + 'static,
    {
        self.on_thread(Self::catch_up).await
    }

    /// Does as [`Runner::follow`] from async code, on a thread that may block, and gives the runner back.
    ///
    /// # Cancel safety
    /// As [`Runner::catch_up_async`].
    pub async fn follow_async(self) -> (Self, Result<Status, ProjectionError>)
    where
        P: Send + 'static,
        M: Send + 'static,
    {
        self.on_thread(Self::follow).await
    }

    async fn on_thread(
        mut self,
        work: fn(&mut Self) -> Result<Status, ProjectionError>,
    ) -> (Self, Result<Status, ProjectionError>)
    where
        P: Send + 'static,
        M: Send + 'static,
    {
        let stop = self.stop.clone();
        self.stop = stop.child_token();
        let _dropped = self.stop.clone().drop_guard();
        blocking(move || {
            let outcome = work(&mut self);
            self.stop = stop;
            (self, outcome)
        })
        .await
    }
}

impl<P: Projection, M> fmt::Debug for Runner<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("projection", &self.projection.name())
            .field("root", &self.store.root())
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}
