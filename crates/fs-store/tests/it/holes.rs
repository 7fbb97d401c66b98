//! What is missing is part of every answer, and no version is checked against what is left.

use std::fs;
use std::path::PathBuf;

use eventcore_types::{EventStore, EventStoreError, Operation, StreamVersion, StreamWrites};
use fs_format::{CommandId, TransactionId};
use fs_store::{
    All, Append, AppendError, Completeness, ExpectedVersion, FileEventStore, ForgetError,
    OmissionKind, OnHole, OpenError, RestoreError, StateError, StoreOptions,
};

use crate::support::{Banked, account, count, counted, merge, new_store, numbers, stream};

/// How a file goes missing.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Removed,
    Empty,
    Changed,
    Newer,
}

const LOSSES: [Loss; 4] = [Loss::Removed, Loss::Empty, Loss::Changed, Loss::Newer];

impl Loss {
    /// Returns what is left of a file.
    fn of(self, text: &str) -> Option<String> {
        match self {
            Loss::Removed => None,
            Loss::Empty => Some(String::new()),
            Loss::Changed => Some(text.replace("Counted", "Kounted")),
            Loss::Newer => Some(text.replace("\"format_version\":3", "\"format_version\":4")),
        }
    }
}

/// A store with `u` below `s`, which has three events, and the transaction of the first of them.
struct Holed {
    store: FileEventStore,
    lost: TransactionId,
    bytes: Vec<u8>,
}

impl Holed {
    fn new(loss: Loss) -> Self {
        let store = new_store();
        count(&store, "u", 0);
        let lost = count(&store, "s", 1).transaction_id;
        count(&store, "s", 2);
        count(&store, "s", 3);
        let path = path(&store, lost);
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        if let Some(left) = loss.of(&text) {
            fs::write(&path, left).unwrap();
        }
        store.status().unwrap();
        Self { store, lost, bytes }
    }

    fn reopened(&self, options: StoreOptions) -> FileEventStore {
        options.open(self.store.root()).unwrap()
    }

    /// Removes what is kept, so that only the file itself could bring it back.
    fn forget_kept_bytes(&self) {
        fs::remove_dir_all(self.store.root().join("local/vanished")).unwrap();
    }
}

fn path(store: &FileEventStore, id: TransactionId) -> PathBuf {
    store.root().join("events").join(id.relative_path())
}

fn expecting(name: &str, version: u64) -> Append {
    counted(name, 9).expect(stream(name), ExpectedVersion::Exact(version))
}

fn assert_refused(outcome: Result<impl std::fmt::Debug, AppendError>, holed: &Holed, what: &str) {
    match outcome {
        Err(AppendError::Hole {
            stream_id,
            missing,
            path,
        }) => assert_eq!(
            (stream_id, missing, path),
            (stream("s"), holed.lost, holed.lost.relative_path()),
            "{what}: the stream and what is missing are named"
        ),
        other => panic!("{what}: a version with a hole proves nothing: {other:?}"),
    }
}

#[test]
fn an_append_that_expects_a_version_above_a_hole_is_refused() {
    for loss in LOSSES {
        let holed = Holed::new(loss);
        for store in [&holed.store, &holed.reopened(StoreOptions::default())] {
            let transactions = store.transactions().unwrap().len();
            for version in [2, 3] {
                let what = format!("{loss:?}, expecting {version}");
                assert_refused(store.append(expecting("s", version)), &holed, &what);
            }
            let new = counted("s", 9).expect(stream("s"), ExpectedVersion::New);
            assert_refused(store.append(new), &holed, "a new stream");
            let reading = counted("other", 9).expect(stream("s"), ExpectedVersion::Exact(2));
            let what = "a participant that is only read";
            assert_refused(store.append(reading.clone()), &holed, what);
            assert_refused(store.check_versions(&reading), &holed, what);
            assert_eq!(
                store.transactions().unwrap().len(),
                transactions,
                "{loss:?}: nothing was stored"
            );
        }
    }
}

#[test]
fn a_damaged_end_of_a_stream_is_a_hole_while_its_bytes_are_kept() {
    let store = new_store();
    count(&store, "u", 0);
    count(&store, "s", 1);
    let last = count(&store, "s", 2).transaction_id;
    let path = path(&store, last);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    store.status().unwrap();
    store.append(expecting("fresh", 0)).unwrap();
    fs::write(&path, text.replace("Counted", "Kounted")).unwrap();
    store.status().unwrap();
    for version in [1, 2] {
        let outcome = store.append(expecting("s", version));
        assert!(
            matches!(outcome, Err(AppendError::Hole { missing, .. }) if missing == last),
            "it is known what the file wrote: {outcome:?}"
        );
    }
    store.append(expecting("u", 1)).unwrap();
    fs::remove_dir_all(store.root().join("local/vanished")).unwrap();
    store.append(expecting("s", 1)).unwrap();
}

#[test]
fn what_is_kept_of_a_missing_transaction_tells_what_it_wrote_and_which_command_it_was() {
    for loss in LOSSES {
        let store = new_store();
        count(&store, "s", 1);
        let command = || counted("s", 2).command_id(CommandId::new("c").unwrap());
        let lost = store.append(command()).unwrap().transaction_id;
        count(&store, "u", 1);
        let path = path(&store, lost);
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        if let Some(left) = loss.of(&text) {
            fs::write(&path, left).unwrap();
        }
        store.status().unwrap();
        let outcome = store.append(expecting("s", 1));
        assert!(
            matches!(outcome, Err(AppendError::Hole { missing, .. }) if missing == lost),
            "{loss:?}: it wrote the stream, though nobody above it did: {outcome:?}"
        );
        let outcome = store.append(command());
        assert!(
            matches!(outcome, Err(AppendError::CommandMissing { transaction_id, .. }) if transaction_id == lost),
            "{loss:?}: a command that is tried again is carried out once: {outcome:?}"
        );
        let other = counted("s", 3).command_id(CommandId::new("d").unwrap());
        store.append(other).unwrap();
        fs::write(&path, &text).unwrap();
        assert!(
            store.append(command()).unwrap().replayed,
            "{loss:?}: it is back"
        );
    }
}

#[test]
fn other_appends_go_on_beside_a_hole() {
    for loss in LOSSES {
        let holed = Holed::new(loss);
        let store = &holed.store;
        store.append(expecting("u", 1)).unwrap();
        store.append(expecting("fresh", 0)).unwrap();
        count(store, "s", 4);
        let any = counted("s", 5).expect(stream("s"), ExpectedVersion::Any);
        store.append(any).unwrap();
        assert_refused(
            store.append(expecting("s", 4)),
            &holed,
            "what is on top closes no hole",
        );
        let anyway = store.append(expecting("s", 4).anyway()).unwrap();
        assert_eq!(
            anyway.versions[&stream("s")],
            5,
            "{loss:?}: by the caller's word"
        );
        let conflict = store.append(expecting("s", 4).anyway());
        assert!(
            matches!(
                conflict,
                Err(AppendError::VersionConflict { actual: 5, .. })
            ),
            "{loss:?}: what is there is checked all the same: {conflict:?}"
        );
        let allowing = holed.reopened(StoreOptions::default().on_hole(OnHole::Allow));
        allowing.append(expecting("s", 5)).unwrap();
    }
}

#[test]
fn a_command_that_was_done_is_replayed_beside_a_hole() {
    let holed = Holed::new(Loss::Removed);
    let command = || fs_format::CommandId::new("once").unwrap();
    let first = holed.store.append(counted("s", 4).command_id(command()));
    let again = counted("s", 4).command_id(command());
    let again = again.expect(stream("s"), ExpectedVersion::Exact(2));
    let replayed = holed.store.append(again).unwrap();
    assert_eq!(
        (replayed.transaction_id, replayed.replayed),
        (first.unwrap().transaction_id, true),
        "nothing is decided anew"
    );
}

#[test]
fn what_is_missing_is_counted_with_its_path() {
    for loss in LOSSES {
        let holed = Holed::new(loss);
        for store in [&holed.store, &holed.reopened(StoreOptions::default())] {
            let found = store.completeness().unwrap();
            let tally = match loss {
                Loss::Removed => &found.missing,
                Loss::Empty | Loss::Changed => &found.damaged,
                Loss::Newer => &found.newer,
            };
            assert_eq!(
                (tally.count, &tally.paths[..]),
                (1, &[holed.lost.relative_path()][..]),
                "{loss:?}: {found:?}"
            );
            let all = [&found.missing, &found.damaged, &found.newer];
            let sum: u64 = all.iter().map(|tally| tally.count).sum();
            assert_eq!(sum, 1, "{loss:?}: it is one omission: {found:?}");
            assert!(!found.is_complete() && store.status().unwrap().completeness == found);
        }
        fs::write(path(&holed.store, holed.lost), &holed.bytes).unwrap();
        assert!(
            holed.store.completeness().unwrap().is_complete(),
            "{loss:?}: it is back"
        );
        holed.store.append(expecting("s", 3)).unwrap();
    }
}

#[test]
fn what_an_answer_lacked_is_told_although_it_came_back_meanwhile() {
    for loss in LOSSES {
        let holed = Holed::new(loss);
        let store = holed.reopened(StoreOptions::default());
        let answer = numbers(&store, "s");
        fs::write(path(&store, holed.lost), &holed.bytes).unwrap();
        let found = store.completeness_of_answers().unwrap();
        assert!(!found.is_complete(), "{loss:?}: {answer:?} lacks an event");
        let whole = numbers(&store, "s");
        let found = store.completeness_of_answers().unwrap();
        assert!(found.is_complete(), "{loss:?}: {whole:?} is all: {found:?}");
    }
}

#[test]
fn a_damaged_newest_file_that_nobody_keeps_stops_no_append_and_is_told() {
    for loss in [Loss::Empty, Loss::Changed, Loss::Newer] {
        let (there, here) = (new_store(), new_store());
        count(&there, "s", 1);
        merge(&there, &here);
        let newest = count(&there, "s", 2).transaction_id;
        let bytes = fs::read_to_string(path(&there, newest)).unwrap();
        fs::write(path(&here, newest), loss.of(&bytes).unwrap()).unwrap();
        let appended = here.append(expecting("s", 1)).unwrap();
        let lacks = appended.completeness();
        assert_eq!(
            lacks.damaged.count + lacks.newer.count,
            1,
            "{loss:?}: nobody knows what it wrote: {lacks}"
        );
        fs::remove_file(path(&here, newest)).unwrap();
        merge(&there, &here);
        let read = here.stream_events(&stream("s")).unwrap();
        assert!(
            read.is_complete() && read.len() == 3,
            "{loss:?}: what was written beside it is a fork for the application to settle"
        );
    }
}

#[test]
fn each_answer_carries_what_it_lacks() {
    for loss in LOSSES {
        let holed = Holed::new(loss);
        for store in [&holed.store, &holed.reopened(StoreOptions::default())] {
            let appended = store.append(counted("free", 1)).unwrap();
            let lacks = |found: &Completeness| {
                let named = [&found.missing, &found.damaged, &found.newer].map(|it| &it.paths[..]);
                assert_eq!(
                    named.concat(),
                    [holed.lost.relative_path()],
                    "{loss:?}: {found}"
                );
            };
            lacks(appended.completeness());
            lacks(store.stream_events(&stream("s")).unwrap().completeness());
            lacks(store.canonical_events().unwrap().completeness());
            lacks(store.digest().unwrap().completeness());
            lacks(store.digest_of_files().unwrap().completeness());
            let page = store.ingested_events(None, &All, 1).unwrap();
            lacks(page.completeness());
            lacks(store.streams().unwrap().completeness());
            lacks(store.transactions().unwrap().completeness());
            lacks(store.read_by_replica().unwrap().completeness());
            let known = store.command_result(&fs_format::CommandId::new("none").unwrap());
            lacks(known.unwrap().completeness());
        }
        let before = holed.store.stream_events(&stream("s")).unwrap();
        holed.store.forget(&[holed.lost]).unwrap();
        let accepted = holed.store.stream_events(&stream("s")).unwrap();
        assert!(
            accepted.is_complete() && !before.is_complete(),
            "{loss:?}: what was answered before stays what it was"
        );
        let appended = holed.store.append(counted("s", 9)).unwrap();
        assert!(appended.completeness().is_complete(), "{loss:?}");
        fs::remove_file(holed.store.root().join("local/accepted")).unwrap();
        let missed = holed.store.stream_events(&stream("s")).unwrap();
        assert!(
            !missed.is_complete(),
            "{loss:?}: nothing is accepted any more"
        );
        fs::write(path(&holed.store, holed.lost), &holed.bytes).unwrap();
        let whole = holed.store.stream_events(&stream("s")).unwrap();
        assert!(
            whole.is_complete() && whole.len() == 4,
            "{loss:?}: it is back, with its event"
        );
    }
}

#[test]
fn a_program_that_never_asks_can_have_the_whole_or_nothing() {
    let refusing = || StoreOptions::default().refuse_incomplete();
    for loss in LOSSES {
        let holed = Holed::new(loss);
        match refusing().open(holed.store.root()) {
            Err(OpenError::Incomplete { root, completeness }) => assert_eq!(
                (root.as_path(), *completeness),
                (holed.store.root(), holed.store.completeness().unwrap()),
                "{loss:?}: what is missing is said"
            ),
            other => panic!("{loss:?}: {other:?}"),
        }
        holed.store.forget(&[holed.lost]).unwrap();
        refusing().open(holed.store.root()).unwrap();
    }
}

#[test]
fn a_hole_is_accepted_in_this_working_copy_until_what_is_missing_comes_back() {
    for loss in LOSSES {
        let holed = Holed::new(loss);
        holed.forget_kept_bytes();
        let store = &holed.store;
        let accepted = store.forget(&[holed.lost]).unwrap();
        assert_eq!(accepted.len(), 1, "{loss:?}: it says what was accepted");
        assert_eq!(
            (
                accepted[0].transaction_id,
                accepted[0].kind == OmissionKind::Missing
            ),
            (Some(holed.lost), matches!(loss, Loss::Removed)),
            "{loss:?}"
        );
        for store in [store, &holed.reopened(StoreOptions::default())] {
            let status = store.status().unwrap();
            assert!(
                status.is_clean() && status.completeness.is_complete(),
                "{loss:?}: {status:?}"
            );
            assert_eq!(
                status.accepted, accepted,
                "{loss:?}: and it is listed still"
            );
            assert!(
                store.verify().unwrap().is_ok(),
                "{loss:?}: nothing else is wrong"
            );
        }
        store.append(expecting("s", 2)).unwrap();
        store.forget(&[holed.lost]).unwrap();

        fs::write(path(store, holed.lost), &holed.bytes).unwrap();
        assert_eq!(
            numbers(store, "s"),
            [1, 2, 3, 9],
            "{loss:?}: it is ingested as ever"
        );
        let status = store.status().unwrap();
        assert_eq!(
            status.accepted,
            [],
            "{loss:?}: nothing is accepted any more"
        );
        fs::remove_file(path(store, holed.lost)).unwrap();
        assert!(
            !store.completeness().unwrap().is_complete(),
            "{loss:?}: a second loss is another one"
        );
    }
}

#[test]
fn what_nobody_misses_is_not_forgotten() {
    let holed = Holed::new(Loss::Removed);
    let present = holed.store.transactions().unwrap()[0].transaction_id;
    let unknown = TransactionId::from_parts(7, [7; 10]);
    for id in [present, unknown] {
        let outcome = holed.store.forget(&[holed.lost, id]);
        assert!(
            matches!(outcome, Err(ForgetError::NotMissed { transaction_id }) if transaction_id == id),
            "{outcome:?}"
        );
    }
    assert!(
        !holed.store.completeness().unwrap().is_complete(),
        "of two of which one is refused, none is accepted"
    );
}

#[test]
fn what_was_accepted_is_believed_only_as_it_was_written() {
    let holed = Holed::new(Loss::Removed);
    holed.store.forget(&[holed.lost]).unwrap();
    let file = holed.store.root().join("local/accepted");
    let mut bytes = fs::read(&file).unwrap();
    bytes[30] ^= 1;
    fs::write(&file, bytes).unwrap();
    let said = holed.store.completeness().unwrap_err().to_string();
    assert!(
        said.contains("accepted") && said.contains("delete it"),
        "the file is named, with what to do: {said}"
    );
    let outcome = holed.store.forget(&[holed.lost]);
    assert!(
        matches!(
            outcome,
            Err(ForgetError::Accept(StateError::Damaged { .. }))
        ),
        "it is not written over: {outcome:?}"
    );
    let newer = "tributary accepted 2 ";
    let checksum = crc32fast::hash(format!("{newer}\n").as_bytes());
    fs::write(&file, format!("{newer}{checksum:08x}\n")).unwrap();
    let outcome = holed.store.forget(&[holed.lost]);
    assert!(
        matches!(
            outcome,
            Err(ForgetError::NotBegun(AppendError::NewerVersion(_)))
        ),
        "what a newer version accepted is left to it: {outcome:?}"
    );
    fs::remove_file(&file).unwrap();
    assert!(!holed.store.completeness().unwrap().is_complete());
}

#[test]
fn a_damaged_file_is_restored_from_what_is_kept_and_its_bytes_stay() {
    for loss in LOSSES {
        let holed = Holed::new(loss);
        let (store, place) = (&holed.store, path(&holed.store, holed.lost));
        let damaged = fs::read(&place).unwrap_or_default();
        let restored = store.restore(&[holed.lost]);
        if matches!(loss, Loss::Newer) {
            assert!(
                matches!(restored, Err(RestoreError::Refused { .. })),
                "what a newer version wrote is not damaged: {restored:?}"
            );
            assert_eq!(fs::read(&place).unwrap(), damaged);
            continue;
        }
        assert_eq!(restored.unwrap(), [holed.lost], "{loss:?}");
        assert_eq!(numbers(store, "s"), [1, 2, 3], "{loss:?}");
        assert_eq!(fs::read(&place).unwrap(), holed.bytes, "{loss:?}");
        assert!(store.completeness().unwrap().is_complete(), "{loss:?}");
        let kept = fs::read_dir(store.root().join("local/vanished")).unwrap();
        let kept: Vec<Vec<u8>> = kept
            .map(|it| fs::read(it.unwrap().path()).unwrap())
            .collect();
        let expected: &[Vec<u8>] = match loss {
            Loss::Changed => &[damaged],
            _ => &[],
        };
        assert_eq!(
            kept, expected,
            "{loss:?}: what somebody wrote is not thrown away"
        );
    }
}

#[tokio::test]
async fn a_hole_is_no_version_conflict_for_a_program_on_the_traits() {
    let store = new_store();
    let deposit = |version| {
        let event = Banked::Deposited {
            account: account("savings"),
            cents: 1,
        };
        StreamWrites::new()
            .register_stream(account("savings"), StreamVersion::new(version))
            .unwrap()
            .append(event)
            .unwrap()
    };
    for version in 0..3 {
        store.append_events(deposit(version)).await.unwrap();
    }
    let lost = store.transactions().unwrap()[0].transaction_id;
    fs::remove_file(path(&store, lost)).unwrap();
    store.status().unwrap();
    for version in [2, 3] {
        let outcome = store.append_events(deposit(version)).await;
        assert!(
            matches!(
                outcome,
                Err(EventStoreError::StoreFailure {
                    operation: Operation::AppendEvents
                })
            ),
            "to decide anew would not help: {:?}",
            outcome.err()
        );
    }
    let allowing = StoreOptions::default().on_hole(OnHole::Allow);
    let allowing = allowing.open(store.root()).unwrap();
    allowing.append_events(deposit(2)).await.unwrap();
}
