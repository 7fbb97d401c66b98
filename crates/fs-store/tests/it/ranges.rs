//! The ends of the ranges of times and numbers: neither a file nor a clock there stops anybody else.

use fs_format::{Timestamp, limits::MAX_REPLICA_SEQ};
use fs_io::sim::Simulation;
use fs_store::{AppendError, FileEventStore, StoreOptions};

use crate::forged::{Forged, id, replica};
use crate::support::{count, counted, new_store, numbers};

const DATED_TOO_LATE: &[u8] =
    include_bytes!("../../../fs-format/tests/golden/damaged/dated-in-the-last-day.jsonl");
const NUMBERED_TOO_HIGH: &[u8] =
    include_bytes!("../../../fs-format/tests/golden/damaged/highest-replica-seq.jsonl");

#[test]
fn a_clock_outside_of_the_range_makes_appends_fail_and_nothing_else() {
    let machine = Simulation::new(1);
    let store = StoreOptions::default()
        .system(machine.system())
        .create("/store")
        .unwrap();
    count(&store, "s", 1);
    let latest = Timestamp::LATEST_CREATED_AT.unix_nanos();
    for wrong in [latest + 1, i64::MAX, -1, i64::MIN] {
        machine.clock.set(wrong);
        match store.append(counted("s", 2)) {
            Err(AppendError::ClockOutOfRange { unix_nanos }) => assert_eq!(unix_nanos, wrong),
            other => panic!("a clock at {wrong} writes what no reader takes: {other:?}"),
        }
        assert_eq!(numbers(&store, "s"), [1], "and nothing is stored");
    }
    machine.clock.set(latest);
    let last = count(&store, "s", 2);
    assert_eq!(last.created_at, Timestamp::LATEST_CREATED_AT);
    machine.clock.set(1_767_225_600_000_000_000);
    count(&store, "s", 3);
    assert_eq!(numbers(&store, "s"), [1, 2, 3]);
    assert!(store.verify().unwrap().is_ok(), "what was written is right");
}

#[test]
fn a_file_beyond_the_ranges_is_left_out_and_everybody_goes_on() {
    for bytes in [DATED_TOO_LATE, NUMBERED_TOO_HIGH] {
        let store = new_store();
        let before = count(&store, "s", 1);
        let path = "01a1/fa/01a1faa7-bfa1-7000-8000-000000000001.jsonl";
        let file = store.root().join("events").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, bytes).unwrap();
        let after = count(&store, "s", 2);
        assert!(
            after.created_at.unix_millis() < before.created_at.unix_millis() + 3_600_000,
            "nobody's clock follows it: {}",
            after.created_at
        );
        let quarantined = store.status().unwrap().quarantined;
        let paths: Vec<_> = quarantined.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, [path], "it is reported");
        assert_eq!(numbers(&store, "s"), [1, 2]);
    }
}

#[test]
fn a_file_that_is_dated_last_is_followed_by_others_of_its_date() {
    let store = new_store();
    count(&store, "s", 1);
    let mut last = Forged::new(9);
    last.created_at = Timestamp::LATEST_CREATED_AT;
    last.put(&store);
    for n in 2..5 {
        let appended = count(&store, "s", n);
        assert_eq!(
            appended.created_at,
            Timestamp::LATEST_CREATED_AT,
            "there is no later date, and the append goes on"
        );
    }
    let status = store.status().unwrap();
    assert_eq!(status.heads.len(), 1, "each follows the one before");
    assert_eq!(numbers(&store, "s"), [1, 2, 3, 4]);
    assert!(status.is_clean());
    let found = store.verify().unwrap();
    assert!(found.is_ok(), "equal dates are right there: {found:?}");
    let reopened = FileEventStore::open(store.root()).unwrap();
    assert_eq!(numbers(&reopened, "s"), [1, 2, 3, 4]);
}

#[test]
fn a_replica_that_has_used_its_last_number_ends() {
    let store = new_store();
    count(&store, "s", 1);
    let own = store.transactions().unwrap()[0].clone();
    let mut last = Forged::new(9);
    last.replica_id = own.replica_id;
    last.sequence = MAX_REPLICA_SEQ;
    last.put(&store);
    count(&store, "s", 2);
    count(&store, "s", 3);
    let written = store.transactions().unwrap();
    let others: Vec<_> = written
        .iter()
        .filter(|it| it.replica_id != own.replica_id)
        .map(|it| it.replica_seq)
        .collect();
    assert_eq!(
        others,
        [Some(1), Some(2)],
        "another replica begins, and it goes on"
    );
}

#[test]
fn a_replica_that_is_given_never_begins_again() {
    let store = new_store();
    let mut last = Forged::new(9);
    last.replica_id = replica(7);
    last.sequence = MAX_REPLICA_SEQ - 1;
    last.put(&store);
    let options = StoreOptions::default().replica_id(replica(7));
    let store = options.open(store.root()).unwrap();
    count(&store, "s", 1);
    match store.append(counted("s", 2)) {
        Err(AppendError::SequenceExhausted { replica_id }) => assert_eq!(replica_id, replica(7)),
        other => panic!("a number beyond the last is taken by no reader: {other:?}"),
    }
    assert_eq!(numbers(&store, "s"), [1]);
    assert!(store.status().unwrap().replica_conflicts.len() <= 1);
}

#[test]
fn numbers_that_fall_along_the_history_are_reported() {
    let store = new_store();
    let mut first = Forged::new(1);
    first.sequence = 5;
    let mut second = Forged::new(2);
    second.sequence = 3;
    second.parents = vec![first.put(&store)];
    second.put(&store);
    let found = store.verify().unwrap().problems;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].path, id(2).relative_path());
    assert!(
        found[0].reason.contains("replica_seq is 3"),
        "the numbers of a chain rise: {}",
        found[0].reason
    );
}
