//! Small histories drawn by hand.

use fs_dag::Dag;

use crate::graphs::{dag_of, id, ids, node};

/// ```text
///       1 -- 2
///      /      \
///  0 --        4      3 is older than 2, 4 merges both
///      \-- 3 -/
/// ```
fn fork_and_merge() -> Dag {
    dag_of(&[
        node(0, 1, 10, &[]),
        node(1, 1, 20, &[0]),
        node(2, 1, 40, &[1]),
        node(3, 2, 30, &[0]),
        node(4, 1, 50, &[2, 3]),
    ])
}

#[test]
fn a_fork_is_ordered_by_key_and_merged() {
    let dag = fork_and_merge();
    let ix = |name| dag.index_of(id(name)).unwrap();
    assert_eq!(
        ids(&dag, dag.order().to_vec()),
        [0, 1, 3, 2, 4].map(id),
        "ready transactions come by time"
    );
    assert_eq!(dag.heads(), [ix(4)], "the merge is the only head");
    assert!(
        dag.is_ancestor(ix(0), ix(4)) && dag.is_ancestor(ix(3), ix(4)),
        "a merge descends from both sides"
    );
    assert!(
        !dag.is_ancestor(ix(2), ix(3)) && !dag.is_ancestor(ix(3), ix(2)),
        "two sides of a fork are concurrent"
    );
    assert!(!dag.is_ancestor(ix(2), ix(2)), "ancestry is proper");
    assert_eq!(
        dag.merge_bases(&[ix(2)], &[ix(3)]),
        [ix(0)],
        "the fork point is the merge base"
    );
    assert_eq!(
        dag.merge_bases(&[ix(1)], &[ix(4)]),
        [ix(1)],
        "an ancestor is the base of itself and its descendant"
    );
    assert_eq!(
        dag.maximal(&[ix(3), ix(0), ix(2), ix(3)]),
        [ix(3), ix(2)],
        "in canonical order, each once"
    );
    assert_eq!(dag.chain_count(), 2, "two concurrent sides need two chains");
}

/// ```text
///      1 --- 3
///     / \ /
///  0 -   X         3 and 4 both merge 1 and 2
///     \ / \
///      2 --- 4
/// ```
#[test]
fn a_criss_cross_has_two_merge_bases() {
    let dag = dag_of(&[
        node(0, 1, 1, &[]),
        node(1, 1, 2, &[0]),
        node(2, 2, 2, &[0]),
        node(3, 1, 3, &[1, 2]),
        node(4, 2, 3, &[2, 1]),
    ]);
    let ix = |name| dag.index_of(id(name)).unwrap();
    assert_eq!(
        dag.merge_bases(&[ix(3)], &[ix(4)]),
        [ix(1), ix(2)],
        "both are maximal; equal times go by replica"
    );
    assert_eq!(dag.heads(), [ix(3), ix(4)], "nobody descends from either");
}

/// ```text
///  0 -- (1 missing) -- 2 -- 3        1 arrives last
/// ```
#[test]
fn a_missing_parent_is_no_edge_until_it_arrives() {
    let mut dag = dag_of(&[
        node(0, 1, 10, &[]),
        node(2, 1, 5, &[1]),
        node(3, 1, 30, &[2]),
    ]);
    let ix = |dag: &Dag, name| dag.index_of(id(name)).unwrap();
    assert_eq!(
        ids(&dag, dag.order().to_vec()),
        [2, 0, 3].map(id),
        "2 is ready at once"
    );
    assert_eq!(
        dag.missing_parents(),
        [(ix(&dag, 2), id(1))],
        "the edge dangles and is reported"
    );
    assert_eq!(
        ids(&dag, dag.heads()),
        [0, 3].map(id),
        "0 is nobody's parent yet"
    );

    let arrival = dag.extend([node(1, 1, 20, &[0])]);
    assert!(arrival.reordered, "2 has moved behind 0 and 1");
    assert_eq!(
        ids(&dag, dag.order().to_vec()),
        [0, 1, 2, 3].map(id),
        "now 2 waits for its parent"
    );
    assert_eq!(dag.missing_parents(), [], "nothing dangles");
    assert_eq!(ids(&dag, dag.heads()), [id(3)], "the history is a line");
    assert!(
        dag.is_ancestor(ix(&dag, 0), ix(&dag, 3)),
        "clocks know of the late parent"
    );
    assert_eq!(dag.chain_count(), 1, "a line is one chain");
}

/// ```text
///  0 -- 1 --> 2 --> 3 -- 4        5 -> 5
///             ^-----'
/// ```
#[test]
fn cycles_and_what_descends_from_them_are_left_out() {
    let dag = dag_of(&[
        node(0, 1, 1, &[]),
        node(1, 1, 2, &[0]),
        node(2, 1, 3, &[1, 3]),
        node(3, 1, 4, &[2]),
        node(4, 1, 5, &[3]),
        node(5, 1, 1, &[5]),
    ]);
    let ix = |name| dag.index_of(id(name)).unwrap();
    assert_eq!(
        ids(&dag, dag.order().to_vec()),
        [0, 1].map(id),
        "the rest goes on"
    );
    assert_eq!(dag.left_out(), [2, 3, 4, 5].map(id), "each is reported");
    assert_eq!(dag.heads(), [ix(1)], "what is left out counts as absent");
    assert_eq!(dag.rank(ix(4)), None);
    assert_eq!(dag.chain(ix(4)), None);
    assert!(
        !dag.is_ancestor(ix(2), ix(3)) && !dag.is_ancestor(ix(1), ix(2)),
        "what is left out has no ancestry"
    );
    assert_eq!(
        dag.maximal(&[ix(4), ix(0)]),
        [ix(0)],
        "and is no member of a set"
    );
}

/// ```text
///  0 -- 1        then 1 again, with other parents
/// ```
#[test]
fn a_duplicate_is_reported_and_ignored() {
    let mut dag = dag_of(&[node(0, 1, 1, &[]), node(1, 1, 2, &[0])]);
    let arrival = dag.extend([
        node(1, 2, 9, &[]),
        node(2, 1, 3, &[1, 1]),
        node(2, 1, 3, &[1]),
    ]);
    assert_eq!(
        arrival.duplicates,
        [id(1), id(2)],
        "both repetitions are reported"
    );
    assert_eq!(ids(&dag, arrival.added.clone()), [id(2)], "one is new");
    assert!(!arrival.reordered, "it stands at the end");
    let ix = |name| dag.index_of(id(name)).unwrap();
    assert_eq!(
        ids(&dag, dag.parents(ix(1))),
        [id(0)],
        "the first one stands"
    );
    assert_eq!(
        ids(&dag, dag.parents(ix(2))),
        [id(1)],
        "a parent named twice is one edge"
    );
    assert_eq!(
        ids(&dag, dag.children(ix(0))),
        [id(1)],
        "edges lead both ways"
    );
}

/// ```text
///  0 -- 2            1, a root, is written between them and arrives last
///  1
/// ```
#[test]
fn an_arrival_that_sorts_before_another_reorders() {
    let mut dag = dag_of(&[node(0, 1, 10, &[]), node(2, 1, 30, &[0])]);
    let arrival = dag.extend([node(1, 2, 20, &[])]);
    assert!(arrival.reordered, "1 sorts before 2");
    assert_eq!(ids(&dag, dag.order().to_vec()), [0, 1, 2].map(id));
    assert!(
        !dag.extend([node(3, 1, 40, &[2])]).reordered,
        "3 is appended"
    );
    assert_eq!(
        Dag::new().extend([node(1, 2, 20, &[])]),
        fs_dag::Arrival {
            added: vec![ix0()],
            ..Default::default()
        },
        "nothing was there to be moved"
    );
}

fn ix0() -> fs_dag::TxIx {
    let dag = dag_of(&[node(0, 1, 0, &[])]);
    dag.index_of(id(0)).unwrap()
}
