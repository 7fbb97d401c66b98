//! Files that change under their names.
//!
//! What replaces a file, as git and most editors do, moves the stamp of its directory, and the next poll sees it. What
//! writes into it does not, and is found by looking at every file.

use fs_format::ContentHash;
use fs_index::{Index, PollOutcome, Scan};
use fs_io::Disk;

use crate::build::{id, tx};
use crate::world::{Shown, World, epoch, look};

fn hash_of(index: &Index, n: u64) -> ContentHash {
    let history = index.shown();
    history.find(id(n)).unwrap().content_hash()
}

/// Writes other bytes of the same length over a file, which stays the same file.
fn write_into(world: &World, path: &str, bytes: &[u8]) {
    let path = world.layout.event_file(path);
    let mut file = world.sim.disk.open_log(&path).unwrap();
    file.write_at(0, bytes).unwrap();
}

#[test]
fn a_file_that_was_replaced_is_read_again_by_the_next_look() {
    for scan in [Scan::Throttled, Scan::Names, Scan::Contents] {
        let world = World::new();
        (1..=3).for_each(|n| world.put(&tx(n).encode()));
        let mut index = world.open();
        let (before, old) = (epoch(&index), hash_of(&index, 2));
        let now = tx(2).saying("rewritten").encode();
        world.overwrite(&id(2).relative_path(), &now.bytes);
        world.refresh_to(&mut index, scan);
        assert_eq!(
            hash_of(&index, 2),
            now.content_hash,
            "{scan:?}: it is what is there"
        );
        assert_ne!(old, now.content_hash, "which is something else");
        assert_ne!(epoch(&index), before, "what was read is not there any more");
        let kept = world.vanished();
        assert_eq!(
            kept[&id(2).file_name()],
            tx(2).encode().bytes,
            "{scan:?}: the bytes of before are kept"
        );
        world.pass();
        assert_eq!(
            look(&mut index, scan),
            PollOutcome::Current,
            "{scan:?}: that is all"
        );
        let fresh = world.open();
        assert_eq!(
            hash_of(&fresh, 2),
            now.content_hash,
            "for whoever comes next"
        );
    }
}

#[test]
fn a_file_that_was_written_into_is_found_by_looking_at_every_file() {
    let world = World::new();
    let saying = |text| tx(1).saying(text).encode();
    world.put(&saying("before"));
    let mut index = world.open();
    let before = epoch(&index);
    world.pass();
    // Its stamp is not young any more.
    world.refresh(&mut index);
    let now = saying("behind");
    write_into(&world, &id(1).relative_path(), &now.bytes);
    world.pass();
    assert_eq!(
        look(&mut index, Scan::Names),
        PollOutcome::Current,
        "no name came or went"
    );
    world.refresh_to(&mut index, Scan::Contents);
    assert_eq!(hash_of(&index, 1), now.content_hash, "it is read again");
    assert_ne!(epoch(&index), before, "what was read is not there any more");
}

#[test]
fn a_file_that_was_replaced_by_itself_is_read_once_and_no_change() {
    for line_end in ["\n", "\r\n"] {
        let world = World::new();
        (1..=2).for_each(|n| world.put(&tx(n).encode()));
        let mut index = world.open();
        let (before, old) = (epoch(&index), hash_of(&index, 1));
        let text = String::from_utf8(tx(1).encode().bytes).unwrap();
        world.overwrite(
            &id(1).relative_path(),
            text.replace('\n', line_end).as_bytes(),
        );
        world.refresh(&mut index);
        world.refresh_to(&mut index, Scan::Contents);
        assert_eq!(epoch(&index), before, "{line_end:?}: nothing went away");
        assert_eq!(hash_of(&index, 1), old, "the content is the same");
        assert!(world.vanished().is_empty(), "nothing has to be kept");
        world.pass();
        world.refresh(&mut index);
        let mut other = world.handle();
        for index in [&mut index, &mut other] {
            assert_eq!(
                look(index, Scan::Names),
                PollOutcome::Current,
                "{line_end:?}: its new stamp is written down"
            );
        }
    }
}

#[test]
fn a_file_that_was_written_into_is_found_when_its_directory_changes() {
    let world = World::new();
    let saying = |text| tx(1).saying(text).encode();
    world.put(&saying("before"));
    let mut index = world.open();
    world.pass();
    let now = saying("behind");
    write_into(&world, &id(1).relative_path(), &now.bytes);
    world.put(&tx(2).encode());
    world.refresh(&mut index);
    assert_eq!(
        hash_of(&index, 1),
        now.content_hash,
        "the files beside what arrives are looked at"
    );
}

#[test]
fn a_rewritten_file_is_seen_beside_what_else_came_and_went() {
    let world = World::new();
    (1..=3).for_each(|n| world.put(&tx(n).encode()));
    let mut index = world.open();
    let now = tx(2).saying("rewritten").encode();
    world.overwrite(&id(2).relative_path(), &now.bytes);
    world.remove(id(1));
    world.put(&tx(4).encode());
    world.refresh(&mut index);
    assert_eq!(hash_of(&index, 2), now.content_hash, "one is rewritten");
    assert!(index.shown().find(id(1)).is_none(), "one is gone");
    assert!(index.shown().find(id(4)).is_some(), "one has come");
}

#[test]
fn what_this_process_appended_and_somebody_rewrote_is_read_again() {
    let world = World::new();
    let mut index = world.open();
    for n in 1..=3 {
        world.append(&mut index, &tx(n).encode());
        world.pass();
    }
    let now = tx(3).saying("rewritten").encode();
    world.overwrite(&id(3).relative_path(), &now.bytes);
    world.refresh(&mut index);
    assert_eq!(hash_of(&index, 3), now.content_hash, "it is what is there");
    assert_eq!(
        index
            .snapshot()
            .heads()
            .iter()
            .find(|it| it.transaction_id == id(3))
            .map(|it| it.content_hash),
        Some(now.content_hash),
        "and what a child will name"
    );
}
