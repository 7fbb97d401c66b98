//! Clones come together, and the test kit finds the resolvers with which they do not.

use std::sync::atomic::{AtomicUsize, Ordering};

use fs_merge::testing::{Convergence, CounterExample, Fault, assert_converges};
use fs_merge::{ForkContext, Outcome, Raw, Resolution, policy};
use fs_store::{Append, ExpectedVersion};
use proptest::prelude::*;

use crate::model::stream;

/// Appends to one or two of three streams; some decide on the version of another, which they only read.
fn appends() -> impl Strategy<Value = Append> + Clone {
    let stream = || prop::sample::select(vec!["a", "b", "c"]).prop_map(stream);
    let kind = prop::sample::select(vec!["Added", "Titled"]);
    let read = prop_oneof![3 => Just(None), 1 => (stream(), 0..3_u64).prop_map(Some)];
    let events = prop::collection::vec((stream(), kind, 0..100_u8), 1..3);
    (events, read).prop_map(|(events, read)| {
        let append = events.into_iter().fold(Append::new(), |append, (stream_id, kind, number)| {
            append.event(stream_id, kind, &number.to_string()).unwrap()
        });
        match read {
            Some((stream_id, version)) => append.expect(stream_id, ExpectedVersion::Exact(version)),
            None => append,
        }
    })
}

/// Keeps nothing, and says so on each stream.
fn decided(fork: &ForkContext) -> Resolution {
    let outcome = fork.streams.iter().fold(Outcome::new(), |outcome, of| {
        let seen = of.version().to_string();
        outcome.event(of.stream_id.clone(), "Decided", &seen).unwrap()
    });
    outcome.reason("the rule says so").into()
}

#[test]
fn a_rule_that_goes_by_the_fork_alone_brings_all_together() {
    assert_converges(decided, appends());
}

/// Returns what the kit finds against a resolver.
fn found(convergence: Result<(), Box<CounterExample<Append>>>) -> CounterExample<Append> {
    *convergence.expect_err("the kit finds a script")
}

#[test]
fn a_resolver_that_counts_contradicts_itself() {
    let asked = AtomicUsize::new(0);
    let counting = |_: &ForkContext| {
        let count = asked.fetch_add(1, Ordering::SeqCst);
        Outcome::new().reason(format!("decision {count}")).into()
    };
    let found = found(Convergence::of(appends()).check(&counting));
    println!("{found}");
}

#[test]
fn a_resolver_that_goes_by_the_order_of_branches_contradicts_itself() {
    let first = |fork: &ForkContext| match Outcome::keep(fork, fork.branches[0].head) {
        Some(outcome) => outcome.into(),
        None => Resolution::unresolvable("no branch"),
    };
    let found = found(Convergence::of(appends()).check(&first));
    println!("{found}");
}

#[test]
fn a_resolver_that_signs_with_its_replica_is_caught() {
    let found = found(Convergence::of(appends()).check_each(|replica| {
        move |fork: &ForkContext| match decided(fork) {
            Resolution::Resolve(outcome) => outcome.author(format!("user {replica}")).into(),
            declined => declined,
        }
    }));
    println!("{found}");
}

#[test]
fn a_resolver_that_counts_slowly() {
    let found = found(Convergence::of(appends()).check_each(|_| {
        let asked = AtomicUsize::new(0);
        move |fork: &ForkContext| {
            let count = asked.fetch_add(1, Ordering::SeqCst) / 3;
            fork.streams.iter().fold(Outcome::new(), |outcome, of| {
                outcome.event(of.stream_id.clone(), "Decided", &count.to_string()).unwrap()
            }).into()
        }
    }));
    println!("{found}");
}

#[test]
fn every_policy_brings_all_together() {
    Convergence::of(appends()).cases(16).check::<Raw>(&policy::AcceptAll).unwrap();
    Convergence::of(appends()).cases(16).check::<Raw>(&policy::Latest).unwrap();
    Convergence::of(appends()).cases(16).check::<Raw>(&policy::Decline("no".into())).unwrap();
}

#[test]
fn so_it_is_on_the_real_disk() {
    Convergence::of(appends()).on_disk().cases(8).check(&decided).unwrap();
}
