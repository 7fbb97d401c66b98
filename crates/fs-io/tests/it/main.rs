//! The real disk, over temporary directories and a second process.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests look at the files behind the back of the crate that is tested"
)]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod locking;
mod publishing;
mod reading;
mod watching;
