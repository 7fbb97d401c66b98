//! Rounds of reconciling and exchanging between several clones.

use std::collections::BTreeSet;

use fs_merge::{ForkContext, Outcome, Reconcile, Resolution, Resolver, policy};
use proptest::prelude::*;

use crate::disk::Place;
use crate::model::Model;
use crate::random::histories;

const MOST_CLONES: usize = 5;

/// Writes an event on every stream of the fork, by the fork alone.
fn decide(fork: &ForkContext) -> Resolution {
    let data = format!("\"{}\"", fork.id);
    let streams = fork.streams.iter();
    let outcome = streams.fold(Outcome::new(), |outcome, of| {
        let outcome = outcome.event(of.stream_id.clone(), "Decided", &data);
        outcome.unwrap()
    });
    Resolution::Resolve(outcome.reason("by the fork"))
}

/// Declines what concerns a certain stream.
fn decline_some(fork: &ForkContext) -> Resolution {
    if fork.streams.iter().any(|of| of.stream_id.as_str() == "a") {
        Resolution::unresolvable("not a")
    } else {
        policy::Latest.resolve(fork)
    }
}

fn rules() -> impl Strategy<Value = fn(&ForkContext) -> Resolution> {
    prop_oneof![
        3 => Just(decide as fn(&ForkContext) -> Resolution),
        2 => Just((|fork| policy::Latest.resolve(fork)) as fn(&ForkContext) -> Resolution),
        1 => Just((|_| Resolution::accept_all()) as fn(&ForkContext) -> Resolution),
        1 => Just(decline_some as fn(&ForkContext) -> Resolution),
    ]
}

/// Reconciles until nothing is left that can be settled; returns how many forks were.
fn until_quiet(place: &Place, rule: &impl Resolver) -> usize {
    let mut open = place.forks().len();
    let headers = place.store.transactions().unwrap();
    let settlers = headers.iter().filter(|header| {
        !header.resolves.is_empty()
            || header.format_version.number() < 3 && header.parents.len() > 1
    });
    let most = open * (1 + settlers.count());
    let mut settled = 0;
    loop {
        let report = Reconcile::new(&place.store).anyway().run(rule).unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        settled += report.settled.len();
        assert!(
            settled <= most,
            "settling ends within the bound: {settled} of {most}"
        );
        let now = place.forks().len();
        assert!(
            now <= open,
            "the number of open forks never grows by settling"
        );
        open = now;
        if report.settled.is_empty() {
            assert_eq!(report.declined.len(), now, "what is left was declined");
            return settled;
        }
    }
}

/// Lets all of a group hold what any of it holds.
fn exchange(group: &[&Place]) {
    let Some((hub, others)) = group.split_first() else {
        return;
    };
    others.iter().for_each(|other| hub.pull(other));
    others.iter().for_each(|other| other.pull(hub));
}

/// Clones that hold parts of one history.
pub(crate) fn spread(model: &Model, parts: &[u64]) -> Vec<Place> {
    let holding = |part: &u64| {
        let mut held = BTreeSet::new();
        let mut waiting: Vec<_> = (0..model.transactions.len())
            .filter(|index| part >> (index % 64) & 1 == 1)
            .collect();
        while let Some(index) = waiting.pop() {
            if held.insert(index) {
                waiting.extend(&model.transactions[index].parents);
            }
        }
        let present = model.present().map(|(index, _)| index);
        let of_part: Vec<_> = present.filter(|it| held.contains(it)).collect();
        Place::with_some(model, &of_part)
    };
    parts.iter().map(holding).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn two_rounds_after_any_partitions_bring_all_clones_to_one_state(
        model in histories(),
        parts in prop::collection::vec(any::<u64>(), 2..=MOST_CLONES),
        partitions in prop::collection::vec(prop::array::uniform5(0..3usize), 0..3),
        rule in rules(),
    ) {
        let clones = spread(&model, &parts);
        for groups in &partitions {
            clones.iter().for_each(|clone| { until_quiet(clone, &rule); });
            for group in 0..3 {
                let of_it = clones.iter().zip(groups).filter(|(_, of)| **of == group);
                exchange(&of_it.map(|(clone, _)| clone).collect::<Vec<_>>());
            }
        }
        let all: Vec<_> = clones.iter().collect();
        for _ in 0..2 {
            clones.iter().for_each(|clone| { until_quiet(clone, &rule); });
            exchange(&all);
        }
        for clone in &clones[1..] {
            prop_assert_eq!(clone.files(), clones[0].files(), "the same files, byte for byte");
            prop_assert_eq!(clone.forks(), clones[0].forks(), "and the same open forks");
            prop_assert_eq!(clone.store.digest().unwrap(), clones[0].store.digest().unwrap());
        }
        for clone in &clones {
            prop_assert_eq!(until_quiet(clone, &rule), 0, "a third round writes nothing");
        }
    }

    #[test]
    fn two_turns_at_a_shared_repository_are_enough(
        model in histories(),
        parts in prop::collection::vec(any::<u64>(), 2..=MOST_CLONES),
        rule in rules(),
    ) {
        let (hub, clones) = (Place::empty(), spread(&model, &parts));
        for _ in 0..2 {
            for clone in &clones {
                clone.pull(&hub);
                until_quiet(clone, &rule);
                hub.pull(clone);
            }
        }
        for clone in &clones {
            prop_assert_eq!(clone.files(), hub.files(), "the same files everywhere");
            prop_assert_eq!(until_quiet(clone, &rule), 0, "and nothing left to settle");
        }
    }
}

/// Three clones in a ring, each of which takes over what the next one has, all at once.
#[test]
fn an_incomplete_exchange_does_not_end_and_a_complete_one_ends_it() {
    let mut model = Model::default();
    for replica in 0..3 {
        model.write(replica, &[], &["s"]);
    }
    let clones: Vec<_> = (0..3)
        .map(|index| Place::with_some(&model, &[index]))
        .collect();
    let round = || {
        let before: Vec<_> = (0..3).map(|_| Place::empty()).collect();
        clones
            .iter()
            .zip(&before)
            .for_each(|(clone, copy)| copy.pull(clone));
        for (at, clone) in clones.iter().enumerate() {
            clone.pull(&before[(at + 1) % 3]);
        }
        clones
            .iter()
            .map(|clone| until_quiet(clone, &decide))
            .collect::<Vec<_>>()
    };
    for _ in 0..4 {
        assert_eq!(
            round(),
            [1, 1, 1],
            "each meets a decision that it did not know"
        );
    }
    let all: Vec<_> = clones.iter().collect();
    exchange(&all);
    clones.iter().for_each(|clone| {
        until_quiet(clone, &decide);
    });
    assert_eq!(clones[0].files(), clones[1].files());
    assert_eq!(clones[0].files(), clones[2].files());
    assert_eq!(clones[0].forks(), []);
}
