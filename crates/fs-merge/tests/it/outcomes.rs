//! What an outcome may do, and what is refused.

use fs_merge::{Outcome, OutcomeError, ReconcileError, plan, settle};
use fs_store::ExpectedVersion;

use crate::clones::{append_raw, two};
use crate::disk::Place;
use crate::model::{Model, stream};

fn forked() -> Place {
    let (ours, theirs) = two(|at| {
        append_raw(at, "index", "T", "0");
    });
    append_raw(&ours, "s", "T", "1");
    append_raw(&theirs, "s", "T", "2");
    ours.pull(&theirs);
    ours
}

#[test]
fn an_outcome_may_write_any_stream_and_expects_versions_below_the_fork() {
    let place = forked();
    let before = place.files();
    let fork = place.forks().remove(0);
    let outcome = |on_index, on_new| {
        Outcome::new()
            .event(stream("index"), "Indexed", "1")
            .unwrap()
            .event(stream("new"), "Made", "1")
            .unwrap()
            .expect(stream("index"), on_index)
            .expect(stream("new"), on_new)
            .expect(
                stream("s"),
                ExpectedVersion::Exact(fork.streams[0].version()),
            )
    };
    let wrong = outcome(ExpectedVersion::Exact(7), ExpectedVersion::New);
    let refused = settle(&place.store, &fork, &wrong).unwrap_err();
    let ReconcileError::VersionConflict {
        fork_id,
        stream_id,
        expected: 7,
        actual: 1,
    } = &refused
    else {
        panic!("got {refused:?}")
    };
    assert_eq!((fork_id, stream_id.as_str()), (&fork.id, "index"));
    assert_eq!(place.files(), before, "nothing is written");
    let occupied = outcome(ExpectedVersion::New, ExpectedVersion::New);
    assert!(
        plan(&place.store, &fork, &occupied).is_err(),
        "a plan is refused alike"
    );

    // Nobody of the fork has seen this one: it is concurrent with the decision.
    append_raw(&place, "new", "T", "1");
    let right = outcome(ExpectedVersion::Exact(1), ExpectedVersion::New);
    let settled = settle(&place.store, &fork, &right).unwrap();
    assert_eq!(settled.resolved, [stream("s")]);
    let forks = place.forks();
    assert_eq!(
        forks.len(),
        1,
        "what was written apart is a fork, and none is hidden"
    );
    assert!(forks[0].involves(&stream("new")));
}

#[test]
fn a_stream_that_is_only_expected_is_recorded_as_read() {
    let place = forked();
    let fork = place.forks().remove(0);
    let outcome = Outcome::new().expect(stream("index"), ExpectedVersion::Exact(1));
    let planned = plan(&place.store, &fork, &outcome).unwrap();
    let base = planned.header.stream_bases[&stream("index")];
    assert_eq!((base.version, base.writes), (1, 0));
}

#[test]
fn author_reason_and_metadata_stand_in_the_transaction() {
    let place = forked();
    let fork = place.forks().remove(0);
    let written = |outcome: Outcome| {
        let planned = plan(&place.store, &fork, &outcome).unwrap();
        planned.header.metadata.as_str().to_owned()
    };
    assert_eq!(written(Outcome::new()), "{}");
    assert_eq!(
        written(Outcome::new().reason("a \"}\"")),
        r#"{"reason":"a \"}\""}"#
    );
    let others = Outcome::new()
        .metadata(r#"{ "n" : 1.0 , "x":{} }"#)
        .unwrap();
    assert_eq!(written(others.clone()), r#"{"n":1.0,"x":{}}"#);
    assert_eq!(
        written(others.reason("r").author("a")),
        r#"{"author":"a","reason":"r","n":1.0,"x":{}}"#,
        "the order does not depend on that of the calls"
    );
    for member in ["author", "reason"] {
        let refused = Outcome::new().metadata(&format!(r#"{{"{member}":1}}"#));
        assert!(
            matches!(&refused, Err(OutcomeError::Reserved { member: named }) if *named == member),
            "{member} has a method of its own: {refused:?}"
        );
    }
    assert!(matches!(
        Outcome::new().metadata("[]"),
        Err(OutcomeError::Json(_))
    ));
}

#[test]
fn an_outcome_that_breaks_a_rule_of_the_format_is_refused_by_itself() {
    let place = forked();
    let fork = place.forks().remove(0);
    let large = format!("\"{}\"", "x".repeat(17 << 20));
    let outcome = Outcome::new().event(stream("s"), "T", &large).unwrap();
    let refused = settle(&place.store, &fork, &outcome).unwrap_err();
    assert!(
        matches!(refused, ReconcileError::Outcome { .. }),
        "got {refused}"
    );
    assert_eq!(place.forks().len(), 1);
}

/// ```text
///   A {s} --.--- C {t}        forks A/B on s and C/D on t; a decision on the latter descends from A and B as well
///            X
///   B {s} --'--- D {t}
/// ```
#[test]
fn a_decision_that_writes_another_forked_stream_does_not_settle_it() {
    let mut model = Model::default();
    let a = model.write(0, &[], &["s"]);
    let b = model.write(1, &[], &["s"]);
    model.write(0, &[a, b], &["t"]);
    model.write(1, &[a, b], &["t"]);
    let place = Place::of(&model);
    let before = place.forks();
    let of = |name: &str| before.iter().find(|fork| fork.involves(&stream(name)));
    let (on_s, on_t) = (of("s").unwrap(), of("t").unwrap());

    let outcome = Outcome::new().event(stream("s"), "Noted", "1").unwrap();
    let settled = settle(&place.store, on_t, &outcome).unwrap();
    let after = place.forks();
    assert_eq!(after.len(), 1, "one of two is settled");
    assert_eq!(after[0].id, on_s.id, "nobody has decided about the other");
    let on_top: Vec<_> = after[0].on_top.iter().map(|it| it.transaction_id).collect();
    assert_eq!(
        on_top,
        [settled.transaction_id],
        "what is noted lies on top"
    );
}
