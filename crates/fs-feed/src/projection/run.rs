//! What a runner does while it runs.
//!
//! **Invariant**: the cursor is the read model's own. After each failure the runner asks it again where it stands. Nothing is
//! written once the leadership is known to be lost.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use backon::ExponentialBackoff;
use fs_index::Select;
use fs_io::Deadline;
use tokio::sync::watch;

use crate::page::IndexSnapshotId;
use crate::projection::batch::{self, Failure, Fault, Source};
use crate::projection::error::ProjectionError;
use crate::projection::model::{CommitError, ReadModel};
use crate::projection::policy::OnFailure;
use crate::projection::progress::{Cursor, Progress};
use crate::projection::projector::Projection;
use crate::projection::rebuild::Rebuild;
use crate::projection::runner::Runner;
use crate::projection::source::Page;
use crate::projection::status::{Phase, Status};
use crate::projection::wait::wait;
use crate::subscribe::Subscription;
use fs_store::ReadError;
use fs_store::{Lease, LeaseError};

/// The pause between two tries to take the leadership.
const LEASE_PAUSE: Duration = Duration::from_millis(20);

/// What is known while a runner runs.
pub(super) struct Run {
    lease: Lease,
    pub(super) select: Arc<dyn Select + Send + Sync>,
    /// What the read model has committed, as of when it was last asked.
    progress: Option<Progress>,
    /// Whether that is so: it has not failed since.
    is_known: bool,
    /// A later progress, where nothing was selected between the committed one and this.
    ahead: Option<Progress>,
    /// The event that could not be applied, while it is tried again.
    failing: Option<Failing>,
    /// Pauses of a read model or a store that fails.
    trouble: Option<(u32, ExponentialBackoff)>,
    /// When the runner began to apply, and how many events ago.
    began: Option<(i64, u64)>,
    snapshot_id: Option<IndexSnapshotId>,
    /// What was read ahead behind a cursor.
    read_ahead: Option<(Cursor, Result<Page, ReadError>)>,
    pub(super) subscription: Option<Subscription>,
}

/// Says in the status that the runner has ended, however it did.
struct Ended(watch::Sender<Status>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.send_modify(|status| status.phase = Phase::Stopped);
    }
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

impl Run {
    /// Returns how far the projection has come, as far as is known.
    pub(super) fn reached(&self) -> Option<&Progress> {
        self.ahead.as_ref().or(self.progress.as_ref())
    }

    /// Forgets what the read model has committed, since something has failed.
    fn doubt(&mut self) {
        self.is_known = false;
        self.ahead = None;
    }
}

impl<P: Projection, M: ReadModel<State = P::State>> Runner<P, M> {
    pub(super) fn run(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Run) -> Result<(), ProjectionError>,
    ) -> Result<Status, ProjectionError> {
        let span = tracing::info_span!(
            "projection",
            name = self.projection.name(),
            version = self.projection.version()
        );
        let _entered = span.enter();
        let ended = Ended(self.status.clone());
        let outcome = self.lead(work);
        drop(ended);
        outcome?;
        Ok(self.status.borrow().clone())
    }

    fn lead(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Run) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        let Some(lease) = self.take_lease()? else {
            return Ok(());
        };
        let mut run = Run {
            lease,
            select: self.projection.select(),
            progress: None,
            is_known: false,
            ahead: None,
            failing: None,
            trouble: None,
            began: None,
            snapshot_id: None,
            read_ahead: None,
            subscription: None,
        };
        let outcome = work(self, &mut run);
        // What was applied is kept, also when the end is an error.
        let settled = self.settle(&mut run);
        self.report(&run, Phase::Stopped);
        outcome.and(settled)
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

    pub(super) fn work_off(&mut self, run: &mut Run) -> Result<(), ProjectionError> {
        run.began = None;
        while !self.stop.is_cancelled() && self.step(run)? == Step::Worked {}
        self.report(run, Phase::Following);
        Ok(())
    }

    /// Ends the runner when another may lead by now.
    fn check_lease(&self, run: &Run) -> Result<(), ProjectionError> {
        if run.lease.is_held() {
            return Ok(());
        }
        Err(ProjectionError::LeaseLost {
            name: self.projection.name().to_owned(),
        })
    }

    /// Applies one batch, or begins to build the state again.
    fn step(&mut self, run: &mut Run) -> Result<Step, ProjectionError> {
        self.check_lease(run)?;
        if !run.is_known {
            match self.model.progress(self.projection.name()) {
                Ok(progress) => (run.progress, run.is_known) = (progress, true),
                Err(error) => {
                    let failed = self.model_failed(error.into());
                    return self.in_trouble(run, failed);
                }
            }
        }
        let cursor = run
            .reached()
            .map_or(Cursor::Ingested(None), |progress| progress.cursor);
        let read = match run.read_ahead.take() {
            Some((behind, read)) if behind == cursor => read,
            _ => Page::behind(&self.store, cursor, &run.select, self.batch),
        };
        let looked = match read {
            Ok(page) => Ok((page.snapshot_id, Some(page))),
            Err(ReadError::StalePosition(_)) => match IndexSnapshotId::now(&self.store) {
                Ok(snapshot_id) => Ok((snapshot_id, None)),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        let (snapshot_id, page) = match looked {
            Ok(looked) => looked,
            Err(source) => {
                let name = self.projection.name().to_owned();
                return self.in_trouble(run, ProjectionError::Read { name, source });
            }
        };
        run.snapshot_id = Some(snapshot_id);
        if let Some(reason) = self.rebuild_needed(run, &snapshot_id) {
            return self.reset(run, reason, &snapshot_id);
        }
        let Some(page) = page else {
            let from = run.progress.as_ref().and_then(Progress::epoch);
            return self.reset(run, Rebuild::Epoch { from }, &snapshot_id);
        };
        if page.events.is_empty() {
            run.ahead = run.progress.clone().map(|mut ahead| {
                ahead.move_to(page.end, page.snapshot_id.epoch);
                ahead
            });
            run.trouble = None;
            let is_behind = !page.is_last && page.end != cursor;
            return Ok(if is_behind { Step::Worked } else { Step::AtEnd });
        }
        self.apply(run, page)
    }

    fn rebuild_needed(&self, run: &Run, snapshot_id: &IndexSnapshotId) -> Option<Rebuild> {
        if self.wants_rebuild {
            return Some(Rebuild::Asked);
        }
        let (version, order) = (self.projection.version(), self.projection.order());
        Rebuild::needed(run.progress.as_ref(), version, order, snapshot_id)
    }

    /// Makes the state empty.
    fn reset(
        &mut self,
        run: &mut Run,
        reason: Rebuild,
        snapshot_id: &IndexSnapshotId,
    ) -> Result<Step, ProjectionError> {
        tracing::info!(?reason, "the state is built from the first event");
        let name = self.projection.name().to_owned();
        let (version, order) = (self.projection.version(), self.projection.order());
        let projection = &mut self.projection;
        let committed = self.model.commit(&name, run.progress.as_ref(), |state| {
            projection.reset(state)?;
            Ok(Progress::new(version, order, snapshot_id))
        });
        match committed {
            Ok(progress) => {
                run.progress = Some(progress);
                run.ahead = None;
                run.failing = None;
                run.began = None;
                self.report(run, Phase::Rebuilding(reason));
                // Else the first event that fails would bring the old state back.
                if let Err(error) = self.flush() {
                    return self.in_trouble(run, error);
                }
                self.wants_rebuild = false;
                run.trouble = None;
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
                if let Err(error) = self.flush() {
                    return self.in_trouble(run, error);
                }
                if !self.tries_again(run) {
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
        let events = page.events.len();
        let (end, has_more) = (page.end, !page.is_last && run.failing.is_none());
        let (store, select, batch) = (&self.store, &run.select, self.batch);
        // The next page is read while this one is applied.
        let (applied, read) = thread::scope(|scope| {
            let read = || Page::behind(store, end, select, batch);
            let reader = thread::Builder::new().name("tributary-page".to_owned());
            let reading = has_more.then(|| reader.spawn_scoped(scope, read));
            let applied = batch::apply(
                store,
                &mut self.projection,
                &mut self.model,
                &progress,
                page,
                self.on_unknown,
            );
            let reading = reading.and_then(Result::ok);
            (applied, reading.and_then(|reading| reading.join().ok()))
        });
        run.read_ahead = read.map(|read| (end, read));
        match applied {
            Ok(progress) => {
                tracing::debug!(
                    events,
                    position = ?progress.position(),
                    "applied"
                );
                run.progress = Some(progress);
                run.ahead = None;
                run.began = Some(began);
                if failing_at == Some(0) {
                    run.failing = None;
                    // Else one that fails later would bring it back, and both could fail in turn for ever.
                    if let Err(error) = self.flush() {
                        return self.in_trouble(run, error);
                    }
                }
                run.trouble = None;
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
                            pauses: self.pauses(),
                        });
                    }
                }
                run.doubt();
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
    fn tries_again(&mut self, run: &mut Run) -> bool {
        let Some(failing) = &mut run.failing else {
            return true;
        };
        let pause = failing.pauses.next().filter(|_| failing.fault.may_pass);
        let attempts = failing.attempts;
        let Some(pause) = pause else {
            return false;
        };
        self.report(run, Phase::Retrying { attempts });
        self.pause(pause);
        true
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
                    event,
                    attempts,
                    source,
                });
            }
        };
        if progress.dead_letters.len() >= at_most {
            return Err(ProjectionError::TooManySetAside {
                name,
                at_most,
                event: fault.event,
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
                run.progress = Some(progress);
                run.ahead = None;
                match self.flush() {
                    Ok(()) => Ok(Step::Worked),
                    Err(error) => self.in_trouble(run, error),
                }
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
        let (attempts, pauses) = run.trouble.get_or_insert_with(|| (0, self.pauses()));
        *attempts += 1;
        let attempts = *attempts;
        let Some(pause) = pauses.next() else {
            return Err(error);
        };
        tracing::warn!(%error, attempts, "failed, and is tried again");
        self.report(run, Phase::Retrying { attempts });
        self.pause(pause);
        run.doubt();
        Ok(Step::Worked)
    }

    /// Brings what was applied to safety.
    pub(super) fn settle(&mut self, run: &mut Run) -> Result<(), ProjectionError> {
        self.check_lease(run)?;
        if let (Some(ahead), Some(progress)) = (run.ahead.take(), run.progress.clone())
            && ahead.cursor != progress.cursor
        {
            self.pass(run, &progress, ahead)?;
        }
        while let Err(error) = self.flush() {
            self.in_trouble(run, error)?;
            self.check_lease(run)?;
        }
        run.trouble = None;
        Ok(())
    }

    /// Makes sure that no failure leads back to before what was committed.
    fn flush(&mut self) -> Result<(), ProjectionError> {
        let flushed = self.model.flush();
        flushed.map_err(|error| self.model_failed(error.into()))
    }

    fn pauses(&self) -> ExponentialBackoff {
        self.retry.pauses(self.store.system().random.as_ref())
    }

    /// Waits so long, unless told to stop; returns whether it was.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        wait(self.stop.cancelled(), Some(Deadline::after(pause))).is_some()
    }

    fn model_failed(&self, source: Source) -> ProjectionError {
        ProjectionError::Model {
            name: self.projection.name().to_owned(),
            source,
        }
    }

    fn now(&self) -> i64 {
        self.store.system().clock.now_unix_nanos()
    }

    /// Returns what an applying runner is doing.
    fn working(&self) -> Phase {
        match &self.status.borrow().phase {
            Phase::Rebuilding(reason) => Phase::Rebuilding(*reason),
            _ => Phase::CatchingUp,
        }
    }

    pub(super) fn report(&self, run: &Run, phase: Phase) {
        let applied = run.progress.as_ref().map_or(0, Progress::applied);
        let cursor = run.reached().map(|progress| progress.cursor);
        // Sent as a whole: nobody may see that the state was reset with the figures from before.
        let status = Status {
            position: run.progress.as_ref().and_then(Progress::position),
            applied,
            lag: match (run.snapshot_id, cursor) {
                (Some(snapshot_id), Some(cursor)) => snapshot_id.lag(cursor),
                _ => 0,
            },
            rate: match run.began {
                Some((since, before)) => {
                    let nanos = (self.now() - since).max(1) as f64;
                    applied.saturating_sub(before) as f64 * 1e9 / nanos
                }
                None => self.status.borrow().rate,
            },
            // A poll that fails here fails for the next page too.
            completeness: match self.store.completeness_of_answers() {
                Ok(found) => found,
                Err(_) => self.status.borrow().completeness.clone(),
            },
            set_aside: run.progress.as_ref().map_or(0, |it| it.dead_letters.len()),
            rebuilt: match phase {
                Phase::Rebuilding(reason) => Some(reason),
                _ => self.status.borrow().rebuilt,
            },
            phase,
        };
        self.status.send_replace(status);
    }
}
