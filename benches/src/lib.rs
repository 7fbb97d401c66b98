//! Benchmarks against rivals; they lie in `benches/`, one file a topic.
//!
//! **Invariant**: heavy rivals are dependencies of this crate and of no other.
