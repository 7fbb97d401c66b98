//! Offline appends, a git merge, and what the store says of it.

use fs_merge::stale_reads;
use fs_store::{Append, AppendError, ExpectedVersion, StoreOptions};
use scenarios::{World, append, decide, numbers, stream_id};

/// ```text
///       A1 -- A2 -- A3
///      /              \
///  R --                merge
///      \-- B1 -- B2 --/
/// ```
#[test]
fn a_merge_makes_one_fork_with_both_branches_whole() {
    let world = World::new();
    let alice = world.init("alice");
    alice.work("issue", &[0]);
    let bob = world.clone(&alice, "bob");
    let left: Vec<_> = alice
        .work("issue", &[1, 2, 3])
        .into_iter()
        .map(|appended| appended.transaction_id)
        .collect();
    let right: Vec<_> = bob
        .work("issue", &[11, 12])
        .into_iter()
        .map(|appended| appended.transaction_id)
        .collect();

    alice.merge(&bob);
    bob.merge(&alice);

    assert_eq!(
        alice.store().digest().unwrap(),
        bob.store().digest().unwrap(),
        "clones with the same files have the same history"
    );
    for clone in [&alice, &bob] {
        let forks = clone.forks();
        assert_eq!(forks.len(), 1, "five concurrent writes are one fork");
        let mut branches: Vec<Vec<_>> = forks[0]
            .branches
            .iter()
            .map(|branch| {
                branch
                    .transactions
                    .iter()
                    .map(|transaction| transaction.transaction_id)
                    .collect()
            })
            .collect();
        branches.sort_by_key(|branch| std::cmp::Reverse(branch.len()));
        assert_eq!(
            branches,
            [left.clone(), right.clone()],
            "every transaction of both sides is in its branch, in order"
        );
        assert_eq!(
            forks[0].streams[0].base_version, 1,
            "what both sides started from lies below the fork"
        );
        assert_eq!(forks[0].streams[0].events_below.len(), 1);
    }
    assert_eq!(
        alice.git(&["status", "--porcelain"]),
        "",
        "the merge left nothing behind in the work tree"
    );
}

#[test]
fn an_ordinary_append_never_settles_a_fork() {
    let world = World::new();
    let alice = world.init("alice");
    let bob = world.clone(&alice, "bob");
    alice.work("issue", &[1]);
    bob.work("issue", &[11]);
    alice.merge(&bob);
    let before = alice.forks();
    assert_eq!(before.len(), 1);

    alice.append("another", 1);
    alice.append("issue", 2);

    let after = alice.forks();
    assert_eq!(after.len(), 1, "the fork is still open");
    assert_eq!(after[0].id, before[0].id, "and is the same fork");
    assert_eq!(
        after[0].on_top.len(),
        1,
        "the append to the stream is shown on top of it"
    );
    assert_eq!(
        numbers(&alice.store(), "issue").last(),
        Some(&2),
        "the append stands"
    );
}

#[test]
fn appends_to_forked_streams_can_be_refused() {
    let world = World::new();
    let alice = world.init("alice");
    let bob = world.clone(&alice, "bob");
    alice.work("issue", &[1]);
    bob.work("issue", &[11]);
    alice.merge(&bob);

    let strict = StoreOptions::default()
        .on_fork(fs_merge::reject_appends_to_forks())
        .create(alice.root())
        .unwrap();
    let refused = strict.append(
        Append::new()
            .event(stream_id("issue"), "Counted", "2")
            .unwrap(),
    );
    let Err(AppendError::ForkedStream { stream_id: refused }) = refused else {
        panic!("an append to the forked stream is refused, got {refused:?}")
    };
    assert_eq!(refused.as_str(), "issue");
    append(&strict, "another", 1);
}

#[test]
fn two_that_only_read_a_stream_are_no_fork() {
    let world = World::new();
    let alice = world.init("alice");
    alice.work("rates", &[0]);
    let bob = world.clone(&alice, "bob");
    decide(&alice.store(), "rates", "left", 1);
    alice.commit("decide");
    decide(&bob.store(), "rates", "right", 2);
    bob.commit("decide");
    alice.merge(&bob);

    assert_eq!(alice.forks(), [], "nobody wrote the stream that both read");
    assert_eq!(
        stale_reads(&alice.store()).unwrap(),
        [],
        "and nobody decided on something outdated"
    );
}

#[test]
fn a_decision_on_what_another_wrote_is_a_stale_read() {
    let world = World::new();
    let alice = world.init("alice");
    alice.work("rates", &[0]);
    let bob = world.clone(&alice, "bob");
    let reader = decide(&alice.store(), "rates", "left", 1);
    alice.commit("decide");
    let writer = bob.work("rates", &[1]).remove(0);
    alice.merge(&bob);

    assert_eq!(alice.forks(), [], "the stream has one writer");
    let stale = stale_reads(&alice.store()).unwrap();
    assert_eq!(stale.len(), 1);
    assert_eq!(
        (&*stale[0].transactions, stale[0].stream_id.as_str()),
        (&[reader.transaction_id][..], "rates")
    );
    assert_eq!(
        stale[0].written_by,
        [writer.transaction_id],
        "the report names who wrote it"
    );
}

#[test]
fn a_transaction_over_two_streams_makes_one_fork_over_both() {
    let world = World::new();
    let alice = world.init("alice");
    let bob = world.clone(&alice, "bob");
    for (clone, n) in [(&alice, "1"), (&bob, "2")] {
        let both = Append::new()
            .event(stream_id("from"), "Moved", n)
            .unwrap()
            .event(stream_id("to"), "Moved", n)
            .unwrap();
        clone
            .store()
            .append(both.expect(stream_id("from"), ExpectedVersion::New))
            .unwrap();
        clone.commit("move");
    }
    alice.merge(&bob);

    let forks = alice.forks();
    assert_eq!(
        forks.len(),
        1,
        "the conflicts on both streams are connected"
    );
    let streams: Vec<_> = forks[0]
        .streams
        .iter()
        .map(|stream| stream.stream_id.as_str())
        .collect();
    assert_eq!(streams, ["from", "to"]);
}
