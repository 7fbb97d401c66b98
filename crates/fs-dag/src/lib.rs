//! The DAG of transactions: canonical order, ancestry, heads and merge bases.
//!
//! A [`Dag`] takes transactions in any order, parents later than children if need be, and answers from memory.
//!
//! ```text
//!       A1 -- A2          canonical order: parents first, ties among ready ones by [`Key`]
//!      /        \         heads:           N
//!  R --          N        merge base of A2 and B1: R
//!      \-- B1 --/         A2 and B1:       concurrent, neither is an ancestor of the other
//! ```
//!
//! **Invariant**: no I/O, no clock, no randomness, no JSON; what is answered depends on the set of transactions only,
//! never on the order of their arrival, and nothing recurses over history.

#![forbid(unsafe_code)]

mod arrival;
mod bases;
mod clock;
mod covers;
mod dag;
mod insert;
mod linearize;
mod lowest;
mod node;
mod prefixes;
mod sort;
mod stamp;

pub use arrival::Arrival;
pub use clock::{ChainPosition, Cover};
pub use covers::{Covers, Holding};
pub use dag::Dag;
pub use linearize::linearize;
pub use lowest::Lowest;
pub use node::{Key, Node, TxIx};
