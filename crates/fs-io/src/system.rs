//! Everything the store takes from its surroundings, in one value.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::disk::Disk;
use crate::real::RealDisk;

/// The disk, the clock, the randomness and the machine that a store runs on. Clones share them.
#[derive(Clone, Debug)]
pub struct System {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where and as what this process runs.
    pub machine: Machine,
}

impl System {
    /// Returns the operating system itself.
    #[must_use]
    pub fn real() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            clock: Arc::new(RealClock),
            random: Arc::new(RealRandom),
            machine: Machine::real(),
        }
    }
}

/// Where and as what a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The id of the installation (`/etc/machine-id`), where there is one.
    pub machine_id: Option<String>,
    /// The id of the time since the machine was started, where there is one (Linux).
    pub boot_id: Option<String>,
    /// The id of this process.
    pub process_id: u32,
}

impl Machine {
    fn real() -> Self {
        Self {
            machine_id: id_in("/etc/machine-id"),
            boot_id: id_in("/proc/sys/kernel/random/boot_id"),
            process_id: std::process::id(),
        }
    }
}

/// Returns the id that a system file holds; an image that was never started says `uninitialized`.
fn id_in(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let id = text.trim();
    (!id.is_empty() && id != "uninitialized").then(|| id.to_owned())
}

/// A wall clock.
pub trait Clock: Send + Sync + Debug {
    /// Returns the nanoseconds since 1970 in UTC; it may stand still or run backwards.
    fn now_unix_nanos(&self) -> i64;

    /// Lets so much time pass, on the thread of the caller.
    fn wait(&self, time: Duration);
}

/// A source of randomness.
pub trait Random: Send + Sync + Debug {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// When the system has none to give.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;
}

#[derive(Debug)]
struct RealClock;

impl Clock for RealClock {
    fn now_unix_nanos(&self) -> i64 {
        nanos_since_1970(SystemTime::now())
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[derive(Debug)]
struct RealRandom;

impl Random for RealRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::from)
    }
}

/// Returns a time in nanoseconds since 1970, at the ends of the range (1677 and 2262) the ends.
pub(crate) fn nanos_since_1970(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(
            nanos_since_1970(UNIX_EPOCH - Duration::from_nanos(5)),
            -5,
            "the sign follows the direction"
        );
        assert_eq!(
            nanos_since_1970(UNIX_EPOCH + Duration::from_secs(2)),
            2_000_000_000,
            "the unit is nanoseconds"
        );
    }

    #[test]
    fn the_real_system_answers() {
        let system = System::real();
        assert!(
            system.clock.now_unix_nanos() > 1_700_000_000_000_000_000,
            "the clock is set"
        );
        let (mut one, mut other) = ([0; 16], [0; 16]);
        system.random.fill(&mut one).unwrap();
        system.random.fill(&mut other).unwrap();
        assert_ne!(one, other, "two draws differ");
        assert_eq!(
            system.machine.process_id,
            std::process::id(),
            "the machine knows this process"
        );
    }
}
