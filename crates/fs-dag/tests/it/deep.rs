//! A chain so long that anything recursive would overflow a small stack.

use std::thread;

use fs_dag::{Dag, Node, linearize};

use crate::graphs::{Lcg, id, node};

const LENGTH: u64 = 1_000_000;
const STACK: usize = 256 << 10;

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

/// ```text
///  0 -- 1 -- 2 -- ... -- 999,999
/// ```
fn chain(time: impl Fn(u64) -> i64) -> impl Iterator<Item = Node> {
    (0..LENGTH).map(move |name| {
        node(
            name,
            1,
            time(name),
            if name == 0 { vec![] } else { vec![name - 1] }.as_slice(),
        )
    })
}

#[test]
fn a_long_chain_needs_no_stack() {
    on_a_small_stack(|| {
        // Once with ascending times, once with times that run backwards now and then.
        for skew in [0, 1_000] {
            let mut random = Lcg(3);
            let skews: Vec<i64> = (0..LENGTH)
                .map(|_| {
                    if skew == 0 {
                        0
                    } else {
                        random.below(skew) as i64
                    }
                })
                .collect();
            let mut dag = Dag::new();
            let _ = dag.extend(chain(|name| name as i64 * 100 + skews[name as usize] * 10));
            let ix = |name| dag.index_of(id(name)).unwrap();
            let (first, middle, last) = (ix(0), ix(LENGTH / 2), ix(LENGTH - 1));
            assert_eq!(dag.order().len(), dag.len(), "a chain has no cycle");
            assert_eq!(
                dag.order(),
                linearize(&dag),
                "the order kept is the order computed"
            );
            assert_eq!(dag.heads(), [last], "the end of the chain is the only head");
            assert!(
                dag.is_ancestor(first, last) && !dag.is_ancestor(last, middle),
                "a chain is ordered by ancestry"
            );
            assert_eq!(
                dag.merge_bases(&[middle], &[last]),
                [middle],
                "the lower one is the merge base"
            );
            assert_eq!(
                dag.maximal(dag.order()),
                [last],
                "one transaction is maximal"
            );
            assert_eq!(
                (
                    dag.chain_count(),
                    dag.missing_parents().len(),
                    dag.left_out().len()
                ),
                (1, 0, 0),
                "it is one chain, and whole"
            );
        }
    });
}

/// ```text
///  999,999 <- ... <- 1 <- 0      each waits for the next, and the last comes with another batch
/// ```
#[test]
fn a_long_chain_of_late_parents_needs_no_stack() {
    on_a_small_stack(|| {
        let mut nodes: Vec<Node> = chain(|name| (LENGTH - name) as i64).collect();
        nodes.reverse();
        let root = nodes.pop().unwrap();
        let mut dag = Dag::new();
        let _ = dag.extend(nodes);
        assert_eq!(dag.missing_parents().len(), 1, "only the root is missing");
        let _ = dag.extend([root]);
        let ix = |name| dag.index_of(id(name)).unwrap();
        assert!(
            dag.is_ancestor(ix(0), ix(LENGTH - 1)),
            "the late root is everybody's ancestor"
        );
        assert_eq!(
            dag.rank(ix(0)),
            Some(0),
            "and comes first, though its time is the latest"
        );
    });
}

/// ```text
///  0 -> 1 -> ... -> 999,999 -> 0
/// ```
#[test]
fn a_long_cycle_is_left_out() {
    on_a_small_stack(|| {
        let mut nodes: Vec<Node> = chain(|name| name as i64).collect();
        nodes[0].parents.push(id(LENGTH - 1));
        let mut dag = Dag::new();
        let _ = dag.extend(nodes);
        assert_eq!(dag.order().len(), 0, "no member of a cycle is ordered");
        assert_eq!(dag.left_out().len(), dag.len(), "each is reported");
    });
}
