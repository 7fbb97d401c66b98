//! Fork detection: all of a history at once, and what one arrival costs on top of it.
//!
//! Headers lie in memory, so that detection alone is measured. The real histories, where they are, come with streams
//! dealt out to their commits, and each merge settles every stream that its sides wrote.
//! `cargo bench -p tributary-benches --bench forks` prints a table, with `-- WORDS` only the rows that contain them; seeds
//! are fixed, times are medians.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use fs_dag::{Dag, TxIx};
use fs_format::{Header, StreamId};
use fs_merge::{Course, Lineage, OpenForks};

#[allow(dead_code, reason = "another bench uses the rest of it")]
#[path = "../../crates/fs-dag/tests/it/histories.rs"]
mod histories;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../crates/fs-merge/tests/it/memory.rs"]
mod memory;

use histories::Clock;
use memory::{Memory, header};

const SIZE: u64 = 100_000;

fn stream(number: u64) -> StreamId {
    StreamId::new(format!("stream-{number}")).expect("a short name without wildcards")
}

/// Mixes a number (the multiplier is Knuth's for MMIX).
fn mixed(number: u64) -> u64 {
    number
        .wrapping_add(1)
        .wrapping_mul(6_364_136_223_846_793_005)
        >> 33
}

fn history(headers: Vec<Header>) -> Memory {
    let mut history = Memory::default();
    history.arrive(headers);
    history
}

/// One after the other.
fn line(streams: u64) -> Memory {
    let mut headers: Vec<Header> = Vec::new();
    for number in 0..SIZE {
        let parents: Vec<_> = headers.last().into_iter().collect();
        let writes = [stream(mixed(number) % streams)];
        headers.push(header(number, number as i64, &parents, &writes, &[]));
    }
    history(headers)
}

/// Writers who append `apart` times each and are then merged and settled, over and over.
fn settled_rounds(writers: u64, apart: u64, streams: u64) -> Memory {
    let mut headers: Vec<Header> = Vec::new();
    let mut base: Option<Header> = None;
    while (headers.len() as u64) < SIZE {
        let mut tips = Vec::new();
        let mut written = Vec::new();
        for _ in 0..writers {
            let mut tip = base.clone();
            for _ in 0..apart {
                let number = headers.len() as u64;
                let writes = [stream(mixed(number) % streams)];
                let parents: Vec<_> = tip.iter().collect();
                let next = header(number, number as i64, &parents, &writes, &[]);
                written.extend(writes);
                headers.push(next.clone());
                tip = Some(next);
            }
            tips.extend(tip);
        }
        written.sort_unstable();
        written.dedup();
        let number = headers.len() as u64;
        let parents: Vec<_> = tips.iter().collect();
        let merge = header(number, number as i64, &parents, &[], &written);
        headers.push(merge.clone());
        base = Some(merge);
    }
    history(headers)
}

/// Two writers who never meet, on one stream.
fn two_branches() -> Memory {
    let mut headers = vec![header(0, 0, &[], &[stream(0)], &[])];
    for number in 1..SIZE as usize {
        let parent = number.saturating_sub(2);
        let next = header(
            number as u64,
            number as i64,
            &[&headers[parent]],
            &[stream(0)],
            &[],
        );
        headers.push(next);
    }
    history(headers)
}

/// Writers of one stream that know nothing of each other.
fn strangers() -> Memory {
    let one = |number| header(number, number as i64, &[], &[stream(0)], &[]);
    history((0..SIZE).map(one).collect())
}

/// A real history: which streams a commit writes is up to `streams`, whether a merge writes too is up to `merges_write`.
fn real(name: &str, streams: u64, merges_write: bool) -> Option<Memory> {
    let nodes = histories::load(name, Clock::Format3)?;
    let mut dag = Dag::new();
    let _ = dag.extend(nodes.clone());
    let places: HashMap<_, _> = nodes
        .iter()
        .zip(0..)
        .map(|(node, at)| (node.id, at))
        .collect();
    let wrote = |at: usize| mixed(at as u64) % streams;
    let mut headers: Vec<Header> = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let parents: Vec<usize> = node.parents.iter().map(|id| places[id]).collect();
        let own = [stream(wrote(at))];
        let is_merge = parents.len() > 1;
        let resolves: Vec<StreamId> = if is_merge {
            let sides: Vec<_> = parents
                .iter()
                .filter_map(|at| dag.index_of(nodes[*at].id))
                .collect();
            let numbers = written_apart(&dag, &sides, streams, |ix| wrote(places[&dag.id(ix)]));
            numbers.into_iter().map(stream).collect()
        } else {
            Vec::new()
        };
        let writes: &[StreamId] = if is_merge && !merges_write { &[] } else { &own };
        let parents: Vec<_> = parents.iter().map(|at| &headers[*at]).collect();
        headers.push(header(
            at as u64,
            node.created_at.unix_nanos(),
            &parents,
            writes,
            &resolves,
        ));
    }
    Some(history(headers))
}

/// Returns the streams that were written on one side and not below all sides.
fn written_apart(dag: &Dag, sides: &[TxIx], streams: u64, wrote: impl Fn(TxIx) -> u64) -> Vec<u64> {
    let is_shared = |ix: TxIx| {
        sides
            .iter()
            .all(|side| *side == ix || dag.is_ancestor(ix, *side))
    };
    let mut found = vec![false; streams as usize];
    let mut left = streams;
    let mut seen = std::collections::HashSet::new();
    let mut waiting = sides.to_vec();
    while let Some(ix) = waiting.pop() {
        if left == 0 {
            break;
        }
        if !seen.insert(ix) || is_shared(ix) {
            continue;
        }
        let entry = &mut found[wrote(ix) as usize];
        left -= u64::from(!*entry);
        *entry = true;
        waiting.extend(dag.parents(ix));
    }
    (0..streams)
        .filter(|number| found[*number as usize])
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "this is what measures")]
fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed(), result)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Times the whole, a thousand appends one by one, and then arrivals that fork.
fn report(name: &str, mut history: Memory) {
    let mut wholes = Vec::new();
    let mut open = OpenForks::new();
    for _ in 0..5 {
        let (took, found) = time(|| {
            let mut open = OpenForks::new();
            open.extend(&history);
            open
        });
        wholes.push(took);
        open = found;
    }
    let transactions = history.dag().len();
    let shapes = open.shapes(history.dag());
    let forks = shapes.len();
    let members: usize = shapes.iter().map(|shape| shape.members.len()).sum();
    let chains = history.dag().chain_count();
    // On all heads, as an append does.
    let mut ones = Vec::new();
    let mut stays = Vec::new();
    for number in 0..1_000u64 {
        let parents: Vec<_> = history
            .dag()
            .heads()
            .iter()
            .map(|ix| history.headers[ix.as_usize()].clone())
            .collect();
        let parents: Vec<_> = parents.iter().collect();
        let next = header(2 * SIZE + number, 0, &parents, &[stream(0)], &[]);
        history.arrive(vec![next]);
        let (took, course) = time(|| open.extend(&history));
        assert_eq!(course, Course::Grown, "appends are the plain case");
        ones.push(took);
        let (took, is) = time(|| open.are_of(&history));
        assert!(is, "everything was taken in");
        stays.push(took);
    }
    // On what was there a hundred transactions ago, as a branch that comes by a pull.
    let order = history.dag().order();
    let old = history.headers[order[order.len() - 100].as_usize()].clone();
    let mut asides = Vec::new();
    for number in 0..100 {
        let aside = header(3 * SIZE + number, i64::MAX / 2, &[&old], &[stream(0)], &[]);
        history.arrive(vec![aside]);
        let (took, course) = time(|| open.extend(&history));
        assert_eq!(course, Course::Grown, "nobody waited for it");
        asides.push(took);
    }
    println!(
        "{name:<44} {transactions:>8} {chains:>7} {forks:>5} {members:>8} {:>11.1?} {:>11.1?} {:>11.1?} {:>9.1?}",
        median(wholes),
        median(ones),
        median(asides),
        median(stays),
    );
}

/// Makes a history when it is wanted.
type Case = (String, Box<dyn Fn() -> Option<Memory>>);

fn cases() -> Vec<Case> {
    let case = |name: &str, make: fn() -> Memory| -> Case {
        (name.to_owned(), Box::new(move || Some(make())))
    };
    let mut cases = vec![
        case("a line, 1 stream", || line(1)),
        case("a line, 50,000 streams", || line(50_000)),
        case("2 writers, 1 apart, settled, 1 stream", || {
            settled_rounds(2, 1, 1)
        }),
        case("8 writers, 4 apart, settled, 1 stream", || {
            settled_rounds(8, 4, 1)
        }),
        case("64 writers, 16 apart, settled, 50 streams", || {
            settled_rounds(64, 16, 50)
        }),
        case("2 branches that never meet", two_branches),
        case("writers unknown to each other", strangers),
    ];
    for name in histories::NAMES {
        for (streams, merges_write) in [(1, false), (1, true), (50, false), (50, true)] {
            let merges = if merges_write {
                "write too"
            } else {
                "only settle"
            };
            cases.push((
                format!("{name}, {streams} stream(s), merges {merges}"),
                Box::new(move || real(name, streams, merges_write)),
            ));
        }
    }
    cases
}

fn main() {
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    println!(
        "{:<44} {:>8} {:>7} {:>5} {:>8} {:>11} {:>11} {:>11} {:>9}",
        "forks",
        "txs",
        "chains",
        "forks",
        "members",
        "whole",
        "one append",
        "one aside",
        "the same"
    );
    for (name, make) in cases() {
        if wanted.as_ref().is_none_or(|wanted| name.contains(wanted))
            && let Some(history) = make()
        {
            report(&name, history);
        }
    }
}
