//! What a settlement lists is what it settles.

use std::collections::BTreeSet;

use crate::disk::Place;
use crate::model::{Draft, Model, stream};
use fs_format::FormatVersion;

/// ```text
///   A  B  C     three writers of the stream
///   |  |  |
///   `--M--'     M descends from all, and lists some
/// ```
fn three_and_a_settlement(listed: impl FnOnce(&mut Model, [usize; 3]) -> BTreeSet<usize>) -> Place {
    let mut model = Model::default();
    let writers = [0, 1, 2].map(|replica| model.write(replica, &[], &["s"]));
    let listed = listed(&mut model, writers);
    model.add(Draft {
        replica: 9,
        parents: writers.into(),
        streams: [(stream("s"), 0)].into(),
        resolves: [stream("s")].into(),
        listed: Some(listed),
        format_version: FormatVersion::V3,
        ahead: 0,
    });
    Place::of(&model)
}

#[test]
fn conflicts_of_which_a_side_is_not_listed_stay_open() {
    let settled = three_and_a_settlement(|_, all| all.into());
    assert_eq!(settled.forks(), [], "all are listed");
    for listed in [0, 1] {
        let place = three_and_a_settlement(|_, all| all[..listed].iter().copied().collect());
        let forks = place.forks();
        assert_eq!(
            forks[0].branches.len(),
            3,
            "none of {listed} conflicts is listed"
        );
    }
    let place = three_and_a_settlement(|_, [a, b, _]| [a, b].into());
    let forks = place.forks();
    let heads: Vec<_> = forks[0].branches.iter().map(|branch| branch.head).collect();
    assert_eq!(heads.len(), 3, "C is in conflict with both of the others");
    assert_eq!(
        forks[0].on_top.len(),
        1,
        "the settlement of these two lies on top"
    );
}

#[test]
fn an_id_that_is_not_below_the_settlement_counts_for_nothing_and_is_reported() {
    let place = three_and_a_settlement(|model, [a, b, c]| {
        let apart = model.write(7, &[a, b, c], &["other"]);
        [apart].into()
    });
    let problems = place.store.verify().unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].reason.contains("not below it"), "{problems:?}");
    assert_eq!(
        place.forks()[0].branches.len(),
        3,
        "what is above all three is not below M"
    );
}

/// ```text
///   A1 -- A2    B      M lists A2 and B, and settles A1/B too; N, an ordinary append, lies below M's list
///    \     \   /
///     `---- M
/// ```
#[test]
fn what_lies_below_a_listed_head_is_settled_with_it() {
    let mut model = Model::default();
    let a1 = model.write(0, &[], &["s"]);
    let a2 = model.write(0, &[a1], &["s"]);
    let b = model.write(1, &[], &["s"]);
    model.accept(2, &[a2, b], &["s"]);
    assert_eq!(Place::of(&model).forks(), []);
}

/// Formats 1 and 2 have no lists: who has several parents and writes the stream settles all below.
#[test]
fn a_writer_of_the_older_formats_with_several_parents_settles_all_below_it() {
    for format_version in [FormatVersion::V1, FormatVersion::V2] {
        let mut model = Model::default();
        let old = |replica, parents: &[usize]| Draft {
            replica,
            parents: parents.iter().copied().collect(),
            streams: [(stream("s"), 1)].into(),
            resolves: BTreeSet::new(),
            listed: None,
            format_version,
            ahead: 0,
        };
        let a1 = model.add(old(0, &[]));
        let a2 = model.add(old(0, &[a1]));
        let b = model.add(old(1, &[]));
        assert_eq!(
            Place::of(&model).forks().len(),
            1,
            "A1, A2 and B were not settled yet"
        );
        model.add(old(2, &[a2, b]));
        assert_eq!(Place::of(&model).forks(), [], "format {format_version}");
    }
}
