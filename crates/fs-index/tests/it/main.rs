//! The index as the store uses it: files come and go, journals are damaged, machines are started anew.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests play git, editors and power cuts, and fail by panicking"
)]

mod altered;
mod boots;
mod build;
mod copies;
mod cycles;
mod glance;
mod journal;
mod laws;
mod model;
mod omissions;
mod paged;
mod positions;
mod put_back;
mod real;
mod rewritten;
mod scan;
mod selective;
mod snapshots;
mod switches;
mod vanished;
mod version_control;
mod world;
