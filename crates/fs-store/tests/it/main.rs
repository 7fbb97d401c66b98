//! The store as its users use it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests move files between stores as git does, and fail by panicking"
)]

mod appends;
mod beside_events;
mod commands;
mod contract;
mod crashes;
mod durability;
mod forged;
mod git_at_work;
mod groups;
mod holes;
mod identity_conflicts;
mod opening;
mod programs;
mod put_back;
mod ranges;
mod readers;
mod repairs;
mod repeated_commands;
mod rewritten;
mod rewritten_in_turn;
mod runner;
mod schema;
mod several;
mod snapshots;
mod state_files;
mod support;
mod swept;
