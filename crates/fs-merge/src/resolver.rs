//! Who decides about a fork: the application's rule.

use std::future::Future;

use crate::event::Raw;
use crate::fork::ForkContext;
use crate::outcome::Outcome;

/// An application's rule for settling forks, with their events as `E`.
///
/// It is asked outside of any lock and must answer from the fork alone, so that every clone decides alike and writes
/// the same merge transaction. A function or closure of a [`ForkContext`] is one; `reconcile` asks it more than once
/// about each fork, unless told otherwise.
pub trait Resolver<E = Raw> {
    /// Decides about one fork.
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution;
}

impl<E, F: Fn(&ForkContext<E>) -> Resolution> Resolver<E> for F {
    fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        self(fork)
    }
}

/// As [`Resolver`], for rules that wait for something; an async closure is one.
pub trait AsyncResolver<E = Raw> {
    /// Decides about one fork.
    fn resolve(&self, fork: &ForkContext<E>) -> impl Future<Output = Resolution>;
}

impl<E, F: AsyncFn(&ForkContext<E>) -> Resolution> AsyncResolver<E> for F {
    async fn resolve(&self, fork: &ForkContext<E>) -> Resolution {
        self(fork).await
    }
}

/// The answer of a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Settle the fork with this outcome.
    Resolve(Outcome),
    /// Leave it open; the report keeps the reason.
    Unresolvable(String),
}

impl Resolution {
    /// Returns the answer that lets every branch stand as it is: the fork is settled with no event.
    pub fn accept_all() -> Self {
        Self::Resolve(Outcome::new())
    }

    /// Returns the answer that leaves the fork open.
    pub fn unresolvable(reason: impl Into<String>) -> Self {
        Self::Unresolvable(reason.into())
    }
}

impl From<Outcome> for Resolution {
    fn from(outcome: Outcome) -> Self {
        Self::Resolve(outcome)
    }
}
