//! What can be wrong with a resolver, in words that say where to look.
//!
//! **Invariant**: every message can be read beside the story of the script: it names replicas and transactions as that does.

use fs_merge::Contradiction;

/// What went wrong while a script was played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Asked again about the same fork by the same replica, the resolver answered otherwise.
    #[error(
        "the resolver does not decide by the fork alone: at replica {replica} it answered otherwise {how}\n  first:  {first}\n  second: {second}"
    )]
    Contradiction {
        /// Where.
        replica: usize,
        /// What it was asked for the second answer.
        how: Contradiction,
        /// The first answer.
        first: String,
        /// The other.
        second: String,
    },
    /// Two replicas that saw the same fork, or one that saw it twice, decided differently.
    #[error(
        "the same fork, {fork}, was decided differently\n  replica {}: {}\n  replica {}: {}",
        first.0, first.1, second.0, second.1
    )]
    Disagreement {
        /// The fork.
        fork: String,
        /// A replica and its answer.
        first: (usize, String),
        /// Another replica, or the same at another time, and its answer.
        second: (usize, String),
    },
    /// Two replicas that saw the same fork decided alike, and yet wrote different files; no resolver can do anything about that.
    #[error(
        "the same fork, {fork}, was decided alike and written differently\n  {first}\n  {second}"
    )]
    DifferentFiles {
        /// The fork.
        fork: String,
        /// The one transaction.
        first: String,
        /// The other.
        second: String,
    },
    /// Members of a fork that was settled are still in conflict.
    #[error("a fork was settled in part at replica {replica}: {fork}; what is left: {left}")]
    HalfSettled {
        /// Where.
        replica: usize,
        /// The fork.
        fork: String,
        /// A fork that is open and has members of it.
        left: String,
    },
    /// A decision could not be carried out.
    #[error("a fork could not be settled at replica {replica}: {error}")]
    Unsettled {
        /// Where.
        replica: usize,
        /// Why.
        error: String,
    },
    /// One replica, left alone, found something to settle again and again.
    #[error(
        "reconciling does not come to an end at replica {replica}: {settlements} settlements, and there is a fork yet; decisions conflict with one another"
    )]
    Endless {
        /// Where.
        replica: usize,
        /// After how many settlements it was given up.
        settlements: usize,
    },
    /// There were more forks after settling than before; no resolver can do anything about that.
    #[error("settling at replica {replica} made more forks: {before} before, {after} after")]
    MoreForks {
        /// Where.
        replica: usize,
        /// How many were open.
        before: usize,
        /// How many are open.
        after: usize,
    },
    /// A fork that was not settled is not shown any more; no resolver can do anything about that.
    #[error("settling at replica {replica} hid another fork, {fork}")]
    HiddenFork {
        /// Where.
        replica: usize,
        /// The other fork.
        fork: String,
    },
    /// A fork is open at the end, and the resolver has not declined it.
    #[error(
        "a fork is open at replica {replica} at the end that the resolver has not declined: {fork}"
    )]
    LeftOpen {
        /// Where.
        replica: usize,
        /// The fork.
        fork: String,
    },
    /// After the rounds that are enough, a replica still writes.
    #[error(
        "the replicas do not come to rest: though all hold the same, replica {replica} writes again\n  {}",
        wrote.join("\n  ")
    )]
    Restless {
        /// Where.
        replica: usize,
        /// What it wrote.
        wrote: Vec<String>,
    },
    /// After the rounds that are enough, two replicas differ.
    #[error(
        "replica 0 and replica {replica} do not agree about {what}\n  replica 0: {first}\n  replica {replica}: {other}"
    )]
    Difference {
        /// The other replica.
        replica: usize,
        /// In what they differ: the files, the order, the state, the forks.
        what: &'static str,
        /// What replica 0 has.
        first: String,
        /// What the other has.
        other: String,
    },
    /// The application's action failed.
    #[error("an action failed at replica {replica}")]
    Action {
        /// Where.
        replica: usize,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed; no resolver can do anything about that.
    #[error("the store of replica {replica} failed")]
    Store {
        /// Whose.
        replica: usize,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Fault {
    /// Returns what makes any error around the store of a replica a fault.
    pub(crate) fn store<E>(replica: usize) -> impl Fn(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Store {
            replica,
            source: source.into(),
        }
    }
}
