//! The fork as an application sees it.

use fs_format::TransactionId;
use fs_merge::{
    BlockedFork, Outcome, ReadAs, Transaction, forks, settle, stale_reads, typed_forks,
};
use fs_store::{Append, FileEventStore, Schema, StoreOptions, Upcasted};
use proptest::prelude::*;

use crate::clones::{
    Issue, append, append_raw, append_upon, labelled, opened, the_fork, titled, told, two,
};
use crate::disk::Place;
use crate::model::{Model, stream};
use crate::random::histories;

fn ids<E>(transactions: &[Transaction<E>]) -> Vec<TransactionId> {
    transactions.iter().map(|it| it.transaction_id).collect()
}

/// ```text
///        A1 -- A2 ----.
///       /              N
///  Q - R              /        R is the fork point, with version 2
///       \----- B1 ---'
/// ```
#[test]
fn an_application_folds_its_own_state_at_the_fork_point_and_after_each_branch() {
    let mut below = Vec::new();
    let (ours, theirs) = two(|at| {
        below.push(append(at, &[opened("i", "rain")]));
        below.push(append(at, &[labelled("i", "roof")]));
    });
    let a1 = append(&ours, &[titled("i", "it rains")]);
    let a2 = append(&ours, &[labelled("i", "wet"), opened("j", "other")]);
    let b1 = append(&theirs, &[titled("i", "it pours")]);
    ours.pull(&theirs);
    let on_top = append(&ours, &[labelled("i", "late")]);

    let fork = the_fork(&ours);
    assert_eq!(fork.streams.len(), 1, "j is nobody else's");
    let issue = fork.stream(&stream("i")).unwrap();
    assert_eq!((issue.base_version, issue.version()), (2, 6));
    assert_eq!(
        issue.fork_point,
        below[1..],
        "the branches start from the newest below both"
    );
    assert_eq!(issue.events_below.len(), 2);
    assert_eq!(fork.ancestor_state(Vec::new(), told), ["rain", "+roof"]);
    assert_eq!(issue.ancestor_state(Vec::new(), told), ["rain", "+roof"]);
    let (of_a, of_b) = (fork.branch(a2).unwrap(), fork.branch(b1).unwrap());
    assert_eq!(
        fork.branch_state(of_a, Vec::new(), told),
        ["rain", "+roof", "it rains", "+wet"],
        "what the other branch did is not in it, nor what lies on top, nor another stream"
    );
    assert_eq!(
        issue.branch_state(of_b, Vec::new(), told),
        ["rain", "+roof", "it pours"]
    );
    assert_eq!(
        fork.merged_state(Vec::new(), told),
        ["rain", "+roof", "it rains", "+wet", "it pours", "+late"],
        "all of it in canonical order"
    );
    assert_eq!(ids(&of_a.transactions), [a1, a2]);
    assert_eq!(of_a.transactions[1].after, [a1], "edges for a drawing");
    assert_eq!(of_b.transactions[0].after, []);
    assert_eq!(ids(&fork.on_top), [on_top]);
    assert_eq!(fork.on_top[0].after.len(), 2, "it lies on both heads");
    assert_eq!(
        fork.latest().unwrap().head,
        b1,
        "the head that was written last"
    );
    let typed: Vec<_> = of_a.events().map(|event| event.event.kind()).collect();
    assert_eq!(
        typed,
        ["Titled", "Labelled", "Opened"],
        "events of other streams are shown too"
    );
    let stored = &of_a.transactions[0].events[0];
    assert_eq!(
        (
            stored.event_type.as_str(),
            stored.version,
            stored.transaction_id
        ),
        ("Issue", 3, a1),
        "each with how it is stored"
    );
}

/// ```text
///   A {s} ----.                A settles nothing of t, where the heads are; s forked below them
///   B {s} ---- (both) --- C {t}
///                    \--- D {t}
/// ```
#[test]
fn a_stream_that_forked_below_both_heads_is_seen_by_both() {
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let b = model.write(1, &[], &["s", "t"]);
    let c = model.write(0, &[a, b], &["t"]);
    let d = model.write(1, &[a, b], &["t"]);
    let e = model.write(2, &[], &["t"]);
    let place = Place::of(&model);
    let fork = &place.forks()[0];
    assert_eq!(fork.streams.len(), 2, "B ties s to t");
    let count = |count, _: &fs_merge::ForkEvent| count + 1;
    let s = fork.stream(&stream("s")).unwrap();
    assert_eq!(s.ancestor_state(0, count), 0, "s begins with A and B");
    for (head, on_s, on_t) in [(c, 2, 2), (d, 2, 2), (e, 0, 1)] {
        let branch = fork.branch(model.ids(&[head])[0]).unwrap();
        assert_eq!(
            s.branch_state(branch, 0, count),
            on_s,
            "what the head has seen of s"
        );
        let t = fork.stream(&stream("t")).unwrap();
        assert_eq!(t.branch_state(branch, 0, count), on_t, "and of t");
    }
}

#[test]
fn an_event_that_does_not_decode_blocks_its_own_fork_only() {
    let (ours, theirs) = two(|at| {
        append(at, &[opened("i", "one"), opened("j", "two")]);
    });
    append(&ours, &[titled("i", "ours")]);
    append(&ours, &[titled("j", "ours")]);
    append(&theirs, &[titled("i", "theirs")]);
    let foreign = append_raw(&theirs, "j", "Note", r#"{"text":"not an issue"}"#);
    ours.pull(&theirs);

    assert_eq!(forks(&ours.store).unwrap().len(), 2, "raw, both are shown");
    let typed = typed_forks::<Issue>(&ours.store).unwrap();
    let (fine, blocked): (Vec<_>, Vec<_>) = typed.into_iter().partition(Result::is_ok);
    assert_eq!((fine.len(), blocked.len()), (1, 1));
    assert!(fine[0].as_ref().unwrap().involves(&stream("i")));
    let error = blocked.into_iter().next().unwrap().unwrap_err();
    let BlockedFork::Event {
        transaction_id,
        stream_id,
        event_type,
        ..
    } = &error
    else {
        panic!("got {error:?}")
    };
    assert_eq!(
        (*transaction_id, stream_id.as_str(), event_type.as_str()),
        (foreign, "j", "Note"),
        "the error names what is in the way"
    );
    let text = error.to_string();
    assert!(
        text.contains(&foreign.to_string()) && text.contains("stream j") && text.contains("Note"),
        "and so does its message: {text}"
    );
}

#[test]
fn events_of_another_application_on_other_streams_are_kept_apart() {
    let (ours, theirs) = two(|at| {
        append(at, &[opened("i", "one")]);
    });
    let data = serde_json::to_string(&titled("i", "ours")).unwrap();
    let both = fs_store::Append::new()
        .event(stream("i"), "Issue", &data)
        .unwrap()
        .event(stream("ledger"), "Booked", "7")
        .unwrap();
    ours.store.append(both).unwrap();
    append(&theirs, &[titled("i", "theirs")]);
    ours.pull(&theirs);
    let fork = the_fork(&ours);
    let of_ours = &fork.branches[0].transactions[0];
    assert_eq!(of_ours.events.len(), 1);
    assert_eq!(
        of_ours.foreign_events[0].event_type, "Booked",
        "shown, and not decoded"
    );
}

#[test]
fn the_events_of_a_fork_are_those_of_today() {
    let (ours, theirs) = two(|at| {
        append(at, &[opened("i", "one")]);
    });
    append_raw(&ours, "i", "IssueTitle", r#""ours""#);
    append(&theirs, &[titled("i", "theirs")]);
    ours.pull(&theirs);
    let schema = Schema::new().upcast("IssueTitle", |data| {
        let title: String = serde_json::from_str(data)?;
        Ok(Upcasted::to("Issue", &titled("i", &title))?)
    });
    let options = StoreOptions::default().schema(schema);
    let store = options.create(ours.store.root()).unwrap();
    let forks = typed_forks::<Issue>(&store).unwrap();
    let fork = forks[0].as_ref().unwrap();
    let state = fork.branch_state(&fork.branches[0], Vec::new(), told);
    assert_eq!(state, ["one", "ours"], "upcast before it is decoded");
    assert!(
        typed_forks::<Issue>(&ours.store).unwrap()[0].is_err(),
        "without its upcaster the fork is blocked, and nothing left out"
    );
}

#[test]
fn a_fork_of_resolutions_shows_both_decisions_with_authors_and_reasons() {
    let (ours, theirs) = two(|_| {});
    append(&ours, &[opened("i", "a")]);
    append(&theirs, &[opened("i", "b")]);
    ours.pull(&theirs);
    theirs.pull(&ours);
    for (at, author, title) in [(&ours, "alice", "x"), (&theirs, "bob", "y")] {
        let outcome = Outcome::new()
            .typed(&titled("i", title))
            .unwrap()
            .author(author)
            .reason(format!("{author} says so"))
            .metadata(r#"{ "ticket": 1.50 }"#)
            .unwrap();
        settle(&at.store, &the_fork(at), &outcome).unwrap();
    }
    ours.pull(&theirs);
    let fork = the_fork(&ours);
    let mut decisions: Vec<_> = fork
        .branches
        .iter()
        .map(|branch| {
            let decision = branch.newest().unwrap();
            assert_eq!(decision.settles, [stream("i")]);
            assert!(decision.replica_id.is_nil());
            assert!(
                decision.metadata.as_str().ends_with(r#","ticket":1.50}"#),
                "metadata keeps its bytes: {}",
                decision.metadata
            );
            let said = decision.decision.clone().unwrap();
            (said.author.unwrap(), said.reason.unwrap())
        })
        .collect();
    decisions.sort();
    assert_eq!(
        decisions,
        [
            ("alice".to_owned(), "alice says so".to_owned()),
            ("bob".to_owned(), "bob says so".to_owned())
        ]
    );
    let kept = Outcome::keep(&fork, fork.latest().unwrap().head).unwrap();
    settle(&ours.store, &fork, &kept).unwrap();
    assert_eq!(
        forks(&ours.store).unwrap(),
        [],
        "and it settles like any other"
    );
}

#[test]
fn stale_reads_that_touch_the_fork_are_shown_with_it() {
    let (ours, theirs) = two(|_| {});
    append_raw(&ours, "s", "T", "1");
    let both = Append::new().event(stream("s"), "T", "2").unwrap();
    let both = both.event(stream("near"), "T", "2").unwrap();
    theirs.store.append(both).unwrap();
    append_raw(&theirs, "far", "T", "2");
    let upon = append_upon(&ours, "s", "note");
    let near = append_upon(&ours, "near", "here");
    let other = append_upon(&ours, "far", "elsewhere");
    ours.pull(&theirs);
    let forks = forks(&ours.store).unwrap();
    let stale: Vec<_> = forks[0]
        .stale_reads
        .iter()
        .flat_map(|stale| stale.transactions.clone())
        .collect();
    assert_eq!(
        stale,
        [near, upon],
        "and not {other}, which has to do with no transaction of the fork"
    );
}

/// ```text
///        A {s}        M accepts both, W writes what it has decided
///   --<        >-- M, and apart from it W
///        B {s}
/// ```
#[test]
fn two_decisions_made_apart_are_a_fork_and_no_stale_read() {
    let (ours, theirs) = two(|_| {});
    append_raw(&ours, "s", "T", "1");
    append_raw(&theirs, "s", "T", "2");
    ours.pull(&theirs);
    theirs.pull(&ours);
    settle(&ours.store, &ours.forks()[0], &Outcome::new()).unwrap();
    let fork = theirs.forks().remove(0);
    let latest = fork.latest().unwrap().head;
    settle(&theirs.store, &fork, &Outcome::keep(&fork, latest).unwrap()).unwrap();
    ours.pull(&theirs);

    let fork = ours.forks().remove(0);
    assert_eq!(fork.stale_reads, [], "what conflicts is told once");
    settle(&ours.store, &fork, &Outcome::new()).unwrap();
    assert_eq!(
        stale_reads(&ours.store).unwrap(),
        [],
        "nothing is left to be told once it is settled"
    );
}

fn read_all<E: ReadAs>(store: &FileEventStore) -> usize {
    let forks = typed_forks::<E>(store).unwrap();
    forks.iter().filter(|fork| fork.is_ok()).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_context_is_the_same_in_every_clone_and_holds_together(model in histories(), early: u64) {
        let place = Place::of(&model);
        let other = Place::in_two_batches(&model, |index| early >> (index % 64) & 1 == 1);
        let forks = place.forks();
        prop_assert_eq!(&forks, &other.forks(), "the same files, the same contexts");
        prop_assert_eq!(read_all::<fs_merge::Raw>(&place.store), forks.len());
        for fork in &forks {
            let count = |ids: std::collections::BTreeSet<_>, event: &fs_merge::ForkEvent| {
                let mut ids = ids;
                ids.insert(event.event_id);
                ids
            };
            let below = fork.ancestor_state(Default::default(), count);
            let all = fork.merged_state(Default::default(), count);
            for branch in &fork.branches {
                let seen = fork.branch_state(branch, Default::default(), count);
                prop_assert!(below.is_subset(&seen) && seen.is_subset(&all));
                for event in branch.events().filter(|event| fork.involves(&event.stream_id)) {
                    prop_assert!(seen.contains(&event.event_id), "a branch sees its own events");
                }
                for other in fork.branches.iter().filter(|other| other.head != branch.head) {
                    let head = other.newest().unwrap().events.iter();
                    let mut head = head.filter(|event| fork.involves(&event.stream_id));
                    prop_assert!(
                        head.all(|event| !seen.contains(&event.event_id)),
                        "and not what another head added"
                    );
                }
            }
            for stream in &fork.streams {
                let settled = fs_merge::plan(&place.store, &fork.clone().anyway(), &Outcome::new()).unwrap();
                prop_assert_eq!(
                    settled.header.stream_bases[&stream.stream_id].version,
                    stream.version(),
                    "the version that is told is the one that a decision finds"
                );
            }
        }
    }
}
