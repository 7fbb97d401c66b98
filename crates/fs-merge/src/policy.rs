//! Resolvers to choose from: keep a branch, accept all, the latest; and [`Commuting`].
//!
//! **Invariant**: none of them is ever used unless the application says so, and each answers by the fork alone. They
//! record no reason; wrap one in a closure to add your own.

use fs_format::{ReplicaId, TransactionId};

pub use crate::commuting::{Commuting, Decline};
use crate::fork::ForkContext;
use crate::outcome::Outcome;
use crate::resolver::{Resolution, Resolver};

/// Accepts every branch as it stands: the fork is settled with no event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptAll;

impl<E> Resolver<E> for AcceptAll {
    fn resolve(&self, _: &ForkContext<E>) -> Resolution {
        Resolution::accept_all()
    }
}

/// Keeps the branch whose head comes last in canonical order: its events on the forked streams are appended again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latest;

impl<E> Resolver<E> for Latest {
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        keep(fork, fork.latest().map(|branch| branch.head))
    }
}

/// Keeps the branch with this head; declines forks that have none such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepHead(pub TransactionId);

impl<E> Resolver<E> for KeepHead {
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        keep(fork, Some(self.0))
    }
}

/// Keeps the branch whose head this replica has appended; declines forks where there are none such, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepReplica(pub ReplicaId);

impl<E> Resolver<E> for KeepReplica {
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        let of_it = |branch: &&crate::Branch<E>| {
            branch
                .newest()
                .is_some_and(|head| head.replica_id == self.0)
        };
        let mut of_it = fork.branches.iter().filter(of_it);
        match (of_it.next(), of_it.next()) {
            (Some(branch), None) => keep(fork, Some(branch.head)),
            (None, _) => Resolution::unresolvable(format!("no branch is of replica {}", self.0)),
            (Some(_), Some(_)) => {
                Resolution::unresolvable(format!("several branches are of replica {}", self.0))
            }
        }
    }
}

/// Keeps the branch whose head the rule names; declines forks where it names none, or no head of the fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep<F>(pub F);

impl<E, F: Fn(&ForkContext<E>) -> Option<TransactionId>> Resolver<E> for Keep<F> {
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        keep(fork, (self.0)(fork))
    }
}

fn keep<E>(fork: &ForkContext<E>, head: Option<TransactionId>) -> Resolution {
    let Some(head) = head else {
        return Resolution::unresolvable("no branch is to be kept");
    };
    match Outcome::keep(fork, head) {
        Some(outcome) => Resolution::Resolve(outcome),
        None => Resolution::unresolvable(format!("no branch has the head {head}")),
    }
}
