//! What an append checks and keeps.

use fs_format::EncodeError;
use fs_store::{Append, AppendError, ExpectedVersion, FileEventStore, StoreOptions};

use crate::support::{count, counted, new_store, numbers, stream};

#[test]
fn expected_versions_are_checked_and_named() {
    let store = new_store();
    store
        .append(counted("s", 1).expect(stream("s"), ExpectedVersion::New))
        .unwrap();
    let stale = store.append(counted("s", 2).expect(stream("s"), ExpectedVersion::New));
    let Err(AppendError::VersionConflict {
        stream_id,
        expected: 0,
        actual: 1,
    }) = stale
    else {
        panic!("the stream is not new any more, got {stale:?}")
    };
    assert_eq!(stream_id.as_str(), "s");
    let appended = store.append(counted("s", 2).expect(stream("s"), ExpectedVersion::Exact(1)));
    assert_eq!(appended.unwrap().versions[&stream("s")], 2);
    store
        .append(counted("s", 3).expect(stream("s"), ExpectedVersion::Any))
        .unwrap();
    assert_eq!(numbers(&store, "s"), [1, 2, 3]);
}

#[test]
fn a_transaction_is_all_or_nothing_over_its_streams() {
    let store = new_store();
    count(&store, "rates", 1);
    let two = |expected| {
        Append::new()
            .event(stream("a"), "T", "1")
            .unwrap()
            .event(stream("b"), "T", "2")
            .unwrap()
            .expect(stream("rates"), ExpectedVersion::Exact(expected))
    };
    assert!(
        store.append(two(0)).is_err(),
        "a read-only participant is checked too"
    );
    assert_eq!(store.streams().unwrap().len(), 1, "nothing was stored");
    let appended = store.append(two(1)).unwrap();
    assert_eq!(
        appended.versions.len(),
        2,
        "the participant gets no version"
    );
    let header = store.transactions().unwrap().pop().unwrap();
    let base = header.stream_bases[&stream("rates")];
    assert_eq!(
        (base.version, base.writes),
        (1, 0),
        "but is recorded as read"
    );
}

#[test]
fn what_breaks_a_limit_is_refused_and_nothing_is_stored() {
    let store = new_store();
    assert!(matches!(
        store.append(Append::new()),
        Err(AppendError::Empty)
    ));
    let large = format!("\"{}\"", "x".repeat(17 << 20));
    let append = Append::new().event(stream("s"), "T", &large).unwrap();
    let refused = store.append(append);
    assert!(
        matches!(refused, Err(AppendError::Invalid(EncodeError::TooLarge))),
        "{refused:?}"
    );
    count(&store, "s", 1);
    assert_eq!(
        numbers(&store, "s"),
        [1],
        "the handle goes on after a refusal"
    );
}

#[test]
fn data_and_metadata_come_back_byte_for_byte() {
    let store = new_store();
    let data = r#"{"n":1e400,"f":0.10,"big":12345678901234567890,"a":"é\n","a":2}"#;
    let append = Append::new()
        .event_with_metadata(
            stream("weird/../\n\0id"),
            "Type with spaces",
            data,
            r#"{ "who" : "me" }"#,
        )
        .unwrap();
    store.append(append).unwrap();
    let reopened = FileEventStore::open(store.root()).unwrap();
    let event = reopened
        .stream_events(&stream("weird/../\n\0id"))
        .unwrap()
        .remove(0);
    assert_eq!(event.event_data.as_str(), data);
    assert_eq!(event.metadata.as_str(), r#"{"who":"me"}"#);
    assert_eq!(
        (event.event_type.as_str(), event.version),
        ("Type with spaces", 1)
    );
}

#[test]
fn time_never_runs_backwards_along_the_history() {
    use fs_io::sim::Simulation;
    use std::time::Duration;
    let machine = Simulation::new(1);
    let store = StoreOptions::default()
        .system(machine.system())
        .create("/store")
        .unwrap();
    machine.clock.advance(Duration::from_secs(3600));
    let ahead = count(&store, "s", 1);
    machine.clock.set(1_767_225_600_000_000_000);
    let behind = count(&store, "s", 2);
    assert_eq!(
        Some(behind.created_at),
        ahead.created_at.successor(),
        "a transaction is dated after its parents"
    );
    let header = store.transactions().unwrap().pop().unwrap();
    assert!(
        header
            .recorded_at
            .is_some_and(|recorded| recorded < header.created_at),
        "and the wall clock stands beside it"
    );
    let status = store.status().unwrap();
    assert_eq!(status.clock_ahead.len(), 1, "the status says who is ahead");
    assert!(status.is_clean());
}
