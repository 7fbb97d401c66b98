//! What is known to be missing is part of the index: a handle that opens no file says the same as one that reads all.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{Encoded, TransactionId};
use fs_index::{Completeness, History, Index, OmissionKind, Scan};
use proptest::prelude::*;

use crate::build::{format_2, id, stream, tx};
use crate::world::{Shown, World};

fn hole(
    history: &History,
    name: &str,
    accepted: &BTreeSet<TransactionId>,
) -> Option<TransactionId> {
    let stream_id = stream(name);
    let holes = history.holes([&stream_id], accepted);
    let names = ["a", "b", "below", "c", "other", "s", "t", name].map(stream);
    let all = history.holes(&names, accepted);
    let found = holes.get(&stream_id).copied();
    assert_eq!(
        all.get(&stream_id).copied(),
        found,
        "asked together or alone"
    );
    found
}

/// Three transactions in a line: one event of `s` each, with the versions that their writers had.
fn line() -> [Encoded; 3] {
    let one = tx(1).writing(&[("s", 1)]).encode();
    let two = tx(2)
        .writing(&[("s", 1)])
        .deciding_on("s", 1)
        .on(&[&one])
        .encode();
    let three = tx(3)
        .writing(&[("s", 1)])
        .deciding_on("s", 2)
        .on(&[&two])
        .encode();
    [one, two, three]
}

/// What a handle knows, and what it costs no look at a file to know again.
fn omissions(world: &World, index: &Index) -> Vec<(OmissionKind, Option<TransactionId>, String)> {
    let known = |index: &Index| -> Vec<_> {
        let omissions = index.snapshot().omissions().unwrap();
        let omissions = omissions.iter().cloned();
        omissions
            .map(|omission| (omission.kind, omission.transaction_id, omission.path))
            .collect()
    };
    let found = known(index);
    let mut other = world.handle();
    assert!(other.load().unwrap(), "the index is there");
    assert_eq!(known(&other), found, "another process knows the same");
    found
}

fn path(n: u64) -> String {
    id(n).relative_path()
}

#[test]
fn a_parent_that_is_not_there_is_a_gap_until_it_comes() {
    let world = World::new();
    let [one, two, three] = line();
    world.put(&one);
    world.put(&three);
    let mut index = world.open();
    assert_eq!(
        omissions(&world, &index),
        [(OmissionKind::Missing, Some(id(2)), path(2))],
        "it is named with the path where it would be"
    );
    world.put(&two);
    world.refresh(&mut index);
    assert_eq!(omissions(&world, &index), [], "it has come");
}

#[test]
fn a_parent_of_an_old_transaction_would_lie_flat() {
    let world = World::new();
    let (child, bytes) = format_2(2, &[1]);
    world.put_at(&child.file_name(), &bytes);
    let index = world.open();
    assert_eq!(
        omissions(&world, &index),
        [(OmissionKind::Missing, Some(id(1)), id(1).file_name())]
    );
}

#[test]
fn a_file_that_cannot_be_used_is_one_gap_whatever_is_wrong_with_it() {
    let [one, two, three] = line();
    let mut newer = two.bytes.clone();
    newer.splice(
        0..0,
        br#"{"record":"header","format_version":4}"#.iter().copied().chain([b'\n']),
    );
    let marked = [b"<<<<<<< HEAD\n", &two.bytes[..]].concat();
    for (bytes, kind) in [
        (&b""[..], OmissionKind::Damaged),
        (&two.bytes[..40], OmissionKind::Damaged),
        (b"garbage\n", OmissionKind::Damaged),
        (&marked, OmissionKind::Damaged),
        (&newer, OmissionKind::Newer),
    ] {
        let world = World::new();
        [&one, &two, &three]
            .into_iter()
            .for_each(|it| world.put(it));
        let mut index = world.open();
        assert_eq!(omissions(&world, &index), [], "all is there");
        world.overwrite(&path(2), bytes);
        world.refresh_to(&mut index, Scan::Contents);
        let expected = [(kind, Some(id(2)), path(2))];
        assert_eq!(
            omissions(&world, &index),
            expected,
            "it is damaged and not missing besides"
        );
        drop(index);
        let arrived = World::new();
        [&one, &three].into_iter().for_each(|it| arrived.put(it));
        arrived.put_at(&path(2), bytes);
        let index = arrived.open();
        assert_eq!(omissions(&arrived, &index), expected, "it came like this");
    }
}

#[test]
fn a_file_beside_the_whole_transaction_and_litter_are_no_omissions() {
    let world = World::new();
    let [one, two, _] = line();
    world.put(&one);
    world.put_at(&id(1).file_name(), &one.bytes);
    world.put_at(&format!("{}.orig", path(1)), b"x");
    world.put_at("README", b"x");
    let mut index = world.open();
    assert_eq!(
        omissions(&world, &index),
        [],
        "the transaction is in the history, and the rest never was one"
    );
    let conflicted = format!("{} (conflicted copy)", path(2));
    world.put_at(&conflicted, &two.bytes);
    world.refresh(&mut index);
    assert_eq!(
        omissions(&world, &index),
        [(OmissionKind::Damaged, Some(id(2)), conflicted)],
        "it may be the only copy"
    );
    world.put(&two);
    world.refresh(&mut index);
    assert_eq!(omissions(&world, &index), [], "it is not");
}

#[test]
fn a_transaction_that_its_children_belie_is_a_gap() {
    let world = World::new();
    let [one, ..] = line();
    let child = tx(2).writing(&[("s", 1)]).belying(&one).encode();
    world.put(&one);
    world.put(&child);
    let index = world.open();
    assert_eq!(
        omissions(&world, &index),
        [(OmissionKind::Damaged, Some(id(1)), path(1))]
    );
}

#[test]
fn what_came_in_a_look_at_all_files_is_known_as_well() {
    let world = World::new();
    let [one, ..] = line();
    world.put(&one);
    let mut index = world.open();
    world.put_at(&path(2), b"");
    world.refresh_to(&mut index, Scan::Contents);
    assert_eq!(
        Completeness::of(&*index.snapshot().omissions().unwrap())
            .damaged
            .paths,
        [path(2)],
        "status and the other commands do not differ"
    );
}

#[test]
fn a_stream_has_a_hole_where_versions_say_more_than_is_there() {
    let none = BTreeSet::new();
    let world = World::new();
    let [one, two, three] = line();
    // `other` is written beside the line; `below` reads `s` on top of it, and writes something else.
    let other = tx(4).writing(&[("other", 1)]).encode();
    let below = tx(5)
        .writing(&[("below", 1), ("s", 0)])
        .deciding_on("s", 3)
        .on(&[&three, &other])
        .encode();
    [&one, &two, &three, &other, &below]
        .into_iter()
        .for_each(|it| world.put(it));
    let mut index = world.open();
    for name in ["s", "other", "below"] {
        let hole = hole(&index.shown(), name, &none);
        assert_eq!(hole, None, "{name}: all is there");
    }
    world.remove(id(1));
    world.remove(id(3));
    world.refresh(&mut index);
    let history = index.shown();
    assert_eq!(
        hole(&history, "s", &none),
        Some(id(1)),
        "the first that is missing below a writer"
    );
    assert_eq!(
        hole(&history, "below", &none),
        Some(id(3)),
        "a parent of its only writer is missing"
    );
    assert_eq!(
        hole(&history, "other", &none),
        None,
        "whoever wrote it misses nothing"
    );
    assert_eq!(
        hole(&history, "s", &BTreeSet::from([id(1)])),
        Some(id(3)),
        "a reader that stands on another omission decided on three events"
    );
    assert_eq!(
        hole(&history, "s", &BTreeSet::from([id(1), id(3)])),
        None,
        "what is accepted is missed no more"
    );
}

/// A history in the making: for each transaction its parents among those before, and the stream that it writes.
fn histories() -> impl Strategy<Value = (Vec<(Vec<prop::sample::Index>, bool)>, Vec<bool>)> {
    let transaction = (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        any::<bool>(),
    );
    prop::collection::vec(transaction, 1..14).prop_flat_map(|transactions| {
        let removed = prop::collection::vec(any::<bool>(), transactions.len());
        (Just(transactions), removed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A stream that lost an event below a transaction that declares it has a hole; one that lost nothing, and of which no
    /// writer has lost a parent, has none.
    #[test]
    fn whatever_is_removed_below_a_writer_is_a_hole((transactions, removed) in histories()) {
        let mut written: Vec<(Encoded, BTreeSet<usize>, &str, Vec<usize>)> = Vec::new();
        for (nth, (parents, first)) in transactions.iter().enumerate() {
            let parents: BTreeSet<usize> = match nth {
                0 => BTreeSet::new(),
                _ => parents.iter().map(|it| it.index(nth)).collect(),
            };
            let mut ancestors = parents.clone();
            for parent in &parents {
                ancestors.extend(&written[*parent].1);
            }
            let name = if *first { "s" } else { "t" };
            let base = ancestors.iter().filter(|it| written[**it].2 == name).count();
            let on: Vec<&Encoded> = parents.iter().map(|it| &written[*it].0).collect();
            let draft = tx(nth as u64 + 1).writing(&[(name, 1)]).deciding_on(name, base as u64);
            let encoded = draft.on(&on).encode();
            written.push((encoded, ancestors, name, parents.into_iter().collect()));
        }
        let world = World::new();
        for (nth, (encoded, ..)) in written.iter().enumerate() {
            if !removed[nth] {
                world.put(encoded);
            }
        }
        let index = world.open();
        let present = || (0..written.len()).filter(|nth| !removed[*nth]);
        for name in ["s", "t"] {
            let writers: Vec<usize> = present().filter(|nth| written[*nth].2 == name).collect();
            let has_lost_below = writers.iter().any(|writer| {
                let mut below = written[*writer].1.iter();
                below.any(|it| removed[*it] && written[*it].2 == name)
            });
            let has_orphan = writers.iter().any(|it| written[*it].3.iter().any(|it| removed[*it]));
            // A path to what is there may lead through what is not.
            let mut reach: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for nth in present() {
                let parents = written[nth].3.iter().filter(|it| !removed[**it]);
                let mut above: BTreeSet<usize> = BTreeSet::new();
                for parent in parents {
                    above.insert(*parent);
                    above.extend(&reach[parent]);
                }
                reach.insert(nth, above);
            }
            let is_cut_off = writers.iter().any(|it| {
                let known = |nth: &&usize| written[**nth].2 == name;
                reach[it].iter().filter(known).count() < written[*it].1.iter().filter(known).count()
            });
            let hole = hole(&index.shown(), name, &BTreeSet::new());
            prop_assert!(!has_lost_below || hole.is_some(), "{name} has lost an event below a writer");
            prop_assert_eq!(hole.is_some(), has_orphan || is_cut_off, "{}: no more and no less", name);
        }
    }
}
