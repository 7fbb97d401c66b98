//! What happens to events that cannot be applied.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

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

    pub(crate) fn pauses(self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_max_times(self.times as usize)
            .with_jitter()
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
