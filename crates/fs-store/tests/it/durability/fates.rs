//! Every legal state that a power cut may leave, as far as they are few, and a sample where they are many.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use fs_io::sim::{Fault, SimRandom, Simulation, explore_up_to};

use super::story::{Ledger, Setting, Step, check, tell};

/// Up to so many fates of one crash are tried all; of more, a sample of [`SAMPLE`]. `TRIBUTARY_PROOF=10` makes it ten times as many.
const ALL: usize = 16;
const SAMPLE: usize = 6;

/// Of the operations of a recovery, one in so many is cut off.
const STRIDE: u64 = 41;

fn thorough() -> usize {
    let factor = std::env::var("TRIBUTARY_PROOF").ok();
    factor.and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

/// What was tried, for the tests to show that it was not little.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) fates: usize,
    pub(crate) states: usize,
    pub(crate) again: usize,
}

/// Walks through the crashes of one story.
#[derive(Debug)]
pub(crate) struct Walk {
    setting: Setting,
    seed: u64,
    seen: HashSet<u64>,
    depth: u32,
    pub(crate) tally: Tally,
}

impl Walk {
    pub(crate) fn new(setting: Setting, seed: u64) -> Self {
        Self {
            setting,
            seed,
            seen: HashSet::new(),
            depth: 1,
            tally: Tally::default(),
        }
    }

    /// Tries two fates of each crash only, and none of the recovery: for machines that are slow to copy.
    pub(crate) fn briefly(mut self) -> Self {
        self.depth = 0;
        self
    }

    /// Cuts the power at every operation of the story, and again at some of each recovery.
    pub(crate) fn cut_everywhere(
        &mut self,
        from: &Simulation,
        steps: &[Step],
    ) -> Result<(), String> {
        let operations = {
            let machine = from.copy(self.seed);
            let before = machine.disk.operations();
            tell(&machine, self.setting, steps, &mut Ledger::default());
            machine.disk.operations() - before
        };
        for at in 1..=operations + 1 {
            let machine = from.copy(self.seed);
            machine.disk.fail_at(at, Fault::PowerCut);
            let mut ledger = Ledger::default();
            tell(&machine, self.setting, steps, &mut ledger);
            self.cut(&machine, &ledger, self.depth).map_err(|error| {
                format!("{steps:?}, power cut at operation {at} of {operations}: {error}")
            })?;
        }
        Ok(())
    }

    /// Cuts the power now, in every legal way, and checks what is left; `depth` more times while that is put right.
    pub(crate) fn cut(
        &mut self,
        machine: &Simulation,
        ledger: &Ledger,
        depth: u32,
    ) -> Result<(), String> {
        let mut outcome = Ok(());
        let mut try_one = |walk: &mut Self, choice: &mut dyn FnMut(usize) -> usize| {
            let crashed = machine.copy(walk.seed);
            crashed.disk.crash(choice);
            walk.tally.fates += 1;
            let mut key = DefaultHasher::new();
            (crashed.disk.fingerprint(), ledger, depth).hash(&mut key);
            if outcome.is_ok() && walk.seen.insert(key.finish()) {
                walk.tally.states += 1;
                outcome = walk.inspect(&crashed, ledger, depth);
            }
        };
        let all = ALL * thorough();
        let runs = if depth > 0 {
            explore_up_to(all, |choice| {
                try_one(self, &mut |options| coarse(options, choice));
            })
        } else {
            all
        };
        if runs == all {
            let random = SimRandom::new(self.seed + machine.disk.operations());
            let sample = if depth > 0 { SAMPLE * thorough() } else { 2 };
            for _ in 0..sample {
                try_one(self, &mut |options| random.choose(options));
            }
        }
        outcome
    }

    fn inspect(&mut self, crashed: &Simulation, ledger: &Ledger, depth: u32) -> Result<(), String> {
        let machine = crashed.copy(self.seed + 1);
        let before = machine.disk.operations();
        check(&machine, self.setting, ledger)?;
        let operations = machine.disk.operations() - before;
        if depth == 0 {
            return Ok(());
        }
        // A few places of the recovery, others each time.
        let first = 1 + self.tally.states as u64 % STRIDE;
        for at in (first..=operations).step_by(STRIDE as usize) {
            let machine = crashed.copy(self.seed + 2);
            machine.disk.fail_at(at, Fault::PowerCut);
            let _ = self.setting.open(&machine);
            self.tally.again += 1;
            self.cut(&machine, ledger, depth - 1)
                .map_err(|error| format!("and again at operation {at} of the recovery: {error}"))?;
        }
        Ok(())
    }
}

/// Lets a long scale, as of the bytes at which a write may be torn, be tried at two places.
fn coarse(options: usize, choice: &mut dyn FnMut(usize) -> usize) -> usize {
    if options <= 8 {
        choice(options)
    } else {
        [options / 3, options - 1][choice(2)]
    }
}
