//! The format over whole files: golden bytes, damage, laws, limits, and the normative text.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "golden files are read from the source tree"
)]

mod build;
mod damage;
mod damaged_files;
mod golden;
mod laws;
mod limits;
mod normative_text;
mod refusals;
