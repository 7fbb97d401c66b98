//! Processes that die in the middle of what they do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use fs_store::FileEventStore;
use scenarios::answers::{Answers, Follower, Ingestion, assert_true_to_its_files, unsynced};
use scenarios::dice::Dice;
use scenarios::worker::{Ack, Worker};

use crate::WORKER;

const WRITERS: u64 = 8;
/// How often each writer is killed.
const DEATHS: u64 = 5;
/// How many appends a writer has acknowledged at most when it is killed.
const LIFE: u64 = 9;
/// How long after that at most, so that the kill hits any moment of an append.
const DYING_MICROS: u64 = 4_000;

#[test]
fn eight_writers_under_random_kills_lose_nothing_and_number_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let store = unsynced().create(root).unwrap();
    let mut follower = Follower::default();
    let acks: Vec<Ack> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || lives(root, writer)))
            .collect();
        // A reader all the while.
        while writers.iter().any(|writer| !writer.is_finished()) {
            follower.see_no_less(&Ingestion::of(&store).unwrap());
        }
        let joined = writers.into_iter().map(|writer| writer.join().unwrap());
        joined.flatten().collect()
    });

    assert_acknowledged(&acks, &Answers::of(&store).unwrap());
    for (handle, store) in [
        ("opened before", store),
        ("opened after", FileEventStore::create(root).unwrap()),
    ] {
        let (answers, ingestion) = assert_true_to_its_files(&store);
        follower.see_no_less(&ingestion);
        assert_eq!(
            follower.epochs(),
            1,
            "{handle}: positions stay good when a writer dies, since nothing went away"
        );
        let status = store.status().unwrap();
        assert!(
            status.is_clean(),
            "{handle}: a killed writer leaves nothing behind in events/: {status:?}"
        );
        assert_eq!(
            status.heads.len(),
            1,
            "{handle}: appends of one working copy form one line"
        );
        assert_eq!(answers.forks, [], "{handle}: and no fork");
        let verification = store.verify().unwrap();
        assert!(
            verification.is_ok(),
            "{handle}: every file verifies: {verification:?}"
        );
        assert_eq!(verification.checked, status.transactions);
    }
}

#[test]
fn a_writer_killed_at_once_leaves_the_lock_free() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let mut holder = Worker::start(WORKER, dir.path(), &format!("holder-{round}"), "none");
        holder.order("append 1");
        holder.order("lock");
        let _ = holder.until_done();
        let _ = holder.until_done();
        holder.kill();
        let mut next = Worker::start(WORKER, dir.path(), &format!("next-{round}"), "none");
        next.order("append 1");
        let (acks, errors) = next.until_done();
        assert_eq!(
            (acks.len(), errors),
            (1, Vec::new()),
            "the lock of a dead process is nobody's"
        );
    }
}

/// Checks that every acknowledged append is in the history as it was acknowledged, and that no version of a stream
/// was given twice.
pub(crate) fn assert_acknowledged(acks: &[Ack], answers: &Answers) {
    let mut stored: BTreeMap<_, BTreeMap<_, u64>> = BTreeMap::new();
    for event in &answers.canonical {
        let versions = stored.entry(event.transaction_id).or_default();
        versions.insert(event.stream_id.clone(), event.version);
    }
    let mut given = BTreeSet::new();
    for ack in acks {
        assert_eq!(
            stored.get(&ack.transaction_id),
            Some(&ack.versions),
            "what was acknowledged is there, with the versions that were acknowledged: {ack:?}"
        );
        for version in &ack.versions {
            assert!(
                given.insert(version),
                "version {version:?} was given to one append"
            );
        }
    }
    let mut commands = BTreeSet::new();
    for command in answers
        .headers
        .iter()
        .filter_map(|header| header.command_id.as_ref())
    {
        assert!(
            commands.insert(command.as_str()),
            "a command that is tried again is carried out once: {command}"
        );
    }
}

/// Plays a writer that is killed and started again, and lives to the end at last.
fn lives(root: &Path, writer: u64) -> Vec<Ack> {
    let mut dice = Dice::new(writer);
    let mut acks = Vec::new();
    for life in 0..DEATHS {
        let mut worker = start(root, writer, life);
        worker.order("append 1000000");
        acks.extend(worker.acks(dice.below(LIFE + 1)));
        let end = Instant::now() + Duration::from_micros(dice.below(DYING_MICROS));
        while Instant::now() < end {
            std::thread::yield_now();
        }
        acks.extend(worker.kill());
    }
    let mut worker = start(root, writer, DEATHS);
    worker.order("append 5");
    let (last, errors) = worker.until_done();
    assert_eq!(
        errors,
        Vec::<String>::new(),
        "an append does not fail because others died"
    );
    acks.extend(last);
    acks
}

fn start(root: &Path, writer: u64, life: u64) -> Worker {
    let durability = ["files", "none", "log"][((writer + life) % 3) as usize];
    Worker::start(WORKER, root, &format!("w{writer}-{life}"), durability)
}
