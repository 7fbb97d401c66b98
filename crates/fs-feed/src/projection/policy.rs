//! What happens to events that cannot be applied.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use fs_io::Random;

/// How many times, and how soon, something that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many times it is tried again; none with 0.
    pub times: u32,
    /// How long the first pause takes; each further one takes twice as long as the one before, and a random part of itself.
    pub first: Duration,
    /// The longest pause, without its random part.
    pub longest: Duration,
}

impl Default for Retry {
    /// Five times, within some four seconds.
    fn default() -> Self {
        Self {
            times: 5,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }
}

impl Retry {
    /// Never.
    pub const NEVER: Self = Self {
        times: 0,
        first: Duration::ZERO,
        longest: Duration::ZERO,
    };

    pub(crate) fn pauses(self, random: &dyn Random) -> ExponentialBackoff {
        let mut seed = [0; 8];
        // Where the system has nothing random to give, pauses are as long as everybody's; that is no failure.
        let _ = random.fill(&mut seed);
        ExponentialBuilder::new()
            .with_min_delay(self.first.min(self.longest))
            .with_max_delay(self.longest)
            .with_max_times(self.times as usize)
            .with_jitter()
            .with_jitter_seed(u64::from_le_bytes(seed))
            .build()
    }
}

/// What becomes of an event that cannot be applied, however often it is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The runner ends with an error that names it; the cursor stays before it.
    #[default]
    Stop,
    /// It is set aside as a [`DeadLetter`](crate::projection::DeadLetter), and the runner goes on.
    SetAside {
        /// So many are set aside at most; then the runner ends.
        at_most: usize,
    },
}

/// What becomes of an event of a type that the application does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// It is a failure, as [`OnFailure`] says.
    #[default]
    Fail,
    /// It is passed over. It stays in the store; a projection that knows it later has another version, and is built again.
    Skip,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_those_of_two_runners_differ() {
        let system = fs_io::System::real();
        let retry = Retry {
            times: 4,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(3),
        };
        let pauses = || -> Vec<_> { retry.pauses(system.random.as_ref()).collect() };
        let (ours, theirs) = (pauses(), pauses());
        assert_ne!(
            ours, theirs,
            "who failed together does not try again together"
        );
        for (pause, least) in ours.iter().zip([1, 2, 3, 3]) {
            let least = Duration::from_secs(least);
            assert!(
                least <= *pause && *pause <= 2 * least,
                "{least:?} and a random part of it: {ours:?}"
            );
        }
        assert_eq!(ours.len(), 4, "as often as was said");
        let capped = Retry {
            first: Duration::from_secs(60),
            ..retry
        };
        let first = capped.pauses(system.random.as_ref()).next();
        assert!(
            first <= Some(2 * capped.longest),
            "no pause is longer than the longest, not even the first: {first:?}"
        );
    }
}
