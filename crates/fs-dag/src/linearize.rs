//! The canonical order, computed from nothing.
//!
//! Kahn's algorithm (A. B. Kahn, *Topological sorting of large networks*, 1962) with the least key first among the
//! ready. Where every key is greater than its parents', that is the sort by key, and nothing else is done. Otherwise
//! transactions are renamed to their places in the sort, so that neighbours in time are neighbours in memory and the
//! ready ones are bits of a [`ReadySet`].

use crate::dag::Dag;
use crate::node::TxIx;
use crate::ready::ReadySet;

/// Returns the canonical order of `dag`, computed without regard to the one it keeps.
///
/// Members of cycles and their descendants are left out.
///
/// # Complexity
/// O(|V| log |V| + |E|) for |V| transactions and |E| edges, and O(|V| + |E|) when they were inserted by key.
pub fn linearize(dag: &Dag) -> Vec<TxIx> {
    let sorted = sort_by_key(dag);
    if keys_ascend_along_edges(dag) { sorted } else { kahn(dag, &sorted) }
}

/// Returns all transactions by key.
///
/// What is moved about are times and indexes; the rest of the key is looked at only where times are equal.
fn sort_by_key(dag: &Dag) -> Vec<TxIx> {
    let times = dag.graph.raw_nodes().iter().map(|node| node.weight.unix_nanos());
    let mut compact: Vec<(i64, TxIx)> = times.zip((0..).map(TxIx)).collect();
    compact.sort_unstable();
    for equal in compact.chunk_by_mut(|a, b| a.0 == b.0) {
        if equal.len() > 1 {
            equal.sort_unstable_by_key(|(_, ix)| dag.names[ix.as_usize()]);
        }
    }
    compact.into_iter().map(|(_, ix)| ix).collect()
}

fn keys_ascend_along_edges(dag: &Dag) -> bool {
    let nodes = dag.graph.raw_nodes();
    dag.graph.raw_edges().iter().all(|edge| {
        let (parent, child) = (edge.source().index(), edge.target().index());
        let times = (nodes[parent].weight, nodes[child].weight);
        times.0 < times.1 || times.0 == times.1 && dag.names[parent] < dag.names[child]
    })
}

fn kahn(dag: &Dag, sorted: &[TxIx]) -> Vec<TxIx> {
    let count = sorted.len();
    let mut place = vec![0u32; count];
    for (at, ix) in (0..).zip(sorted) {
        place[ix.as_usize()] = at;
    }
    // Children of the transaction at `at` lie from `ends[at - 1]` to `ends[at]`, once the second pass has filled them in.
    let mut open = vec![0u32; count];
    let mut ends = vec![0u32; count + 1];
    let edges = dag.graph.raw_edges();
    for edge in edges {
        ends[place[edge.source().index()] as usize + 1] += 1;
        open[place[edge.target().index()] as usize] += 1;
    }
    for at in 0..count {
        ends[at + 1] += ends[at];
    }
    let mut children = vec![0u32; edges.len()];
    for edge in edges {
        let end = &mut ends[place[edge.source().index()] as usize];
        children[*end as usize] = place[edge.target().index()];
        *end += 1;
    }

    let mut ready = ReadySet::new(count);
    for (at, open) in open.iter().enumerate() {
        if *open == 0 {
            ready.insert(at);
        }
    }
    let mut order = Vec::with_capacity(count);
    while let Some(at) = ready.pop() {
        order.push(sorted[at]);
        let from = if at == 0 { 0 } else { ends[at - 1] };
        for child in &children[from as usize..ends[at] as usize] {
            let open = &mut open[*child as usize];
            *open -= 1;
            if *open == 0 {
                ready.insert(*child as usize);
            }
        }
    }
    order
}
