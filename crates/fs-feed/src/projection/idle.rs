//! What a runner does while there is nothing to apply.
//!
//! **Invariant**: whatever comes after the place that was reached ends the waiting; what was applied is brought to safety before
//! the waiting gets long.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fs_index::{All, Position};
use fs_io::Deadline;
use futures::future::{Either, select};

use crate::page::check_holds;
use crate::projection::error::ProjectionError;
use crate::projection::model::ReadModel;
use crate::projection::progress::Cursor;
use crate::projection::projector::{Order, Projection};
use crate::projection::run::Run;
use crate::projection::runner::Runner;
use crate::projection::status::Phase;
use crate::projection::wait::wait;
use crate::subscribe::{Item, SubscribeError, SubscribeOptions, Subscription};

/// How long nothing has to come until a read model is flushed.
const SETTLE: Duration = Duration::from_millis(500);

impl<P: Projection, M: ReadModel<State = P::State>> Runner<P, M> {
    /// Waits until there is something to apply, or the end is wanted.
    pub(super) fn wait_for_more(&mut self, run: &mut Run) -> Result<(), ProjectionError> {
        let reached = match run.reached().map(|progress| progress.cursor) {
            Some(Cursor::Ingested(reached)) => reached.map(Position::from_uuid),
            Some(Cursor::Canonical { .. }) | None => return Ok(()),
        };
        let mut subscription = run.subscription.take().unwrap_or_else(|| {
            // What is delivered says no more than that there is something.
            let options = SubscribeOptions::default()
                .capacity(1)
                .poll_interval(self.poll_interval);
            let options = match self.projection.order() {
                Order::Ingestion => options.select_shared(Arc::clone(&run.select)),
                // What arrives can change the order of others.
                Order::Canonical => options.select_shared(Arc::new(All)),
            };
            Subscription::new(self.store.clone(), reached, options)
        });
        loop {
            let settle = self.model.wants_flush();
            let settle = settle.then(|| Deadline::after(SETTLE));
            let woken = async {
                // Not by another thread of tokio's: runners may have all that there are.
                let next = pin!(subscription.next_here());
                let stopped = pin!(self.stop.cancelled());
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
                    self.report(run, Phase::Following);
                    continue;
                }
            };
            let at = match woken {
                Ok(Item::Event(event)) => event.position,
                Ok(Item::Lagged { to, .. }) => to,
                // The next step looks for itself; its subscription is a new one.
                Err(SubscribeError::StalePosition(_)) => return Ok(()),
                Err(SubscribeError::Read(_) | SubscribeError::Thread(_)) => {
                    self.pause(self.poll_interval);
                    break;
                }
            };
            let is_dealt_with =
                |reached: Position| at <= reached && check_holds(&self.store, reached).is_ok();
            if !reached.is_some_and(is_dealt_with) {
                break;
            }
        }
        run.subscription = Some(subscription);
        Ok(())
    }
}
