//! The transactions of a fork, each behind all that it descends from.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fs_format::TransactionId;
use fs_merge::{ForkContext, Transaction};

/// Returns all transactions of a fork, on top or not, each once and behind those that it comes after, ties by
/// `(created_at, replica_id, transaction_id)`.
///
/// # Complexity
/// O((|V| + |E|) log |V|) with |V| transactions and |E| edges between them.
pub(crate) fn in_order(fork: &ForkContext) -> Vec<&Transaction> {
    let all = fork.members().into_iter().chain(&fork.on_top);
    let all: BTreeMap<_, _> = all.map(|it| (it.transaction_id, it)).collect();
    let mut waits_for: BTreeMap<TransactionId, usize> = BTreeMap::new();
    let mut above: BTreeMap<TransactionId, Vec<&Transaction>> = BTreeMap::new();
    let mut ready = BinaryHeap::new();
    let key = |it: &Transaction| Reverse((it.created_at, it.replica_id, it.transaction_id));
    for it in all.values() {
        let below = it.after.iter().filter(|id| all.contains_key(id));
        below.for_each(|id| above.entry(*id).or_default().push(it));
        let below = it.after.iter().filter(|id| all.contains_key(id)).count();
        waits_for.insert(it.transaction_id, below);
        if below == 0 {
            ready.push(key(it));
        }
    }
    let mut ordered = Vec::with_capacity(all.len());
    while let Some(Reverse((_, _, id))) = ready.pop() {
        ordered.extend(all.get(&id).copied());
        for it in above.remove(&id).unwrap_or_default() {
            if let Some(left) = waits_for.get_mut(&it.transaction_id) {
                *left -= 1;
                if *left == 0 {
                    ready.push(key(it));
                }
            }
        }
    }
    ordered
}
