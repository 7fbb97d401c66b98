//! Laws over random DAGs: with equal times, several replicas, missing parents, and cycles.

use fs_dag::{Dag, Node, TxIx, linearize};
use proptest::prelude::*;

use crate::graphs::{ancestors, dag_of, id, ids, node, order_by_definition, shuffled};

/// What the parents of random transactions may be.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Keys ascend along every edge.
    Monotone,
    /// Parents come earlier in some order, keys as they fall.
    Acyclic,
    /// Anything, itself and what is not there included.
    Any,
}

fn nodes(shape: Shape) -> impl Strategy<Value = Vec<Node>> {
    let one = (
        0i64..12,
        1u128..4,
        proptest::collection::vec(0usize..64, 0..4),
    );
    proptest::collection::vec(one, 0..28).prop_map(move |parts| {
        let count = parts.len();
        let mut times: Vec<i64> = Vec::new();
        let mut nodes = Vec::new();
        for (at, (time, replica, picks)) in parts.into_iter().enumerate() {
            // One in eight of what is picked is not there.
            let named = |pick: usize, bound: usize| {
                if pick % 8 == 7 {
                    Some(1_000 + pick)
                } else {
                    (bound > 0).then(|| pick % bound.max(1))
                }
            };
            let bound = if matches!(shape, Shape::Any) {
                count
            } else {
                at
            };
            let parents: Vec<usize> = picks
                .iter()
                .filter_map(|pick| named(*pick, bound))
                .collect();
            let newest = parents.iter().filter_map(|parent| times.get(*parent)).max();
            let time = match (shape, newest) {
                (Shape::Monotone, Some(newest)) => time.max(newest + 1),
                _ => time,
            };
            times.push(time);
            let parents: Vec<u64> = parents.iter().map(|parent| *parent as u64).collect();
            nodes.push(node(at as u64, replica, time, &parents));
        }
        nodes
    })
}

fn any_nodes() -> impl Strategy<Value = Vec<Node>> {
    prop_oneof![
        nodes(Shape::Monotone),
        nodes(Shape::Acyclic),
        nodes(Shape::Any)
    ]
}

fn acyclic_nodes() -> impl Strategy<Value = Vec<Node>> {
    prop_oneof![nodes(Shape::Monotone), nodes(Shape::Acyclic)]
}

fn in_batches(nodes: &[Node], size: usize) -> Dag {
    let mut dag = Dag::new();
    for batch in nodes.chunks(size) {
        let before = dag.order().to_vec();
        let arrival = dag.extend(batch.iter().cloned());
        assert_eq!(
            arrival.reordered,
            !dag.order().starts_with(&before),
            "reordered says whether the former order is still the beginning"
        );
        assert_eq!(
            dag.order(),
            linearize(&dag),
            "the order kept is the order computed"
        );
        for (rank, ix) in dag.order().iter().enumerate() {
            assert_eq!(
                dag.rank(*ix),
                Some(rank),
                "a rank is the place in the order"
            );
        }
    }
    dag
}

fn all(dag: &Dag) -> Vec<TxIx> {
    let mut all: Vec<TxIx> = dag.order().to_vec();
    all.extend(dag.left_out().into_iter().filter_map(|id| dag.index_of(id)));
    all
}

/// Everything that is visible from outside, by id.
fn seen(dag: &Dag) -> impl PartialEq + std::fmt::Debug {
    let order = ids(dag, dag.order().to_vec());
    let family: Vec<_> = all(dag)
        .into_iter()
        .map(|ix| (ids(dag, dag.parents(ix)), ids(dag, dag.children(ix))))
        .collect();
    let missing: Vec<_> = dag
        .missing_parents()
        .into_iter()
        .map(|(child, parent)| (dag.id(child), parent))
        .collect();
    let bases: Vec<_> = dag
        .order()
        .windows(2)
        .map(|pair| ids(dag, dag.merge_bases(&pair[..1], &pair[1..])))
        .collect();
    (
        order,
        ids(dag, dag.heads()),
        family,
        missing,
        dag.left_out(),
        bases,
    )
}

/// The members of `found` that are no proper ancestor of another, by search.
fn maximal_by_search(dag: &Dag, found: &[TxIx]) -> Vec<TxIx> {
    let below: Vec<_> = found.iter().map(|ix| ancestors(dag, *ix)).collect();
    dag.order()
        .iter()
        .copied()
        .filter(|ix| found.contains(ix) && !below.iter().any(|below| below[ix.as_usize()]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn the_same_set_gives_the_same_answers(nodes in any_nodes(), seed: u64, size in 1usize..12) {
        let whole = dag_of(&nodes);
        prop_assert_eq!(ids(&whole, whole.order().to_vec()), order_by_definition(&nodes), "the order is the one defined");
        let batches = in_batches(&shuffled(nodes.clone(), seed), size);
        prop_assert_eq!(seen(&batches), seen(&whole), "neither arrival order nor batches show");
        prop_assert_eq!(whole.order().len() + whole.left_out().len(), nodes.len(), "each is ordered or reported");
    }

    #[test]
    fn fact_1_ascending_keys_make_the_order_the_sort_by_key(nodes in nodes(Shape::Monotone), seed: u64, size in 1usize..12) {
        let dag = in_batches(&shuffled(nodes.clone(), seed), size);
        let keys: Vec<_> = dag.order().iter().map(|ix| dag.key(*ix)).collect();
        prop_assert!(keys.is_sorted(), "the order is the sort by key");
        prop_assert_eq!(keys.len(), nodes.len(), "nothing is left out");
        prop_assert_eq!(ids(&dag, dag.order().to_vec()), order_by_definition(&nodes), "and Kahn's algorithm says the same");
    }

    #[test]
    fn fact_2_leaves_do_not_move_the_others(nodes in any_nodes(), leaves in proptest::collection::vec((0i64..14, 1u128..4, proptest::collection::vec(0u64..40, 0..4)), 1..6)) {
        let mut dag = dag_of(&nodes);
        let before = ids(&dag, dag.order().to_vec());
        let heads = dag.heads();
        let leaves = (100u64..).zip(leaves).map(|(name, (time, replica, parents))| node(name, replica, time, &parents));
        let _ = dag.extend(leaves);
        let after: Vec<_> = ids(&dag, dag.order().to_vec()).into_iter().filter(|id| before.contains(id)).collect();
        prop_assert_eq!(after, before, "the others keep their relative order");
        prop_assert_eq!(dag.order(), linearize(&dag), "and the arrivals stand where the full computation puts them");
        for head in heads {
            prop_assert!(dag.heads().contains(&head) || dag.children(head).any(|child| dag.rank(child).is_some()), "a head goes only when it gets a child");
        }
    }

    #[test]
    fn fact_3_ancestry_is_what_a_search_finds(nodes in any_nodes(), seed: u64, size in 1usize..12) {
        let dag = in_batches(&shuffled(nodes, seed), size);
        for b in all(&dag) {
            let found = ancestors(&dag, b);
            for a in all(&dag) {
                let both_ordered = dag.rank(a).is_some() && dag.rank(b).is_some();
                prop_assert_eq!(dag.is_ancestor(a, b), both_ordered && found[a.as_usize()], "clocks agree with a search");
                prop_assert!(!(dag.is_ancestor(a, b) && dag.is_ancestor(b, a)), "ancestry has no loops");
            }
        }
    }

    #[test]
    fn chains_are_chains(nodes in any_nodes(), seed: u64, size in 1usize..12) {
        let dag = in_batches(&shuffled(nodes, seed), size);
        for a in all(&dag) {
            let at = dag.chain(a);
            prop_assert_eq!(at.is_some(), dag.rank(a).is_some(), "what is ordered has a place on a chain");
            for b in dag.order() {
                let on = dag.chain(*b).unwrap();
                prop_assert!((on.chain as usize) < dag.chain_count(), "chains are numbered from 0");
                if at.is_some_and(|at| at.chain == on.chain && at.position < on.position) {
                    prop_assert!(dag.is_ancestor(a, *b), "a chain is ordered by ancestry");
                }
            }
            for chain in (0..).take(dag.chain_count()) {
                let covered = dag.order().iter().filter(|b| **b == a || dag.is_ancestor(**b, a)).filter_map(|b| dag.chain(*b));
                let highest = covered.filter(|on| on.chain == chain).map(|on| on.position).max();
                prop_assert_eq!(dag.highest_on_chain(a, chain), highest, "a clock entry is the highest position covered");
                let seen = dag.seen_chains(a).find(|(seen, _)| *seen == chain).map(|(_, length)| length - 1);
                prop_assert_eq!(seen, highest, "and is listed where there is one");
            }
        }
    }

    #[test]
    fn merge_bases_are_what_a_search_finds(nodes in acyclic_nodes(), a in proptest::collection::vec(0u64..28, 0..3), b in proptest::collection::vec(0u64..28, 0..3)) {
        let dag = dag_of(&nodes);
        let members = |names: &[u64]| names.iter().filter_map(|name| dag.index_of(id(*name))).collect::<Vec<_>>();
        let (a, b) = (members(&a), members(&b));
        let covered = |set: &[TxIx]| {
            let below: Vec<_> = set.iter().map(|ix| ancestors(&dag, *ix)).collect();
            dag.order().iter().copied().filter(|ix| set.contains(ix) || below.iter().any(|below| below[ix.as_usize()])).collect::<Vec<_>>()
        };
        let of_b = covered(&b);
        let common: Vec<_> = covered(&a).into_iter().filter(|ix| of_b.contains(ix)).collect();
        prop_assert_eq!(dag.merge_bases(&a, &b), maximal_by_search(&dag, &common), "merge bases are the maximal common ancestors");
        let of_each: Vec<_> = a.iter().map(|ix| covered(&[*ix])).collect();
        let of_all = |ix: &&TxIx| !a.is_empty() && of_each.iter().all(|of| of.contains(ix));
        let cover = dag.common(&a);
        prop_assert_eq!(
            dag.order().iter().filter(|ix| dag.is_covered(&cover, **ix)).collect::<Vec<_>>(),
            dag.order().iter().filter(of_all).collect::<Vec<_>>(),
            "in common is what each is or descends from"
        );
        prop_assert_eq!(dag.merge_bases(&a, &b), dag.merge_bases(&b, &a), "which set is named first does not matter");
        prop_assert_eq!(dag.maximal(&a), maximal_by_search(&dag, &a), "maximal members have no descendant in the set");
        prop_assert_eq!(dag.maximal(dag.order()), dag.heads(), "the heads are the maximal transactions");
    }
}

proptest! {
    /// What a DAG numbered is told from what another did, and growth without a late parent keeps it.
    #[test]
    fn a_stamp_tells_whose_numbers_they_are(nodes in any_nodes(), count in 0usize..28) {
        let count = count.min(nodes.len());
        let (first, rest) = nodes.split_at(count);
        let part = dag_of(first);
        let mut whole = part.clone();
        let _ = whole.extend(rest.iter().cloned());
        let places = |dag: &Dag| -> Vec<_> {
            dag.indices_from(0).take(count).map(|ix| (dag.id(ix), dag.chain(ix))).collect()
        };
        prop_assert_eq!(
            whole.stamp_of_first(count) == part.stamp_of_first(count),
            places(&whole) == places(&part),
            "the stamp is the same where the numbers are"
        );
        let is_late = |node: &Node| first.iter().any(|child| child.parents.contains(&node.id));
        if !rest.iter().any(is_late) {
            prop_assert_eq!(whole.stamp_of_first(count), part.stamp_of_first(count), "plain growth keeps it");
        }
        let anew = dag_of(&nodes);
        prop_assert_eq!(
            anew.stamp_of_first(nodes.len()) == whole.stamp_of_first(nodes.len()),
            anew.indices_from(0).all(|ix| anew.chain(ix) == whole.chain(ix)),
            "whatever the batches were"
        );
    }
}
