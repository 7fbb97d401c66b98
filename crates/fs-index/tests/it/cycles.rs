//! Cycles, which only files without recorded hashes can form.
//!
//! ```text
//!   10 -> 11 -> 12 -> 10        13 descends from the cycle, 20 does not
//!               |
//!               +--> 13
//! ```

use fs_format::TransactionId;
use fs_index::{Index, Reason};

use crate::build::{format_2, id, tx};
use crate::world::{Shown, World, epoch, facts, members, rejected_files};

fn put(world: &World, n: u64, parents: &[u64]) {
    let (id, bytes) = format_2(n, parents);
    world.put_at(&id.file_name(), &bytes);
}

fn reported(index: &Index) -> Vec<TransactionId> {
    let found = rejected_files(index);
    for reason in found.values() {
        assert!(matches!(reason, Reason::Cycle), "{reason}");
    }
    let id = |path: String| TransactionId::parse(path.strip_suffix(".jsonl").unwrap()).unwrap();
    found.into_keys().map(id).collect()
}

#[test]
fn members_of_a_cycle_and_their_descendants_are_left_out_until_one_goes() {
    let world = World::new();
    put(&world, 10, &[12]);
    put(&world, 11, &[10]);
    put(&world, 20, &[]);
    let mut index = world.open();
    let mut other = world.open();
    let before = epoch(&index);
    assert_eq!(index.shown().len(), 3, "there is no cycle yet");
    put(&world, 12, &[11]);
    world.refresh(&mut index);
    world.refresh(&mut other);
    for index in [&index, &other, &world.open()] {
        assert_eq!(
            members(&index.shown()),
            [id(20)].into(),
            "what is no part of it stays"
        );
        assert_eq!(
            reported(index),
            [id(10), id(11), id(12)],
            "the cycle is reported"
        );
        assert_ne!(epoch(index), before, "two that were read are left out now");
    }
    let (between, generation) = (epoch(&index), index.shown().topology_generation());
    put(&world, 13, &[12]);
    world.refresh(&mut index);
    world.refresh(&mut other);
    for index in [&index, &other, &world.open()] {
        assert_eq!(
            members(&index.shown()),
            [id(20)].into(),
            "a descendant is left out as well"
        );
        assert_eq!(
            reported(index),
            [id(10), id(11), id(12), id(13)],
            "and reported"
        );
        assert_eq!(epoch(index), between, "nothing that was in went away");
        assert_eq!(
            index.shown().topology_generation(),
            generation,
            "nothing changed its place"
        );
    }
    world.remove_at(&id(11).file_name());
    world.refresh(&mut index);
    world.refresh(&mut other);
    for index in [&index, &other, &world.open()] {
        assert_eq!(
            members(&index.shown()),
            [id(10), id(12), id(13), id(20)].into(),
            "without 11 there is no cycle"
        );
        assert!(reported(index).is_empty(), "nothing is left to report");
        assert_eq!(epoch(index), between, "nothing that was in went away");
    }
    world.set_journal(None);
    assert_eq!(
        facts(&index.shown()),
        facts(&world.open().shown()),
        "the history is that of the files"
    );
}

#[test]
fn what_arrives_with_a_cycle_is_taken_and_keeps_its_number() {
    let world = World::new();
    let mut index = world.open();
    let mut other = world.open();
    world.append(&mut index, &tx(50).encode());
    let generation = index.shown().topology_generation();
    put(&world, 10, &[11]);
    put(&world, 11, &[10]);
    world.put(&tx(60).encode());
    world.refresh(&mut index);
    assert_eq!(
        index.shown().topology_generation(),
        generation,
        "60 sorts last"
    );
    world.append(&mut index, &tx(61).encode());
    world.refresh(&mut other);
    for index in [&index, &other, &world.open()] {
        assert_eq!(members(&index.shown()), [id(50), id(60), id(61)].into());
        assert_eq!(reported(index), [id(10), id(11)]);
    }
}
