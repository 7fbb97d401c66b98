//! Work that grows with what was pulled, and not with its square.
//!
//! Eight times as much takes eight times as long, or a little more; were each asked against each, it would take sixty-four times as long.
//! What is measured is compared with itself, with room for a machine that is busy meanwhile.

use std::time::{Duration, Instant};

use fs_merge::policy::AcceptAll;
use fs_merge::{Raw, Reconcile};

use crate::disk::Place;
use crate::model::Model;

/// The factor by which the larger input is larger.
const SIZE_FACTOR: usize = 8;

/// Work on the larger input takes at most this many times as long.
const MAX_TIME_FACTOR: u32 = 32;

/// How often it is measured until one measurement is within that: what else the machine does makes none of them shorter.
const MAX_MEASUREMENTS: usize = 3;

/// Checks how the work on what `make` makes grows from `size` on.
#[track_caller]
pub(crate) fn assert_no_square<T>(size: usize, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let time = |size: usize| {
        let made = make(size);
        let start = Instant::now();
        work(&made);
        start.elapsed()
    };
    let mut measured = Vec::new();
    for _ in 0..MAX_MEASUREMENTS {
        let few = time(size).max(Duration::from_millis(1));
        let many = time(SIZE_FACTOR * size);
        measured.push((few, many));
        if many <= few * MAX_TIME_FACTOR {
            return;
        }
    }
    panic!(
        "{SIZE_FACTOR} times as much takes {MAX_TIME_FACTOR} times as long at most: {measured:?}"
    );
}

/// ```text
///        .-- A1 {s1}, B1 {s1}
///   R --<--- A2 {s2}, B2 {s2}      each pair is a fork
///        '-- ...
/// ```
fn forks(count: usize) -> Model {
    let mut model = Model::default();
    let root = model.write(0, &[], &["r"]);
    for nth in 0..count {
        let name = format!("s{nth}");
        model.write(1, &[root], &[&name]);
        model.write(2, &[root], &[&name]);
    }
    model
}

#[test]
fn many_forks_are_settled_one_by_one_and_planned() {
    let place = |count| Place::of(&forks(count));
    assert_no_square(50, place, |place| {
        let dry = Reconcile::new(&place.store).dry_run();
        let planned = dry.run::<Raw>(&AcceptAll).unwrap().planned;
        let report = Reconcile::new(&place.store).run::<Raw>(&AcceptAll).unwrap();
        let settled = report.into_result().unwrap().settled;
        let ids = |it: Vec<_>| it.into_iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(
            ids(planned.iter().map(|it| it.transaction_id).collect()),
            ids(settled.iter().map(|it| it.transaction_id).collect()),
            "all of them, as planned"
        );
        assert_eq!(place.forks(), []);
    });
}

/// ```text
///   A1 {s}   A2 {s}  ...      all of them one fork, and each stands on a missing transaction of its own
///    |        |
///   (M1)     (M2)
/// ```
#[test]
fn many_missing_parents_are_told_of_many_branches() {
    let make = |count| {
        let mut model = Model::default();
        for _ in 0..count {
            let missing = model.write(0, &[], &["t"]);
            model.transactions[missing].lost = true;
            model.write(1, &[missing], &["s"]);
        }
        Place::of(&model)
    };
    assert_no_square(100, make, |place| {
        let forks = place.forks();
        assert_eq!(forks.len(), 1);
        assert!(!forks[0].unsure.is_empty());
    });
}

/// ```text
///   A1, B1 {s1}    A2, B2 {s2}  ...      each pair is a fork, and each B stands on a missing transaction of its own, written
///       |              |                 after all of them, or before
///      (M1)           (M2)
/// ```
#[test]
fn many_missing_parents_are_told_of_many_forks() {
    for ahead in [0, 60_000_000_000] {
        let make = |count: usize| {
            let mut model = Model::default();
            for nth in 0..count {
                let stream_id = format!("s{nth}");
                let missing = model.write(0, &[], &["t"]);
                model.transactions[missing].lost = true;
                let on = model.add(crate::model::Draft {
                    replica: 0,
                    parents: [missing].into(),
                    streams: [(crate::model::stream("t"), 1)].into(),
                    resolves: [].into(),
                    listed: None,
                    format_version: fs_format::FormatVersion::V3,
                    ahead,
                });
                model.write(1, &[], &[&stream_id]);
                model.write(1, &[on], &[&stream_id]);
            }
            Place::of(&model)
        };
        assert_no_square(50, make, |place| assert!(place.forks().len() > 1));
    }
}

/// ```text
///        .-- W1 {s}, W2 {s} ..       all of them writers of s, one fork
///   R --<
///        '-- D1, D2 ..               each read s and wrote a stream of its own
/// ```
#[test]
fn many_readers_beside_many_writers_are_each_told_once() {
    let make = |count: usize| {
        let mut model = Model::default();
        let root = model.write(0, &[], &["s"]);
        for nth in 0..count {
            model.write(1, &[root], &["s"]);
            model.decide(2, &[root], &[&format!("d{nth}")], &["s"]);
        }
        Place::of(&model)
    };
    assert_no_square(100, make, |place| {
        let stale = fs_merge::stale_reads(&place.store).unwrap();
        let [stale] = stale.as_slice() else {
            panic!("they are told together: {stale:?}");
        };
        assert_eq!(stale.transactions.len(), stale.written_by.len());
        let fork = place.forks().remove(0);
        let [of_fork] = fork.stale_reads.as_slice() else {
            panic!("the fork's writers have part in it");
        };
        assert_eq!(of_fork.written_by, stale.written_by, "the fork's own");
        assert_eq!(
            of_fork.transactions.len() as u64 + of_fork.left_out,
            stale.transactions.len() as u64,
            "who is not named is counted"
        );
    });
}

/// ```text
///        .-- A1, B1 {s} -- M1       each M settles A and B of its own, and knows of no other
///   R --<--- A2, B2 {s} -- M2
///        '-- ...
/// ```
#[test]
fn a_stream_that_was_settled_many_times_apart() {
    for writes in [false, true] {
        let make = |count: usize| {
            let mut model = Model::default();
            let root = model.write(0, &[], &["s"]);
            for _ in 0..count {
                let sides = [1, 2].map(|replica| model.write(replica, &[root], &["s"]));
                model.add(crate::model::Draft {
                    replica: 3,
                    parents: sides.into(),
                    streams: [(crate::model::stream("s"), u64::from(writes))].into(),
                    resolves: [crate::model::stream("s")].into(),
                    listed: None,
                    format_version: fs_format::FormatVersion::V3,
                    ahead: 0,
                });
            }
            Place::of(&model)
        };
        assert_no_square(40, make, |place| {
            let forks = place.forks();
            assert_eq!(
                forks.len(),
                1,
                "each side is in conflict with those of all others"
            );
        });
    }
}

/// A store without the transactions of one replica, and these as a merge would bring them.
struct Merge {
    place: Place,
    incoming: Vec<fs_index::Incoming>,
}

impl Merge {
    fn of(model: &Model, theirs: u8) -> Self {
        let is_theirs =
            |tx: &crate::model::Tx| tx.replica_id.as_uuid().as_u128() == u128::from(theirs) + 1;
        let present = model.present();
        let (theirs, ours): (Vec<_>, Vec<_>) = present.partition(|(_, tx)| is_theirs(tx));
        let ours: Vec<usize> = ours.into_iter().map(|(index, _)| index).collect();
        let place = Place::with_some(model, &ours);
        let incoming = theirs.into_iter().map(|(_, tx)| fs_index::Incoming {
            path: tx.path.clone(),
            content: Ok(tx.bytes.clone()),
            is_theirs: true,
        });
        Self {
            incoming: incoming.collect(),
            place,
        }
    }

    fn preview(&self) -> fs_merge::MergePreview {
        let (root, incoming) = (self.place.store.root(), self.incoming.clone());
        fs_merge::preview_merge(root, incoming, &[], fs_store::Progress::default()).unwrap()
    }
}

/// ```text
///        .-- A1, B1 {s1}, and C1 {s1} arrives
///   R --<--- A2, B2 {s2}, and C2 {s2} arrives
///        '-- ...
/// ```
#[test]
fn many_arrivals_that_join_many_forks() {
    let make = |count: usize| {
        let mut model = Model::default();
        let root = model.write(0, &[], &["r"]);
        for nth in 0..count {
            let name = format!("s{nth}");
            for replica in [1, 2, 9] {
                model.write(replica, &[root], &[&name]);
            }
        }
        Merge::of(&model, 9)
    };
    assert_no_square(60, make, |merge| {
        let preview = merge.preview();
        assert_eq!(preview.new.len() as u64, preview.arriving);
        assert_eq!(preview.settled, [], "each goes on in a larger one");
    });
}

/// ```text
///   (M1) -- A1      each A stands on a missing transaction, and what arrives stands on them all but one
///   (M2) -- A2
///   ...
/// ```
#[test]
fn many_arrivals_beside_many_missing_parents() {
    let make = |count: usize| {
        let mut model = Model::default();
        let mut below = Vec::new();
        for _ in 0..count {
            let missing = model.write(0, &[], &["t"]);
            model.transactions[missing].lost = true;
            below.push(model.write(1, &[missing], &["t"]));
        }
        let joined = model.write(1, &below, &["u"]);
        for nth in 0..count {
            model.write(9, &[joined], &[&format!("s{nth}")]);
        }
        model.write(9, &[below[0]], &["v"]);
        Merge::of(&model, 9)
    };
    assert_no_square(60, make, |merge| {
        let preview = merge.preview();
        assert_eq!(preview.in_the_way.len() as u64 + 2, preview.arriving);
    });
}

#[test]
fn an_append_that_is_checked_on_many_streams_beside_many_holes() {
    let make = |count: usize| {
        let mut model = Model::default();
        let missing = model.write(0, &[], &["t"]);
        model.transactions[missing].lost = true;
        for nth in 0..count {
            model.write(1, &[], &[&format!("s{nth}")]);
            model.write(1, &[missing], &["other"]);
        }
        (Place::of(&model), count)
    };
    assert_no_square(60, make, |(place, count)| {
        let mut append = fs_store::Append::new();
        for nth in 0..*count {
            let stream_id = crate::model::stream(&format!("s{nth}"));
            append = append.expect(stream_id, fs_store::ExpectedVersion::Exact(1));
        }
        let append = append.event(crate::model::stream("u"), "T", "1").unwrap();
        place.store.append(append).unwrap();
    });
}
