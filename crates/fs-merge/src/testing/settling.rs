//! Reconciling at one replica, with what has to hold each time.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use super::words::{answer, did};
use super::world::World;
use crate::detect::ForkId;
use crate::event::ReadAs;
use crate::fork::ForkContext;
use crate::load::forks;
use crate::reconcile::reconcile;
use crate::report::{ReconcileError, Report};
use crate::resolver::Resolver;

/// A fork as a replica saw it, and what was decided.
#[derive(Debug)]
pub(crate) struct Answered {
    fork: ForkContext,
    replica: usize,
    /// What a decision writes, apart from what follows from the history; of those that decline, only that they do.
    decision: Option<String>,
}

/// How a replica stands when nothing is left that it can settle.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// The forks that the resolver declined, with its reasons.
    pub(crate) declined: BTreeMap<ForkId, String>,
    /// What it wrote.
    pub(crate) wrote: Vec<String>,
}

impl World {
    /// Lets a replica reconcile until nothing is left that it can settle.
    pub(crate) fn reconcile<E: ReadAs>(
        &mut self,
        replica: usize,
        resolver: &impl Resolver<E>,
    ) -> Result<Rest, Fault> {
        let mut rest = Rest::default();
        let mut before = self.forks(replica)?;
        let limit = self.limit(replica, &before)?;
        loop {
            let report = reconcile::<E>(self.store(replica), resolver);
            let report = report.map_err(Fault::store(replica))?;
            let wrote = self.name_new(replica)?;
            for line in &wrote {
                self.story.push(format!("replica {replica} writes {line}"));
            }
            rest.wrote.extend(wrote);
            if let Some(failed) = report.failed.first() {
                return Err(unsettled(replica, &failed.error));
            }
            self.compare(replica, &before, &report)?;
            let after = self.forks(replica)?;
            if after.len() > before.len() {
                return Err(Fault::MoreForks {
                    replica,
                    before: before.len(),
                    after: after.len(),
                });
            }
            let is_settled = |fork: &&ForkContext| {
                let mut settled = report.settled.iter();
                settled.any(|settled| settled.fork_id == fork.id)
            };
            let mut others = before.iter().filter(|fork| !is_settled(fork));
            if let Some(hidden) = others.find(|fork| !is_shown(fork, &after)) {
                return Err(Fault::HiddenFork {
                    replica,
                    fork: self.names.fork(hidden),
                });
            }
            if report.settled.is_empty() {
                let declined = report.declined.into_iter();
                rest.declined = declined.map(|it| (it.fork_id, it.reason)).collect();
                return Ok(rest);
            }
            if rest.wrote.len() > limit {
                return Err(Fault::Endless {
                    replica,
                    settlements: rest.wrote.len(),
                });
            }
            before = after;
        }
    }

    pub(crate) fn forks(&self, replica: usize) -> Result<Vec<ForkContext>, Fault> {
        forks(self.store(replica)).map_err(Fault::store(replica))
    }

    /// Returns after how many settlements a resolver must have come to an end: f (1 + s) as
    /// [`reconcile`](crate::reconcile) proves, and one for each transaction that a decision on another stream can
    /// conflict with.
    fn limit(&self, replica: usize, open: &[ForkContext]) -> Result<usize, Fault> {
        let transactions = self.transactions(replica)?;
        let settling = transactions
            .iter()
            .filter(|header| !header.resolves.is_empty());
        Ok(open.len() * (1 + settling.count()) + transactions.len())
    }

    /// Compares the answers with all that were given about the same forks before.
    fn compare(
        &mut self,
        replica: usize,
        before: &[ForkContext],
        report: &Report,
    ) -> Result<(), Fault> {
        let headers = self.transactions(replica)?;
        let events = self.events(replica)?;
        let mut answers = Vec::new();
        for settled in &report.settled {
            let header = headers
                .iter()
                .find(|it| it.transaction_id == settled.transaction_id);
            let own = events
                .iter()
                .filter(|it| it.transaction_id == settled.transaction_id);
            let decision = header.map(|header| did(&own.collect::<Vec<_>>(), &header.metadata));
            answers.push((&settled.fork_id, decision));
        }
        let declined = report.declined.iter();
        answers.extend(declined.map(|declined| (&declined.fork_id, None)));
        for (fork_id, decision) in answers {
            let Some(fork) = before.iter().find(|fork| fork.id == *fork_id) else {
                continue;
            };
            let earlier = self.answered.iter().find(|it| it.fork == *fork);
            match earlier {
                Some(earlier) if earlier.decision != decision => {
                    let in_words = |decision: &Option<String>| {
                        let decision = decision.clone();
                        decision.unwrap_or_else(|| "declined".to_owned())
                    };
                    return Err(Fault::Disagreement {
                        fork: self.names.fork(fork),
                        first: (earlier.replica, in_words(&earlier.decision)),
                        second: (replica, in_words(&decision)),
                    });
                }
                Some(_) => {}
                None => self.answered.push(Answered {
                    fork: fork.clone(),
                    replica,
                    decision,
                }),
            }
        }
        Ok(())
    }
}

/// Returns whether all of a fork is still in one open fork.
fn is_shown(fork: &ForkContext, open: &[ForkContext]) -> bool {
    let members = |fork: &ForkContext| -> BTreeSet<_> {
        let members = fork.members().into_iter();
        members.map(|member| member.transaction_id).collect()
    };
    let own = members(fork);
    open.iter().any(|other| {
        let mut streams = fork.streams.iter();
        streams.all(|stream| other.involves(&stream.stream_id)) && members(other).is_superset(&own)
    })
}

fn unsettled(replica: usize, error: &ReconcileError) -> Fault {
    match error {
        ReconcileError::NonDeterministicResolver {
            how, first, second, ..
        } => Fault::Contradiction {
            replica,
            how: *how,
            first: answer(first),
            second: answer(second),
        },
        error => {
            let source = std::error::Error::source(error);
            Fault::Unsettled {
                replica,
                error: source.map_or(error.to_string(), |source| format!("{error}: {source}")),
            }
        }
    }
}
