//! Forks, stale reads and settlements, each against the definition by brute force.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests write files of their own and fail by panicking"
)]

mod deep;
mod detection;
mod disk;
mod growth;
mod memory;
mod model;
mod oracle;
mod random;
mod settlement;
mod stacked;
