//! How resolvers are asked: once or thrice, about which forks, in place or awaited.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use fs_merge::{
    AsyncResolver, Contradiction, ForkContext, Outcome, Reconcile, ReconcileError, Report,
    Resolution, Resolver, forks, policy, reconcile,
};

use fs_store::ExpectedVersion;

use crate::clones::{Issue, append, append_raw, labelled, opened, titled, two};
use crate::disk::Place;
use crate::model::stream;

/// A store with one fork on each of these streams.
fn forked(streams: &[&str]) -> Place {
    let (ours, theirs) = two(|_| {});
    for (at, data) in [(&ours, "1"), (&theirs, "2")] {
        for name in streams {
            append_raw(at, name, "T", data);
        }
    }
    ours.pull(&theirs);
    assert_eq!(ours.forks().len(), streams.len());
    ours
}

fn refusal(report: &Report) -> (&fs_merge::ForkId, Contradiction) {
    match &report.failed[0].error {
        ReconcileError::NonDeterministicResolver {
            fork_id,
            how,
            first,
            second,
        } => {
            assert_ne!(first, second, "both answers are told");
            (fork_id, *how)
        }
        error => panic!("got {error}"),
    }
}

#[test]
fn a_resolver_that_answers_otherwise_when_asked_again_is_refused() {
    let place = forked(&["s", "t"]);
    let open = place.forks();
    let asked = Cell::new(0);
    let fickle = |fork: &ForkContext| {
        asked.set(asked.get() + 1);
        let reason = if fork.id == open[0].id {
            format!("{}", asked.get())
        } else {
            "as ever".to_owned()
        };
        Resolution::Resolve(Outcome::new().reason(reason))
    };
    let report = reconcile(&place.store, &fickle).unwrap();
    assert_eq!(refusal(&report), (&open[0].id, Contradiction::AskedAgain));
    assert_eq!(report.settled.len(), 1, "the other fork is settled");
    assert_eq!(place.forks().len(), 1, "nothing is written about the first");

    asked.set(0);
    let report = Reconcile::new(&place.store)
        .ask_once()
        .run(&fickle)
        .unwrap();
    assert!(report.is_complete(), "unless the application says so");
    assert_eq!(asked.get(), 1, "and then it is asked once");
}

#[test]
fn a_resolver_that_goes_by_the_order_of_the_branches_is_refused() {
    let place = forked(&["s"]);
    let first = |fork: &ForkContext| match Outcome::keep(fork, fork.branches[0].head) {
        Some(outcome) => Resolution::Resolve(outcome),
        None => Resolution::unresolvable("no branch"),
    };
    let report = reconcile(&place.store, &first).unwrap();
    let (_, how) = refusal(&report);
    assert_eq!(how, Contradiction::BranchesReversed);
    let text = report.failed[0].error.to_string();
    assert!(text.contains("opposite order"), "{text}");

    let reasons = |fork: &ForkContext| Resolution::unresolvable(fork.branches[0].head.to_string());
    let report = reconcile(&place.store, &reasons).unwrap();
    assert_eq!(
        refusal(&report).1,
        Contradiction::BranchesReversed,
        "reasons count too"
    );
    assert_eq!(place.forks().len(), 1, "nothing is written");
}

#[test]
fn one_fork_or_the_forks_of_one_stream_can_be_reconciled() {
    let place = forked(&["s", "t", "u"]);
    let open = place.forks();
    let only = |report: &Report| {
        report
            .settled
            .iter()
            .map(|it| it.resolved.clone())
            .collect::<Vec<_>>()
    };
    let report = Reconcile::new(&place.store)
        .stream(stream("t"))
        .run::<fs_merge::Raw>(&policy::AcceptAll)
        .unwrap();
    assert_eq!(only(&report), [[stream("t")]]);
    let of_u = open
        .iter()
        .find(|fork| fork.involves(&stream("u")))
        .unwrap();
    let this = || Reconcile::new(&place.store).fork(of_u.id.clone());
    let report = this().run::<fs_merge::Raw>(&policy::AcceptAll).unwrap();
    assert_eq!(only(&report), [[stream("u")]]);
    let report = this().run::<fs_merge::Raw>(&policy::AcceptAll).unwrap();
    assert_eq!(
        report.changed,
        std::slice::from_ref(&of_u.id),
        "it is not open any more"
    );
    assert_eq!(place.forks().len(), 1, "the fork of s was not touched");
}

#[test]
fn a_declined_fork_stays_reported_while_others_are_settled() {
    let place = forked(&["s", "t"]);
    let rule = |fork: &ForkContext| {
        if fork.involves(&stream("s")) {
            Resolution::unresolvable("ask a human")
        } else {
            Resolution::accept_all()
        }
    };
    for (settled, open) in [(1, 1), (0, 1)] {
        let report = reconcile(&place.store, &rule).unwrap();
        assert_eq!((report.settled.len(), report.declined.len()), (settled, 1));
        assert_eq!(report.declined[0].reason, "ask a human");
        assert_eq!(place.forks().len(), open, "it is as open as before");
    }
}

#[test]
fn typed_events_reach_the_resolver_and_a_blocked_fork_stops_no_other() {
    let (ours, theirs) = two(|at| {
        append(at, &[opened("i", "one"), opened("j", "two")]);
    });
    append(&ours, &[labelled("i", "ours")]);
    append(&ours, &[titled("j", "ours")]);
    append(&theirs, &[labelled("i", "theirs")]);
    append_raw(&theirs, "j", "Note", "0");
    ours.pull(&theirs);
    let labels_only = |fork: &ForkContext<Issue>| {
        let mut events = fork.branches.iter().flat_map(|branch| branch.events());
        if events.all(|event| matches!(event.event, Issue::Labelled { .. })) {
            Resolution::accept_all()
        } else {
            Resolution::unresolvable("titles")
        }
    };
    let report = reconcile(&ours.store, &labels_only).unwrap();
    assert_eq!(report.settled[0].resolved, [stream("i")]);
    assert!(
        matches!(&report.failed[0].error, ReconcileError::Blocked(_)),
        "the blocked fork is reported: {:?}",
        report.failed
    );
    assert_eq!(forks(&ours.store).unwrap().len(), 1, "and stays open");
}

#[test]
fn a_fork_that_another_process_changes_meanwhile_is_reported_as_changed() {
    let place = forked(&["s", "t"]);
    let meddling = |fork: &ForkContext| {
        if fork.involves(&stream("s")) {
            append_raw(&place, "s", "T", "3");
        }
        Resolution::accept_all()
    };
    let report = Reconcile::new(&place.store)
        .ask_once()
        .run(&meddling)
        .unwrap();
    assert_eq!((report.settled.len(), report.changed.len()), (1, 1));
    let again = reconcile::<fs_merge::Raw>(&place.store, &policy::AcceptAll).unwrap();
    assert!(again.is_complete(), "looking again is enough");
    assert_eq!(place.forks(), []);

    let place = forked(&["s"]);
    let settled_by_another = |fork: &ForkContext| {
        fs_merge::settle(&place.store, fork, &Outcome::new().reason("faster")).unwrap();
        Resolution::Resolve(Outcome::new().reason("slower"))
    };
    let report = Reconcile::new(&place.store)
        .ask_once()
        .run(&settled_by_another)
        .unwrap();
    assert_eq!(
        (report.settled.len(), report.changed.len()),
        (0, 1),
        "only one of two is written"
    );
    assert!(place.store.verify().unwrap().is_ok());
}

/// Another handle appends to both sides of forks all the while.
#[test]
fn settling_while_others_append_is_settled_or_changed_and_never_half_done() {
    const APPENDS: usize = 30;
    let place = forked(&["s", "t", "u"]);
    let other = fs_store::FileEventStore::open(place.store.root()).unwrap();
    let decide = |fork: &ForkContext| {
        let streams = fork.streams.iter();
        let outcome = streams.fold(Outcome::new(), |outcome, of| {
            let outcome = outcome.event(of.stream_id.clone(), "Decided", "0").unwrap();
            outcome.expect(of.stream_id.clone(), ExpectedVersion::Exact(of.version()))
        });
        Resolution::Resolve(outcome)
    };
    let mut settled = Vec::new();
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            for nth in 0..APPENDS {
                let name = ["s", "t", "u"][nth % 3];
                let append = fs_store::Append::new()
                    .event(stream(name), "T", "9")
                    .unwrap();
                other.append(append).unwrap();
            }
        });
        let mut undisturbed = 0;
        while !(appending.is_finished() && place.forks().is_empty()) {
            undisturbed += u32::from(appending.is_finished());
            assert!(undisturbed <= 3, "a round without appends settles all");
            let report = reconcile(&place.store, &decide).unwrap();
            assert!(
                report.failed.is_empty() && report.declined.is_empty(),
                "settled, or changed: {report:?}"
            );
            settled.extend(report.settled);
        }
        appending.join().unwrap();
    });
    assert_eq!(
        settled.len(),
        3,
        "each fork is settled once, and ordinary appends make none"
    );
    let headers = place.store.transactions().unwrap();
    for settled in &settled {
        let header = headers
            .iter()
            .find(|header| header.transaction_id == settled.transaction_id)
            .expect("what is reported as settled is there");
        assert!(header.resolves.keys().eq(&settled.resolved));
    }
    assert_eq!(headers.len(), 3 * 2 + APPENDS + 3, "and nothing else");
    assert!(place.store.verify().unwrap().is_ok());
}

#[test]
fn a_rule_can_be_chosen_at_run_time() {
    let place = forked(&["s", "t"]);
    let rules: [(&str, &dyn Resolver); 2] = [("s", &policy::Latest), ("t", &policy::AcceptAll)];
    for (name, rule) in rules {
        let report = Reconcile::new(&place.store)
            .stream(stream(name))
            .run(rule)
            .unwrap();
        assert_eq!(report.settled.len(), 1, "{name} is settled");
    }
    let counts = ["s", "t"].map(|name| place.store.stream_events(&stream(name)).unwrap().len());
    assert_eq!(counts, [3, 2], "each by its own rule");
}

/// Not ready when it is first asked.
struct Later(bool);

impl Future for Later {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return done;
        }
    }
}

struct Patient;

impl AsyncResolver for Patient {
    async fn resolve(&self, fork: &ForkContext) -> Resolution {
        Later(false).await;
        policy::Latest.resolve(fork)
    }
}

fn sendable<T: Send>(future: T) -> T {
    future
}

#[test]
fn resolvers_may_wait() {
    let place = forked(&["s", "t"]);
    let by_closure = async |fork: &ForkContext| {
        Later(false).await;
        policy::Latest.resolve(fork)
    };
    let planned = Reconcile::new(&place.store)
        .dry_run()
        .run_async(&by_closure);
    let planned = wait(planned).unwrap().planned;
    let report = wait(sendable(Reconcile::new(&place.store).run_async(&Patient))).unwrap();
    assert!(report.is_complete());
    let ids: Vec<_> = report.settled.iter().map(|it| it.transaction_id).collect();
    let expected: Vec<_> = planned.iter().map(|it| it.transaction_id).collect();
    assert_eq!(ids, expected, "both answer alike");
    assert_eq!(place.forks(), []);

    let place = forked(&["s"]);
    let asked = Cell::new(0);
    let fickle = async |_: &ForkContext| {
        asked.set(asked.get() + 1);
        Later(false).await;
        Resolution::Resolve(Outcome::new().reason(asked.get().to_string()))
    };
    let report = wait(Reconcile::new(&place.store).run_async(&fickle)).unwrap();
    assert_eq!(
        refusal(&report).1,
        Contradiction::AskedAgain,
        "they are held to the same"
    );
}
