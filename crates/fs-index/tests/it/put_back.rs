//! A store that is put back to an earlier state, in place or as a whole disk, and goes on otherwise.

use fs_format::Encoded;
use fs_index::{All, Budget, Index, IndexError, Position};

use crate::build::{id, tx};
use crate::world::{Shown, Witness, World, epoch, facts, own};

fn refused(index: &Index, position: Position) -> bool {
    matches!(
        index.snapshot().sequence_of(position),
        Err(IndexError::Stale(_))
    )
}

/// Appends `numbers`, each on the one before, and returns the positions of their events.
fn go_on(
    world: &World,
    index: &mut Index,
    before: &mut Encoded,
    numbers: &[u64],
    text: &str,
) -> Vec<Position> {
    let known = index.snapshot().last_number();
    for n in numbers {
        let next = tx(*n).by(own()).on(&[before]).saying(text).encode();
        world.append(index, &next);
        *before = next;
    }
    let positions = index
        .snapshot()
        .read_ingested(None, &All, usize::MAX, |placed| placed.position);
    let mut positions = positions.unwrap();
    positions.retain(|position| position.sequence.number() > known);
    positions
}

/// A store with three transactions.
fn begun() -> (World, Index, Encoded, Vec<Position>) {
    let world = World::new();
    let mut index = world.open();
    let mut last = tx(1).by(own()).encode();
    world.append(&mut index, &last);
    let first = index.snapshot().ingestion_end().unwrap();
    let mut old = go_on(&world, &mut index, &mut last, &[2, 3], "old");
    old.insert(0, first);
    (world, index, last, old)
}

#[test]
fn what_was_given_out_after_a_backup_is_refused_once_it_is_put_back() {
    // As many, fewer and more than were lost; with records of the same length, and of another.
    for new in [&[4, 5][..], &[4], &[4, 5, 6, 7], &[]] {
        for text in ["new", "something longer"] {
            let (world, mut open, last, old) = begun();
            let backup = world.backup();
            let epoch_before = epoch(&open);
            let mut lost_last = last.clone();
            let lost = go_on(&world, &mut open, &mut lost_last, &[14, 15], "old");
            // Whatever is cached is of a past that is about to be undone.
            let _ = open
                .snapshot()
                .scan_ingested(None, &All, usize::MAX, Budget::Unlimited);
            world.put_back(&backup);
            let mut writer = world.open();
            assert_eq!(
                epoch(&writer),
                epoch_before,
                "nothing tells that something was lost"
            );
            let mut last = last;
            let given = go_on(&world, &mut writer, &mut last, new, text);
            let reopened = world.open();
            world.refresh(&mut open);
            for (who, index) in [
                ("the writer", &writer),
                ("another", &reopened),
                ("an old handle", &open),
            ] {
                assert_eq!(
                    facts(&index.shown()),
                    facts(&reopened.shown()),
                    "{who} reads what is there, {new:?}"
                );
                for position in &lost {
                    assert!(
                        refused(index, *position),
                        "{who} is asked for {position} of {new:?}"
                    );
                }
                for position in old.iter().chain(&given) {
                    assert!(
                        !refused(index, *position),
                        "{who} knows {position} of {new:?}"
                    );
                }
                let mut witness = Witness::default();
                witness.read(&reopened.shown());
                witness.read(&index.shown());
            }
        }
    }
}

#[test]
fn a_handle_that_writes_notices_that_the_store_was_put_back() {
    for appended_by_another in [false, true] {
        let (world, mut open, last, old) = begun();
        let backup = world.backup();
        let mut lost_last = last.clone();
        let lost = go_on(&world, &mut open, &mut lost_last, &[14, 15], "old");
        world.put_back(&backup);
        let mut last = last;
        if appended_by_another {
            let mut other = world.open();
            go_on(&world, &mut other, &mut last, &[4, 5], "new");
        }
        go_on(&world, &mut open, &mut last, &[6], "new");
        let reopened = world.open();
        assert_eq!(facts(&open.shown()), facts(&reopened.shown()));
        assert!(
            reopened.shown().find(id(6)).is_some(),
            "what it appended is there"
        );
        assert!(
            reopened.shown().find(id(14)).is_none(),
            "what was undone is not"
        );
        assert!(lost.iter().all(|position| refused(&open, *position)));
        assert!(old.iter().all(|position| !refused(&open, *position)));
    }
}

#[test]
fn what_is_appended_again_in_the_same_order_keeps_its_place() {
    let (world, mut open, last, _) = begun();
    let backup = world.backup();
    let again = [14, 15];
    let lost = go_on(&world, &mut open, &mut last.clone(), &again, "old");
    world.put_back(&backup);
    let mut writer = world.open();
    let given = go_on(&world, &mut writer, &mut last.clone(), &again, "old");
    assert_eq!(
        given, lost,
        "a position stands on what was ingested, and on nothing else"
    );
}

#[test]
fn what_arrived_in_another_order_is_refused() {
    let (world, mut open, last, _) = begun();
    let backup = world.backup();
    let [one, two] = [14, 15].map(|n| tx(n).on(&[&last]).encode());
    let arrive = |world: &World, index: &mut Index, order: [&Encoded; 2]| {
        for encoded in order {
            world.put(encoded);
            world.refresh(index);
        }
        index.snapshot().ingestion_end().unwrap()
    };
    let lost = arrive(&world, &mut open, [&one, &two]);
    world.put_back(&backup);
    let mut reader = world.open();
    let end = arrive(&world, &mut reader, [&two, &one]);
    assert_eq!(end.sequence, lost.sequence, "as many have come");
    assert!(refused(&reader, lost), "and not the same");
    world.refresh(&mut open);
    assert!(refused(&open, lost));
}

#[test]
fn positions_of_a_disk_that_was_set_back_are_refused() {
    let (mut world, mut open, last, old) = begun();
    let snapshot = world.sim.copy(7);
    let lost = go_on(&world, &mut open, &mut last.clone(), &[14, 15], "old");
    world.sim = snapshot;
    let mut index = world.open();
    go_on(&world, &mut index, &mut last.clone(), &[4, 5, 6], "new");
    assert!(lost.iter().all(|position| refused(&index, *position)));
    assert!(old.iter().all(|position| !refused(&index, *position)));
}
