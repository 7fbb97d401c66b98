//! Journals that a power cut took the unsynced end of.

use fs_index::Index;

use crate::build::{id, tx};
use crate::world::{Shown, Witness, World, epoch, facts, ingested, own};

/// Two own transactions; the journal is then cut by the second one's record, `keep` bytes of which are left.
fn cut_by_power(keep: usize) -> (World, Index) {
    let mut world = World::new();
    let mut index = world.open();
    world.append(&mut index, &tx(1).by(own()).encode());
    let synced = world.journal().len();
    world.append(&mut index, &tx(2).by(own()).encode());
    let whole = world.journal();
    world.set_journal(Some(&whole[..synced + keep]));
    world.boot(Some("second"));
    (world, index)
}

#[test]
fn a_lost_record_of_an_own_file_starts_a_new_epoch() {
    let (world, before) = cut_by_power(0);
    let index = world.open();
    assert_eq!(
        facts(&index.shown()),
        facts(&before.shown()),
        "the files are all there"
    );
    assert_ne!(
        epoch(&index),
        epoch(&before),
        "what else was lost with it, nobody knows"
    );
    let again = world.open();
    assert_eq!(epoch(&again), epoch(&index), "once");
}

#[test]
fn a_record_that_is_cut_starts_a_new_epoch() {
    for keep in [1, 11, 12, 40] {
        let (world, before) = cut_by_power(keep);
        world.remove(id(2));
        let index = world.open();
        assert_eq!(
            ingested(&index.shown()),
            [id(1)],
            "the file was lost as well"
        );
        assert_ne!(
            epoch(&index),
            epoch(&before),
            "a record was lost that may have been read ({keep} bytes left)"
        );
    }
}

#[test]
fn an_end_of_zeros_starts_a_new_epoch() {
    let (world, before) = cut_by_power(0);
    let mut journal = world.journal();
    journal.resize(journal.len() + 100, 0);
    world.set_journal(Some(&journal));
    let index = world.open();
    assert_eq!(
        facts(&index.shown()),
        facts(&before.shown()),
        "the files are all there"
    );
    assert_ne!(epoch(&index), epoch(&before), "the journal lost its end");
}

#[test]
fn files_of_others_that_arrive_keep_the_epoch() {
    let mut world = World::new();
    let mut before = world.open();
    world.append(&mut before, &tx(1).by(own()).encode());
    let mut witness = Witness::default();
    witness.read(&before.shown());
    world.boot(Some("second"));
    world.put(&tx(2).encode());
    let index = world.open();
    assert_eq!(epoch(&index), epoch(&before), "nothing was lost");
    assert_eq!(
        ingested(&index.shown()),
        [id(1), id(2)],
        "what arrived comes after what was there"
    );
    witness.read(&index.shown());
}

#[test]
fn an_own_file_that_vanished_in_this_journal_may_come_back_after_a_start() {
    let mut world = World::new();
    let mut index = world.open();
    let own = tx(1).by(own()).encode();
    world.append(&mut index, &own);
    world.remove(own.transaction_id);
    world.refresh(&mut index);
    world.boot(Some("second"));
    world.put(&own);
    let opened = world.open();
    assert_eq!(
        epoch(&opened),
        epoch(&index),
        "the journal knows why it is not in the history: nothing was lost"
    );
    assert_eq!(ingested(&opened.shown()), [id(1)], "it is back");
}

#[test]
fn an_own_file_that_was_not_journaled_is_no_loss_while_the_machine_runs() {
    let world = World::new();
    let mut index = world.open();
    world.append(&mut index, &tx(1).by(own()).encode());
    world.put(&tx(2).by(own()).encode());
    let opened = world.open();
    assert_eq!(
        epoch(&opened),
        epoch(&index),
        "its writer died before it journaled it"
    );
    assert_eq!(
        opened.snapshot().last_appended(own()),
        Some((2, id(2))),
        "it is this working copy's own all the same"
    );
}

#[test]
fn an_own_file_that_is_left_out_does_not_start_epochs_for_ever() {
    for boot in [Some("second"), None] {
        let mut world = World::new();
        world.boot(boot);
        let mut index = world.open();
        let (old, other) = (tx(1).by(own()), tx(3));
        let child = tx(2).on(&[&old.encode()]);
        world.put(&old.clone().saying("edited").encode());
        world.put(&child.encode());
        world.refresh(&mut index);
        assert_eq!(
            ingested(&index.shown()),
            [id(2)],
            "the edited parent is left out"
        );
        let before = epoch(&index);
        world.append(&mut index, &other.encode());
        assert_eq!(
            epoch(&index),
            before,
            "boot {boot:?}: a file that stays out is no lost record"
        );
        let opened = world.open();
        assert_eq!(
            epoch(&opened),
            before,
            "boot {boot:?}: a file that stays out is no lost record"
        );
    }
}
