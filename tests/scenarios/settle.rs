//! Settling a fork on both sides.

use std::fs;

use fs_merge::{ForkContext, Outcome, ReconcileError, Report, Resolution, reconcile, settle};
use fs_store::Append;
use scenarios::{Repository, World, numbers, stream_id};

/// Keeps the branch with more transactions.
fn keep_the_longer(fork: &ForkContext) -> Resolution {
    let longest = fork
        .branches
        .iter()
        .max_by_key(|branch| (branch.transactions.len(), branch.head));
    match longest.and_then(|branch| Outcome::keep(fork, branch.head)) {
        Some(outcome) => Resolution::Resolve(outcome.reason("it is longer")),
        None => Resolution::Unresolvable("no branch".to_owned()),
    }
}

fn diverged(world: &World) -> (Repository, Repository) {
    let alice = world.init("alice");
    alice.work("issue", &[0]);
    let bob = world.clone(&alice, "bob");
    alice.work("issue", &[1, 2]);
    bob.work("issue", &[11]);
    alice.merge(&bob);
    bob.merge(&alice);
    (alice, bob)
}

fn merge_file(clone: &Repository, report: &Report) -> (String, Vec<u8>) {
    assert_eq!(report.settled.len(), 1, "the one fork is settled");
    let path = report.settled[0].transaction_id.relative_path();
    (path.clone(), fs::read(clone.event_file(&path)).unwrap())
}

#[test]
fn two_clones_that_settle_alike_write_the_same_file() {
    let world = World::new();
    let (alice, bob) = diverged(&world);

    let left = merge_file(
        &alice,
        &reconcile(&alice.store(), &keep_the_longer).unwrap(),
    );
    let right = merge_file(&bob, &reconcile(&bob.store(), &keep_the_longer).unwrap());
    assert_eq!(left, right, "same name, same bytes");

    alice.commit("settle");
    bob.commit("settle");
    alice.merge(&bob);
    bob.merge(&alice);
    for clone in [&alice, &bob] {
        assert_eq!(clone.forks(), [], "no fork is open after both settled it");
        assert_eq!(
            numbers(&clone.store(), "issue").last(),
            Some(&2),
            "the kept branch's events are the outcome"
        );
        assert!(
            clone.store().status().unwrap().is_clean(),
            "and nothing else is wrong"
        );
    }
    assert_eq!(
        alice.store().digest().unwrap(),
        bob.store().digest().unwrap()
    );
    assert!(
        reconcile(&alice.store(), &keep_the_longer)
            .unwrap()
            .is_empty(),
        "nothing is left to settle"
    );
}

#[test]
fn different_decisions_show_up_as_a_fork_of_resolutions_and_settle_like_any_other() {
    let world = World::new();
    let (alice, bob) = diverged(&world);
    for clone in [&alice, &bob] {
        let name = clone
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let own = |_: &ForkContext| {
            Resolution::Resolve(
                Outcome::new()
                    .event(stream_id("issue"), "Decided", "7")
                    .unwrap()
                    .reason(name.clone()),
            )
        };
        assert!(reconcile(&clone.store(), &own).unwrap().is_complete());
        clone.commit("settle");
    }
    alice.merge(&bob);
    bob.merge(&alice);

    let forks = alice.forks();
    assert_eq!(forks.len(), 1, "the two decisions conflict");
    let reasons: Vec<_> = forks[0]
        .branches
        .iter()
        .map(|branch| branch.transactions[0].metadata.as_str().to_owned())
        .collect();
    assert!(
        reasons.iter().any(|reason| reason.contains("alice"))
            && reasons.iter().any(|reason| reason.contains("bob")),
        "both reasons are visible: {reasons:?}"
    );
    let left = merge_file(
        &alice,
        &reconcile(&alice.store(), &keep_the_longer).unwrap(),
    );
    let right = merge_file(&bob, &reconcile(&bob.store(), &keep_the_longer).unwrap());
    assert_eq!(left, right);
    assert_eq!(alice.forks(), []);
}

#[test]
fn a_declined_fork_stays_reported() {
    let world = World::new();
    let (alice, _) = diverged(&world);
    let report = reconcile(&alice.store(), &|_: &ForkContext| {
        Resolution::Unresolvable("ask a human".to_owned())
    })
    .unwrap();
    assert_eq!(report.declined.len(), 1);
    assert_eq!(report.declined[0].reason, "ask a human");
    assert_eq!(alice.forks().len(), 1, "the fork is still open");
}

#[test]
fn every_branch_can_be_let_stand() {
    let world = World::new();
    let (alice, _) = diverged(&world);
    let before = numbers(&alice.store(), "issue");
    let report = reconcile(&alice.store(), &|_: &ForkContext| {
        Resolution::Resolve(Outcome::new())
    })
    .unwrap();
    assert_eq!(report.settled.len(), 1);
    assert_eq!(alice.forks(), [], "accepting both sides settles the fork");
    assert_eq!(numbers(&alice.store(), "issue"), before, "without an event");
}

#[test]
fn a_fork_that_changed_meanwhile_is_not_settled() {
    let world = World::new();
    let (alice, _) = diverged(&world);
    let store = alice.store();
    let fork = alice.forks().remove(0);
    alice.append("issue", 3);
    let refused = settle(&store, &fork, &Outcome::new());
    let Err(ReconcileError::ForkChanged { fork_id }) = refused else {
        panic!("something was appended on top since, got {refused:?}")
    };
    assert_eq!(fork_id, fork.id);
    let again = alice.forks().remove(0);
    settle(&store, &again, &Outcome::new()).unwrap();
    assert_eq!(alice.forks(), [], "looking again is enough");
}

#[test]
fn a_fork_over_two_streams_is_settled_by_one_transaction() {
    let world = World::new();
    let alice = world.init("alice");
    let bob = world.clone(&alice, "bob");
    for (clone, n) in [(&alice, "1"), (&bob, "2")] {
        let both = Append::new()
            .event(stream_id("from"), "Moved", n)
            .unwrap()
            .event(stream_id("to"), "Moved", n)
            .unwrap();
        clone.store().append(both).unwrap();
        clone.commit("move");
    }
    alice.merge(&bob);
    let before = alice.store().status().unwrap().transactions;
    let report = reconcile(&alice.store(), &keep_the_longer).unwrap();
    assert_eq!(report.settled.len(), 1);
    assert_eq!(
        report.settled[0].resolved.len(),
        2,
        "both streams are settled"
    );
    assert_eq!(
        alice.store().status().unwrap().transactions,
        before + 1,
        "by one transaction"
    );
    assert_eq!(alice.forks(), []);
}
