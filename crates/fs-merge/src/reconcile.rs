//! Settling forks: the resolver decides, a merge transaction records it.
//!
//! **Invariant**: nothing here picks a winner. One fork is settled by one transaction or not at all, and none is lost from
//! sight: each is settled, declined, failed, or changed, and reported so.
//!
//! # Convergence
//! Let nobody append any more, let the resolver be deterministic, and let a *round* be: every clone reconciles until
//! nothing is left that it can settle; then all exchange their files, so that each holds what any of them held. Then
//! **after two rounds all clones hold the same files, and no later round writes any**, however the files were spread
//! before.
//!
//! *Proof.* After the exchange of the first round, all clones hold the same set. Which forks are open, the order in
//! which they are taken, what a context shows and what a decision is written as are functions of the set, and the
//! answers are functions of the contexts. So in the second round every clone writes the same files, byte for byte,
//! and its exchange brings nothing new. What is open then is what the resolver declines. ∎
//!
//! In the first round, clones that hold different subsets see different forks, and write different merge transactions
//! even where they would agree: of three writers, one clone settles {A, B} and another {B, C}. Where these add events
//! to a stream of both, they conflict, and are a fork of resolutions in the second round, with every decision in it.
//! Where they add none, they do not conflict, and nothing is left to do.
//!
//! *A shared repository will do*: if clones take turns to pull all there is, reconcile until nothing is left, and push, then
//! after two turns of each they hold the same. The last one's first turn leaves a set there in which nothing is left to
//! settle and which contains what every other has, so the second turns write nothing. *Less will not do*: if each of
//! three clones in a ring takes over what the next one has, all at once, then each meets a decision that it
//! does not know, and answers it with one that the others do not know, in every round. (Decisions without events do
//! not conflict; with these, any exchange that reaches all ends.)
//!
//! # Reconciling comes to an end
//! The number of open forks never grows by settling: all new conflicts are those of the merge transaction M, so they are
//! one fork, in the place of the one that M settles. If outcomes add events to the fork's own streams only, f forks in a
//! history with s settling transactions are gone after at most f (1 + s) settlements, and nearly always after f.
//!
//! *Proof.* Let M settle the fork F, and conflict with k on the stream y of F; k is not below M, which is the newest.
//! Some member m of F writes y. 1. *k does not write y.* It is not above m, else it would be on top of F and below M,
//! nor below m. So k and m are concurrent, and if both wrote y this would be a conflict: an open one makes k a member
//! of F; a settled one has its settler, and so k, on top of F. Either way, k would be below M. 2. So k settles y and M
//! writes it. 3. *k was there before.* If k were a merge transaction of this process, then by 1. all writers of y were
//! below it when it was written, and all conflicts on y were settled by it, so none could be open on y later: a new one
//! takes a new writer or settler of y, which only the settlement of an open one on y brings. 4. The fork that M is in
//! now is settled by a transaction above k. So along the forks that follow from F, each settlement but the first has a
//! settling transaction below it that was there before and was not below the last one. ∎
//!
//! A resolver that adds events to other streams conflicts with whoever wrote these apart from the fork, visibly, and must see
//! for itself that it comes to an end.

use std::collections::VecDeque;

use fs_format::StreamId;
use fs_index::History;
use fs_store::FileEventStore;

use crate::detect::{ForkId, Shape, shapes};
use crate::event::{BlockedFork, ReadAs};
use crate::fork::ForkContext;
use crate::load::load_some;
use crate::merge::{is_as_seen, prepare, settle};
use crate::outcome::Outcome;
use crate::report::{Contradiction, Declined, Failed, Planned, ReconcileError, Report};
use crate::resolver::{AsyncResolver, Resolution, Resolver};

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
    resolver: &impl Resolver<E>,
) -> Result<Report, ReconcileError> {
    Reconcile::new(store).run(resolver)
}

/// A reconciliation to be run: which forks, and how.
///
/// ```
/// # use fs_merge::{ForkContext, Raw, Reconcile, policy::AcceptAll};
/// # let dir = tempfile::tempdir()?;
/// # let store = fs_store::FileEventStore::open(dir.path().join(".tributary"))?;
/// let report = Reconcile::new(&store).dry_run().run::<Raw>(&AcceptAll)?;
/// for planned in &report.planned {
///     println!("fork {} would be settled by {}", planned.fork_id, planned.path);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is reconciled before it is run"]
pub struct Reconcile<'s> {
    store: &'s FileEventStore,
    fork_id: Option<ForkId>,
    stream_id: Option<StreamId>,
    is_dry: bool,
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

    /// Asks the resolver only once about each fork.
    ///
    /// For a person who is asked, and for rules that are known not to be deterministic: such clones decide differently, which shows up
    /// as a fork of resolutions. Without this, each fork is asked about three times, twice as it is and once with
    /// its branches in the opposite order, and is refused with [`ReconcileError::NonDeterministicResolver`] when the
    /// answers differ in anything.
    pub fn ask_once(mut self) -> Self {
        self.asks_once = true;
        self
    }

    /// Asks the resolver, and settles.
    ///
    /// # Errors
    /// As [`reconcile`].
    pub fn run<E: ReadAs>(self, resolver: &impl Resolver<E>) -> Result<Report, ReconcileError> {
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

    fn wants(&self, shape: &Shape) -> bool {
        let is_fork = self.fork_id.as_ref().is_none_or(|id| *id == shape.id);
        let stream_id = self.stream_id.as_ref();
        is_fork && stream_id.is_none_or(|stream_id| shape.streams.contains_key(stream_id))
    }
}

/// Returns the answer, if all three are the same.
fn agreed(
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
struct Run<'r, E> {
    options: &'r Reconcile<'r>,
    waiting: VecDeque<ForkContext<E>>,
    /// Whether something was settled since the waiting forks were looked at.
    is_stale: bool,
    report: Report,
}

impl<'r, E: ReadAs> Run<'r, E> {
    fn start(options: &'r Reconcile<'r>) -> Result<Self, ReconcileError> {
        let load = |history: &History| load_some::<E>(history, |shape| options.wants(shape));
        let forks = options.store.with_history(load)?;
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
                Ok(fork) => waiting.push_back(fork),
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
    fn next(&mut self) -> Result<Option<ForkContext<E>>, ReconcileError> {
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

    fn take(
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
        let plan = |history: &History| -> Result<(Planned, Vec<bool>), ReconcileError> {
            let prepared = prepare(history, fork, outcome)?;
            let is_same = |fork: &ForkContext<E>| {
                let shape = prepared.shapes.iter().find(|shape| shape.id == fork.id);
                shape.is_some_and(|shape| {
                    is_as_seen(history, shape, fork) && !prepared.disturbs(history, shape)
                })
            };
            let is_same = waiting.iter().map(is_same).collect();
            Ok((prepared.planned(fork), is_same))
        };
        let (planned, is_same) = self.options.store.with_history(plan)??;
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
