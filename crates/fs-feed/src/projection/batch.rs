//! One batch of events, applied and committed.
//!
//! **Invariant**: what is committed is the progress behind exactly the events that were applied, or set aside, in it.

use std::error::Error;

use crate::projection::dead_letter::DeadLetter;
use crate::projection::model::{CommitError, ReadModel};
use crate::projection::policy::OnUnknown;
use crate::projection::progress::Progress;
use crate::projection::projector::{Delivered, Projection};
use crate::projection::source::Page;
use fs_store::FileEventStore;
use fs_store::ReadError;
use fs_store::StoredEvent;
use fs_store::report;

pub(crate) type Source = Box<dyn Error + Send + Sync>;

/// Why a batch was not committed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An event could not be applied.
    Event(Fault),
    /// The read model failed.
    Model(Source),
    /// Somebody else has changed the read model.
    Moved,
}

/// What is wrong with an event.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) event: Box<StoredEvent>,
    /// Whether it may go well another time.
    pub(crate) may_pass: bool,
    pub(crate) source: Source,
}

/// An event of a type that the application does not know.
#[derive(Debug, thiserror::Error)]
#[error(
    "its type is unknown to the application; register an upcaster for it, leave it out by the projection's selection, or let unknown events be skipped"
)]
struct Unknown;

/// Applies the events of a page and commits them with the progress behind the page.
pub(crate) fn apply<P: Projection, M: ReadModel<State = P::State>>(
    store: &FileEventStore,
    projection: &mut P,
    model: &mut M,
    progress: &Progress,
    page: Page,
    on_unknown: OnUnknown,
) -> Result<Progress, Failure> {
    let name = projection.name().to_owned();
    let committed = model.commit(&name, Some(progress), |state| {
        let mut next = progress.clone();
        for (stored, _) in page.events {
            let fault = |event: StoredEvent, may_pass, source| Fault {
                event: Box::new(event),
                may_pass,
                source,
            };
            let event = match store.decode::<P::Event>(&stored) {
                Ok(Some(event)) => event,
                Ok(None) if on_unknown == OnUnknown::Skip => continue,
                Ok(None) => return Err(fault(stored, false, Unknown.into())),
                Err(error) => return Err(fault(stored, false, unnamed(error))),
            };
            let delivered = Delivered { event, stored };
            if let Err(error) = projection.apply(state, &delivered) {
                return Err(fault(delivered.stored, true, error.into()));
            }
            next.applied += 1;
        }
        next.move_to(page.end, page.snapshot_id.epoch);
        Ok(next)
    });
    committed.map_err(|error| match error {
        CommitError::Model(source) => Failure::Model(source.into()),
        CommitError::Moved => Failure::Moved,
        CommitError::Change(fault) => Failure::Event(fault),
    })
}

/// Leaves out what the runner says of the event anyway.
fn unnamed(error: ReadError) -> Source {
    match error {
        ReadError::Undecodable { source, .. } => source.into(),
        error => error.into(),
    }
}

/// Commits a progress that the state did not change for.
pub(crate) fn pass<M: ReadModel>(
    name: &str,
    model: &mut M,
    progress: &Progress,
    next: Progress,
) -> Result<Progress, Failure> {
    let committed = model.commit(name, Some(progress), |_| {
        Ok::<_, std::convert::Infallible>(next)
    });
    committed.map_err(|error| match error {
        CommitError::Model(source) => Failure::Model(source.into()),
        CommitError::Moved => Failure::Moved,
        CommitError::Change(never) => match never {},
    })
}

/// Returns the progress behind an event that is set aside.
pub(crate) fn set_aside(
    progress: &Progress,
    page: &Page,
    fault: &Fault,
    attempts: u32,
) -> Progress {
    let mut next = progress.clone();
    next.dead_letters.push(DeadLetter::new(
        &fault.event,
        attempts,
        report(fault.source.as_ref()),
    ));
    next.move_to(page.end, page.snapshot_id.epoch);
    next
}
