//! A number that tells one DAG's indices and chains from another's.
//!
//! Indices and chain positions depend on the order of insertion, so what somebody worked out of them holds only for a DAG
//! that has numbered its transactions alike. Each transaction is mixed with its numbers into 64 bits, and these are
//! added up: what the first n made is had from the sum of all by taking the others off again.
//!
//! It finds out mistakes and not forgers: whoever chooses ids can make two stamps equal.

use crate::dag::Dag;
use crate::node::TxIx;

/// What stands for the chain of a transaction that has none.
const NO_CHAIN: u64 = u64::MAX;

/// Odd numbers without pattern: the fractional parts of the square roots of 2, 3 and 5.
const MIX: [u64; 3] = [
    0x6a09_e667_f3bc_c909,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
];

impl Dag {
    /// Returns a number that follows from the first `count` transactions inserted, their indices and their places on
    /// chains.
    ///
    /// Where it is what a DAG of `count` transactions gave, that DAG had the same transactions with the same numbers, but
    /// for a chance of one in 2^64. What lies between them can still differ, when a later arrival is a parent of
    /// one of them.
    ///
    /// # Complexity
    /// O(|V| - `count`).
    pub fn stamp_of_first(&self, count: usize) -> u64 {
        self.indices_from(count.min(self.len()))
            .fold(self.stamp, |sum, ix| sum.wrapping_sub(self.mixed(ix)))
    }

    /// Takes the transactions from index `first` on into the stamp, and forgets what it was made of when that is 0.
    pub(crate) fn note_stamp(&mut self, first: usize) {
        let before = if first == 0 { 0 } else { self.stamp };
        self.stamp = self
            .indices_from(first)
            .fold(before, |sum, ix| sum.wrapping_add(self.mixed(ix)));
    }

    fn mixed(&self, ix: TxIx) -> u64 {
        let (high, low) = self.id(ix).as_uuid().as_u64_pair();
        let (chain, position) = self.chain(ix).map_or((NO_CHAIN, 0), |at| {
            (u64::from(at.chain), u64::from(at.position))
        });
        let place = u64::from(ix.0) << 32 | position;
        let id = folded(high ^ MIX[0], low ^ MIX[1]);
        folded(id ^ place, chain ^ MIX[2])
    }
}

/// Multiplies and adds the halves of the product without carry, so that every bit bears on every other.
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    // Exact: the halves of 128 bits.
    (product as u64) ^ ((product >> 64) as u64)
}
