//! Sorting transactions by key.
//!
//! Times are spread over a range, so their leading bits, taken from the earliest time on, tell most of them apart. One
//! stable counting pass distributes by these bits (Knuth, *The Art of Computer Programming* 3, 5.2.5), into one or
//! two buckets a transaction; what shares a bucket is sorted by comparison. It was mostly inserted in order
//! and is still in that order, which makes this cheap; however times are bunched, it costs no more than sorting by
//! comparison alone and the pass.

use crate::dag::Dag;
use crate::node::TxIx;

/// The most leading bits to distribute by: a million buckets.
const MOST_BITS: u32 = 20;

/// Returns all transactions by key.
pub(crate) fn sort_by_key(dag: &Dag) -> Vec<TxIx> {
    // Times are not negative.
    let times = || {
        dag.graph
            .raw_nodes()
            .iter()
            .map(|node| node.weight.unix_nanos().unsigned_abs())
    };
    if times().is_sorted_by(|a, b| a < b) {
        return dag.indices_from(0).collect();
    }
    let (least, greatest) = times().fold((u64::MAX, 0), |(least, greatest), time| {
        (time.min(least), time.max(greatest))
    });
    let range_bits = u64::BITS - greatest.saturating_sub(least).leading_zeros();
    let dropped = range_bits.saturating_sub(u32::BITS);
    let digit_bits = (dag.len().ilog2() + 1).min(MOST_BITS);
    let low = (range_bits - dropped).saturating_sub(digit_bits);
    // Exact: no more than 32 bits are left.
    let leading = |time: u64| ((time - least) >> dropped) as u32;

    let mut ends = vec![0u32; (1 << digit_bits) + 1];
    for time in times() {
        ends[(leading(time) >> low) as usize + 1] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += *end;
        *end = start;
    }
    let mut sorted = vec![(0, TxIx(0)); dag.len()];
    for (time, ix) in times().zip((0..).map(TxIx)) {
        let leading = leading(time);
        let place = &mut ends[(leading >> low) as usize];
        sorted[*place as usize] = (leading, ix);
        *place += 1;
    }
    let mut start = 0;
    for end in ends {
        let bucket = &mut sorted[start..end as usize];
        if bucket.len() > 1 {
            bucket.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| dag.cmp_keys(a.1, b.1)));
        }
        start = end as usize;
    }
    sorted.into_iter().map(|(_, ix)| ix).collect()
}
