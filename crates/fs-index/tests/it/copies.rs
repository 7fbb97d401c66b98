//! Two whole files of one transaction, and children that say which is the true one.
//!
//! ```text
//!   S  1 sealed, in its directories        C  records the hash of F
//!   F  1 of format 2, flat                 D  records the hash of S        E  records neither
//! ```

use std::collections::BTreeSet;

use fs_format::{Encoded, Parent, TransactionId};
use fs_index::{Incoming, Index, Preview, Progress, Reason, Scan};

use crate::build::{format_2, id, tx};
use crate::world::{Shown, World, facts, rejected_files};

/// The files of these tests.
struct Files {
    sealed: Encoded,
    flat: Vec<u8>,
    confirms_flat: Encoded,
    confirms_sealed: Encoded,
    confirms_neither: Encoded,
}

impl Files {
    fn new() -> Self {
        let sealed = tx(1).encode();
        let (transaction_id, flat) = format_2(1, &[]);
        let content_hash = fs_format::decode(&flat).unwrap().content_hash;
        let of_flat = Parent {
            transaction_id,
            content_hash: Some(content_hash),
        };
        Self {
            confirms_flat: tx(2).on_parents(vec![of_flat]).encode(),
            confirms_sealed: tx(3).on(&[&sealed]).encode(),
            confirms_neither: tx(4).belying(&sealed).encode(),
            sealed,
            flat,
        }
    }

    /// Returns the path and the bytes of a file.
    fn file(&self, name: char) -> (String, Vec<u8>) {
        let encoded = match name {
            'F' => return (id(1).file_name(), self.flat.clone()),
            'S' => &self.sealed,
            'C' => &self.confirms_flat,
            'D' => &self.confirms_sealed,
            _ => &self.confirms_neither,
        };
        (
            encoded.transaction_id.relative_path(),
            encoded.bytes.clone(),
        )
    }

    fn put(&self, world: &World, name: char) {
        let (path, bytes) = self.file(name);
        world.put_at(&path, &bytes);
    }
}

fn sharded() -> String {
    id(1).relative_path()
}

/// Returns the path of the file that is read and of the one that is a duplicate.
fn read_and_reported(index: &Index) -> (Option<String>, Vec<(String, &'static str)>) {
    let history = index.shown();
    let read = history.find(id(1)).map(|it| it.relative_path());
    let reported = rejected_files(index).into_iter().map(|(path, reason)| {
        let reason = match reason {
            Reason::Duplicate { other } => {
                assert_eq!(Some(other), read, "a duplicate names the file that is read");
                "duplicate"
            }
            Reason::Altered { .. } => "altered",
            other => panic!("{path}: {other}"),
        };
        (path, reason)
    });
    let reported = reported.collect();
    (read, reported)
}

fn permutations(of: &str) -> Vec<String> {
    if of.is_empty() {
        return vec![String::new()];
    }
    let each = of.char_indices().flat_map(|(at, first)| {
        let rest = format!("{}{}", &of[..at], &of[at + 1..]);
        permutations(&rest)
            .into_iter()
            .map(move |rest| format!("{first}{rest}"))
    });
    each.collect()
}

/// Puts the files there in every order, with a poll after each, and compares what is read in the end.
fn whatever_the_order(of: &str, read: Option<String>, reported: &[(String, &'static str)]) {
    let files = Files::new();
    for order in permutations(of) {
        let world = World::new();
        let (mut index, mut late) = (world.open(), world.open());
        for name in order.chars() {
            files.put(&world, name);
            world.refresh(&mut index);
        }
        world.refresh(&mut late);
        world.refresh_to(&mut index, Scan::Contents);
        world.set_journal(None);
        let fresh = world.open();
        for index in [&index, &late, &fresh] {
            assert_eq!(
                read_and_reported(index),
                (read.clone(), reported.to_vec()),
                "what is read follows from the files and not from their order {order}"
            );
            assert_eq!(facts(&index.shown()), facts(&fresh.shown()), "{order}");
        }
    }
}

#[test]
fn the_file_that_a_child_confirms_stays() {
    let (flat, sharded) = (id(1).file_name(), sharded());
    let duplicate = |path: &String| (path.clone(), "duplicate");
    whatever_the_order("SF", Some(sharded.clone()), &[duplicate(&flat)]);
    whatever_the_order("SFC", Some(flat.clone()), &[duplicate(&sharded)]);
    whatever_the_order("SFD", Some(sharded.clone()), &[duplicate(&flat)]);
    whatever_the_order("SFCD", Some(sharded), &[duplicate(&flat)]);
}

#[test]
fn where_children_contradict_both_files_both_are_altered() {
    let altered = |path: String| (path, "altered");
    whatever_the_order(
        "SFE",
        None,
        &[altered(sharded()), altered(id(1).file_name())],
    );
    whatever_the_order("SFCE", Some(id(1).file_name()), &[(sharded(), "duplicate")]);
}

#[test]
fn the_sealed_file_comes_back_when_the_child_goes() {
    let files = Files::new();
    let world = World::new();
    let mut index = world.open();
    for name in "SFC".chars() {
        files.put(&world, name);
    }
    world.refresh(&mut index);
    world.remove(id(2));
    world.refresh(&mut index);
    let duplicate = vec![(id(1).file_name(), "duplicate")];
    assert_eq!(read_and_reported(&index), (Some(sharded()), duplicate));
    world.remove(id(1));
    world.refresh(&mut index);
    assert_eq!(
        read_and_reported(&index),
        (Some(id(1).file_name()), Vec::new()),
        "the last one that is there is read"
    );
}

#[test]
fn a_damaged_file_hides_no_whole_one() {
    let files = Files::new();
    for (damaged, whole) in [
        (sharded(), id(1).file_name()),
        (id(1).file_name(), sharded()),
    ] {
        let world = World::new();
        files.put(&world, if whole == sharded() { 'S' } else { 'F' });
        world.put_at(&damaged, b"{\n");
        let index = world.open();
        let read: Option<TransactionId> = index.shown().find(id(1)).map(|it| it.id());
        assert_eq!(
            read,
            Some(id(1)),
            "{damaged} is damaged, and {whole} is read"
        );
        assert!(
            matches!(
                rejected_files(&index).get(&damaged),
                Some(Reason::Content(_))
            ),
            "and what is wrong with it is reported, in either place"
        );
    }
}

/// Foretells what becomes of a store to which files come, and compares with what becomes of it.
fn foretold(here: &str, coming: &str) {
    let files = Files::new();
    let world = World::new();
    for name in here.chars() {
        files.put(&world, name);
    }
    let index = world.open();
    let known: BTreeSet<_> = rejected_files(&index).into_keys().collect();
    let incoming = coming.chars().map(|name| {
        let (path, bytes) = files.file(name);
        Incoming {
            path,
            content: Ok(bytes),
            is_theirs: false,
        }
    });
    let preview = Preview::of(
        world.sim.system(),
        world.layout.clone(),
        incoming.collect(),
        Progress::default(),
    );
    let merged = preview.unwrap().load(false).unwrap().merge();
    for name in coming.chars() {
        files.put(&world, name);
    }
    let after = world.open();
    assert_eq!(
        facts(&merged.history),
        facts(&after.shown()),
        "{coming} comes to {here}"
    );
    let left_out: BTreeSet<_> = merged
        .rejected_files
        .into_iter()
        .map(|it| it.path)
        .collect();
    let new: BTreeSet<_> = rejected_files(&after).into_keys().collect();
    assert_eq!(
        left_out,
        new.difference(&known).cloned().collect(),
        "{coming} comes to {here}: what is left out is foretold"
    );
}

#[test]
fn what_a_merge_makes_of_two_files_is_foretold() {
    for (here, coming) in [
        ("S", "F"),
        ("S", "FC"),
        ("SF", "C"),
        ("SFC", "D"),
        ("F", "SD"),
        ("FC", "S"),
        ("FC", "SD"),
        ("SE", "F"),
        ("C", "SF"),
    ] {
        foretold(here, coming);
    }
}
