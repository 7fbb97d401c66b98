//! Random capacities, bursts, drains, cancelled calls and restarts against a model.

use std::collections::VecDeque;

use futures::FutureExt;
use proptest::prelude::*;

use super::{Line, covered, lines, quick_store, recorder};

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    /// Stores what waits.
    Finish,
    /// Asks the recorder once and drops the call.
    Cancel,
    /// The process ends cleanly or not, and another begins with a channel of this capacity.
    Restart {
        cleanly: bool,
        capacity: usize,
    },
}

fn capacity() -> impl Strategy<Value = usize> {
    (0_u32..5).prop_map(|power| 1 << power)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..40).prop_map(Step::Send),
        3 => Just(Step::Finish),
        2 => Just(Step::Cancel),
        1 => (any::<bool>(), capacity())
            .prop_map(|(cleanly, capacity)| Step::Restart { cleanly, capacity }),
    ]
}

/// A broadcast with one receiver, and what its recording should be.
#[derive(Default)]
struct Model {
    capacity: usize,
    waiting: VecDeque<u64>,
    dropped: u64,
    number: u64,
    lines: Vec<Line>,
}

impl Model {
    fn send(&mut self, value: u64) {
        self.waiting.push_back(value);
        if self.waiting.len() > self.capacity {
            self.waiting.pop_front();
            self.dropped += 1;
        }
    }

    fn has_news(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Everything that waits is received.
    fn receive(&mut self) {
        if self.dropped > 0 {
            let from = self.number + 1;
            self.number += std::mem::take(&mut self.dropped);
            self.lines.push(Line::Gap(from, self.number));
        }
        for value in self.waiting.drain(..) {
            self.number += 1;
            self.lines.push(Line::Item(self.number, value));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_recording_is_what_was_sent_and_not_dropped_with_every_hole_named(
        first in capacity(),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = quick_store();
        let (mut sender, mut now) = recorder(&store, first);
        let mut model = Model { capacity: first, ..Model::default() };
        let mut value = 0;
        let mut is_pending = false;
        runtime.block_on(async {
            for step in steps {
                match step {
                    Step::Send(count) => for _ in 0..count {
                        value += 1;
                        sender.send(value).unwrap();
                        model.send(value);
                    },
                    Step::Finish => {
                        model.receive();
                        is_pending = false;
                        let drained = now.finish().await.unwrap();
                        assert_eq!(drained.number, model.number, "everything is stored now");
                    }
                    // How much more an earlier append lets it receive is a matter of chance.
                    Step::Cancel if is_pending => {}
                    Step::Cancel => {
                        is_pending = model.has_news();
                        model.receive();
                        assert!(now.record().now_or_never().is_none(), "a sender is left");
                    }
                    Step::Restart { cleanly, capacity } => {
                        now.finish().await.unwrap();
                        model.receive();
                        is_pending = false;
                        if !cleanly {
                            // What waits when a process ends was never numbered.
                            sender.send(u64::MAX).unwrap();
                        }
                        drop(now);
                        (sender, now) = recorder(&store, capacity);
                        model.capacity = capacity;
                    }
                }
            }
            model.receive();
            drop(sender);
            now.record().await.unwrap();
        });
        let lines = lines(&store);
        prop_assert_eq!(covered(&lines), model.number, "items and gaps cover each number once");
        prop_assert_eq!(lines, model.lines);
    }
}
