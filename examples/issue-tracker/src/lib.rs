//! The issues of a project, in the project's own git repository: what an issue is, what can be done to it, and what
//! becomes of it when two people did so apart.
//!
//! ```text
//! cli  ->  command  ->  issue  ->  event        what a person does
//!     \-> resolver ----/   /                    what becomes of it after a git merge
//!      \-> board, activity                      what is kept in a database, for whoever looks
//! ```
//!
//! **Invariant**: everything here is a function of events. It deliberately opens no file and reads no clock: storing is the
//! store's business, and asking and printing is the program's.

#![forbid(unsafe_code)]

/// Runs the examples of the guide to merging.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/merging.md")]
struct Merging;

/// Runs the examples of the guide to projections.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/projections.md")]
struct Projections;

mod activity;
mod board;
mod command;
mod event;
mod issue;
mod resolver;
mod selection;
mod sides;

pub use activity::Activity;
pub use board::Board;
pub use command::{ChangeIssue, OpenIssue, Refused};
pub use event::{Change, IssueEvent};
pub use issue::{Comment, Issue};
pub use resolver::Rules;
pub use selection::{Issues, PREFIX};
