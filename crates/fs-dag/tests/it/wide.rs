//! Many transactions that do not know of each other: clocks grow with the history, and not with its square.

use fs_dag::{Dag, Lowest, Node};

use crate::graphs::node;

/// Sixteen times as much may take this many times the memory.
const MAX_FACTOR: usize = 64;

#[track_caller]
fn assert_no_square(make: impl Fn(u64) -> Vec<Node>) {
    let bytes = |count| {
        let mut dag = Dag::new();
        let _ = dag.extend(make(count));
        dag.clock_bytes()
    };
    let (few, many) = (bytes(250), bytes(4000));
    assert!(
        many <= MAX_FACTOR * few,
        "16 times as much takes {MAX_FACTOR} times the memory at most: {few}, {many}"
    );
}

/// ```text
///        .-- A1 ------.
///   R --<--- A2 --.    \
///        '-- A3 -- M2 -- M3 ..      each branch is merged by itself
/// ```
fn merged_one_by_one(count: u64) -> Vec<Node> {
    let branch = |nth: u64| node(nth, u128::from(nth), 100, &[0]);
    let merge = |nth: u64| {
        let below = if nth == 2 { 1 } else { count + nth - 1 };
        node(count + nth, 1_000_000, 100 + nth as i64, &[below, nth])
    };
    let root = node(0, 0, 0, &[]);
    let branches = (1..=count).map(branch);
    [root]
        .into_iter()
        .chain(branches)
        .chain((2..=count).map(merge))
        .collect()
}

/// ```text
///        .-- A1 -- M1
///   R --<--- A2 -- M2       each M merges A and B of its own, and they know of nothing else
///        '-- ...
/// ```
fn merged_in_pairs(count: u64) -> Vec<Node> {
    let pair = |nth: u64| {
        let first = 3 * nth - 2;
        [
            node(first, u128::from(nth), 100, &[0]),
            node(first + 1, u128::from(nth + count), 100, &[0]),
            node(first + 2, u128::from(nth), 200, &[first, first + 1]),
        ]
    };
    let root = node(0, 0, 0, &[]);
    [root]
        .into_iter()
        .chain((1..=count).flat_map(pair))
        .collect()
}

#[test]
fn branches_that_are_merged_one_by_one_share_their_clocks() {
    assert_no_square(merged_one_by_one);
}

#[test]
fn branches_that_are_merged_in_pairs_know_of_nothing_else() {
    assert_no_square(merged_in_pairs);
}

#[test]
fn the_lowest_below_is_the_first_in_canonical_order() {
    for make in [merged_one_by_one, merged_in_pairs] {
        let mut dag = Dag::new();
        let _ = dag.extend(make(60));
        for step in [1, 2, 7] {
            let some: Vec<_> = dag.order().iter().copied().skip(3).step_by(step).collect();
            let lowest = Lowest::new(&dag, some.iter().copied());
            for ix in dag.order() {
                let expected = some.iter().find(|it| dag.is_ancestor(**it, *ix));
                assert_eq!(lowest.first_below(&dag, *ix), expected.copied());
            }
        }
    }
}
