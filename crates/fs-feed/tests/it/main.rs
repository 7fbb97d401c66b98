//! Following a store as its users do.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests move files between stores as git does, and fail by panicking"
)]

#[path = "../../../fs-store/tests/it/backup.rs"]
mod backup;
mod consumers;
mod holes;
mod projection;
mod put_back;
mod recorder;
mod subscribe;
#[allow(
    dead_code,
    reason = "the tests of the store have it too, and use more of it"
)]
#[path = "../../../fs-store/tests/it/support.rs"]
mod support;
