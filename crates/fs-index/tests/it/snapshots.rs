//! A snapshot that is held answers the same, whatever becomes of the store.

use std::fmt::Write;

use fs_index::{All, Budget, Scan, Snapshot};

use crate::build::tx;
use crate::world::World;

/// Everything that a snapshot answers, as text.
fn answers(snapshot: &Snapshot) -> String {
    let mut told = String::new();
    let streams = snapshot.streams().unwrap();
    let end = snapshot.ingestion_end();
    let omissions = snapshot.omissions().unwrap();
    let missing: Vec<_> = snapshot.missing_parents().collect();
    write!(
        told,
        "{:?} {:?} {:?} {streams:?} {end:?} {omissions:?} {missing:?} ",
        snapshot.epoch(),
        snapshot.topology_generation(),
        snapshot.heads()
    )
    .unwrap();
    for (stream_id, _) in streams {
        let read = |_: fs_index::Placed<'_>| ();
        let read = snapshot.read_stream(&stream_id, 0, read).unwrap().len();
        let scanned = snapshot
            .scan_stream(&stream_id, 0, Budget::Unlimited)
            .unwrap();
        let scanned = scanned.expect("any effort is enough");
        let ids: Vec<_> = scanned.iter().map(|event| event.position).collect();
        let writers = snapshot.writers_below(&stream_id, u64::MAX).unwrap();
        write!(told, "{read} {ids:?} {writers:?} ").unwrap();
    }
    let placed = |placed: fs_index::Placed<'_>| format!("{placed:?}");
    let ingested = snapshot.read_ingested(None, &All, usize::MAX, placed);
    write!(told, "{:?} ", ingested.unwrap()).unwrap();
    let held = end.map(|end| snapshot.sequence_of(end).unwrap());
    let headers = snapshot.headers_after(0, usize::MAX - 1).unwrap();
    write!(told, "{held:?} {headers:?} ").unwrap();
    let history = snapshot.history().unwrap();
    let canonical: Vec<_> = history.canonical().map(|(_, stored)| stored.id()).collect();
    write!(told, "{canonical:?} {:?}", history.epoch()).unwrap();
    told
}

/// Snapshots with what they answered when they were taken.
#[derive(Default)]
struct Held(Vec<(&'static str, Snapshot, String)>);

impl Held {
    fn take(&mut self, when: &'static str, snapshot: &Snapshot) {
        let fresh = snapshot.clone();
        let told = answers(&fresh);
        // Of one half the history was never loaded before it is asked for at the end.
        let kept = if self.0.len().is_multiple_of(2) {
            fresh
        } else {
            snapshot.clone()
        };
        for (since, kept, before) in &self.0 {
            assert_eq!(&answers(kept), before, "held since {since}, {when}");
        }
        self.0.push((when, kept, told));
    }
}

#[test]
fn a_snapshot_answers_the_same_after_appends_merges_and_what_vanishes() {
    let world = World::new();
    let mut index = world.open();
    let mut held = Held::default();
    held.take("nothing is there", index.snapshot());
    for n in 2..=4 {
        let appended = tx(n).writing(&[("a", n), ("b", 1)]).encode();
        world.append_unread(&mut index, &appended);
    }
    held.take("some are appended", index.snapshot());
    let old = tx(1).writing(&[("a", 1)]).encode();
    world.put(&old);
    world.refresh(&mut index);
    held.take("one merges that sorts before them", index.snapshot());
    let orphan = tx(6).on(&[&tx(5).encode()]).writing(&[("a", 2)]).encode();
    world.put(&orphan);
    world.refresh(&mut index);
    held.take("one merges whose parent is missing", index.snapshot());
    for n in 10..90 {
        world.append_unread(&mut index, &tx(n).writing(&[("c", 1)]).encode());
    }
    held.take("the tail became a segment", index.snapshot());
    world.pass();
    world.remove(old.transaction_id);
    world.refresh(&mut index);
    held.take("one vanished", index.snapshot());
    world.put(&old);
    world.refresh(&mut index);
    held.take("it is back", index.snapshot());
    world.put_at("0190/ab/notes.txt", b"?");
    world.refresh_to(&mut index, Scan::Contents);
    held.take("a file is rejected", index.snapshot());
    world.set_journal(None);
    world.refresh(&mut index);
    held.take("the index is built anew", index.snapshot());
}
