//! What a merge would do, told before it is made, against what it does.

use std::collections::BTreeSet;
use std::fs;

use fs_index::{Incoming, Reason};
use fs_merge::{ForkId, MergePreview, Outcome, preview_merge, settle};
use fs_store::{FileEventStore, Progress};
use scenarios::answers::{copy_dir, unsynced};
use scenarios::dice::Dice;
use scenarios::{World, append, decide};

/// Returns every file of a store as git would give it.
fn files_of(store: &FileEventStore) -> Vec<Incoming> {
    let events = store.root().join("events");
    let mut incoming = vec![Incoming {
        path: ".gitattributes".to_owned(),
        content: Ok(b"* -text\n".to_vec()),
        is_theirs: false,
    }];
    for header in store.transactions().unwrap() {
        let path = header.transaction_id.relative_path();
        let content = Ok(fs::read(events.join(&path)).unwrap());
        incoming.push(Incoming {
            path,
            content,
            is_theirs: false,
        });
    }
    incoming
}

fn foretell(here: &FileEventStore, there: &FileEventStore) -> MergePreview {
    preview_merge(here.root(), files_of(there), &[], Progress::default()).unwrap()
}

fn pick(dice: &mut Dice) -> usize {
    usize::try_from(dice.below(3)).unwrap()
}

fn open_forks(store: &FileEventStore) -> BTreeSet<ForkId> {
    let open = fs_merge::open_forks(store).unwrap().into_iter();
    open.map(|fork| fork.id).collect()
}

/// Clones that append, decide, settle and merge at random: whatever a merge is foretold to do, it does.
#[test]
fn every_merge_does_what_was_foretold() {
    let world = World::in_memory();
    let mut merges = 0;
    let (mut new, mut settled, mut grown) = (0, 0, 0);
    for seed in 0..24 {
        let mut dice = Dice::new(seed);
        let clones: Vec<_> = (0..3)
            .map(|n| {
                let root = world.path().join(format!("{seed}-{n}"));
                unsynced().create(root).unwrap()
            })
            .collect();
        let streams = ["a", "b", "c"];
        for step in 0..40 {
            let at = pick(&mut dice);
            let here = &clones[at];
            match dice.below(6) {
                0..3 => _ = append(here, streams[pick(&mut dice)], step),
                3 => {
                    _ = decide(
                        here,
                        streams[pick(&mut dice)],
                        streams[pick(&mut dice)],
                        step,
                    )
                }
                4 => {
                    if let Some(fork) = fs_merge::forks(here).unwrap().first() {
                        let outcome = Outcome::keep(fork, fork.branches[0].head).unwrap();
                        settle(here, fork, &outcome).unwrap();
                    }
                }
                _ => {
                    let there = &clones[(at + 1 + usize::from(dice.below(2) == 0)) % 3];
                    let before = open_forks(here);
                    let known = here.transactions().unwrap().len() as u64;
                    let told = foretell(here, there);
                    copy_dir(&there.root().join("events"), &here.root().join("events"));
                    here.refresh().unwrap();
                    let after = open_forks(here);
                    let ids = |forks: &[fs_merge::ForkOutline]| -> BTreeSet<_> {
                        forks.iter().map(|fork| fork.id.clone()).collect()
                    };
                    let case = format!("seed {seed}, step {step}");
                    assert_eq!(
                        ids(&told.new),
                        &after - &before,
                        "{case}: new are those that were not open"
                    );
                    assert_eq!(
                        ids(&told.open),
                        &after & &before,
                        "{case}: open are those that stay as they are"
                    );
                    let taken_in = told.new.iter().flat_map(|fork| fork.takes_in.clone());
                    let closed: BTreeSet<_> = taken_in.chain(told.settled.clone()).collect();
                    assert_eq!(
                        closed,
                        &before - &after,
                        "{case}: every other is settled or taken in"
                    );
                    let count = here.transactions().unwrap().len() as u64;
                    assert_eq!(told.arriving, count - known, "{case}");
                    assert!(told.troubles.is_empty(), "{case}: {:?}", told.troubles);
                    merges += 1;
                    new += told.new.len();
                    settled += told.settled.len();
                    grown += told.new.iter().filter(|it| !it.takes_in.is_empty()).count();
                }
            }
        }
    }
    assert!(
        merges > 50 && new > 20 && settled > 2 && grown > 2,
        "something was told: {merges} merges, {new} new, {settled} settled, {grown} grown"
    );
}

#[test]
fn what_arrives_is_judged_as_it_will_be() {
    let world = World::in_memory();
    let open = |name: &str| unsynced().create(world.path().join(name)).unwrap();
    let (here, there) = (open("here"), open("there"));
    let edited = append(&there, "s", 1).transaction_id;
    append(&there, "s", 2);
    let mut incoming = files_of(&there);
    let file = incoming
        .iter_mut()
        .find(|file| file.path == edited.relative_path())
        .unwrap();
    let bytes = file.content.as_ref().unwrap().clone();
    // Edited and sealed again, so that only its child knows better.
    let mut transaction = fs_format::decode(&bytes).unwrap();
    transaction.events[0].event_type = "Forged".into();
    let forged = fs_format::encode(&transaction.header, &transaction.events).unwrap();
    file.content = Ok(forged.bytes);
    incoming.push(Incoming {
        path: "huge.jsonl".to_owned(),
        content: Err(Reason::TooLarge { len: 1 << 40 }),
        is_theirs: false,
    });
    let told = preview_merge(here.root(), incoming, &[], Progress::default()).unwrap();
    assert_eq!(told.arriving, 1, "the other file is whole");
    let left_out: BTreeSet<_> = told.troubles.iter().map(|it| it.path.clone()).collect();
    assert_eq!(
        left_out,
        BTreeSet::from([edited.relative_path(), "huge.jsonl".to_owned()])
    );
}

#[test]
fn nothing_is_touched_and_no_lock_is_needed() {
    let world = World::in_memory();
    let root = world.path().join("store");
    let store = unsynced().create(&root).unwrap();
    append(&store, "s", 1);
    let there = unsynced().create(world.path().join("there")).unwrap();
    append(&there, "s", 2);
    drop(store);
    fs::remove_dir_all(root.join("index")).unwrap();
    fs::remove_dir_all(root.join("local")).unwrap();
    let told = preview_merge(&root, files_of(&there), &[], Progress::default()).unwrap();
    assert_eq!((told.arriving, told.new.len()), (1, 1));
    let names: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "events/ and .gitignore alone: {names:?}");
    assert!(
        preview_merge(
            world.path().join("nowhere"),
            Vec::new(),
            &[],
            Progress::default()
        )
        .is_err(),
        "a store that is not there has no forks to tell"
    );
}
