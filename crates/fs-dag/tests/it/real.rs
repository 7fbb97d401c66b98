//! The real histories: chains, memory of clocks, and the three facts at full size.

use fs_dag::{Dag, Key, Node, TxIx, linearize};

use crate::graphs::{Lcg, shuffled};
use crate::histories::{self, Clock};

fn keys(dag: &Dag) -> Vec<Key> {
    dag.order().iter().map(|ix| dag.key(*ix)).collect()
}

fn dag_of(nodes: &[Node]) -> Dag {
    let mut dag = Dag::new();
    let _ = dag.extend(nodes.iter().cloned());
    dag
}

#[test]
fn chains_and_clocks_stay_small() {
    for (name, chains) in [("gitoxide", 10), ("rust-analyzer", 60), ("git", 400)] {
        for clock in [Clock::Foreign, Clock::Format3] {
            let Some(nodes) = histories::load(name, clock) else {
                return;
            };
            let dag = dag_of(&nodes);
            eprintln!(
                "{name} {clock:?}: {} transactions, {} chains, {} bytes of clocks",
                dag.len(),
                dag.chain_count(),
                dag.clock_bytes()
            );
            assert!(
                dag.chain_count() <= chains,
                "{name} {clock:?}: {} chains, at most {chains} are expected",
                dag.chain_count()
            );
            assert!(
                dag.clock_bytes() <= 64 << 20,
                "{name} {clock:?}: {} bytes of clocks, at most 64 MiB are expected",
                dag.clock_bytes()
            );
        }
    }
}

#[test]
fn the_order_is_that_of_the_set() {
    for name in histories::NAMES {
        for clock in [Clock::Foreign, Clock::Format3] {
            let Some(nodes) = histories::load(name, clock) else {
                return;
            };
            let dag = dag_of(&nodes);
            assert_eq!(
                dag.order().len(),
                nodes.len(),
                "{name}: a real history has no cycle"
            );
            let by_key = keys(&dag).is_sorted();
            assert_eq!(
                by_key,
                clock == Clock::Format3,
                "{name} {clock:?}: the order is the sort by key where keys ascend"
            );

            let mixed = shuffled(nodes, 7);
            let mut batches = Dag::new();
            for batch in mixed.chunks(mixed.len() / 5 + 1) {
                let _ = batches.extend(batch.iter().cloned());
            }
            assert_eq!(
                keys(&batches),
                keys(&dag),
                "{name} {clock:?}: arrival in another order gives the same order"
            );
            assert_eq!(
                batches.order(),
                linearize(&batches),
                "{name} {clock:?}: what is kept is what is computed"
            );
            let ids = |dag: &Dag, found: Vec<TxIx>| {
                found.into_iter().map(|ix| dag.id(ix)).collect::<Vec<_>>()
            };
            assert_eq!(
                ids(&batches, batches.heads()),
                ids(&dag, dag.heads()),
                "{name} {clock:?}: so do the heads"
            );
        }
    }
}

#[test]
fn one_by_one_is_all_at_once() {
    for clock in [Clock::Foreign, Clock::Format3] {
        let Some(nodes) = histories::load("gitoxide", clock) else {
            return;
        };
        let (early, late) = nodes.split_at(nodes.len() - 2_000);
        let mut dag = dag_of(early);
        for node in late {
            let before = dag.order().to_vec();
            let arrival = dag.extend([node.clone()]);
            assert_eq!(
                arrival.reordered,
                !dag.order().starts_with(&before),
                "reordered says whether the former order is still the beginning"
            );
        }
        assert_eq!(
            keys(&dag),
            keys(&dag_of(&nodes)),
            "{clock:?}: arrivals one by one give the order of the set"
        );
    }
}

#[test]
fn ancestry_is_what_a_search_finds() {
    for name in histories::NAMES {
        let Some(nodes) = histories::load(name, Clock::Foreign) else {
            return;
        };
        let dag = dag_of(&nodes);
        let mut random = Lcg(11);
        for _ in 0..20 {
            let of = dag.order()[random.below(dag.len())];
            let ancestors = crate::graphs::ancestors(&dag, of);
            for ix in dag.order() {
                assert_eq!(
                    dag.is_ancestor(*ix, of),
                    ancestors[ix.as_usize()],
                    "{name}: the clock of {} agrees with a search",
                    dag.id(of)
                );
            }
        }
    }
}
