//! The tracker as people use it: the program, in clones of a real git repository.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests look at the files of real repositories"
)]

mod board;
#[cfg(unix)]
mod following;
#[cfg(unix)]
mod guide;
mod history;
mod kept;
mod merging;
mod rounds;
mod support;
