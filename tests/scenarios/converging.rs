//! An application whose commands decide by what they read comes together on the real disk, by its own rule.

use std::error::Error;

use fs_format::StreamId;
use fs_merge::{ForkContext, Outcome, Resolution};
use fs_store::{Append, ExpectedVersion, FileEventStore};
use fs_testing::{Action, Convergence};
use proptest::prelude::*;

/// Moves money from one account to another, unless there is too little.
#[derive(Clone, Debug)]
struct Transfer {
    from: u8,
    to: u8,
    cents: i64,
}

fn account(number: u8) -> StreamId {
    StreamId::new(format!("account-{number}")).unwrap()
}

/// Account 0 has all there is at first, and may owe it.
fn may_owe(stream_id: &StreamId) -> bool {
    *stream_id == account(0)
}

impl Action for Transfer {
    fn act(&self, store: &FileEventStore, _: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
        let (from, to) = (account(self.from), account(self.to));
        let events = store.stream_events(&from)?;
        let mut balance = 0;
        for event in &events {
            balance += event.event_data.decode::<i64>()?;
        }
        if balance < self.cents && !may_owe(&from) {
            return Ok(());
        }
        let version = ExpectedVersion::Exact(events.len() as u64);
        let (taken, given) = (format!("-{}", self.cents), self.cents.to_string());
        let append = Append::new()
            .event(from.clone(), "Moved", &taken)?
            .event(to, "Moved", &given)?;
        store.append(append.expect(from, version))?;
        Ok(())
    }
}

/// Transfers commute; where both sides have spent the same money, account 0 covers what is missing.
fn cover(fork: &ForkContext) -> Resolution {
    let mut outcome = Outcome::new();
    for stream in fork.streams.iter().filter(|of| !may_owe(&of.stream_id)) {
        let events = stream.events_below.iter().chain(&stream.events_since);
        let balance: i64 = events
            .map(|event| event.event_data.decode::<i64>().unwrap())
            .sum();
        if balance < 0 {
            let (missing, owed) = ((-balance).to_string(), balance.to_string());
            outcome = outcome
                .event(stream.stream_id.clone(), "Covered", &missing)
                .and_then(|outcome| outcome.event(account(0), "Covered", &owed))
                .unwrap();
        }
    }
    outcome.into()
}

#[test]
fn money_spent_twice_is_covered_everywhere_alike() {
    let transfer = (0..3_u8, 1..3_u8, 1..20_i64);
    let transfers = transfer.prop_map(|(from, distance, cents)| Transfer {
        from,
        to: (from + distance) % 3,
        cents,
    });
    let convergence = Convergence::of(transfers).on_disk().cases(8);
    convergence.check(&cover).unwrap();
}
