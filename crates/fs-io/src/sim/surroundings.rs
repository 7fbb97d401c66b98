//! The clock, the randomness and the machine around a simulated disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::SimDisk;
use crate::system::{Clock, Machine, Random, System};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000_000;

/// A simulated machine. Clones share everything.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Its disk.
    pub disk: SimDisk,
    /// Its clock.
    pub clock: SimClock,
    /// Its randomness.
    pub random: SimRandom,
}

impl Simulation {
    /// Starts a machine with an empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let clock = SimClock::new();
        Self {
            disk: SimDisk::new(clock.clone()),
            clock,
            random: SimRandom::new(seed),
        }
    }

    /// Returns another machine that is as this one is now, with a clock of its own, and randomness from `seed`.
    ///
    /// Locks and open files of this machine's processes mean nothing there; cut its power first.
    #[must_use]
    pub fn copy(&self, seed: u64) -> Self {
        let clock = SimClock::new();
        clock.set(self.clock.now_unix_nanos());
        Self {
            disk: self.disk.copy(clock.clone()),
            clock,
            random: SimRandom::new(seed),
        }
    }

    /// Returns what a process started now is given; the boot id changes with each crash.
    #[must_use]
    pub fn system(&self) -> System {
        let machine = Machine {
            machine_id: Some("simulated".to_owned()),
            boot_id: Some(format!("boot-{}", self.disk.crashes())),
            process_id: 1,
        };
        System {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(self.random.clone()),
            machine,
        }
    }
}

/// A clock that moves when it is told to, at first at 2026-01-01T00:00:00Z. Clones share the time.
#[derive(Clone, Debug)]
pub struct SimClock {
    nanos: Arc<AtomicI64>,
}

impl SimClock {
    pub(super) fn new() -> Self {
        Self {
            nanos: Arc::new(AtomicI64::new(START)),
        }
    }

    /// Sets the time, in nanoseconds since 1970.
    pub fn set(&self, nanos: i64) {
        self.nanos.store(nanos, Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.nanos.fetch_add(
            i64::try_from(by.as_nanos()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
    }
}

impl Clock for SimClock {
    fn now_unix_nanos(&self) -> i64 {
        self.nanos.load(Ordering::SeqCst)
    }

    fn wait(&self, time: Duration) {
        self.advance(time);
    }
}

/// Randomness that is the same for the same seed (SplitMix64). Clones draw from the same sequence.
#[derive(Clone, Debug)]
pub struct SimRandom {
    state: Arc<AtomicU64>,
}

impl SimRandom {
    /// Starts a sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(AtomicU64::new(seed)),
        }
    }

    /// Draws one of `0..options`, for [`SimDisk::crash`].
    #[must_use]
    pub fn choose(&self, options: usize) -> usize {
        let drawn = self.next() % (options.max(1) as u64);
        usize::try_from(drawn).expect("less than a usize")
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self
            .state
            .fetch_add(STEP, Ordering::SeqCst)
            .wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Random for SimRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
