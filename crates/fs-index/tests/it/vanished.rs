//! The bytes of what went away.

use std::collections::BTreeMap;

use fs_index::Scan;

use crate::build::{id, tx};
use crate::world::{Shown, World, bytes_of, epoch, facts, ingested, look, own};

#[test]
fn bytes_of_what_vanished_are_kept_until_it_is_back() {
    let world = World::new();
    let mut index = world.open();
    let gone = tx(2).by(own()).encode();
    world.append(&mut index, &tx(1).encode());
    world.append(&mut index, &gone);
    world.remove(id(2));
    world.refresh(&mut index);
    assert_eq!(
        world.vanished(),
        BTreeMap::from([(id(2).file_name(), gone.bytes.clone())]),
        "an accident can be undone"
    );
    assert_eq!(
        ingested(&index.shown()),
        [id(1)],
        "it is not in the history"
    );
    world.put(&gone);
    world.refresh(&mut index);
    assert!(world.vanished().is_empty(), "it is back");
    assert_eq!(ingested(&index.shown()), [id(1), id(2)], "it is back");
}

#[test]
fn every_content_that_vanished_is_kept() {
    let world = World::new();
    let mut index = world.open();
    let (first, second) = (tx(1).encode(), tx(1).saying("otherwise").encode());
    let path = id(1).relative_path();
    world.put(&first);
    world.refresh(&mut index);
    world.overwrite(&path, &second.bytes);
    world.refresh_to(&mut index, Scan::Contents);
    assert_eq!(
        world.vanished().into_values().collect::<Vec<_>>(),
        std::slice::from_ref(&first.bytes)
    );
    world.remove(id(1));
    world.refresh(&mut index);
    let kept: Vec<_> = world.vanished().into_values().collect();
    assert_eq!(kept.len(), 2, "neither content takes the other's name");
    assert!(
        kept.contains(&first.bytes) && kept.contains(&second.bytes),
        "both are kept"
    );
    world.put(&second);
    world.refresh(&mut index);
    assert_eq!(
        world.vanished().into_values().collect::<Vec<_>>(),
        [first.bytes],
        "only the content that is back is released"
    );
}

#[test]
fn a_file_that_comes_back_before_it_was_missed_in_the_journal_changes_nothing() {
    let world = World::new();
    let mut index = world.open();
    let (parent, child) = (tx(1).encode(), tx(2));
    let child = child.on(&[&parent]).encode();
    world.append(&mut index, &parent);
    world.append(&mut index, &child);
    let before = epoch(&index);
    world.remove(id(2));
    let _ = look(&mut index, Scan::Names);
    world.put(&child);
    world.refresh(&mut index);
    assert_eq!(epoch(&index), before, "nobody read a history without it");
    // Its word on its parent counts again.
    world.overwrite(
        &id(1).relative_path(),
        &tx(1).saying("edited").encode().bytes,
    );
    world.refresh_to(&mut index, Scan::Contents);
    assert_eq!(
        ingested(&index.shown()),
        [id(2)],
        "the parent is not what its child recorded"
    );
    assert_eq!(
        ingested(&world.open().shown()),
        [id(2)],
        "the journal says the same"
    );
}

#[test]
fn a_file_that_is_edited_and_comes_back_before_it_was_missed_changes_nothing() {
    let world = World::new();
    let mut index = world.open();
    let whole = tx(1).encode();
    let path = id(1).relative_path();
    world.append(&mut index, &whole);
    let before = epoch(&index);
    world.overwrite(&path, &tx(1).saying("edited").encode().bytes);
    let _ = look(&mut index, Scan::Contents);
    world.overwrite(&path, &whole.bytes);
    world.refresh_to(&mut index, Scan::Contents);
    assert_eq!(epoch(&index), before, "nobody read the other content");
    assert_eq!(bytes_of(&index.shown(), id(1)), whole.bytes);
}

#[test]
fn a_journal_of_what_went_away_is_written_anew() {
    let world = World::new();
    let mut index = world.open();
    world.append(&mut index, &tx(1).encode());
    let branch: Vec<_> = (2..=101).map(|n| tx(n).encode()).collect();
    let mut lengths = Vec::new();
    for _ in 0..24 {
        branch.iter().for_each(|encoded| world.put(encoded));
        world.refresh(&mut index);
        lengths.push(world.journal().len());
        for encoded in &branch {
            world.remove(encoded.transaction_id);
        }
        let before = epoch(&index);
        world.refresh(&mut index);
        assert_ne!(epoch(&index), before, "what went away starts an epoch");
        assert_eq!(ingested(&index.shown()), [id(1)]);
        assert_eq!(world.vanished().len(), branch.len(), "all can be undone");
    }
    let longest = lengths.iter().max().unwrap();
    assert!(
        *longest < 15 * lengths[0],
        "a journal does not keep what went away for ever: {lengths:?}"
    );
    assert_eq!(
        facts(&world.open().shown()),
        facts(&index.shown()),
        "who opens it knows the same"
    );
}

#[test]
fn what_went_away_is_not_read_again_by_who_had_read_it() {
    let world = World::new();
    let mut index = world.open();
    (1..=64).for_each(|n| world.put(&tx(n).encode()));
    world.refresh(&mut index);
    assert_eq!(ingested(&index.shown()).len(), 64, "all are read");
    (2..=64).for_each(|n| world.remove(id(n)));
    world.refresh(&mut index);
    assert_eq!(ingested(&index.shown()), [id(1)]);
    // So many that segments are written without those that went away.
    (101..=300).for_each(|n| world.put(&tx(n).encode()));
    world.refresh(&mut index);
    let expected: Vec<_> = [1].into_iter().chain(101..=300).map(id).collect();
    assert_eq!(ingested(&index.shown()), expected);
}
