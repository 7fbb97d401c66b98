//! Parents that are not what their children recorded.
//!
//! ```text
//!   P -- C      C records the hash of P. P' is P, edited and sealed again.
//! ```

use fs_format::TransactionId;
use fs_index::{Index, Reason, Scan};

use crate::build::{id, tx};
use crate::world::{Shown, World, epoch, facts, ingested, members, rejected_files};

fn altered(index: &Index, id: TransactionId) -> Vec<TransactionId> {
    match rejected_files(index).remove(&id.relative_path()) {
        Some(Reason::Altered { children }) => children,
        other => panic!("{id} is not reported as altered: {other:?}"),
    }
}

/// Compares a handle with one that reads the files anew.
fn agrees_with_the_files(world: &World, index: &Index) {
    let journal = world.journal();
    world.set_journal(None);
    let fresh = world.open();
    assert_eq!(
        facts(&index.shown()),
        facts(&fresh.shown()),
        "the history is a function of the files"
    );
    let paths = |index: &Index| rejected_files(index).into_keys().collect::<Vec<_>>();
    assert_eq!(paths(index), paths(&fresh), "so are the rejected files");
    world.set_journal(Some(&journal));
}

#[test]
fn a_parent_that_was_edited_is_left_out_with_its_children_named() {
    let world = World::new();
    let parent = tx(1).encode();
    world.put(&parent);
    world.put(&tx(2).on(&[&parent]).encode());
    world.put(&tx(3).on(&[&parent]).encode());
    let mut index = world.open();
    let before = epoch(&index);
    world.overwrite(
        &id(1).relative_path(),
        &tx(1).saying("edited").encode().bytes,
    );
    world.refresh_to(&mut index, Scan::Contents);
    assert_eq!(
        ingested(&index.shown()),
        [id(2), id(3)],
        "the edited parent is left out"
    );
    assert_eq!(
        altered(&index, id(1)),
        [id(2), id(3)],
        "both children say so"
    );
    assert_ne!(epoch(&index), before, "what was read is not there any more");
    agrees_with_the_files(&world, &index);
}

#[test]
fn a_parent_whose_child_comes_later_leaves_and_comes_back_when_the_child_goes() {
    let world = World::new();
    let edited = tx(1).saying("edited").encode();
    world.put(&edited);
    let mut index = world.open();
    let mut other = world.open();
    let child = tx(2).on(&[&tx(1).encode()]).encode();
    world.put(&child);
    world.refresh(&mut index);
    assert_eq!(
        ingested(&index.shown()),
        [id(2)],
        "the parent is not what its child recorded"
    );
    assert_eq!(
        altered(&index, id(1)),
        [id(2)],
        "the handle that ingested it reports it"
    );
    assert!(world.vanished().is_empty(), "its file is where it was");
    world.refresh(&mut other);
    assert_eq!(
        ingested(&other.shown()),
        [id(2)],
        "the other handle follows"
    );
    assert_eq!(altered(&other, id(1)), [id(2)], "and reports it");
    agrees_with_the_files(&world, &index);
    world.remove(id(2));
    world.refresh(&mut index);
    world.refresh(&mut other);
    for index in [&index, &other] {
        assert_eq!(
            ingested(&index.shown()),
            [id(1)],
            "nobody contradicts it any more"
        );
        assert!(
            rejected_files(index).is_empty(),
            "{:?}",
            rejected_files(index)
        );
    }
    agrees_with_the_files(&world, &index);
}

#[test]
fn one_hostile_child_changes_nothing_about_a_parent_that_another_confirms() {
    let world = World::new();
    let parent = tx(1).encode();
    world.put(&parent);
    world.put(&tx(2).on(&[&parent]).encode());
    let mut index = world.open();
    let before = epoch(&index);
    world.put(&tx(3).belying(&parent).encode());
    world.refresh(&mut index);
    assert_eq!(
        ingested(&index.shown()),
        [id(1), id(2), id(3)],
        "one lie takes nothing away"
    );
    assert_eq!(epoch(&index), before, "nothing went away");
    agrees_with_the_files(&world, &index);
}

#[test]
fn a_parent_leaves_when_the_only_child_that_confirms_it_goes() {
    let world = World::new();
    let parent = tx(1).encode();
    world.put(&parent);
    world.put(&tx(2).on(&[&parent]).encode());
    world.put(&tx(3).belying(&parent).encode());
    let mut index = world.open();
    assert_eq!(index.shown().len(), 3, "it is confirmed");
    world.remove(id(2));
    world.refresh(&mut index);
    assert_eq!(
        members(&index.shown()),
        [id(3)].into(),
        "nobody confirms it any more"
    );
    assert_eq!(altered(&index, id(1)), [id(3)], "and one contradicts it");
    agrees_with_the_files(&world, &index);
}

#[test]
fn a_child_that_is_left_out_itself_still_counts_and_stops_when_it_goes() {
    let world = World::new();
    let parent = tx(1).encode();
    let confirming = tx(2).on(&[&parent]);
    let grandchild = tx(4).on(&[&confirming.encode()]).encode();
    world.put(&parent);
    world.put(&confirming.clone().saying("edited").encode());
    world.put(&tx(3).belying(&parent).encode());
    world.put(&grandchild);
    let mut index = world.open();
    assert_eq!(
        members(&index.shown()),
        [id(1), id(3), id(4)].into(),
        "2 is left out, and confirms 1"
    );
    world.remove(id(2));
    world.refresh(&mut index);
    assert_eq!(
        members(&index.shown()),
        [id(3), id(4)].into(),
        "nobody confirms 1 any more"
    );
    agrees_with_the_files(&world, &index);
}

#[test]
fn a_file_that_is_left_out_and_then_damaged_is_reported_as_damaged() {
    let world = World::new();
    let parent = tx(1).encode();
    let path = id(1).relative_path();
    world.put_at(&path, &tx(1).saying("edited").encode().bytes);
    world.put(&tx(2).on(&[&parent]).encode());
    let mut index = world.open();
    assert_eq!(altered(&index, id(1)), [id(2)]);
    world.overwrite(&path, b"garbage\n");
    world.refresh(&mut index);
    assert!(
        matches!(rejected_files(&index)[&path], Reason::Content(_)),
        "{:?}",
        rejected_files(&index)
    );
    world.remove(id(2));
    world.refresh(&mut index);
    assert!(
        index.shown().is_empty(),
        "what was left out is not in the file any more"
    );
    agrees_with_the_files(&world, &index);
}

#[test]
fn a_file_that_is_left_out_and_edited_again_stops_saying_what_it_said() {
    let world = World::new();
    let (root, other) = (tx(1).encode(), tx(2).encode());
    world.put(&root);
    world.put(&other);
    let edited = tx(3).belying(&root).saying("edited").encode();
    world.put(&edited);
    world.put(&tx(4).on(&[&tx(3).encode()]).encode());
    let mut index = world.open();
    assert_eq!(
        members(&index.shown()),
        [id(2), id(4)].into(),
        "3 is left out, and belies 1"
    );
    world.overwrite(
        &id(3).relative_path(),
        &tx(3).belying(&other).encode().bytes,
    );
    world.refresh(&mut index);
    assert_eq!(
        members(&index.shown()),
        [id(1), id(4)].into(),
        "now it belies 2"
    );
    agrees_with_the_files(&world, &index);
}

#[test]
fn what_a_transaction_that_is_left_out_records_of_its_parents_counts() {
    //   P -- C -- D      C belies P, and D belies C.
    let world = World::new();
    let parent = tx(1).encode();
    let child = tx(2).belying(&parent).encode();
    world.put(&tx(3).belying(&child).encode());
    world.put(&child);
    world.put(&parent);
    let mut index = world.open();
    world.refresh(&mut index);
    assert_eq!(
        ingested(&index.shown()),
        [id(3)],
        "which of them is true is not for us to say"
    );
    assert_eq!(altered(&index, id(1)), [id(2)]);
    assert_eq!(altered(&index, id(2)), [id(3)]);
    agrees_with_the_files(&world, &index);
}
