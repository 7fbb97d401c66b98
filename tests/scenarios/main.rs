//! What must hold, over real directories and real git.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "scenarios set up and damage real files"
)]

mod adopted;
mod branches;
mod cleaned;
mod compensated;
mod consumed;
mod converging;
mod damage;
mod dangling;
mod exfat;
mod following;
mod foretold;
mod forks;
#[cfg(unix)]
mod git_at_work;
mod holes_through_git;
mod index_damage;
mod indexless;
mod interleavings;
mod killed;
mod line_ends;
mod middle;
mod power_cut;
mod project_moved;
mod projected;
mod projections;
mod read_only;
mod readers;
mod recorded;
mod replicas;
mod reset;
mod restored;
mod rewritten;
mod runner;
mod settle;
mod switching;
mod vanished;

/// The program that plays other processes.
const WORKER: &str = env!("CARGO_BIN_EXE_scenario-worker");
