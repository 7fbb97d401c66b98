//! A reconciliation under way.
//!
//! **Invariant**: a fork is given out only while it is as it was loaded, and is given out once.

use std::collections::VecDeque;

use fs_index::{History, Omission};

use crate::detect::{ForkId, shapes};
use crate::event::{BlockedFork, ReadAs};
use crate::fork::ForkContext;
use crate::load::load_some;
use crate::merge::{is_as_seen, prepare, settle};
use crate::outcome::Outcome;
use crate::reconcile::Reconcile;
use crate::report::{Contradiction, Declined, Failed, Planned, ReconcileError, Report};
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
    /// Whether something was settled since the waiting forks were looked at.
    is_stale: bool,
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
            report,
        })
    }

    /// Returns the next fork that is still as it was.
    pub(crate) fn next(&mut self) -> Result<Option<ForkContext<E>>, ReconcileError> {
        if self.is_stale && !self.waiting.is_empty() {
            let waiting = &self.waiting;
            let is_same = self.options.store.with_history(|history| {
                let shapes = shapes(history);
                let is_same = |fork: &ForkContext<E>| {
                    let mut shapes = shapes.iter();
                    shapes.any(|shape| is_as_seen(history, shape, fork))
                };
                waiting.iter().map(is_same).collect::<Vec<_>>()
            })?;
            self.keep(&is_same);
            self.is_stale = false;
        }
        Ok(self.waiting.pop_front())
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

    /// Plans the settlement of a fork, and passes over those that it would change, as they would be if it were written.
    fn plan(&mut self, fork: &ForkContext<E>, outcome: &Outcome) -> Result<(), ReconcileError> {
        let waiting = &self.waiting;
        let plan = |history: &History,
                    omissions: &[Omission]|
         -> Result<(Planned, Vec<bool>), ReconcileError> {
            let prepared = prepare(self.options.store, history, omissions, fork, outcome)?;
            let is_same = |fork: &ForkContext<E>| {
                let shape = prepared.shapes.iter().find(|shape| shape.id == fork.id);
                shape.is_some_and(|shape| {
                    is_as_seen(history, shape, fork) && !prepared.disturbs(history, shape)
                })
            };
            let is_same = waiting.iter().map(is_same).collect();
            Ok((prepared.planned(fork), is_same))
        };
        let (planned, is_same) = self.options.store.with_history_and_omissions(plan)??;
        self.report.planned.push(planned);
        self.keep(&is_same);
        Ok(())
    }

    /// Drops the waiting forks that are not the same any more.
    fn keep(&mut self, is_same: &[bool]) {
        let waiting = std::mem::take(&mut self.waiting);
        for (fork, is_same) in waiting.into_iter().zip(is_same) {
            if *is_same {
                self.waiting.push_back(fork);
            } else {
                self.report.changed.push(fork.id);
            }
        }
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
