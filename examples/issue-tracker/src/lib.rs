//! The issues of a project, in the project's own git repository: what an issue is, what can be done to it, and what
//! becomes of it when two people did so apart.
//!
//! ```text
//! cli  ->  command  ->  issue  ->  event        what a person does
//!      \-> resolver ---/                        what becomes of it after a git merge
//! ```
//!
//! **Invariant**: everything here is a function of events. It deliberately touches no file and no clock: storing is the
//! store's business, and asking and printing is the program's.

#![forbid(unsafe_code)]

/// Runs the examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/merging.md")]
struct Guide;

mod command;
mod event;
mod issue;
mod resolver;
mod sides;

pub use command::{ChangeIssue, OpenIssue, Refused};
pub use event::{Change, IssueEvent};
pub use issue::{Comment, Issue};
pub use resolver::Rules;
