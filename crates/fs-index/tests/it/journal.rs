//! Journals that are cut, damaged, deleted, replaced, or read while another handle writes.

use fs_format::Encoded;
use fs_index::{All, Index, Placed, PollOutcome, Scan, Stored};
use fs_io::sim::Fault;

use crate::build::tx;
use crate::world::{
    HEAD, Shown, Witness, World, epoch, facts, frames, ingested, load, look, own, take_in,
};

/// A store whose ingestion order is not the canonical one: 5 was there first, then 2 and 3 arrived, then 6 was appended.
fn written() -> (World, Index, Vec<Encoded>) {
    let world = World::new();
    let mut index = world.open();
    let five = tx(5).encode();
    world.append(&mut index, &five);
    let (two, three) = (tx(2).encode(), tx(3).writing(&[("b", 2)]).encode());
    world.put(&two);
    world.put(&three);
    world.refresh(&mut index);
    let six = tx(6).by(own()).on(&[&three, &five]).encode();
    world.append(&mut index, &six);
    (world, index, vec![five, two, three, six])
}

#[test]
fn a_journal_cut_at_any_length_gives_the_same_history() {
    let (world, index, _) = written();
    let whole = world.journal();
    let last = frames(&whole).into_iter().rev().nth(1).unwrap();
    // The end of the head is zeros.
    for cut in (0..whole.len()).filter(|cut| *cut >= HEAD || cut % 32 == 0) {
        world.set_journal(Some(&whole[..cut]));
        let opened = world.open();
        assert_eq!(
            facts(&opened.shown()),
            facts(&index.shown()),
            "cut at {cut}"
        );
        if cut >= last {
            assert_eq!(
                (epoch(&opened), ingested(&opened.shown())),
                (epoch(&index), ingested(&index.shown())),
                "cut at {cut}, in the last frame: it was never acknowledged, so nothing that was read is in doubt"
            );
        }
        assert_eq!(
            facts(&world.open().shown()),
            facts(&index.shown()),
            "cut at {cut}, read once more after it was mended"
        );
    }
}

#[test]
fn a_flipped_byte_anywhere_gives_the_same_history_and_no_position_a_new_meaning() {
    let (world, index, _) = written();
    let whole = world.journal();
    let mut witness = Witness::default();
    witness.read(&index.shown());
    // All of the heads of frames, a byte in four of what they hold, and some of the journal's own head.
    let heads = frames(&whole);
    let is_head = |at: usize| heads.iter().any(|head| (*head..head + 12).contains(&at));
    let is_sampled = |at: usize| {
        if at < HEAD {
            at.is_multiple_of(16)
        } else {
            is_head(at) || at.is_multiple_of(4)
        }
    };
    for at in (0..whole.len()).filter(|at| is_sampled(*at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        world.set_journal(Some(&damaged));
        let opened = world.open();
        assert_eq!(
            facts(&opened.shown()),
            facts(&index.shown()),
            "a flipped bit at {at}"
        );
        witness.read(&opened.shown());
    }
}

#[test]
fn a_journal_restored_from_a_backup_is_written_again_under_another_epoch() {
    let (world, mut open, encoded) = written();
    let (backup, id) = (world.journal(), open.snapshot().journal_id());
    let mut witness = Witness::default();
    let seven = tx(7).by(own()).on(&[&encoded[3]]).encode();
    world.append(&mut open, &seven);
    witness.read(&open.shown());
    world.restore_journal(&backup);
    world.remove(seven.transaction_id);
    let opened = world.open();
    assert_ne!(
        epoch(&opened),
        epoch(&open),
        "what was read since the backup has no position any more"
    );
    assert_ne!(
        opened.snapshot().journal_id(),
        id,
        "who appended goes on as somebody else, since it shows in the journal's id"
    );
    witness.read(&opened.shown());
    world.refresh(&mut open);
    assert_eq!(
        epoch(&open),
        epoch(&opened),
        "a handle that was open notices too"
    );
    assert_eq!(facts(&open.shown()), facts(&opened.shown()));
}

#[test]
fn a_deleted_journal_is_written_again_under_another_epoch() {
    let (world, index, _) = written();
    world.set_journal(None);
    let opened = world.open();
    assert_eq!(
        facts(&opened.shown()),
        facts(&index.shown()),
        "nothing is lost but time"
    );
    assert_ne!(
        epoch(&opened),
        epoch(&index),
        "positions do not outlive their journal"
    );
}

#[test]
fn a_journal_that_goes_away_while_it_is_open_is_written_again() {
    let (world, mut index, _) = written();
    let (before, known) = (epoch(&index), facts(&index.shown()));
    world.set_journal(None);
    assert_eq!(
        look(&mut index, Scan::Names),
        PollOutcome::Changed,
        "there is no journal"
    );
    assert_eq!(
        facts(&index.shown()),
        known,
        "what was read is still served"
    );
    world.refresh(&mut index);
    assert_eq!(facts(&index.shown()), known, "nothing is lost but time");
    assert_ne!(
        epoch(&index),
        before,
        "positions do not outlive their journal"
    );
}

#[test]
fn a_journal_that_another_handle_replaced_is_read_anew() {
    let (world, mut index, _) = written();
    let before = index.snapshot().journal_id();
    world.set_journal(None);
    let other = world.open();
    assert_eq!(
        look(&mut index, Scan::Names),
        PollOutcome::Current,
        "the other handle did the work"
    );
    assert_ne!(
        index.snapshot().journal_id(),
        before,
        "it is another journal"
    );
    assert_eq!(
        (epoch(&index), ingested(&index.shown())),
        (epoch(&other), ingested(&other.shown())),
        "both count alike"
    );
}

#[test]
fn one_handle_writes_and_another_follows_without_the_lock() {
    let world = World::new();
    let mut writer = world.open();
    let mut reader = world.open();
    let mut witness = Witness::default();
    for n in 1..20 {
        let next = tx(n).at(100 - i64::try_from(n).unwrap()).encode();
        if n % 3 == 0 {
            world.append(&mut writer, &next);
        } else {
            world.put(&next);
            world.refresh(&mut writer);
        }
        let _held = world.lock();
        assert_eq!(
            look(&mut reader, Scan::Names),
            PollOutcome::Current,
            "all is journaled"
        );
        assert_eq!(
            (
                facts(&reader.shown()),
                ingested(&reader.shown()),
                reader.shown().topology_generation()
            ),
            (
                facts(&writer.shown()),
                ingested(&writer.shown()),
                writer.shown().topology_generation()
            ),
            "after transaction {n}, both know the same"
        );
        witness.read(&reader.shown());
        witness.read(&writer.shown());
    }
}

#[test]
fn a_disk_that_is_full_while_a_change_is_journaled_hides_no_half_of_it() {
    let mut torn = 0;
    for fails_at in 1..200 {
        let (world, mut index, transactions) = written();
        let mut witness = Witness::default();
        witness.read(&index.shown());
        let before = (epoch(&index), index.shown().topology_generation());
        world.remove(transactions[0].transaction_id);
        world.remove(transactions[3].transaction_id);
        world.put(&tx(1).encode());
        world.pass();
        let len = world.journal().len();
        world.sim.disk.fail_at(fails_at, Fault::WriteFails);
        let failed = index.ingest(Scan::Names, &world.lock()).is_err();
        let was_torn = failed && world.journal().len() > len;
        torn += u32::from(was_torn);
        if was_torn {
            let mut reader = world.handle();
            let _ = look(&mut reader, Scan::Names);
            witness.read(&reader.shown());
            assert_eq!(
                epoch(&reader),
                before.0,
                "what was journaled in part has not happened"
            );
            assert_eq!(ingested(&reader.shown()).len(), 4, "nothing of it");
        }
        if failed {
            world.refresh(&mut index);
        }
        load(&mut index);
        for index in [&index, &world.open()] {
            witness.read(&index.shown());
            assert_eq!(index.shown().len(), 3, "two went away and one came");
            assert_ne!(epoch(index), before.0, "something went away");
            assert!(
                index.shown().topology_generation() > before.1,
                "something went away"
            );
        }
        if !failed {
            assert!(torn > 0, "the journal itself was among what failed");
            return;
        }
    }
    panic!("there is an end to what can fail");
}

#[test]
fn a_torn_record_of_an_append_that_reordered_hides_no_new_generation() {
    let (world, mut index, _) = written();
    let generation = index.shown().topology_generation();
    let early = tx(1).by(own()).encode();
    let lock = world.lock();
    take_in(&world.sim.clock, &mut index, Scan::Names, &lock);
    world.put(&early);
    let len = world.journal().len();
    world.sim.disk.fail_at(1, Fault::WriteFails);
    index
        .record_appends(vec![Stored::of_encoded_bytes(early)], &lock)
        .unwrap_err();
    drop(lock);
    assert!(world.journal().len() > len, "a part was written");
    world.refresh(&mut index);
    for index in [&index, &world.open()] {
        assert_eq!(
            index.shown().len(),
            5,
            "the transaction stands all the same"
        );
        assert_eq!(
            index.shown().topology_generation(),
            generation + 1,
            "it sorts before the others"
        );
    }
}

#[test]
fn a_batch_without_its_last_frame_has_not_happened() {
    let (world, index, transactions) = written();
    let before = world.journal().len();
    let mut writer = world.open();
    world.remove(transactions[0].transaction_id);
    world.put(&tx(1).encode());
    world.refresh(&mut writer);
    let whole = world.journal();
    assert!(
        frames(&whole)
            .iter()
            .filter(|start| **start > before)
            .count()
            > 2,
        "one change, several frames"
    );
    for cut in before..whole.len() {
        world.set_journal(Some(&whole[..cut]));
        let mut reader = world.handle();
        assert_eq!(
            look(&mut reader, Scan::Names),
            PollOutcome::Changed,
            "cut at {cut}: it is still to do"
        );
        assert_eq!(
            (epoch(&reader), ingested(&reader.shown())),
            (epoch(&index), ingested(&index.shown())),
            "cut at {cut}: nobody reads half of a change"
        );
    }
}

#[test]
fn a_journal_whose_records_contradict_each_other_is_written_anew() {
    let (world, mut index, _) = written();
    let (before, known) = (epoch(&index), facts(&index.shown()));
    let mut journal = world.journal();
    let last = frames(&journal).into_iter().rev().nth(2).unwrap();
    // The last batch, an arrival and the stamp of its directory, once more, as two writers would leave it whom no lock kept apart.
    journal.extend_from_within(last..);
    world.set_journal(Some(&journal));
    assert_eq!(
        look(&mut index, Scan::Names),
        PollOutcome::Changed,
        "one number was given twice"
    );
    assert_eq!(
        look(&mut index, Scan::Names),
        PollOutcome::Changed,
        "and that does not wear off"
    );
    world.refresh(&mut index);
    for index in [&index, &world.open()] {
        assert_eq!(facts(&index.shown()), known, "the files are all there");
        assert_ne!(epoch(index), before, "what the numbers meant is in doubt");
    }
}

#[test]
fn an_open_reads_no_history() {
    let world = World::new();
    let mut index = world.open();
    let mut before: Option<Encoded> = None;
    for n in 1..=100 {
        let parents: Vec<&Encoded> = before.iter().collect();
        let next = tx(n).by(own()).on(&parents).encode();
        world.append(&mut index, &next);
        before = Some(next);
    }
    let mut journal = world.journal();
    let third = frames(&journal)[3];
    journal[third + 40] ^= 1;
    world.overwrite_journal(&journal);
    let mut opened = world.handle();
    assert_eq!(
        opened.poll(Scan::Names).unwrap(),
        PollOutcome::Current,
        "an old record that is damaged is not met"
    );
    assert_eq!(
        opened.snapshot().epoch(),
        index.snapshot().epoch(),
        "nor is its epoch in doubt"
    );
    assert_eq!(opened.snapshot().last_number(), 100, "and all is there");
    assert_eq!(opened.shown().len(), 100, "who descends from whom is told");
    let all = |placed: Placed<'_>| placed.position;
    let read = opened.snapshot().read_ingested(None, &All, 100, all);
    assert!(read.is_err(), "before somebody asks for its events");
    world.refresh(&mut opened);
    assert_eq!(opened.shown().len(), 100, "then the index is built anew");
    assert_ne!(
        opened.snapshot().epoch(),
        index.snapshot().epoch(),
        "under a new epoch"
    );
}
