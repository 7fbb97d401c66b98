//! Forks, stale reads and settlements against the definition by brute force; contexts, resolvers and convergence
//! between stores on disk.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests write files of their own and fail by panicking"
)]

mod asking;
mod clones;
mod contexts;
mod convergence;
mod deep;
mod detection;
mod disk;
mod growth;
mod linear;
mod lists;
mod many;
mod memory;
mod model;
mod normative_text;
mod oracle;
mod outcomes;
mod plans;
mod policies;
mod previews;
mod quiet;
mod random;
mod rounds;
mod settlement;
mod simulated;
mod stacked;
mod unsure;
mod wide;
