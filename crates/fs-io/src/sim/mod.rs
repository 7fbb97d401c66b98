//! A simulated system for tests: a disk in memory that can lose power, a clock that stands still, randomness from a seed.
//!
//! **Invariant:** the same calls and the same choices give the same disk, and [`SimDisk::crash`] leaves only what a real disk may leave:
//!
//! | made durable by | is | may otherwise be, after a power cut |
//! |---|---|---|
//! | [`File::sync`](crate::File::sync), [`Disk::sync_file`](crate::Disk::sync_file) | the bytes of a file | any prefix of the unsynced writes, torn at any byte, with zeros in place of a part; of what was written over synced bytes, any of the sectors |
//! | [`Disk::sync_dir`](crate::Disk::sync_dir) | the names in a directory | each new, changed and removed name kept or lost by itself, a rename as a whole |
//!
//! So it is harsher than file systems with a journal, where a sync often takes older operations along.
//!
//! # Limitations
//! Regular files and directories only: no links, no permissions, no sharing of paths by letter case. Everything that fits in memory fits
//! on the disk.

mod crash;
mod disk;
mod explore;
mod state;
mod surroundings;

pub use disk::SimDisk;
pub use explore::{explore, explore_up_to};
pub use state::Fault;
pub use surroundings::{SimClock, SimRandom, Simulation};

#[cfg(test)]
mod tests;
