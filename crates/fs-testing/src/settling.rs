//! Reconciling at one replica, with what has to hold each time.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::TransactionId;
use fs_merge::{ForkContext, ForkId, ReadAs, ReconcileError, Report, Resolver, forks, reconcile};

use crate::fault::Fault;
use crate::words::{answer, did};
use crate::world::World;

/// A fork as a replica saw it, and what was decided.
#[derive(Debug)]
pub(crate) struct Answered {
    fork: ForkContext,
    replica: usize,
    /// What a decision writes, apart from what follows from the history; of those that decline, only that they do.
    decision: Option<String>,
    /// What was written, where no parent was missing: versions are counted over what is there.
    transaction_id: Option<TransactionId>,
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
            // Files that are still on their way leave forks unsure; these are settled when all have come.
            let (unsure, failed): (Vec<_>, Vec<_>) = report
                .failed
                .iter()
                .partition(|failed| matches!(failed.error, ReconcileError::Unsure { .. }));
            if let Some(failed) = failed.first() {
                return Err(unsettled(replica, &failed.error));
            }
            let unsure = unsure.into_iter();
            let unsure = unsure.map(|it| (it.fork_id.clone(), it.error.to_string()));
            let unsure: Vec<_> = unsure.collect();
            self.compare(replica, &before, &report)?;
            let after = self.forks(replica)?;
            self.look_at_all(replica, &before, &report, &after)?;
            if report.settled.is_empty() {
                let declined = report.declined.into_iter();
                let declined = declined.map(|it| (it.fork_id, it.reason));
                rest.declined = declined.chain(unsure).collect();
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

    /// Checks that forks that were settled are gone, that all others are still there, and that there are no more.
    fn look_at_all(
        &self,
        replica: usize,
        before: &[ForkContext],
        report: &Report,
        after: &[ForkContext],
    ) -> Result<(), Fault> {
        if after.len() > before.len() {
            return Err(Fault::MoreForks {
                replica,
                before: before.len(),
                after: after.len(),
            });
        }
        for fork in before {
            let mut settled = report.settled.iter();
            match settled.find(|settled| settled.fork_id == fork.id) {
                None if is_shown(fork, after) => {}
                None => {
                    let fork = self.names.fork(fork);
                    return Err(Fault::HiddenFork { replica, fork });
                }
                Some(settled) => {
                    // Other decisions may have drawn its members into another conflict, on a stream of their own choice.
                    let others = report.settled.iter().map(|other| other.transaction_id);
                    let others = others.filter(|id| *id != settled.transaction_id).collect();
                    let own = members(fork);
                    let left = after.iter().find(|open| {
                        let open = members(open);
                        !open.is_disjoint(&own) && open.is_disjoint(&others)
                    });
                    if let Some(left) = left {
                        return Err(Fault::HalfSettled {
                            replica,
                            fork: self.names.fork(fork),
                            left: self.names.fork(left),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn forks(&self, replica: usize) -> Result<Vec<ForkContext>, Fault> {
        forks(self.store(replica)).map_err(Fault::store(replica))
    }

    /// Returns after how many settlements a resolver must have come to an end: f (1 + s) as
    /// [`reconcile`](fs_merge::reconcile) proves, and one for each transaction that a decision on another stream can
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
        let held: BTreeSet<_> = headers.iter().map(|header| header.transaction_id).collect();
        let mut parents = headers.iter().flat_map(|header| &header.parents);
        let is_whole = parents.all(|parent| held.contains(&parent.transaction_id));
        let events = self.events(replica)?;
        let in_words = |id: TransactionId| {
            let header = headers.iter().find(|header| header.transaction_id == id)?;
            let own = events.iter().filter(|event| event.transaction_id == id);
            Some(did(&own.collect::<Vec<_>>(), &header.metadata))
        };
        let settled = report.settled.iter().map(|settled| {
            let id = settled.transaction_id;
            (&settled.fork_id, in_words(id), is_whole.then_some(id))
        });
        let declined = report.declined.iter();
        let declined = declined.map(|declined| (&declined.fork_id, None, None));
        for (fork_id, decision, transaction_id) in settled.chain(declined) {
            let Some(fork) = before.iter().find(|fork| fork.id == *fork_id) else {
                continue;
            };
            let answered = Answered {
                fork: fork.clone(),
                replica,
                decision,
                transaction_id,
            };
            match self.answered.iter().find(|it| it.fork == *fork) {
                Some(earlier) => self.compare_two(earlier, &answered)?,
                None => self.answered.push(answered),
            }
        }
        Ok(())
    }

    fn compare_two(&self, earlier: &Answered, later: &Answered) -> Result<(), Fault> {
        let fork = self.names.fork(&later.fork);
        if earlier.decision != later.decision {
            return Err(Fault::Disagreement {
                fork,
                first: earlier.in_words(),
                second: later.in_words(),
            });
        }
        match (earlier.transaction_id, later.transaction_id) {
            (Some(one), Some(other)) if one != other => Err(Fault::DifferentFiles {
                fork,
                first: self.names.get(one),
                second: self.names.get(other),
            }),
            _ => Ok(()),
        }
    }
}

impl Answered {
    fn in_words(&self) -> (usize, String) {
        let decision = self.decision.clone();
        (
            self.replica,
            decision.unwrap_or_else(|| "declined".to_owned()),
        )
    }
}

fn members(fork: &ForkContext) -> BTreeSet<TransactionId> {
    let members = fork.members().into_iter();
    members.map(|member| member.transaction_id).collect()
}

/// Returns whether all of a fork is still in one open fork.
fn is_shown(fork: &ForkContext, open: &[ForkContext]) -> bool {
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

#[cfg(test)]
mod tests {
    use fs_format::StreamId;
    use fs_merge::{Raw, Reconcile, policy};
    use fs_store::Append;

    use super::*;
    use crate::script::Step;

    /// Two forks, of which the one on `s` is settled: what was open, what was reported, and what is open.
    fn settled_in_part() -> (World, Vec<ForkContext>, Report, Vec<ForkContext>) {
        let mut world = World::in_memory(2).unwrap();
        let act = |replica: usize, name: &str| {
            let stream_id = StreamId::new(name).unwrap();
            let action = Append::new().event(stream_id, "T", "1").unwrap();
            Step::Act { replica, action }
        };
        let apart = [act(0, "s"), act(0, "t"), act(1, "s"), act(1, "t")];
        for step in apart.into_iter().chain([Step::Exchange]) {
            world.play::<Raw, _>(&step, &policy::AcceptAll).unwrap();
        }
        let before = world.forks(0).unwrap();
        let reconcile = Reconcile::new(world.store(0)).stream(StreamId::new("s").unwrap());
        let report = reconcile.run::<Raw>(&policy::AcceptAll).unwrap();
        let after = world.forks(0).unwrap();
        (world, before, report, after)
    }

    #[test]
    fn a_settlement_that_does_what_it_says_passes() {
        let (world, before, report, after) = settled_in_part();
        assert_eq!((before.len(), after.len()), (2, 1), "one is settled");
        let looked = world.look_at_all(0, &before, &report, &after);
        assert!(looked.is_ok(), "{looked:?}");
    }

    #[test]
    fn a_detector_that_does_not_show_another_fork_any_more_is_caught() {
        let (world, before, report, _) = settled_in_part();
        let looked = world.look_at_all(0, &before, &report, &[]);
        assert!(
            matches!(looked, Err(Fault::HiddenFork { .. })),
            "{looked:?}"
        );
    }

    #[test]
    fn a_detector_that_shows_a_part_of_another_fork_is_caught() {
        let (world, before, report, mut after) = settled_in_part();
        after[0].branches.pop();
        let looked = world.look_at_all(0, &before, &report, &after);
        assert!(
            matches!(looked, Err(Fault::HiddenFork { .. })),
            "{looked:?}"
        );
    }

    #[test]
    fn a_detector_that_still_shows_what_was_settled_is_caught() {
        let (world, before, report, _) = settled_in_part();
        let looked = world.look_at_all(0, &before, &report, &before);
        assert!(
            matches!(looked, Err(Fault::HalfSettled { .. })),
            "{looked:?}"
        );
    }

    #[test]
    fn a_settlement_after_which_more_forks_are_open_is_caught() {
        let (world, before, report, after) = settled_in_part();
        let looked = world.look_at_all(0, &after, &report, &before);
        let expected = (1, 2);
        let found = match looked {
            Err(Fault::MoreForks { before, after, .. }) => (before, after),
            other => panic!("it is not noticed: {other:?}"),
        };
        assert_eq!(found, expected);
    }
}
