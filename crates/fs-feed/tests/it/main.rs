//! Following a store as its users do.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests move files between stores as git does, and fail by panicking"
)]

mod consumers;
mod holes;
mod projection;
mod put_back;
mod recorder;
mod subscribe;
mod support;
