//! More branches, and more heads, than a transaction may have parents.

use fs_format::limits::MAX_PARENTS;
use fs_merge::policy::Latest;
use fs_merge::{Outcome, Raw, Reconcile, plan, settle};
use fs_store::{Append, ExpectedVersion};

use crate::disk::Place;
use crate::model::{Model, stream};

/// More than that by so many.
const MORE: usize = 4;

fn branches(name: &str) -> Model {
    let mut model = Model::default();
    for _ in 0..MAX_PARENTS + MORE {
        model.write(0, &[], &[name]);
    }
    model
}

/// ```text
///   H1 .. H4096   H4097 .. H4100
///      \  |  /      |       |         S joins and writes nothing, M decides
///         S ------- M ------'
/// ```
#[test]
fn a_fork_of_more_branches_is_settled_in_steps_that_every_clone_takes() {
    let model = branches("s");
    let place = Place::of(&model);
    let fork = place.forks().remove(0);
    assert_eq!(fork.branches.len(), MAX_PARENTS + MORE);
    let planned = plan(&place.store, &fork, &Outcome::new()).unwrap();
    assert_eq!(
        planned.header.parents.len(),
        MORE + 1,
        "the step stands for those that it joins"
    );
    assert_eq!(planned.steps.len(), 1);

    let settled = settle(&place.store, &fork, &Outcome::new()).unwrap();
    assert_eq!(settled.transaction_id, planned.transaction_id);
    assert_eq!(settled.steps, [planned.steps[0].transaction_id]);
    assert_eq!(place.forks(), [], "it is settled");
    assert_eq!(
        place.file(&planned.path),
        planned.bytes,
        "as it was planned"
    );
    assert_eq!(place.file(&planned.steps[0].path), planned.steps[0].bytes);

    // Another process was killed between the two.
    let clone = Place::of(&model);
    let step = &planned.steps[0];
    let path = clone.store.root().join("events").join(&step.path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, &step.bytes).unwrap();
    clone.store.refresh().unwrap();
    let half = clone.forks().remove(0);
    assert_eq!(half.id, fork.id, "a step leaves the fork open");
    let rest = settle(&clone.store, &half, &Outcome::new()).unwrap();
    assert_eq!(
        (rest.transaction_id, rest.steps.len()),
        (settled.transaction_id, 0)
    );
    assert_eq!(clone.files(), place.files(), "and all hold the same files");
}

#[test]
fn a_resolver_decides_about_such_a_fork_once() {
    let place = Place::of(&branches("s"));
    let report = Reconcile::new(&place.store)
        .ask_once()
        .run::<Raw>(&Latest)
        .unwrap();
    let report = report.into_result().unwrap();
    assert_eq!(
        (report.settled.len(), report.settled[0].steps.len()),
        (1, 1)
    );
    let events = place.store.stream_events(&stream("s")).unwrap();
    assert_eq!(
        events.len(),
        MAX_PARENTS + MORE + 1,
        "one event is appended again"
    );
}

#[test]
fn an_append_beside_more_heads_names_those_of_its_own_streams() {
    let mut model = Model::default();
    let s = model.write(7, &[], &["s"]);
    let t = model.write(8, &[], &["t"]);
    for _ in 0..MAX_PARENTS + MORE {
        model.write(0, &[], &["job"]);
    }
    // By canonical key these two come last of all.
    let above = model.write(9, &[s], &["other"]);
    let place = Place::of(&model);
    let append = Append::new()
        .event(stream("s"), "Counted", "1")
        .unwrap()
        .expect(stream("s"), ExpectedVersion::Exact(1))
        .expect(stream("t"), ExpectedVersion::Exact(1));
    let appended = place.store.append(append).unwrap();
    let parents = place.store.with_history(|history| {
        let dag = history.dag();
        let appended = dag.index_of(appended.transaction_id).unwrap();
        let parents = dag.parents(appended).map(|parent| dag.id(parent));
        parents.collect::<Vec<_>>()
    });
    let parents = parents.unwrap();
    assert_eq!(parents.len(), MAX_PARENTS);
    for (own, why) in [
        (above, "it lies above who wrote s"),
        (t, "it wrote t, which was decided on"),
    ] {
        assert!(parents.contains(&model.transactions[own].id), "{why}");
    }
    let forked = place.forks();
    assert!(
        forked.iter().all(|fork| !fork.involves(&stream("s"))),
        "s is not forked"
    );
}
