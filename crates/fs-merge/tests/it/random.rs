//! Random small histories: replicas that append, learn from each other in part, switch branches, settle and lose files,
//! some with older programs and clocks that run backwards.

use std::collections::BTreeSet;

use fs_format::{FormatVersion, StreamId};
use proptest::prelude::*;

use crate::model::{Draft, Model, stream};

const REPLICAS: usize = 3;
const STREAMS: [&str; 3] = ["a", "b", "c"];

/// How a transaction takes part in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    None,
    Read,
    Write(u64),
}

#[derive(Clone, Debug)]
enum Action {
    Append {
        replica: usize,
        parts: [Part; STREAMS.len()],
        resolves: [bool; STREAMS.len()],
        /// What it lists as settled, where that is not all its parents.
        listed: Option<Vec<prop::sample::Index>>,
        /// By how much the writer's clock runs ahead, or in the older formats behind.
        clock: i64,
        by_older_program: bool,
    },
    /// Goes back to what a transaction was written on and that transaction, as `git switch` does.
    Switch {
        replica: usize,
        to: prop::sample::Index,
        as_itself: bool,
    },
    /// Takes over what another replica knows.
    Merge { from: usize, to: usize },
    /// Takes over one transaction and what lies below it.
    MergeInPart { of: prop::sample::Index, to: usize },
    /// A file gets lost.
    Lose { which: prop::sample::Index },
}

/// The formats of a history: from when on it is format 3, and what it is before.
#[derive(Clone, Copy, Debug)]
struct Formats {
    before: FormatVersion,
    upgrade: usize,
}

/// Returns histories of any format.
pub(crate) fn histories() -> impl Strategy<Value = Model> {
    let formats = prop_oneof![
        4 => Just(Formats { before: FormatVersion::V3, upgrade: 0 }),
        1 => (0..20usize).prop_map(|upgrade| Formats { before: FormatVersion::V1, upgrade }),
        2 => (0..30usize).prop_map(|upgrade| Formats { before: FormatVersion::V2, upgrade }),
    ];
    (formats, prop::collection::vec(action(), 1..40))
        .prop_map(|(formats, actions)| played(formats, &actions))
}

fn action() -> impl Strategy<Value = Action> {
    let parts = prop::array::uniform3(prop_oneof![
        5 => Just(Part::None),
        1 => Just(Part::Read),
        4 => (1..3u64).prop_map(Part::Write),
    ]);
    let resolves = prop_oneof![
        8 => Just([false; STREAMS.len()]),
        2 => prop::array::uniform3(prop::bool::ANY),
    ];
    let clock = prop_oneof![
        4 => 0..50i64,
        1 => -100..0i64,
        1 => 0..20_000_000_000i64
    ];
    let by_older_program = prop::bool::weighted(0.1);
    let listed = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let listed = prop::option::weighted(0.3, listed);
    let append = (
        0..REPLICAS,
        parts,
        (resolves, listed),
        clock,
        by_older_program,
    )
        .prop_map(
            |(replica, parts, (resolves, listed), clock, by_older_program)| Action::Append {
                replica,
                parts,
                resolves,
                listed,
                clock,
                by_older_program,
            },
        );
    prop_oneof![
        10 => append,
        5 => (0..REPLICAS, 0..REPLICAS).prop_map(|(from, to)| Action::Merge { from, to }),
        3 => (any::<prop::sample::Index>(), 0..REPLICAS)
            .prop_map(|(of, to)| Action::MergeInPart { of, to }),
        1 => (0..REPLICAS, any::<prop::sample::Index>(), prop::bool::ANY)
            .prop_map(|(replica, to, as_itself)| Action::Switch { replica, to, as_itself }),
        1 => any::<prop::sample::Index>().prop_map(|which| Action::Lose { which }),
    ]
}

fn played(formats: Formats, actions: &[Action]) -> Model {
    let mut model = Model::default();
    let mut known: [BTreeSet<usize>; REPLICAS] = Default::default();
    let mut names: [usize; REPLICAS] = std::array::from_fn(|replica| replica);
    let mut lost = BTreeSet::new();
    for action in actions {
        match action {
            Action::Append {
                replica,
                parts,
                resolves,
                listed,
                clock,
                by_older_program,
            } => {
                let format_version = match model.transactions.len() < formats.upgrade {
                    true => formats.before,
                    false if *by_older_program => FormatVersion::V2,
                    false => FormatVersion::V3,
                };
                let draft = Draft {
                    replica: u8::try_from(names[*replica]).unwrap(),
                    parents: heads(&model, &known[*replica]),
                    streams: declared(parts, resolves),
                    resolves: chosen(resolves),
                    listed: listed.as_ref().map(|listed| {
                        let count = model.transactions.len();
                        let indices = listed.iter().filter(|_| count > 0);
                        indices.map(|index| index.index(count)).collect()
                    }),
                    format_version,
                    ahead: match format_version {
                        FormatVersion::V3 => clock.abs(),
                        FormatVersion::V1 | FormatVersion::V2 => *clock,
                    },
                };
                let is_read = format_version != FormatVersion::V3
                    && draft.streams.values().all(|writes| *writes == 0);
                if is_read {
                    // The older formats know no transaction without events.
                    continue;
                }
                let index = model.add(draft);
                known[*replica].insert(index);
            }
            Action::Merge { from, to } => {
                let learnt = known[*from].clone();
                known[*to].extend(learnt);
            }
            Action::MergeInPart { of, to } => {
                if !model.transactions.is_empty() {
                    learn(&model, &mut known[*to], of.index(model.transactions.len()));
                }
            }
            Action::Switch {
                replica,
                to,
                as_itself,
            } => {
                if !model.transactions.is_empty() {
                    known[*replica].clear();
                    learn(
                        &model,
                        &mut known[*replica],
                        to.index(model.transactions.len()),
                    );
                    if !as_itself {
                        names[*replica] += REPLICAS;
                    }
                }
            }
            Action::Lose { which } => {
                if !model.transactions.is_empty() {
                    lost.insert(which.index(model.transactions.len()));
                }
            }
        }
    }
    for index in lost {
        model.transactions[index].lost = true;
    }
    model
}

/// Takes over a transaction and what lies below it.
fn learn(model: &Model, known: &mut BTreeSet<usize>, index: usize) {
    let mut waiting = vec![index];
    while let Some(index) = waiting.pop() {
        if known.insert(index) {
            waiting.extend(&model.transactions[index].parents);
        }
    }
}

/// Returns those that no other descends from.
fn heads(model: &Model, known: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut heads = known.clone();
    for index in known {
        for parent in &model.transactions[*index].parents {
            heads.remove(parent);
        }
    }
    heads
}

fn declared(
    parts: &[Part; STREAMS.len()],
    resolves: &[bool; STREAMS.len()],
) -> std::collections::BTreeMap<StreamId, u64> {
    STREAMS
        .iter()
        .zip(parts)
        .zip(resolves)
        .filter_map(|((name, part), resolves)| match part {
            Part::Write(count) => Some((stream(name), *count)),
            Part::Read => Some((stream(name), 0)),
            Part::None if *resolves => Some((stream(name), 0)),
            Part::None => None,
        })
        .collect()
}

fn chosen(resolves: &[bool; STREAMS.len()]) -> BTreeSet<StreamId> {
    STREAMS
        .iter()
        .zip(resolves)
        .filter(|(_, resolves)| **resolves)
        .map(|(name, _)| stream(name))
        .collect()
}
