//! What must hold, over real directories and real git.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "scenarios set up and damage real files"
)]

mod branches;
mod damage;
mod forks;
mod line_ends;
mod projections;
mod reset;
mod settle;
