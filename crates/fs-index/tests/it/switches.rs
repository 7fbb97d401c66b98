//! Switching between branches of a repository, so many transactions at a time that the index is written in parts, and parts are
//! written anew: any interleaving, over two handles, against the set of files.

use std::collections::BTreeSet;

use fs_format::{Encoded, TransactionId};
use fs_index::Index;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::build::tx;
use crate::world::{Shown, World, ingested, own};

const BRANCHES: usize = 4;

/// The transactions of each branch: as many as are read together, more or less.
const SIZES: [u64; BRANCHES] = [20, 50, 64, 70];

#[derive(Clone, Debug)]
enum Step {
    /// The branch's files come, or go when they are there.
    Switch(usize),
    Append(usize),
    Refresh(usize),
    Reopen(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..BRANCHES).prop_map(Step::Switch),
        2 => (0..2_usize).prop_map(Step::Append),
        5 => (0..2_usize).prop_map(Step::Refresh),
        1 => (0..2_usize).prop_map(Step::Reopen),
    ]
}

struct Run {
    world: World,
    handles: [Index; 2],
    branches: Vec<Vec<Encoded>>,
    there: BTreeSet<TransactionId>,
    appended: u64,
}

impl Run {
    fn new() -> Self {
        let world = World::new();
        let branch = |(first, size): (u64, u64)| {
            let numbers = first..first + size;
            let streams: &[&[(&str, u64)]] = &[&[("a", 1)], &[("b", 2)], &[("a", 1), ("c", 1)]];
            let write = |n| tx(n).writing(streams[n as usize % streams.len()]).encode();
            numbers.map(write).collect()
        };
        Self {
            handles: [world.handle(), world.handle()],
            world,
            branches: (1..).map(|nth| nth * 1000).zip(SIZES).map(branch).collect(),
            there: BTreeSet::new(),
            appended: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Switch(branch) => {
                // Not within the tick of the clock in which the directories were listed.
                self.world.pass();
                for encoded in &self.branches[branch] {
                    let id = encoded.transaction_id;
                    if self.there.insert(id) {
                        self.world.put(encoded);
                    } else {
                        self.there.remove(&id);
                        self.world.remove(id);
                    }
                }
            }
            Step::Append(handle) => {
                self.appended += 1;
                let encoded = tx(100_000 + self.appended).by(own()).encode();
                self.world.append(&mut self.handles[handle], &encoded);
                self.there.insert(encoded.transaction_id);
            }
            Step::Refresh(handle) => self.refresh(handle),
            Step::Reopen(handle) => {
                self.handles[handle] = self.world.handle();
                self.refresh(handle);
            }
        }
    }

    fn refresh(&mut self, handle: usize) {
        self.world.refresh(&mut self.handles[handle]);
        let members: BTreeSet<_> = ingested(&self.handles[handle].shown())
            .into_iter()
            .collect();
        assert_eq!(members, self.there, "what is there is what is read");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_of_switches_reads_what_is_there(steps in vec(step(), 8..20)) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
        }
        for handle in [0, 1, 0] {
            run.refresh(handle);
        }
    }
}
