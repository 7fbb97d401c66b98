//! Clones come together, whatever happens to them; and the test kit finds the resolvers with which they do not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use fs_merge::{Contradiction, ForkContext, Outcome, Raw, Resolution, Resolver, policy};
use fs_store::{Append, ExpectedVersion};
use fs_testing::{
    Convergence, CounterExample, Fault, Script, Step, Waited, World, assert_converges,
};
use proptest::prelude::*;

use crate::model::stream;

/// Appends to one or two of three streams; some decide upon the version of one, and are refused where it is another.
fn appends() -> impl Strategy<Value = Append> + Clone {
    let stream = || prop::sample::select(vec!["a", "b", "c"]).prop_map(stream);
    let kind = prop::sample::select(vec!["Added", "Titled"]);
    let read = prop_oneof![3 => Just(None), 1 => (stream(), 0..3_u64).prop_map(Some)];
    let events = prop::collection::vec((stream(), kind, 0..100_u8), 1..3);
    (events, read).prop_map(|(events, read)| {
        let events = events.into_iter();
        let append = events.fold(Append::new(), |append, (stream_id, kind, number)| {
            let append = append.event(stream_id, kind, &number.to_string());
            append.unwrap()
        });
        match read {
            Some((stream_id, version)) => append.expect(stream_id, ExpectedVersion::Exact(version)),
            None => append,
        }
    })
}

/// Writes an event with this data on every stream of the fork.
fn write_everywhere(fork: &ForkContext, data: &str) -> Outcome {
    fork.streams.iter().fold(Outcome::new(), |outcome, of| {
        let outcome = outcome.event(of.stream_id.clone(), "Decided", data);
        outcome.unwrap()
    })
}

fn by_the_fork(fork: &ForkContext) -> Resolution {
    let data = format!("\"{}\"", fork.id);
    let outcome = write_everywhere(fork, &data);
    outcome.reason("by the fork").into()
}

#[test]
fn deciding_by_the_fork_alone_brings_up_to_five_clones_together() {
    assert_converges(by_the_fork, appends());
}

#[test]
fn so_it_does_on_the_real_disk() {
    let convergence = Convergence::of(appends()).on_disk().cases(6).seed(1);
    convergence.check(&by_the_fork).unwrap();
}

#[test]
fn every_policy_brings_all_together() {
    fn holds(policy: impl Resolver) {
        let convergence = Convergence::of(appends()).cases(8).seed(2);
        convergence.check::<Raw>(&policy).unwrap();
    }
    let smallest = |fork: &ForkContext| fork.branches.iter().map(|branch| branch.head).min();
    let commuting = policy::Commuting::<Raw>::new()
        .types("Added", "Added")
        .stream_pattern("c")
        .unwrap();
    holds(policy::AcceptAll);
    holds(policy::Latest);
    holds(policy::Keep(smallest));
    holds(policy::KeepReplica(fs_format::ReplicaId::NIL));
    holds(policy::Decline("not today".into()));
    holds(commuting.clone());
    holds(commuting.otherwise(policy::Latest));
}

/// Some forks are declined, and the events of decisions lie on streams apart from the fork.
#[test]
fn so_does_a_rule_that_declines_some_and_writes_elsewhere() {
    let rule = |fork: &ForkContext| {
        if fork.involves(&stream("a")) && fork.branches.len() > 2 {
            return Resolution::unresolvable("too many sides");
        }
        write_on_c(fork)
    };
    let convergence = Convergence::of(appends()).cases(16).seed(3);
    convergence.check(&rule).unwrap();
}

fn write_on_c(fork: &ForkContext) -> Resolution {
    let data = format!("\"{}\"", fork.id);
    let outcome = Outcome::new().event(stream("c"), "Decided", &data);
    outcome.unwrap().into()
}

/// Whoever wrote on c is a member of a fork that was settled, and then in conflict with the other decision, which is no fault.
#[test]
fn a_decision_may_conflict_with_who_was_in_another_fork() {
    let act = |replica: usize, streams: &[&str]| {
        let append = streams.iter().fold(Append::new(), |append, name| {
            append.event(stream(name), "Added", "0").unwrap()
        });
        Step::Act {
            replica,
            action: append,
        }
    };
    let mut world = World::in_memory(2).unwrap();
    let steps = [
        act(0, &["b"]),
        act(1, &["a"]),
        act(0, &["a"]),
        act(1, &["b", "c"]),
        Step::Exchange,
        Step::Reconcile { replica: 0 },
    ];
    for step in &steps {
        world.play(step, &write_on_c).unwrap();
    }
    assert_eq!(fs_merge::forks(world.store(0)).unwrap(), []);
}

/// Returns what is found against a resolver.
fn found(checked: Result<(), Box<CounterExample<Append>>>) -> CounterExample<Append> {
    *checked.expect_err("the kit finds a script")
}

/// Two replicas write one stream, which is what makes a fork.
fn assert_shortest(script: &Script<Append>) {
    let acts = |step: &Step<Append>| matches!(step, Step::Act { .. });
    assert_eq!(script.replicas, 2, "{script:?}");
    assert_eq!(script.steps.len(), 2, "{script:?}");
    assert!(script.steps.iter().all(acts), "{script:?}");
}

#[test]
fn a_resolver_that_counts_is_caught() {
    let asked = AtomicUsize::new(0);
    let counting = |fork: &ForkContext| {
        let count = asked.fetch_add(1, Ordering::SeqCst);
        write_everywhere(fork, &count.to_string()).into()
    };
    let found = found(Convergence::of(appends()).check(&counting));
    assert_shortest(&found.script);
    let again = Contradiction::AskedAgain;
    assert!(
        matches!(found.fault, Fault::Contradiction { how, .. } if how == again),
        "{found}"
    );
    let told = found.to_string();
    assert!(
        told.contains("it answered otherwise when it was asked again"),
        "{told}"
    );
    assert!(told.contains(" appends t2: "), "{told}");
}

#[test]
fn a_resolver_that_goes_by_the_clock_is_caught() {
    let signed = |_: &ForkContext| {
        let now = std::time::Instant::now();
        Outcome::new().reason(format!("settled at {now:?}")).into()
    };
    let found = found(Convergence::of(appends()).check(&signed));
    assert_shortest(&found.script);
    assert!(
        matches!(found.fault, Fault::Contradiction { .. }),
        "{found}"
    );
}

#[test]
fn a_resolver_that_goes_by_the_order_of_the_branches_is_caught() {
    let first = |fork: &ForkContext| match Outcome::keep(fork, fork.branches[0].head) {
        Some(outcome) => outcome.into(),
        None => Resolution::unresolvable("no branch"),
    };
    let found = found(Convergence::of(appends()).check(&first));
    assert_shortest(&found.script);
    let reversed = Contradiction::BranchesReversed;
    assert!(
        matches!(found.fault, Fault::Contradiction { how, .. } if how == reversed),
        "{found}"
    );
}

/// It remembers what it answered, so that only another clone can tell.
#[test]
fn a_resolver_that_always_writes_something_new_is_caught() {
    let (settled, convergence) = (AtomicUsize::new(0), Convergence::of(appends()));
    let found = found(convergence.check_each(|_| {
        let remembered = RefCell::new(BTreeMap::new());
        let settled = &settled;
        move |fork: &ForkContext| {
            let mut remembered = remembered.borrow_mut();
            let next = || settled.fetch_add(1, Ordering::SeqCst);
            let number = *remembered.entry(fork.id.clone()).or_insert_with(next);
            write_everywhere(fork, &number.to_string()).into()
        }
    }));
    assert_shortest(&found.script);
    assert!(matches!(found.fault, Fault::Disagreement { .. }), "{found}");
    let told = found.to_string();
    assert!(told.contains("was decided differently"), "{told}");
    assert!(
        told.contains(" writes m2, which settles t1 | t2 on "),
        "{told}"
    );
}

#[test]
fn a_resolver_that_takes_its_own_side_is_caught() {
    let found = found(Convergence::of(appends()).check_each(|replica| {
        move |fork: &ForkContext| {
            let outcome = write_everywhere(fork, "\"mine\"");
            outcome.author(format!("user {replica}")).into()
        }
    }));
    assert_shortest(&found.script);
    let Fault::Disagreement { first, second, .. } = &found.fault else {
        panic!("{found}");
    };
    assert_eq!((first.0, second.0), (0, 1), "both replicas are named");
    assert!(
        first.1.contains("user 0") && second.1.contains("user 1"),
        "{found}"
    );
}

#[test]
fn a_decision_that_cannot_be_written_is_told() {
    let mistaken = |fork: &ForkContext| {
        let stream_id = fork.streams[0].stream_id.clone();
        Outcome::new()
            .expect(stream_id, ExpectedVersion::New)
            .into()
    };
    let found = found(Convergence::of(appends()).check(&mistaken));
    assert_shortest(&found.script);
    assert!(matches!(found.fault, Fault::Unsettled { .. }), "{found}");
    assert!(
        found.to_string().contains("not at 0 as expected"),
        "{found}"
    );
}

#[test]
#[should_panic(expected = "this is how it came about, with 2 replicas:\n   1. replica")]
fn the_panic_tells_the_story() {
    let first = |fork: &ForkContext| match Outcome::keep(fork, fork.branches[0].head) {
        Some(outcome) => outcome.into(),
        None => Resolution::unresolvable("no branch"),
    };
    assert_converges(first, appends());
}

#[test]
fn resolvers_that_wait_are_tested_too() {
    /// Lets another thread wake it.
    async fn pause() {
        let mut was_asked = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut was_asked, true) {
                return std::task::Poll::Ready(());
            }
            let waker = context.waker().clone();
            std::thread::spawn(move || waker.wake());
            std::task::Poll::Pending
        })
        .await;
    }
    let patient = async |fork: &ForkContext| {
        pause().await;
        by_the_fork(fork)
    };
    Convergence::of(appends())
        .cases(8)
        .check(&Waited(patient))
        .unwrap();
    let asked = std::cell::Cell::new(0);
    let counting = async |fork: &ForkContext| {
        pause().await;
        asked.set(asked.get() + 1);
        write_everywhere(fork, &asked.get().to_string()).into()
    };
    let found = found(Convergence::of(appends()).check(&Waited(counting)));
    assert!(
        matches!(found.fault, Fault::Contradiction { .. }),
        "{found}"
    );
}
