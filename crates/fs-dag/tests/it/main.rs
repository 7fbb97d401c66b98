//! What the DAG promises, from outside.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod deep;
mod graphs;
mod histories;
mod laws;
mod real;
mod shapes;
mod wide;
