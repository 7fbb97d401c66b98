//! Taking times: contenders in turn, round after round, and the medians.
//!
//! **Invariant**: a contender never has a round to itself; each round begins with another of them.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::Fallible;

/// What one contender does in a round; it returns the time of that part which counts.
pub(crate) type Contender<'a> = Box<dyn FnMut(usize) -> Fallible<Duration> + 'a>;

/// A row that takes longer is content with fewer rounds than asked for.
const PATIENCE: Duration = Duration::from_secs(90);

/// Rounds that are run even so.
const LEAST: usize = 3;

/// Whether a round is run first that does not count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WarmUp {
    Yes,
    No,
}

/// Lets the contenders run in turn and returns the median time of each.
///
/// # Errors
/// The first error of a contender.
pub(crate) fn in_turn(
    rounds: usize,
    warm_up: WarmUp,
    mut contenders: Vec<Contender<'_>>,
) -> Fallible<Vec<Duration>> {
    let start = Instant::now();
    let mut times = vec![Vec::new(); contenders.len()];
    let count = contenders.len();
    let first = usize::from(warm_up == WarmUp::No);
    for round in first..=rounds {
        for turn in 0..count {
            let at = (round + turn) % count;
            let time = contenders[at](round)?;
            if round > 0 {
                times[at].push(time);
            }
        }
        if round >= LEAST && start.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(times.into_iter().map(median).collect())
}

/// Takes the time of `work`.
pub(crate) fn time<T>(work: impl FnOnce() -> Fallible<T>) -> Fallible<(Duration, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed(), result))
}

/// Returns the median, of an even number the upper one.
pub(crate) fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Figures that are collected beside the times.
#[derive(Default)]
pub(crate) struct Aside(RefCell<Vec<u64>>);

impl Aside {
    pub(crate) fn add(&self, value: u64) {
        self.0.borrow_mut().push(value);
    }

    pub(crate) fn median(&self) -> u64 {
        median(self.0.borrow().clone())
    }
}

/// Returns how often `other` goes into `time`.
pub(crate) fn ratio(time: Duration, other: Duration) -> f64 {
    time.as_secs_f64() / other.as_secs_f64().max(1e-9)
}

/// Fails unless a measured operation did what it should have done.
pub(crate) fn expect(what: &str, found: usize, expected: usize) -> Fallible<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found} instead of {expected}").into())
    }
}

/// Writes everything out, so that no earlier work's dirty pages are paid for by what is measured next.
pub(crate) fn settle() {
    let _ = std::process::Command::new("sync").status();
}
