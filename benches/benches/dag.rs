//! Canonical order against petgraph's `toposort`, and ancestry against its `has_path_connecting`, on the same graph in
//! the same run.
//!
//! Shapes are groups, sizes and insertion orders are parameters, seeds are fixed. After criterion's figures a table
//! gives ratios of medians, both rivals timed in turn, so that a slow moment of the machine hits both:
//! `cargo bench -p tributary-benches --bench dag`, or `-- table` for the table alone.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode};
use fs_dag::{Dag, Node, TxIx, linearize};
use fs_format::{ReplicaId, Timestamp};
use petgraph::algo::{DfsSpace, has_path_connecting, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use uuid::Uuid;

#[path = "../../crates/fs-dag/tests/it/histories.rs"]
mod histories;

use histories::Clock;

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const CLOCKS: [Clock; 2] = [Clock::Format3, Clock::Foreign];
const QUERIES: usize = 64;

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One after the other.
    Chain,
    /// 64 writers who never see each other after a common root.
    WideFork,
    /// Two writers; each transaction is on the last of both.
    CrissCross,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insertion {
    InOrder,
    Shuffled,
}

/// One graph, as ours and as petgraph's.
struct Case {
    name: String,
    clock: Clock,
    insertion: Insertion,
    dag: Dag,
    rival: DiGraph<Timestamp, ()>,
}

/// A fixed sequence of numbers without pattern (the multiplier is Knuth's for MMIX).
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

/// Makes a history; by a foreign clock, one transaction in eight is dated before its parent.
fn synthetic(shape: Shape, size: usize, clock: Clock) -> Vec<Node> {
    let mut random = Lcg(5);
    let mut nodes: Vec<Node> = Vec::with_capacity(size);
    for at in 0..size {
        let (replica, parents) = match shape {
            Shape::Chain => (0, at.checked_sub(1).into_iter().collect()),
            Shape::WideFork => (
                at % 64,
                if at == 0 {
                    vec![]
                } else {
                    vec![at.saturating_sub(64)]
                },
            ),
            Shape::CrissCross => match at {
                0 => (0, vec![]),
                1 | 2 => (at % 2, vec![0]),
                _ if at % 2 == 1 => (1, vec![at - 2, at - 1]),
                _ => (0, vec![at - 3, at - 2]),
            },
        };
        let back = if clock == Clock::Foreign && random.below(8) == 0 {
            200
        } else {
            0
        };
        let nanos = 1_000_000 + 1_000 * (at as i64 - back).max(0);
        let created_at = Timestamp::from_unix_nanos(nanos).expect("in range");
        nodes.push(Node {
            id: histories::id(created_at, at as u64),
            replica_id: ReplicaId::from_uuid(Uuid::from_u128(replica as u128 + 1)),
            created_at,
            parents: parents.iter().map(|parent| nodes[*parent].id).collect(),
        });
    }
    nodes
}

impl Case {
    fn new(name: String, mut nodes: Vec<Node>, clock: Clock, insertion: Insertion) -> Self {
        if insertion == Insertion::Shuffled {
            let mut random = Lcg(7);
            for last in (1..nodes.len()).rev() {
                nodes.swap(last, random.below(last + 1));
            }
        }
        let mut rival = DiGraph::with_capacity(nodes.len(), nodes.len());
        let by_id: HashMap<_, _> = nodes
            .iter()
            .map(|node| (node.id, rival.add_node(node.created_at)))
            .collect();
        for node in &nodes {
            for parent in &node.parents {
                rival.add_edge(by_id[parent], by_id[&node.id], ());
            }
        }
        let mut dag = Dag::new();
        let _ = dag.extend(nodes);
        assert_eq!(
            dag.order().len(),
            rival.node_count(),
            "the histories have no cycles"
        );
        Self {
            name,
            clock,
            insertion,
            dag,
            rival,
        }
    }

    fn label(&self) -> String {
        format!("{:?}/{:?}/{}", self.clock, self.insertion, self.dag.len())
    }

    fn queries(&self) -> Vec<(TxIx, TxIx)> {
        let mut random = Lcg(9);
        let order = self.dag.order();
        (0..QUERIES)
            .map(|_| {
                (
                    order[random.below(order.len())],
                    order[random.below(order.len())],
                )
            })
            .collect()
    }

    fn count_by_clocks(&self, queries: &[(TxIx, TxIx)]) -> usize {
        queries
            .iter()
            .filter(|(a, b)| self.dag.is_ancestor(*a, *b))
            .count()
    }

    fn count_by_search(&self, queries: &[(TxIx, TxIx)], space: &mut Space) -> usize {
        let node = |ix: TxIx| NodeIndex::new(ix.as_usize());
        queries
            .iter()
            .filter(|(a, b)| {
                a != b && has_path_connecting(&self.rival, node(*a), node(*b), Some(space))
            })
            .count()
    }
}

type Space = DfsSpace<NodeIndex, <DiGraph<(), ()> as petgraph::visit::Visitable>::Map>;

/// Calls `with` on each case in turn; only one is in memory at a time.
fn each_case(mut with: impl FnMut(&Case)) {
    for insertion in [Insertion::InOrder, Insertion::Shuffled] {
        for clock in CLOCKS {
            for shape in [Shape::Chain, Shape::WideFork, Shape::CrissCross] {
                for size in SIZES {
                    with(&Case::new(
                        format!("{shape:?}"),
                        synthetic(shape, size, clock),
                        clock,
                        insertion,
                    ));
                }
            }
            for name in histories::NAMES {
                if let Some(nodes) = histories::load(name, clock) {
                    with(&Case::new(name.to_owned(), nodes, clock, insertion));
                }
            }
        }
    }
}

fn benches(criterion: &mut Criterion) {
    each_case(|case| {
        let mut group = criterion.benchmark_group(format!("order/{}", case.name));
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(300));
        group.bench_function(BenchmarkId::new("canonical", case.label()), |bencher| {
            bencher.iter(|| linearize(black_box(&case.dag)))
        });
        group.bench_function(BenchmarkId::new("toposort", case.label()), |bencher| {
            bencher.iter(|| toposort(black_box(&case.rival), None))
        });
        group.finish();

        let mut group = criterion.benchmark_group(format!("ancestry/{}", case.name));
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(300));
        let queries = case.queries();
        group.bench_function(BenchmarkId::new("clocks", case.label()), |bencher| {
            bencher.iter(|| case.count_by_clocks(black_box(&queries)))
        });
        let mut next = queries.iter().cycle();
        let mut space = DfsSpace::new(&case.rival);
        group.bench_function(
            BenchmarkId::new("has_path_connecting (one query)", case.label()),
            |bencher| {
                bencher.iter_batched(
                    || next.next().copied(),
                    |query| case.count_by_search(query.as_slice(), &mut space),
                    BatchSize::PerIteration,
                );
            },
        );
        group.finish();
    });
}

#[expect(clippy::disallowed_methods, reason = "this is what measures")]
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = work();
    let elapsed = start.elapsed();
    drop(black_box(result));
    elapsed
}

fn medians(mut both: impl FnMut() -> (Duration, Duration)) -> (Duration, Duration) {
    let budget = Duration::from_millis(400);
    let (mut ours, mut rivals) = (Vec::new(), Vec::new());
    let mut spent = Duration::ZERO;
    while ours.len() < 5 || (spent < budget && ours.len() < 101) {
        let (one, other) = both();
        spent += one + other;
        ours.push(one);
        rivals.push(other);
    }
    ours.sort_unstable();
    rivals.sort_unstable();
    (ours[ours.len() / 2], rivals[rivals.len() / 2])
}

/// Prints, for each case, how our medians compare with those of petgraph.
fn table() {
    println!(
        "{:<50} {:>12} {:>12} {:>7}  {:>14} {:>14}",
        "order", "canonical", "toposort", "ratio", "is_ancestor", "search"
    );
    let mut worst: HashMap<Clock, (f64, String)> = HashMap::new();
    each_case(|case| {
        let (ours, rivals) = medians(|| {
            (
                time(|| linearize(&case.dag)),
                time(|| toposort(&case.rival, None)),
            )
        });
        let queries = case.queries();
        let by_clocks = time(|| {
            (0..1_000)
                .map(|_| case.count_by_clocks(black_box(&queries)))
                .sum::<usize>()
        }) / 1_000;
        let mut space = DfsSpace::new(&case.rival);
        let some = &queries[..8];
        assert_eq!(
            case.count_by_clocks(some),
            case.count_by_search(some, &mut space),
            "both answer alike"
        );
        let by_search = time(|| case.count_by_search(some, &mut space));
        let (clocks, search) = (
            by_clocks.as_nanos() as f64 / QUERIES as f64,
            by_search.as_nanos() as f64 / some.len() as f64,
        );
        let ratio = ours.as_secs_f64() / rivals.as_secs_f64();
        let name = format!("{}/{}", case.name, case.label());
        println!(
            "{name:<50} {ours:>12.1?} {rivals:>12.1?} {ratio:>7.2}  {clocks:>11.1} ns {search:>11.0} ns"
        );
        let entry = worst.entry(case.clock).or_default();
        if ratio > entry.0 {
            *entry = (ratio, name);
        }
    });
    for (clock, target) in [(Clock::Format3, 0.5), (Clock::Foreign, 1.0)] {
        if let Some((ratio, name)) = worst.get(&clock) {
            println!("{clock:?}: worst ratio {ratio:.2} ({name}), at most {target} is the aim");
        }
    }
}

fn main() {
    if !std::env::args().any(|argument| argument == "table") {
        let mut criterion = Criterion::default().configure_from_args();
        benches(&mut criterion);
        criterion.final_summary();
    }
    table();
}
