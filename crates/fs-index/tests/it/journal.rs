//! Journals that are cut, damaged, deleted, replaced, or read while another handle writes.

use fs_format::Encoded;
use fs_index::{Depth, Index, Observed};
use fs_io::sim::Fault;

use crate::build::tx;
use crate::world::{Witness, World, epoch, facts, ingested, own};

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

/// Returns where each frame of a journal begins, and the end of the last.
fn frames(journal: &[u8]) -> Vec<usize> {
    let mut starts = vec![32];
    loop {
        let at = *starts.last().unwrap();
        let Some(len) = journal.get(at..at + 4) else {
            assert_eq!(at, journal.len(), "the journal is whole");
            return starts;
        };
        starts.push(at + 12 + (u32::from_le_bytes(len.try_into().unwrap()) & 0x7fff_ffff) as usize);
    }
}

#[test]
fn a_journal_cut_at_any_length_gives_the_same_history() {
    let (world, index, _) = written();
    let whole = world.journal();
    let last = frames(&whole).into_iter().rev().nth(1).unwrap();
    for cut in 0..whole.len() {
        world.set_journal(Some(&whole[..cut]));
        let opened = world.open();
        assert_eq!(
            facts(opened.history()),
            facts(index.history()),
            "cut at {cut}"
        );
        if cut >= last {
            assert_eq!(
                (epoch(&opened), ingested(opened.history())),
                (epoch(&index), ingested(index.history())),
                "cut at {cut}, in the last frame: it was never acknowledged, so nothing that was read is in doubt"
            );
        }
        assert_eq!(
            facts(world.open().history()),
            facts(index.history()),
            "cut at {cut}, read once more after it was mended"
        );
    }
}

#[test]
fn a_flipped_byte_anywhere_gives_the_same_history_and_no_position_a_new_meaning() {
    let (world, index, _) = written();
    let whole = world.journal();
    let mut witness = Witness::default();
    witness.read(index.history());
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        world.set_journal(Some(&damaged));
        let opened = world.open();
        assert_eq!(
            facts(opened.history()),
            facts(index.history()),
            "a flipped bit at {at}"
        );
        witness.read(opened.history());
    }
}

#[test]
fn a_deleted_journal_is_written_again_under_another_epoch() {
    let (world, index, _) = written();
    world.set_journal(None);
    let opened = world.open();
    assert_eq!(
        facts(opened.history()),
        facts(index.history()),
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
    let (before, known) = (epoch(&index), facts(index.history()));
    world.set_journal(None);
    assert_eq!(
        index.observe(Depth::Names).unwrap(),
        Observed::Changed,
        "there is no journal"
    );
    assert_eq!(
        facts(index.history()),
        known,
        "what was read is still served"
    );
    world.refresh(&mut index);
    assert_eq!(facts(index.history()), known, "nothing is lost but time");
    assert_ne!(
        epoch(&index),
        before,
        "positions do not outlive their journal"
    );
}

#[test]
fn a_journal_that_another_handle_replaced_is_read_anew() {
    let (world, mut index, _) = written();
    let before = index.journal_id();
    world.set_journal(None);
    let other = world.open();
    assert_eq!(
        index.observe(Depth::Names).unwrap(),
        Observed::Current,
        "the other handle did the work"
    );
    assert_ne!(index.journal_id(), before, "it is another journal");
    assert_eq!(
        (epoch(&index), ingested(index.history())),
        (epoch(&other), ingested(other.history())),
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
            reader.observe(Depth::Names).unwrap(),
            Observed::Current,
            "all is journaled"
        );
        assert_eq!(
            (
                facts(reader.history()),
                ingested(reader.history()),
                reader.history().topology_generation()
            ),
            (
                facts(writer.history()),
                ingested(writer.history()),
                writer.history().topology_generation()
            ),
            "after transaction {n}, both know the same"
        );
        witness.read(reader.history());
        witness.read(writer.history());
    }
}

#[test]
fn a_disk_that_is_full_while_a_change_is_journaled_hides_no_half_of_it() {
    let mut torn = 0;
    for fails_at in 1..200 {
        let (world, mut index, transactions) = written();
        let mut witness = Witness::default();
        witness.read(index.history());
        let before = (epoch(&index), index.history().topology_generation());
        world.remove(transactions[0].transaction_id);
        world.remove(transactions[3].transaction_id);
        world.put(&tx(1).encode());
        let len = world.journal().len();
        world.sim.disk.fail_at(fails_at, Fault::WriteFails);
        let failed = index.ingest(Depth::Names, &world.lock()).is_err();
        let was_torn = failed && world.journal().len() > len;
        torn += u32::from(was_torn);
        if was_torn {
            let mut reader = world.handle();
            let _ = reader.observe(Depth::Names).unwrap();
            witness.read(reader.history());
            assert_eq!(
                epoch(&reader),
                before.0,
                "what was journaled in part has not happened"
            );
            assert_eq!(ingested(reader.history()).len(), 4, "nothing of it");
        }
        if failed {
            world.refresh(&mut index);
        }
        for index in [&index, &world.open()] {
            witness.read(index.history());
            assert_eq!(index.history().len(), 3, "two went away and one came");
            assert_ne!(epoch(index), before.0, "something went away");
            assert!(
                index.history().topology_generation() > before.1,
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
    let generation = index.history().topology_generation();
    let early = tx(1).by(own()).encode();
    let lock = world.lock();
    index.ingest(Depth::Names, &lock).unwrap();
    world.put(&early);
    let len = world.journal().len();
    world.sim.disk.fail_at(1, Fault::WriteFails);
    index.record_append(early, &lock).unwrap_err();
    drop(lock);
    assert!(world.journal().len() > len, "a part was written");
    world.refresh(&mut index);
    for index in [&index, &world.open()] {
        assert_eq!(
            index.history().len(),
            5,
            "the transaction stands all the same"
        );
        assert_eq!(
            index.history().topology_generation(),
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
            reader.observe(Depth::Names).unwrap(),
            Observed::Changed,
            "cut at {cut}: it is still to do"
        );
        assert_eq!(
            (epoch(&reader), ingested(reader.history())),
            (epoch(&index), ingested(index.history())),
            "cut at {cut}: nobody reads half of a change"
        );
    }
}

#[test]
fn a_journal_whose_records_contradict_each_other_is_written_anew() {
    let (world, mut index, _) = written();
    let (before, known) = (epoch(&index), facts(index.history()));
    let mut journal = world.journal();
    let last = frames(&journal).into_iter().rev().nth(1).unwrap();
    // The last arrival once more, as two writers would leave it whom no lock kept apart.
    journal.extend_from_within(last..);
    world.set_journal(Some(&journal));
    assert_eq!(
        index.observe(Depth::Names).unwrap(),
        Observed::Changed,
        "one number was given twice"
    );
    assert_eq!(
        index.observe(Depth::Names).unwrap(),
        Observed::Changed,
        "and that does not wear off"
    );
    world.refresh(&mut index);
    for index in [&index, &world.open()] {
        assert_eq!(facts(index.history()), known, "the files are all there");
        assert_ne!(epoch(index), before, "what the numbers meant is in doubt");
    }
}
