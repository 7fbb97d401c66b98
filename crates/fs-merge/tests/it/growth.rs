//! Open forks that are kept up to date: the same as by the definition after every arrival.

use std::collections::BTreeSet;

use fs_format::{FormatVersion, Header, StreamId};
use fs_index::Position;
use fs_merge::{Course, ForkId, Lineage, OpenForks, Shape, descends_from_all};
use proptest::prelude::*;
use uuid::Uuid;

use crate::memory::{Memory, header};
use crate::model::{Draft, Model, Tx, stream};
use crate::oracle::{ExpectedShape, Oracle};
use crate::random::histories;

/// Returns the history as far as some transactions of it are there.
fn as_far_as(model: &Model, there: &BTreeSet<usize>) -> Model {
    let mut part = model.clone();
    for (index, tx) in part.transactions.iter_mut().enumerate() {
        tx.lost = !there.contains(&index);
    }
    part
}

fn open_forks_of(history: &Memory) -> OpenForks {
    let mut open = OpenForks::new();
    assert_eq!(
        open.extend(history),
        Course::Grown,
        "every history grows from nothing"
    );
    open
}

fn headers<'a>(batch: impl IntoIterator<Item = &'a Tx>) -> Vec<Header> {
    let decode = |tx: &Tx| fs_format::decode(&tx.bytes).unwrap().header;
    batch.into_iter().map(decode).collect()
}

fn of_all(model: &Model) -> Memory {
    let mut history = Memory::default();
    history.arrive(headers(model.present().map(|(_, tx)| tx)));
    history
}

/// Returns what shapes say, in the words of the oracle.
fn seen(history: &Memory, shapes: &[&Shape]) -> Vec<ExpectedShape> {
    let shape = |shape: &&Shape| ExpectedShape {
        streams: shape
            .streams
            .iter()
            .map(|(stream_id, members)| {
                let mut members: Vec<_> = members.iter().copied().collect();
                members.sort_by_key(|ix| history.dag().rank(*ix));
                (stream_id.clone(), history.ids(&members))
            })
            .collect(),
        members: history.ids(&shape.members),
        heads: history.ids(&shape.heads),
        on_top: history.ids(&shape.on_top),
    };
    shapes.iter().map(shape).collect()
}

/// An order of arrival: a number to sort by for each transaction, and the sizes of the batches.
fn arrivals() -> impl Strategy<Value = (Vec<u16>, Vec<usize>)> {
    // Files mostly arrive in the order in which they were written.
    let keys = prop_oneof![
        2 => Just((0..64).collect()).boxed(),
        1 => prop::collection::vec(any::<u16>(), 64).boxed(),
        2 => prop::collection::vec(0..8u16, 64)
            .prop_map(|late| late.iter().zip(0..).map(|(late, at)| at + late).collect())
            .boxed(),
    ];
    (keys, prop::collection::vec(1..6usize, 64))
}

/// What an arrival that descends from everything does to one open fork.
enum Effect {
    None,
    OnTop,
    Settled,
    SettledInPart,
}

/// It settles what it names in `resolves`, or in older formats, with several parents, what it writes. Else it lies on top
/// of each fork of which it writes a stream.
fn effect<'a>(header: &Header, streams: impl IntoIterator<Item = &'a StreamId>) -> Effect {
    let writes = |stream_id: &StreamId| {
        let base = header.stream_bases.get(stream_id);
        base.is_some_and(|base| base.writes > 0)
    };
    let settles = |stream_id: &StreamId| match header.format_version {
        FormatVersion::V3 => header.resolves.contains_key(stream_id),
        _ => header.parents.len() > 1 && writes(stream_id),
    };
    let streams: Vec<_> = streams.into_iter().collect();
    let settled = streams
        .iter()
        .filter(|stream_id| settles(stream_id))
        .count();
    match settled {
        0 if streams.iter().any(|stream_id| writes(stream_id)) => Effect::OnTop,
        0 => Effect::None,
        _ if settled == streams.len() => Effect::Settled,
        _ => Effect::SettledInPart,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_history_at_once_is_as_the_definition_says(model in histories()) {
        let history = of_all(&model);
        let open = open_forks_of(&history);
        prop_assert_eq!(seen(&history, &open.shapes(history.dag())), Oracle::new(&model).shapes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn after_every_arrival_it_is_as_the_definition_says(
        model in histories(),
        (keys, sizes) in arrivals(),
    ) {
        let mut order: Vec<_> = model.present().map(|(index, _)| index).collect();
        order.sort_by_key(|index| keys[*index]);
        let mut history = Memory::default();
        let mut open = OpenForks::new();
        let mut there = BTreeSet::new();
        for size in sizes {
            let batch: Vec<_> = order.drain(..size.min(order.len())).collect();
            if batch.is_empty() {
                break;
            }
            let is_late = |index: &usize| {
                there.iter().any(|child: &usize| model.transactions[*child].parents.contains(index))
            };
            let course = if batch.iter().any(is_late) { Course::Recomputed } else { Course::Grown };
            there.extend(&batch);
            history.arrive(headers(batch.iter().map(|index| &model.transactions[*index])));

            prop_assert!(!open.are_of(&history), "something arrived");
            prop_assert_eq!(open.extend(&history), course, "only a late parent needs a look at all");
            prop_assert!(open.are_of(&history), "all is taken in");
            let part = as_far_as(&model, &there);
            let shapes = open.shapes(history.dag());
            prop_assert_eq!(seen(&history, &shapes), Oracle::new(&part).shapes(), "as the definition says");
            let anew = open_forks_of(&history);
            prop_assert_eq!(&shapes, &anew.shapes(history.dag()), "and as from nothing");
            for shape in &shapes {
                for stream_id in shape.streams.keys() {
                    prop_assert_eq!(open.fork_of(stream_id), Some(&shape.id), "a stream tells its fork");
                }
            }
        }
    }

    #[test]
    fn another_history_is_noticed(one in histories(), other in histories(), lost: prop::sample::Index) {
        let mut whole = of_all(&one);
        whole.end = Some(Position::from_uuid(Uuid::from_u128(1)));
        let mut part = Memory::default();
        let count = whole.dag().len().max(1);
        let others = one.present().enumerate().filter(|(at, _)| *at != lost.index(count));
        part.arrive(headers(others.map(|(_, (_, tx))| tx)));
        let mut anew = of_all(&other);
        anew.end = Some(Position::from_uuid(Uuid::from_u128(7)));
        for (history, is_empty) in [(&part, whole.dag().is_empty()), (&anew, false)] {
            let mut open = open_forks_of(&whole);
            prop_assert!(is_empty || !open.are_of(history), "the histories differ");
            let course = open.extend(history);
            prop_assert!(whole.dag().is_empty() || course == Course::Recomputed);
            let fresh = open_forks_of(history);
            prop_assert_eq!(
                open.shapes(history.dag()),
                fresh.shapes(history.dag()),
                "nothing is left of the other"
            );
        }
    }

    #[test]
    fn who_descends_from_everything_does_what_is_foretold(
        mut model in histories(),
        writes: [bool; 3],
        resolves: [bool; 3],
        is_old: bool,
    ) {
        let history = of_all(&model);
        let before = open_forks_of(&history);
        let heads: BTreeSet<_> = history.ids(&history.dag().heads()).into_iter().collect();
        let chosen = |chosen: &[bool; 3]| -> BTreeSet<StreamId> {
            let names = ["a", "b", "c"].iter().zip(chosen);
            names.filter(|(_, chosen)| **chosen).map(|(name, _)| stream(name)).collect()
        };
        let streams = chosen(&writes).into_iter().map(|stream_id| (stream_id, 1));
        let accepted = chosen(&resolves).into_iter().map(|stream_id| (stream_id, 0));
        let format_version = if is_old { FormatVersion::V2 } else { FormatVersion::V3 };
        let arrival = model.add(Draft {
            replica: 77,
            parents: (0..model.transactions.len())
                .filter(|index| heads.contains(&model.transactions[*index].id))
                .collect(),
            streams: if is_old { streams.collect() } else { accepted.chain(streams).collect() },
            resolves: if is_old { BTreeSet::new() } else { chosen(&resolves) },
            listed: None,
            format_version,
            ahead: 0,
        });
        let tx = &model.transactions[arrival];
        let header = fs_format::decode(&tx.bytes).unwrap().header;
        let all: Vec<_> = heads.into_iter().collect();
        prop_assert!(descends_from_all(&all, &header));
        if !all.is_empty() {
            let first = fs_format::decode(&model.present().next().unwrap().1.bytes).unwrap().header;
            prop_assert!(!descends_from_all(&all, &first), "none of the history is above all of it");
        }

        let mut after = history.clone();
        after.arrive(vec![header.clone()]);
        let open = open_forks_of(&after);
        let now = open.shapes(after.dag());
        let find = |id: &ForkId| now.iter().find(|shape| shape.id == *id);
        let mut untouched = 0;
        for shape in before.shapes(history.dag()) {
            match effect(&header, shape.streams.keys()) {
                Effect::None => {
                    prop_assert_eq!(find(&shape.id), Some(&shape));
                    untouched += 1;
                }
                Effect::OnTop => {
                    let mut expected = shape.clone();
                    expected.on_top.push(after.dag().index_of(tx.id).unwrap());
                    prop_assert_eq!(find(&shape.id), Some(&&expected));
                    untouched += 1;
                }
                Effect::Settled => {
                    let is_open = |stream_id| open.fork_of(stream_id).is_some();
                    prop_assert!(!shape.streams.keys().any(is_open), "no stream of it is in conflict");
                }
                Effect::SettledInPart => {
                    let left = shape.streams.keys().filter(|stream_id| open.fork_of(stream_id).is_some());
                    prop_assert_ne!(left.count(), shape.streams.len(), "some are settled");
                    untouched += now
                        .iter()
                        .filter(|other| other.streams.keys().any(|key| shape.streams.contains_key(key)))
                        .count();
                }
            }
        }
        prop_assert_eq!(now.len(), untouched, "no fork comes into being");
    }
}

/// ```text
///   A {s}     X <-> Y {s}, on each other, and Z {s} on Y      A stands alone: the others are left out of the order
/// ```
#[test]
fn who_is_on_a_cycle_takes_part_in_nothing() {
    let part = |number, parents: &[&Header]| header(number, 0, parents, &[stream("s")], &[]);
    let (y_id, a) = (part(3, &[]), part(1, &[]));
    let x = part(2, &[&y_id]);
    let mut y = y_id;
    y.parents = part(3, &[&x]).parents;
    let z = part(4, &[&y]);
    let mut history = Memory::default();
    let mut open = OpenForks::new();
    for (arrival, is_forked) in [(z, false), (a, true), (y, true), (x, false)] {
        history.arrive(vec![arrival]);
        open.extend(&history);
        assert_eq!(
            !open.is_empty(),
            is_forked,
            "what is on a cycle or above one writes nothing"
        );
    }
}
