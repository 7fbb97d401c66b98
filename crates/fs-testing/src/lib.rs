//! The test kit: for resolvers of applications, and for the tests of this workspace.
//!
//! # Resolvers
//! Do clones that settle by yours come together, whatever happens to them?
//!
//! [`assert_converges`] plays random [`Script`]s over simulated replicas: they append, exchange all or some of their
//! files, are cut off from each other, have wrong clocks, lose files, switch branches, are copied, and reconcile. In the
//! end all reconcile and exchange, and must then hold the same files in the same order, with no fork open that the
//! resolver has not declined. A script after which they do not is made shorter and told step by step.
//!
//! ```no_run
//! use fs_format::StreamId;
//! use fs_merge::{ForkContext, Outcome, Resolution};
//! use fs_store::Append;
//! use fs_testing::assert_converges;
//! use proptest::prelude::*;
//!
//! /// The longer branch wins; of two that are as long, the one with the smaller head.
//! fn longest(fork: &ForkContext) -> Resolution {
//!     let longest = fork.branches.iter().max_by_key(|branch| {
//!         (branch.transactions.len(), std::cmp::Reverse(branch.head))
//!     });
//!     match longest.and_then(|branch| Outcome::keep(fork, branch.head)) {
//!         Some(outcome) => outcome.into(),
//!         None => Resolution::unresolvable("no branch"),
//!     }
//! }
//!
//! let titled = (0..2_u8, 0..9_u8).prop_map(|(issue, title)| {
//!     let issue = StreamId::new(format!("issue-{issue}")).expect("a name without wildcards");
//!     let append = Append::new().event(issue, "Titled", &title.to_string());
//!     append.expect("a number is JSON")
//! });
//! assert_converges(longest, titled);
//! ```
//!
//! [`Convergence`] has the choices: how many replicas, how long, on the real disk, a resolver for each replica.
//! [`Waited`] makes an async resolver one that can be tested.
//! [`World`] plays single steps, for tests that tell a story of their own.
//!
//! # The tests of this workspace
//! [`git`] has repositories with stores in them and a git that is cut off from the machine, [`stores`] what is appended to stores and carried
//! between them, [`Interposed`] a disk that does some things otherwise than the one below it.
//!
//! **Invariant**: a test is the same each time. It goes deeper where `TRIBUTARY_CASES` or `PROPTEST_CASES` says how many
//! scripts are to be tried, and elsewhere where `PROPTEST_RNG_SEED` does.
//!
//! # Limitations
//! The simulated replicas know no git, no power cuts, and no two processes on one working copy at once. A resolver that reads the wall clock in
//! steps longer than a test takes, or asks a server, looks like one that does not.

#![forbid(unsafe_code)]

/// Runs the examples of the guide to testing resolvers.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/testing-resolvers.md")]
struct TestingResolvers;

mod action;
pub mod bank;
mod carrying;
mod converge;
mod disk;
mod fault;
pub mod git;
mod place;
mod rest;
mod script;
mod scripts;
mod settling;
mod shorten;
pub mod stores;
mod waited;
mod words;
mod world;

pub use action::Action;
pub use converge::{Convergence, CounterExample, assert_converges};
pub use disk::{Interposed, Interposer};
pub use fault::Fault;
pub use script::{Arriving, Ending, LineEnds, Script, Step};
pub use scripts::scripts;
pub use waited::Waited;
pub use world::World;
