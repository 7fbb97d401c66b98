//! Every legal state that a power cut may leave, as far as they are few, and a sample where they are many.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use fs_io::sim::{Fault, SimRandom, Simulation, explore_up_to};

use super::story::{Ledger, Setting, Step, check, tell};

/// Up to so many fates are tried all; of more, a sample of [`SAMPLE`].
const ALL: usize = 600;
const SAMPLE: usize = 80;

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
    pub(crate) tally: Tally,
}

impl Walk {
    pub(crate) fn new(setting: Setting, seed: u64) -> Self {
        Self {
            setting,
            seed,
            seen: HashSet::new(),
            tally: Tally::default(),
        }
    }

    /// Cuts the power at every operation of the story, and again at some of each recovery.
    pub(crate) fn cut_everywhere(&mut self, from: &Simulation, steps: &[Step]) -> Result<(), String> {
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
            self.cut(&machine, &ledger, 1)
                .map_err(|error| format!("{steps:?}, power cut at operation {at} of {operations}: {error}"))?;
        }
        Ok(())
    }

    /// Cuts the power now, in every legal way, and checks what is left; `depth` more times while that is put right.
    pub(crate) fn cut(&mut self, machine: &Simulation, ledger: &Ledger, depth: u32) -> Result<(), String> {
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
        let runs = if depth > 0 {
            explore_up_to(ALL, |choice| {
                try_one(self, &mut |options| coarse(options, choice));
            })
        } else {
            ALL
        };
        if runs == ALL {
            let random = SimRandom::new(self.seed + machine.disk.operations());
            let sample = if depth > 0 { SAMPLE } else { 3 };
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
        let stride = 5;
        let first = 1 + self.tally.states as u64 % stride;
        for at in (first..=operations).step_by(stride as usize) {
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

/// Lets a long scale be tried at its ends and in its middle.
fn coarse(options: usize, choice: &mut dyn FnMut(usize) -> usize) -> usize {
    if options <= 8 {
        choice(options)
    } else {
        [0, options / 2, options - 1][choice(3)]
    }
}
