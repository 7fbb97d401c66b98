//! Taking events to a read model.
//!
//! **Invariant**: the cursor is the read model's own. After each failure the runner asks it again where it stands.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use fs_index::{Position, Select};
use fs_io::Deadline;
use futures::future::{Either, select};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::blocking::blocking;
use crate::error::ReadError;
use crate::lease::{Lease, LeaseError};
use crate::projection::batch::{self, Failure, Fault, Source};
use crate::projection::error::ProjectionError;
use crate::projection::model::{CommitError, ReadModel};
use crate::projection::policy::{OnFailure, OnUnknown, Retry};
use crate::projection::progress::{Cursor, Progress};
use crate::projection::projector::Projection;
use crate::projection::rebuild::Rebuild;
use crate::projection::source::{Page, Standing};
use crate::projection::status::{Phase, Status};
use crate::projection::wait::wait;
use crate::store::FileEventStore;
use crate::subscribe::{Item, SubscribeError, SubscribeOptions, Subscription};

/// How many events are applied at a time, unless said otherwise.
const BATCH: usize = 1000;

/// How long nothing has to come until a read model is flushed.
const SETTLE: Duration = Duration::from_millis(500);

/// The pause between two tries to take the leadership.
const LEASE_PAUSE: Duration = Duration::from_millis(20);

/// Takes the events of a store to a read model, by a projection.
///
/// One runner at a time works on a projection, in all processes of a working copy: it holds the
/// [lease](FileEventStore::lease) of the projection's name as long as it runs.
pub struct Runner<P, M> {
    store: FileEventStore,
    projection: P,
    model: M,
    batch: usize,
    retry: Retry,
    on_failure: OnFailure,
    on_unknown: OnUnknown,
    lease_timeout: Duration,
    stop: CancellationToken,
    status: watch::Sender<Status>,
    wants_rebuild: bool,
}

/// What is known while a runner runs.
struct Run {
    lease: Lease,
    select: Arc<dyn Select + Send + Sync>,
    /// What the read model has committed.
    progress: Option<Progress>,
    /// The cursor, where nothing was selected between the committed one and this.
    ahead: Option<Cursor>,
    /// The event that could not be applied, while it is tried again.
    failing: Option<Failing>,
    /// Pauses of a read model or a store that fails.
    trouble: Option<(u32, ExponentialBackoff)>,
    /// When the runner began to apply, and how many events ago.
    began: Option<(i64, u64)>,
    standing: Option<Standing>,
    subscription: Option<Subscription>,
}

struct Failing {
    fault: Fault,
    attempts: u32,
    pauses: ExponentialBackoff,
}

/// What a step of a runner has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Worked,
    AtEnd,
}

impl FileEventStore {
    /// Returns a runner that takes this store's events to `model` by `projection`.
    ///
    /// Nothing happens before [`Runner::catch_up`] or [`Runner::follow`].
    pub fn project<P: Projection, M: ReadModel<State = P::State>>(
        &self,
        projection: P,
        model: M,
    ) -> Runner<P, M> {
        Runner {
            store: self.clone(),
            projection,
            model,
            batch: BATCH,
            retry: Retry::default(),
            on_failure: OnFailure::default(),
            on_unknown: OnUnknown::default(),
            lease_timeout: Duration::ZERO,
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

    fn run(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Run) -> Result<(), ProjectionError>,
    ) -> Result<Status, ProjectionError> {
        let span = tracing::info_span!(
            "projection",
            name = self.projection.name(),
            version = self.projection.version()
        );
        let _entered = span.enter();
        let Some(lease) = self.take_lease()? else {
            return Ok(self.status.borrow().clone());
        };
        let mut run = Run {
            lease,
            select: self.projection.select(),
            progress: None,
            ahead: None,
            failing: None,
            trouble: None,
            began: None,
            standing: None,
            subscription: None,
        };
        self.look(&mut run)?;
        let outcome = work(self, &mut run);
        // What was applied is kept, also when the end is an error.
        let settled = self.settle(&mut run);
        self.report(&run, Phase::Stopped);
        outcome?;
        settled?;
        Ok(self.status.borrow().clone())
    }

    /// Waits for the leadership; `None` when told to stop.
    fn take_lease(&self) -> Result<Option<Lease>, ProjectionError> {
        let deadline = Deadline::after(self.lease_timeout);
        loop {
            match self.store.lease(self.projection.name()) {
                Ok(lease) => return Ok(Some(lease)),
                Err(LeaseError::Held { .. }) if !deadline.is_over() => {}
                Err(error) => return Err(error.into()),
            }
            self.status
                .send_modify(|status| status.phase = Phase::Waiting);
            if self.pause(LEASE_PAUSE) {
                return Ok(None);
            }
        }
    }

    /// Asks the read model where it stands.
    fn look(&mut self, run: &mut Run) -> Result<(), ProjectionError> {
        let name = self.projection.name();
        let progress = self.model.progress(name);
        run.progress = progress.map_err(|error| self.model_failed(error.into()))?;
        run.ahead = None;
        Ok(())
    }

    fn work_off(&mut self, run: &mut Run) -> Result<(), ProjectionError> {
        run.began = None;
        while !self.stop.is_cancelled() && self.step(run)? == Step::Worked {}
        self.report(run, Phase::Following);
        Ok(())
    }

    /// Applies one batch, or begins to build the state again.
    fn step(&mut self, run: &mut Run) -> Result<Step, ProjectionError> {
        if !run.lease.is_held() {
            let name = self.projection.name().to_owned();
            return Err(ProjectionError::LeaseLost { name });
        }
        let cursor = match (&run.progress, run.ahead) {
            (_, Some(ahead)) => ahead,
            (Some(progress), None) => progress.cursor,
            (None, None) => Cursor::Ingested(None),
        };
        let read = self.store.page_behind(cursor, &run.select, self.batch);
        let looked = match read {
            Ok(page) => Ok((page.standing, Some(page))),
            Err(ReadError::StalePosition(_)) => match self.store.standing() {
                Ok(standing) => Ok((standing, None)),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        let (standing, page) = match looked {
            Ok(looked) => looked,
            Err(source) => {
                let name = self.projection.name().to_owned();
                return self.in_trouble(run, ProjectionError::Read { name, source });
            }
        };
        run.standing = Some(standing);
        if let Some(reason) = self.rebuild_needed(run, &standing) {
            return self.reset(run, reason, &standing);
        }
        let Some(page) = page else {
            let from = run.progress.as_ref().and_then(Progress::epoch);
            return self.reset(run, Rebuild::Epoch { from }, &standing);
        };
        if page.events.is_empty() {
            run.ahead = Some(page.end);
            run.trouble = None;
            let is_behind = !page.is_last && page.end != cursor;
            return Ok(if is_behind { Step::Worked } else { Step::AtEnd });
        }
        self.apply(run, page)
    }

    fn rebuild_needed(&self, run: &Run, standing: &Standing) -> Option<Rebuild> {
        if self.wants_rebuild {
            return Some(Rebuild::Asked);
        }
        let (version, order) = (self.projection.version(), self.projection.order());
        Rebuild::needed(run.progress.as_ref(), version, order, standing)
    }

    /// Makes the state empty.
    fn reset(
        &mut self,
        run: &mut Run,
        reason: Rebuild,
        standing: &Standing,
    ) -> Result<Step, ProjectionError> {
        tracing::info!(?reason, "the state is built from the first event");
        let name = self.projection.name().to_owned();
        let (version, order) = (self.projection.version(), self.projection.order());
        let projection = &mut self.projection;
        let committed = self.model.commit(&name, run.progress.as_ref(), |state| {
            projection.reset(state)?;
            Ok(Progress::new(version, order, standing))
        });
        match committed {
            Ok(progress) => {
                self.flush()?;
                self.wants_rebuild = false;
                run.progress = Some(progress);
                run.ahead = None;
                run.failing = None;
                run.trouble = None;
                run.began = None;
                self.status
                    .send_modify(|status| status.rebuilt = Some(reason));
                self.report(run, Phase::Rebuilding(reason));
                Ok(Step::Worked)
            }
            Err(CommitError::Change(error)) => {
                let source = Box::<P::Error>::new(error);
                Err(ProjectionError::Reset { name, source })
            }
            Err(CommitError::Moved) => Err(ProjectionError::Moved { name }),
            Err(CommitError::Model(error)) => {
                let failed = self.model_failed(error.into());
                self.in_trouble(run, failed)
            }
        }
    }

    fn apply(&mut self, run: &mut Run, mut page: Page) -> Result<Step, ProjectionError> {
        let failing_at = run.failing.as_ref().and_then(|failing| {
            let at = failing.fault.event.position;
            page.events
                .iter()
                .position(|(event, _)| event.position == at)
        });
        match failing_at {
            Some(0) => {
                page.truncate(1);
                self.flush()?;
                if !self.tries_again(run)? {
                    return self.give_up(run, &page);
                }
                if self.stop.is_cancelled() {
                    return Ok(Step::Worked);
                }
            }
            Some(nth) => page.truncate(nth),
            None => {}
        }
        let now = self.now();
        let progress = run.progress.clone();
        let Some(progress) = progress else {
            return Ok(Step::Worked);
        };
        let began = *run.began.get_or_insert((now, progress.applied));
        let applied = batch::apply(
            &self.store,
            &mut self.projection,
            &mut self.model,
            &progress,
            &page,
            self.on_unknown,
        );
        match applied {
            Ok(progress) => {
                tracing::debug!(
                    events = page.events.len(),
                    position = ?progress.position(),
                    "applied"
                );
                run.progress = Some(progress);
                run.ahead = None;
                run.began = Some(began);
                run.trouble = None;
                if failing_at == Some(0) {
                    run.failing = None;
                }
                let phase = self.working();
                self.report(run, phase);
                Ok(Step::Worked)
            }
            Err(Failure::Event(fault)) => {
                tracing::debug!(event_id = %fault.event.event_id, error = %fault.source, "not applied");
                match &mut run.failing {
                    Some(failing) if failing_at == Some(0) => {
                        failing.attempts += 1;
                        failing.fault = fault;
                    }
                    failing => {
                        *failing = Some(Failing {
                            fault,
                            attempts: 1,
                            pauses: self.retry.pauses(),
                        });
                    }
                }
                self.look(run)?;
                Ok(Step::Worked)
            }
            Err(Failure::Moved) => Err(ProjectionError::Moved {
                name: self.projection.name().to_owned(),
            }),
            Err(Failure::Model(source)) => {
                let failed = self.model_failed(source);
                self.in_trouble(run, failed)
            }
        }
    }

    /// Pauses before an event is tried again; returns whether it is.
    fn tries_again(&mut self, run: &mut Run) -> Result<bool, ProjectionError> {
        let Some(failing) = &mut run.failing else {
            return Ok(true);
        };
        let pause = failing.pauses.next().filter(|_| failing.fault.may_pass);
        let attempts = failing.attempts;
        let Some(pause) = pause else {
            return Ok(false);
        };
        self.report(run, Phase::Retrying { attempts });
        self.pause(pause);
        Ok(true)
    }

    /// Sets the first event of a page aside, or ends.
    fn give_up(&mut self, run: &mut Run, page: &Page) -> Result<Step, ProjectionError> {
        let (Some(failing), Some(progress)) = (run.failing.take(), run.progress.clone()) else {
            return Ok(Step::Worked);
        };
        let name = self.projection.name().to_owned();
        let Failing {
            fault, attempts, ..
        } = failing;
        let at_most = match self.on_failure {
            OnFailure::SetAside { at_most } => at_most,
            OnFailure::Stop => {
                let Fault { event, source, .. } = fault;
                return Err(ProjectionError::Apply {
                    name,
                    event_id: event.event_id,
                    event_type: event.event_type,
                    stream_id: event.stream_id,
                    version: event.version,
                    transaction_id: event.transaction_id,
                    attempts,
                    source,
                });
            }
        };
        if progress.dead_letters.len() >= at_most {
            return Err(ProjectionError::TooManySetAside {
                name,
                at_most,
                event_id: fault.event.event_id,
                source: fault.source,
            });
        }
        tracing::warn!(event_id = %fault.event.event_id, error = %fault.source, attempts, "set aside");
        let next = batch::set_aside(&progress, page, &fault, attempts);
        self.pass(run, &progress, next)
    }

    fn pass(
        &mut self,
        run: &mut Run,
        progress: &Progress,
        next: Progress,
    ) -> Result<Step, ProjectionError> {
        let name = self.projection.name().to_owned();
        match batch::pass(&name, &mut self.model, progress, next) {
            Ok(progress) => {
                self.flush()?;
                run.progress = Some(progress);
                run.ahead = None;
                Ok(Step::Worked)
            }
            Err(Failure::Model(source)) => {
                let failed = self.model_failed(source);
                self.in_trouble(run, failed)
            }
            Err(_) => Err(ProjectionError::Moved { name }),
        }
    }

    /// Pauses after the store or the read model has failed, or ends with the error when that was often enough.
    fn in_trouble(
        &mut self,
        run: &mut Run,
        error: ProjectionError,
    ) -> Result<Step, ProjectionError> {
        let retry = self.retry;
        let (attempts, pauses) = run.trouble.get_or_insert_with(|| (0, retry.pauses()));
        *attempts += 1;
        let attempts = *attempts;
        let Some(pause) = pauses.next() else {
            return Err(error);
        };
        tracing::warn!(%error, attempts, "failed, and is tried again");
        self.report(run, Phase::Retrying { attempts });
        self.pause(pause);
        self.look(run)?;
        Ok(Step::Worked)
    }

    /// Brings what was applied to safety.
    fn settle(&mut self, run: &mut Run) -> Result<(), ProjectionError> {
        if let (Some(ahead), Some(progress)) = (run.ahead, run.progress.clone())
            && ahead != progress.cursor
        {
            let mut next = progress.clone();
            next.move_to(ahead);
            self.pass(run, &progress, next)?;
        }
        self.flush()
    }

    /// Makes sure that no failure leads back to before what was committed.
    fn flush(&mut self) -> Result<(), ProjectionError> {
        let flushed = self.model.flush();
        flushed.map_err(|error| self.model_failed(error.into()))
    }

    /// Waits until there is something to apply, or the end is wanted.
    fn wait_for_more(&mut self, run: &mut Run) -> Result<(), ProjectionError> {
        let cursor = run.ahead.or(run.progress.as_ref().map(|it| it.cursor));
        let reached = match cursor {
            Some(Cursor::Ingested(reached)) => reached.map(Position::from_uuid),
            Some(Cursor::Canonical { .. }) | None => return Ok(()),
        };
        let mut subscription = run.subscription.take().unwrap_or_else(|| {
            // What is delivered says no more than that there is something.
            let options = SubscribeOptions::default()
                .capacity(1)
                .select_shared(Arc::clone(&run.select));
            self.store.subscribe_with(reached, options)
        });
        loop {
            let settle = self.model.wants_flush();
            let settle = settle.then(|| Deadline::after(SETTLE));
            let woken = async {
                let (stopped, next) = (pin!(self.stop.cancelled()), pin!(subscription.next()));
                match select(stopped, next).await {
                    Either::Left(_) => None,
                    Either::Right((woken, _)) => Some(woken),
                }
            };
            let woken = match wait(woken, settle) {
                Some(Some(woken)) => woken,
                Some(None) => return Ok(()),
                None => {
                    self.settle(run)?;
                    continue;
                }
            };
            let at = match woken {
                Ok(Item::Event(event)) => event.position,
                Ok(Item::Lagged { to, .. }) => to,
                // The next step looks for itself; its subscription is a new one.
                Err(SubscribeError::StalePosition(_)) => return Ok(()),
                Err(SubscribeError::Read(_) | SubscribeError::Thread(_)) => break,
            };
            if reached.is_none_or(|reached| at.epoch != reached.epoch || at > reached) {
                break;
            }
        }
        run.subscription = Some(subscription);
        Ok(())
    }

    /// Waits so long, unless told to stop; returns whether it was.
    fn pause(&self, pause: Duration) -> bool {
        wait(self.stop.cancelled(), Some(Deadline::after(pause))).is_some()
    }

    fn model_failed(&self, source: Source) -> ProjectionError {
        ProjectionError::Model {
            name: self.projection.name().to_owned(),
            source,
        }
    }

    fn now(&self) -> i64 {
        self.store.inner.system.clock.now_unix_nanos()
    }

    /// Returns what an applying runner is doing.
    fn working(&self) -> Phase {
        match &self.status.borrow().phase {
            Phase::Rebuilding(reason) => Phase::Rebuilding(*reason),
            _ => Phase::CatchingUp,
        }
    }

    fn report(&self, run: &Run, phase: Phase) {
        let applied = run.progress.as_ref().map_or(0, Progress::applied);
        let cursor = run.ahead.or(run.progress.as_ref().map(|it| it.cursor));
        let status = Status {
            phase,
            position: run.progress.as_ref().and_then(Progress::position),
            applied,
            lag: match (run.standing, cursor) {
                (Some(standing), Some(cursor)) => standing.lag(cursor),
                _ => 0,
            },
            rate: match run.began {
                Some((since, before)) => {
                    let nanos = (self.now() - since).max(1) as f64;
                    applied.saturating_sub(before) as f64 * 1e9 / nanos
                }
                None => self.status.borrow().rate,
            },
            set_aside: run.progress.as_ref().map_or(0, |it| it.dead_letters.len()),
            rebuilt: self.status.borrow().rebuilt,
        };
        self.status.send_replace(status);
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
