//! Numbers and epochs.

use fs_index::{All, Index, IndexError, Position, StalePosition};
use uuid::Uuid;

use crate::build::{format_2, id, tx};
use crate::world::{Shown, Witness, World, epoch, ingested, numbered, own};

/// The position of the first event of transaction number `number`.
fn position(index: &Index, number: u64) -> Position {
    let read = index
        .snapshot()
        .read_ingested(None, &All, usize::MAX, |placed| placed.position);
    let mut read = read.unwrap().into_iter();
    read.find(|position| position.sequence.number() == number)
        .unwrap()
}

/// The position with another number in its high half, and what its low half is changed by.
fn altered(position: Position, number: u64, event: u64, change: u64) -> Position {
    let (_, proof) = position.to_uuid().as_u64_pair();
    Position::from_uuid(Uuid::from_u64_pair(number << 16 | event, proof ^ change))
}

fn stale(index: &Index, position: Position) -> StalePosition {
    match index.snapshot().sequence_of(position) {
        Err(IndexError::Stale(stale)) => stale,
        other => panic!("{position} is refused, got {other:?}"),
    }
}

#[test]
fn what_vanished_and_came_back_gets_a_new_number() {
    let world = World::new();
    let mut index = world.open();
    let transactions = [1, 2, 3].map(|n| tx(n).encode());
    transactions
        .iter()
        .for_each(|encoded| world.append(&mut index, encoded));
    let before = epoch(&index);
    world.remove(id(3));
    world.refresh(&mut index);
    let without = epoch(&index);
    assert_ne!(without, before, "something went away");
    world.put(&transactions[2]);
    world.refresh(&mut index);
    assert_eq!(epoch(&index), without, "coming back takes nothing away");
    assert_eq!(
        numbered(&index.shown()),
        [(1, id(1)), (2, id(2)), (4, id(3))],
        "number 3 was given out before"
    );
    assert_eq!(
        numbered(&world.open().shown()),
        numbered(&index.shown()),
        "the journal says the same"
    );
}

#[test]
fn numbers_go_on_where_another_handle_stopped() {
    let world = World::new();
    let (mut one, mut other) = (world.open(), world.open());
    let mut witness = Witness::default();
    for n in 1..=8 {
        let index = if n % 2 == 0 { &mut one } else { &mut other };
        match n % 3 {
            0 => {
                world.put(&tx(n).encode());
                world.refresh(index);
            }
            _ => world.append(index, &tx(n).by(own()).encode()),
        }
        witness.read(&index.shown());
    }
    let all: Vec<_> = (1..=8).map(|n| (n, id(n))).collect();
    world.refresh(&mut one);
    world.refresh(&mut other);
    assert_eq!(numbered(&one.shown()), all, "each number was given once");
    assert_eq!(numbered(&other.shown()), all, "by either handle");
}

#[test]
fn transactions_that_stay_out_take_no_numbers_from_others() {
    let world = World::new();
    let (mut one, mut other) = (world.open(), world.open());
    let before = epoch(&one);
    let (first, second) = (format_2(10, &[11]), format_2(11, &[10]));
    world.put_at(&first.0.file_name(), &first.1);
    world.put_at(&second.0.file_name(), &second.1);
    world.refresh(&mut one);
    world.append(&mut other, &tx(1).encode());
    world.refresh(&mut one);
    world.append(&mut one, &tx(2).encode());
    world.refresh(&mut other);
    for index in [&one, &other, &world.open()] {
        assert_eq!(epoch(index), before, "nothing went away");
        assert_eq!(
            ingested(&index.shown()),
            [id(1), id(2)],
            "a cycle is no part of the history"
        );
    }
}

#[test]
fn only_positions_that_were_given_out_and_hold_are_taken() {
    let world = World::new();
    let mut index = world.handle();
    stale(&index, Position::from_uuid(Uuid::nil()));
    world.refresh(&mut index);
    let first = tx(1).writing(&[("a", 2)]).encode();
    world.append(&mut index, &first);
    let given = position(&index, 1);
    let taken = |index: &Index, position: Position| {
        let sequence = index.snapshot().sequence_of(position).unwrap();
        assert_eq!(sequence, position.sequence, "it was given out and holds");
    };
    taken(&index, given);
    taken(&index, altered(given, 1, 1, 0));
    let behind = altered(given, 1, 0xffff, 0);
    taken(&index, behind);
    assert_eq!(
        index.snapshot().ingestion_end(),
        Some(behind),
        "nothing comes behind"
    );
    let beyond = stale(&index, altered(given, 2, 0, 0));
    assert_eq!(
        beyond.epoch,
        Some(epoch(&index)),
        "the error names the present epoch"
    );
    for (what, other) in [
        ("another proof", altered(given, 1, 0, 1 << 63)),
        (
            "an event that the transaction does not have",
            altered(given, 1, 2, 0),
        ),
        ("no transaction", altered(given, 0, 0, 0)),
    ] {
        assert_eq!(stale(&index, other).position, other, "{what} is refused");
    }
    world.append(&mut index, &tx(2).on(&[&first]).encode());
    taken(&index, given);
    stale(&index, altered(given, 2, 0, 0));
    let second = position(&index, 2);
    stale(&index, altered(second, 1, 0, 0));
    world.remove(id(2));
    world.refresh(&mut index);
    stale(&index, given);
    stale(&index, second);
    taken(&index, position(&index, 1));
    assert_eq!(
        index
            .snapshot()
            .ingestion_end()
            .map(|end| end.sequence.number()),
        Some(1),
        "the end is behind the last that is there"
    );
    assert_eq!(
        world.open().snapshot().ingestion_end(),
        index.snapshot().ingestion_end(),
        "the journal says the same"
    );
}

#[test]
fn an_arrival_keeps_the_epoch_and_raises_the_generation_when_it_sorts_before() {
    let world = World::new();
    let mut index = world.open();
    world.append(&mut index, &tx(5).encode());
    let (before, generation) = (epoch(&index), index.shown().topology_generation());
    world.append(&mut index, &tx(6).encode());
    assert_eq!(
        index.shown().topology_generation(),
        generation,
        "6 sorts after 5"
    );
    world.put(&tx(3).encode());
    world.refresh(&mut index);
    assert_eq!(
        index.shown().topology_generation(),
        generation + 1,
        "3 sorts before 5"
    );
    assert_eq!(
        ingested(&index.shown()),
        [id(5), id(6), id(3)],
        "and is read after it"
    );
    world.append(&mut index, &tx(4).encode());
    assert_eq!(
        index.shown().topology_generation(),
        generation + 2,
        "4 sorts before 5"
    );
    assert_eq!(epoch(&index), before, "nothing went away");
    assert_eq!(
        world.open().shown().topology_generation(),
        generation + 2,
        "the journal says the same"
    );
}

#[test]
fn what_goes_away_raises_the_generation() {
    let world = World::new();
    let mut index = world.open();
    world.append(&mut index, &tx(1).encode());
    let generation = index.shown().topology_generation();
    world.remove(id(1));
    world.refresh(&mut index);
    assert!(
        index.shown().topology_generation() > generation,
        "the order changed behind what was read"
    );
}
