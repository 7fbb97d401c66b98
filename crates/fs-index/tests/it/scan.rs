//! What lies in `events/` and is no transaction, and arrivals that the stamps do not show.

use std::time::Duration;

use fs_format::NameError;
use fs_index::{PollOutcome, Reason, Scan, Stored};
use fs_io::Disk;

use crate::build::{format_2, id, tx};
use crate::world::{
    Shown, World, bytes_of, epoch, facts, ingested, look, members, rejected_files, take_in,
};

#[test]
fn names_that_are_no_transactions_are_reported_where_they_are() {
    let world = World::new();
    let good = tx(1).encode();
    world.put(&good);
    let flat = id(2).file_name();
    let upper = id(3)
        .relative_path()
        .to_uppercase()
        .replace("JSONL", "jsonl");
    let misplaced = format!("0000/00/{}", id(4).file_name());
    let shallow = format!("01a1/{}", id(5).file_name());
    for path in [
        "notes.txt",
        "a/b/c",
        "x.jsonl~",
        &upper,
        &misplaced,
        &shallow,
    ] {
        world.put_at(path, &good.bytes);
    }
    world.put_at(&flat, &tx(2).encode().bytes);
    world.put_at(&tx(6).encode().transaction_id.relative_path(), &good.bytes);
    let mut index = world.open();
    assert_eq!(
        ingested(&index.shown()),
        [id(1)],
        "the rest of the store works"
    );
    let found = rejected_files(&index);
    for path in ["notes.txt", "a/b/c", "x.jsonl~", &upper] {
        assert!(
            matches!(found[path], Reason::Name(NameError::NotATransaction)),
            "{path}: {:?}",
            found[path]
        );
    }
    for path in [&misplaced, &shallow] {
        assert!(
            matches!(found[path], Reason::Name(NameError::Misplaced { .. })),
            "{path}: {:?}",
            found[path]
        );
    }
    for path in [&flat, &id(6).relative_path()] {
        assert!(
            matches!(found[path], Reason::Content(_)),
            "{path}: {:?}",
            found[path]
        );
    }
    assert_eq!(found.len(), 8, "and nothing else: {found:?}");
    world.remove_at("notes.txt");
    world.refresh(&mut index);
    assert!(
        !rejected_files(&index).contains_key("notes.txt"),
        "what is gone is not reported"
    );
}

#[test]
fn names_that_people_and_systems_leave_behind_are_no_trouble() {
    let world = World::new();
    for directory in ["", "01a1/", "01a1/fd/"] {
        for name in [
            ".gitattributes",
            ".gitkeep",
            ".DS_Store",
            "Thumbs.db",
            "desktop.ini",
            "._01a1fd21-d4f8-70bd-9977-306ff692b65f.jsonl",
            ".nfs000000000001",
            ".directory",
            ".stfolder/syncthing-folder-1.txt",
        ] {
            world.put_at(&format!("{directory}{name}"), b"x");
        }
    }
    let index = world.open();
    assert!(
        rejected_files(&index).is_empty(),
        "{:?}",
        rejected_files(&index)
    );
}

#[test]
fn unusable_content_is_reported_and_taken_once_it_is_whole() {
    let world = World::new();
    let whole = tx(1).encode();
    let path = id(1).relative_path();
    let mut index = world.open();
    let mut newer = whole.bytes.clone();
    newer.splice(
        0..0,
        br#"{"record":"header","format_version":4}"#.iter().copied().chain([b'\n']),
    );
    let large = vec![b' '; 16 * 1024 * 1024 + 1];
    type Expected = fn(&Reason) -> bool;
    let contents: [(&[u8], Expected); 5] = [
        (b"", |reason| reason.is_incomplete()),
        (&whole.bytes[..whole.bytes.len() / 2], |reason| {
            reason.is_incomplete()
        }),
        (b"garbage\n", |reason| matches!(reason, Reason::Content(_))),
        (&newer, |reason| matches!(reason, Reason::Newer(_))),
        (&large, |reason| matches!(reason, Reason::TooLarge { .. })),
    ];
    world.put_at(&path, b"");
    for (bytes, expected) in contents {
        world.overwrite(&path, bytes);
        world.refresh(&mut index);
        let reason = rejected_files(&index)
            .remove(&path)
            .expect("it is reported");
        assert!(expected(&reason), "{reason}");
        let said = reason.to_string();
        assert!(
            said.matches("newer version").count() <= 1
                && !reason.remedy(&path).to_string().is_empty(),
            "it is said once, with what to do: {said}"
        );
        assert!(index.shown().is_empty(), "it is not taken: {reason}");
    }
    world.overwrite(&path, &whole.bytes);
    world.refresh(&mut index);
    assert_eq!(ingested(&index.shown()), [id(1)], "it is whole now");
    assert!(
        rejected_files(&index).is_empty(),
        "{:?}",
        rejected_files(&index)
    );
}

#[test]
fn a_known_file_that_is_edited_in_place_leaves_and_comes_back() {
    let world = World::new();
    let whole = tx(1).encode();
    let path = id(1).relative_path();
    world.put(&whole);
    world.put(&tx(2).encode());
    let mut index = world.open();
    for other in [
        &b"<<<<<<< HEAD\n"[..],
        &tx(1).saying("otherwise").encode().bytes,
        &tx(2).encode().bytes,
    ] {
        let before = epoch(&index);
        world.overwrite(&path, other);
        world.refresh_to(&mut index, Scan::Contents);
        assert_eq!(
            facts(&index.shown()),
            facts(&world.open().shown()),
            "the journal says the same"
        );
        assert_ne!(epoch(&index), before, "what was read is not there any more");
        world.overwrite(&path, &whole.bytes);
        world.refresh_to(&mut index, Scan::Contents);
        assert_eq!(bytes_of(&index.shown(), id(1)), whole.bytes, "it is back");
        assert!(
            rejected_files(&index).is_empty(),
            "{:?}",
            rejected_files(&index)
        );
    }
}

#[test]
fn an_arrival_in_the_tick_of_the_last_look_is_seen() {
    for granularity in [
        Duration::from_secs(2),
        Duration::from_secs(1),
        Duration::from_millis(10),
    ] {
        let world = World::new();
        world.sim.disk.set_stamp_granularity(granularity);
        world.sim.clock.set(1_767_225_600_000_000_000);
        let mut index = world.open();
        for n in 1..=6 {
            let before = world
                .sim
                .disk
                .stat(&world.layout.event_file("01a1/fd"))
                .unwrap();
            world.put(&tx(n).encode());
            if n > 1 {
                let after = world
                    .sim
                    .disk
                    .stat(&world.layout.event_file("01a1/fd"))
                    .unwrap();
                assert_eq!(
                    before, after,
                    "the stamps show nothing, which is the point of this test"
                );
            }
            world.refresh(&mut index);
            assert_eq!(
                members(&index.shown()).len() as u64,
                n,
                "arrival {n} in the same tick is seen"
            );
        }
    }
}

#[test]
fn an_arrival_during_an_append_is_seen() {
    let world = World::new();
    let mut index = world.open();
    world.append(&mut index, &tx(1).encode());
    world.pass();
    world.refresh(&mut index);
    world.pass();
    let appended = tx(2).encode();
    let lock = world.lock();
    take_in(&world.sim.clock, &mut index, Scan::Names, &lock);
    world.put(&tx(3).encode());
    world.put(&appended);
    // The process is stopped for a while between publishing and recording.
    world.pass();
    index
        .record_appends(vec![Stored::of_encoded_bytes(appended)], &lock)
        .unwrap();
    drop(lock);
    assert_eq!(
        look(&mut index, Scan::Names),
        PollOutcome::Changed,
        "a file arrived in between"
    );
    world.refresh(&mut index);
    assert_eq!(
        ingested(&index.shown()),
        [id(1), id(2), id(3)],
        "none is missed"
    );
}

#[test]
fn old_directories_are_not_listed_and_still_watched() {
    let world = World::new();
    let mut index = world.open();
    for n in [1, 1001, 2001] {
        world.put(&tx(n).encode());
    }
    world.refresh(&mut index);
    world.pass();
    world.refresh(&mut index);
    world.put(&tx(2).encode());
    world.put(&tx(1002).encode());
    world.pass();
    world.refresh(&mut index);
    assert_eq!(index.shown().len(), 5, "their stamps moved");
    world.remove(id(2001));
    world.refresh(&mut index);
    assert!(
        index.shown().find(id(2001)).is_none(),
        "the stamp of its directory moved"
    );
}

#[test]
fn of_two_files_of_one_id_the_sealed_one_is_read_whichever_came_first() {
    let sealed = tx(1).encode();
    let (old, old_bytes) = format_2(1, &[]);
    assert_eq!(old, sealed.transaction_id, "the same id in both formats");
    let (sharded, flat) = (old.relative_path(), old.file_name());
    for order in [[true, false], [false, true]] {
        let world = World::new();
        let mut index = world.open();
        for is_sealed in order {
            if is_sealed {
                world.put(&sealed);
            } else {
                world.put_at(&flat, &old_bytes);
            }
            world.refresh(&mut index);
        }
        let fresh = {
            world.set_journal(None);
            world.open()
        };
        for index in [&index, &fresh] {
            assert_eq!(
                bytes_of(&index.shown(), old),
                sealed.bytes,
                "the choice depends on the files alone, not on their order {order:?}"
            );
            let reason = &rejected_files(index)[&flat];
            assert!(
                matches!(reason, Reason::Duplicate { other } if *other == sharded),
                "{reason}"
            );
        }
        world.refresh(&mut index);
        world.remove_at(&sharded);
        world.refresh(&mut index);
        assert_eq!(
            bytes_of(&index.shown(), old),
            old_bytes,
            "the other one is left"
        );
        assert!(
            rejected_files(&index).is_empty(),
            "{:?}",
            rejected_files(&index)
        );
    }
}

#[test]
fn a_file_that_was_hidden_counts_for_a_handle_that_follows_the_journal() {
    let world = World::new();
    let (hidden, hidden_bytes) = format_2(1, &[2]);
    let (child, child_bytes) = format_2(2, &[1]);
    world.put(&tx(1).encode());
    world.put_at(&hidden.file_name(), &hidden_bytes);
    world.put_at(&child.file_name(), &child_bytes);
    let (mut one, mut other) = (world.open(), world.open());
    assert_eq!(
        members(&one.shown()),
        [hidden, child].into(),
        "1 is the sealed one, which has no parents"
    );
    world.remove(id(1));
    world.refresh(&mut one);
    world.put(&tx(3).encode());
    world.refresh(&mut other);
    world.refresh(&mut one);
    for index in [&one, &other, &world.open()] {
        assert_eq!(
            members(&index.shown()),
            [id(3)].into(),
            "1 and 2 are each other's parents now"
        );
    }
}
