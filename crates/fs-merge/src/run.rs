//! A reconciliation under way.
//!
//! **Invariant**: a fork is given out only while it is as it was loaded, and is given out once.

use std::collections::VecDeque;

use fs_index::{History, Omission};

use crate::detect::ForkId;
use crate::effects::Effects;
use crate::event::{BlockedFork, ReadAs};
use crate::fork::ForkContext;
use crate::load::load_some;
use crate::merge::{prepare, settle, shape_as_seen};
use crate::outcome::Outcome;
use crate::reconcile::Reconcile;
use crate::report::{Contradiction, Declined, Failed, ReconcileError, Report};
use crate::resolver::Resolution;

/// Returns the answer, if all three are the same.
pub(crate) fn agreed(
    fork_id: &ForkId,
    first: &Resolution,
    again: Resolution,
    reversed: Resolution,
) -> Result<Resolution, ReconcileError> {
    let answers = [
        (Contradiction::AskedAgain, again),
        (Contradiction::BranchesReversed, reversed),
    ];
    match answers.into_iter().find(|(_, answer)| answer != first) {
        None => Ok(first.clone()),
        Some((how, second)) => Err(ReconcileError::NonDeterministicResolver {
            fork_id: fork_id.clone(),
            how,
            first: Box::new(first.clone()),
            second: Box::new(second),
        }),
    }
}

/// A reconciliation under way: it gives out forks one by one and takes the answers.
pub(crate) struct Run<'r, E> {
    options: &'r Reconcile<'r>,
    waiting: VecDeque<ForkContext<E>>,
    /// Whether something was settled since the waiting forks were loaded.
    is_stale: bool,
    /// What was planned would do.
    effects: Effects,
    pub(crate) report: Report,
}

impl<'r, E: ReadAs> Run<'r, E> {
    pub(crate) fn start(options: &'r Reconcile<'r>) -> Result<Self, ReconcileError> {
        let load = |history: &History, omissions: &[Omission]| {
            load_some::<E>(options.store, history, omissions, |shape| {
                options.wants(shape)
            })
        };
        let forks = options.store.with_history_and_omissions(load)?;
        let mut report = Report::default();
        let is_missing = |wanted: &ForkId| {
            let mut found = forks.iter().map(|fork| match fork {
                Ok(fork) => &fork.id,
                Err(blocked) => blocked.fork_id(),
            });
            options.stream_id.is_none() && !found.any(|fork_id| fork_id == wanted)
        };
        let missing = options.fork_id.clone().filter(is_missing);
        report.changed.extend(missing);
        let mut waiting = VecDeque::new();
        for fork in forks {
            match fork {
                Ok(fork) if options.is_anyway => waiting.push_back(fork.anyway()),
                Ok(fork) if fork.unsure.is_empty() => waiting.push_back(fork),
                Ok(fork) => report.failed.push(unsure(fork)),
                Err(blocked) => report.failed.push(failed(blocked)),
            }
        }
        Ok(Self {
            options,
            waiting,
            is_stale: false,
            effects: Effects::default(),
            report,
        })
    }

    /// Returns the next fork that is still as it was, and would be if what is planned were written.
    ///
    /// # Complexity
    /// Only the forks are looked at that are passed over, and the one that is returned.
    pub(crate) fn next(&mut self) -> Result<Option<ForkContext<E>>, ReconcileError> {
        while let Some(fork) = self.waiting.pop_front() {
            if !self.has_changed(&fork)? {
                return Ok(Some(fork));
            }
            self.report.changed.push(fork.id);
        }
        Ok(None)
    }

    fn has_changed(&self, fork: &ForkContext<E>) -> Result<bool, ReconcileError> {
        if !self.is_stale && self.effects.is_empty() {
            return Ok(false);
        }
        let is_same = self.options.store.with_history(|history| {
            let shape = shape_as_seen(history, fork);
            shape.is_some_and(|shape| !self.effects.change(history, &shape))
        })?;
        Ok(!is_same)
    }

    pub(crate) fn take(
        &mut self,
        fork: &ForkContext<E>,
        answer: Result<Resolution, ReconcileError>,
    ) -> Result<(), ReconcileError> {
        let done = match answer {
            Ok(Resolution::Unresolvable(reason)) => {
                self.report.declined.push(Declined {
                    fork_id: fork.id.clone(),
                    reason,
                });
                Ok(())
            }
            Ok(Resolution::Resolve(outcome)) if self.options.is_dry => self.plan(fork, &outcome),
            Ok(Resolution::Resolve(outcome)) => {
                settle(self.options.store, fork, &outcome).map(|settled| {
                    self.report.settled.push(settled);
                    self.is_stale = true;
                })
            }
            Err(error) => Err(error),
        };
        match done {
            Err(error) if error.is_of_store() => return Err(error),
            Err(ReconcileError::ForkChanged { fork_id }) => {
                self.report.changed.push(fork_id);
                // Whoever changed it may have changed others.
                self.is_stale = true;
            }
            Err(error) => self.report.failed.push(Failed {
                fork_id: fork.id.clone(),
                error,
            }),
            Ok(()) => {}
        }
        Ok(())
    }

    fn plan(&mut self, fork: &ForkContext<E>, outcome: &Outcome) -> Result<(), ReconcileError> {
        let store = self.options.store;
        let prepared = store.with_history_and_omissions(|history, omissions| {
            prepare(store, history, omissions, fork, outcome)
        })??;
        self.effects.add(&prepared);
        self.report.planned.push(prepared.planned(fork));
        Ok(())
    }
}

fn failed(blocked: BlockedFork) -> Failed {
    Failed {
        fork_id: blocked.fork_id().clone(),
        error: blocked.into(),
    }
}

fn unsure<E>(fork: ForkContext<E>) -> Failed {
    Failed {
        fork_id: fork.id.clone(),
        error: ReconcileError::Unsure {
            fork_id: fork.id,
            missing: fork.unsure,
        },
    }
}
