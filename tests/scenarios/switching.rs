//! `git switch` back and forth between two branches, with appends on both.

use fs_store::FileEventStore;
use scenarios::answers::{Answers, Follower, Ingestion, assert_true_to_its_files, unsynced};
use scenarios::dice::Dice;
use scenarios::worker::Worker;
use scenarios::{Repository, World, append};

use crate::WORKER;
use crate::interleavings::{files, put};

const ROUNDS: u64 = 6;

#[test]
fn every_switch_gives_an_open_handle_the_history_of_the_branch() {
    switch_back_and_forth(true);
}

#[test]
fn every_switch_gives_a_new_process_the_history_of_the_branch() {
    switch_back_and_forth(false);
}

/// Switches between two branches that each get appends; `is_watched` if a handle is open all the while.
fn switch_back_and_forth(is_watched: bool) {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[0]);
    clone.git(&["branch", "topic"]);
    let open = is_watched.then(|| clone.store());
    let mut follower = Follower::default();
    let mut dice = Dice::new(3);
    for round in 0..ROUNDS {
        for branch in ["topic", "main"] {
            let now = || open.clone().unwrap_or_else(|| clone.store());
            let before = Ingestion::of(&now()).unwrap();
            clone.git(&["switch", "--quiet", branch]);
            if round > 0 {
                let after = Ingestion::of(&now()).unwrap();
                assert_ne!(
                    after.epoch(),
                    before.epoch(),
                    "what was read went away, so a new epoch begins"
                );
                follower.see_no_less(&after);
            }
            // By an open handle, by a process of its own, or by both.
            for n in 0..1 + dice.below(3) {
                let data = round * 10 + n;
                match dice.below(3) {
                    0 => append(&now(), branch, data),
                    1 => clone.append(branch, data),
                    _ => append(&now(), "issue", data),
                };
            }
            clone.commit("work");
            check(&world, &clone, &format!("{branch}-{round}"));
            let (_, ingestion) = assert_true_to_its_files(&now());
            follower.see_no_less(&ingestion);
        }
    }
    clone.git(&["merge", "--quiet", "--no-edit", "topic"]);
    check(&world, &clone, "merged");
    let replicas: std::collections::BTreeSet<_> = clone
        .store()
        .transactions()
        .unwrap()
        .iter()
        .map(|header| header.replica_id)
        .collect();
    assert_eq!(
        replicas.len(),
        2,
        "each branch has a lineage, which goes on when one comes back to it"
    );
}

#[test]
fn a_process_that_appends_across_switches_follows_the_branch() {
    let world = World::new();
    let clone = world.init("clone");
    clone.work("issue", &[0]);
    clone.git(&["branch", "topic"]);
    let mut worker = Worker::start(WORKER, clone.root(), "worker", "none");
    let mut commands = std::collections::BTreeMap::from([("main", 0), ("topic", 0)]);
    for round in 0..ROUNDS {
        let branch = if round % 2 == 0 { "topic" } else { "main" };
        clone.git(&["switch", "--quiet", branch]);
        worker.order("append 3");
        let (acks, errors) = worker.until_done();
        assert_eq!(
            (acks.len(), errors),
            (3, Vec::new()),
            "a process that has the store open goes on after a switch"
        );
        clone.commit("work");
        *commands.get_mut(branch).unwrap() += 3;
        check(&world, &clone, &format!("round-{round}"));
        let carried_out = clone.store().transactions().unwrap();
        assert_eq!(
            carried_out
                .iter()
                .filter(|header| header.command_id.is_some())
                .count(),
            commands[branch],
            "what was appended on the other branch is there and not here"
        );
    }
}

/// Checks that the working copy answers as a new clone of its branch does.
fn check(world: &World, clone: &Repository, name: &str) {
    let store = clone.store();
    let status = store.status().unwrap();
    assert!(
        status.is_clean(),
        "{name}: nothing is wrong and nobody's identity is in conflict: {status:?}"
    );
    let fresh = world.clone(clone, &format!("fresh-{name}")).store();
    assert_eq!(
        store.digest().unwrap(),
        fresh.digest().unwrap(),
        "{name}: the working copy has the history of its branch"
    );
    Answers::of(&store)
        .unwrap()
        .assert_same(&Answers::of(&fresh).unwrap(), name);
}

#[test]
fn who_appends_goes_on_when_switches_have_the_journal_written_anew() {
    let world = World::in_memory();
    let root = world.path().join("store");
    let store = unsynced().create(&root).unwrap();
    append(&store, "main", 1);
    let main = files(&root).len();
    let replica = |store: &FileEventStore| store.transactions().unwrap().pop().unwrap().replica_id;
    let before = replica(&store);
    (0..600).for_each(|n| _ = append(&store, "topic", n));
    let topic = files(&root).split_off(main);
    let length = || {
        std::fs::metadata(fs_index::Layout::new(&root).journal())
            .unwrap()
            .len()
    };
    let full = length();
    for _ in 0..5 {
        for (path, _) in &topic {
            std::fs::remove_file(root.join("events").join(path)).unwrap();
        }
        store.refresh().unwrap();
        topic.iter().for_each(|file| put(&root, file));
        store.refresh().unwrap();
    }
    assert!(
        length() < 3 * full,
        "the journal does not keep every switch"
    );
    for store in [&store, &unsynced().create(&root).unwrap()] {
        append(store, "main", 2);
        append(store, "topic", 600);
        let status = store.status().unwrap();
        assert!(
            status.is_clean() && status.replica_conflicts.is_empty(),
            "each replica's transactions form a chain: {status:?}"
        );
        assert_true_to_its_files(store);
    }
    assert_ne!(
        replica(&store),
        before,
        "who does not know any more what it appended is somebody else"
    );
}
