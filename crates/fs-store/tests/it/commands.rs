//! Command ids: what was done is not done again, and an id that stands for something else is refused.

use fs_format::CommandId;
use fs_store::{Append, AppendError, Appended, ContentDifference, ExpectedVersion, FileEventStore};

use crate::support::{count, counted, merge, new_store, numbers, stream};

fn id() -> CommandId {
    CommandId::new("c-1").unwrap()
}

fn command(n: u64) -> Append {
    counted("s", n).command_id(id())
}

#[track_caller]
fn assert_reused(
    store: &FileEventStore,
    append: Append,
    first: &Appended,
    expected: ContentDifference,
) {
    let before = store.transactions().unwrap().len();
    match store.append(append).unwrap_err() {
        AppendError::CommandIdReused {
            command_id,
            transaction_id,
            stream_ids,
            difference,
        } => assert_eq!(
            (command_id, transaction_id, stream_ids, difference),
            (id(), first.transaction_id, vec![stream("s")], expected),
            "the first use is named, and what differs"
        ),
        other => panic!("refused for another reason: {other:?}"),
    }
    assert_eq!(
        store.transactions().unwrap().len(),
        before,
        "nothing is stored"
    );
}

#[test]
fn a_command_is_applied_once() {
    let (store, other) = (new_store(), new_store());
    let first = store.append(command(1)).unwrap();
    count(&store, "s", 2);

    let again = store.append(command(1)).unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(
        (again.transaction_id, again.created_at, &again.versions),
        (first.transaction_id, first.created_at, &first.versions)
    );
    for expected in [ExpectedVersion::New, ExpectedVersion::Exact(7)] {
        let tried_again = command(1).expect(stream("s"), expected);
        assert!(
            store.append(tried_again).unwrap().replayed,
            "a caller that tries again expects what it has read since"
        );
    }

    let reopened = FileEventStore::open(store.root()).unwrap();
    assert_eq!(
        reopened.append(command(1)).unwrap().transaction_id,
        first.transaction_id,
        "after a reopen"
    );

    merge(&store, &other);
    let there = other.append(command(1)).unwrap();
    assert_eq!(
        (there.replayed, there.transaction_id),
        (true, first.transaction_id),
        "and where it arrived by merge"
    );
    assert_eq!(numbers(&store, "s"), [1, 2], "nothing was stored again");
    let result = store.command_result(&id());
    assert_eq!(
        result.unwrap().as_ref().map(|found| found.transaction_id),
        Some(first.transaction_id)
    );
}

#[test]
fn an_id_that_stands_for_something_else_is_refused() {
    let store = new_store();
    let first = store.append(command(1)).unwrap();
    let event = |event_type: &str, metadata: &str| {
        let append = Append::new().event_with_metadata(stream("s"), event_type, "1", metadata);
        append.unwrap().command_id(id())
    };
    let event_type = store.stream_events(&stream("s")).unwrap()[0]
        .event_type
        .clone();
    let others = [
        (command(2), ContentDifference::EventData),
        (counted("t", 1).command_id(id()), ContentDifference::Streams),
        (
            command(1).expect(stream("rates"), ExpectedVersion::Any),
            ContentDifference::Streams,
        ),
        (
            command(1).event(stream("s"), "Counted", "2").unwrap(),
            ContentDifference::EventCount,
        ),
        (event("Another", "{}"), ContentDifference::EventTypes),
        (
            event(&event_type, r#"{"who":"me"}"#),
            ContentDifference::Metadata,
        ),
        (
            command(1).metadata(r#"{"who":"me"}"#).unwrap(),
            ContentDifference::Metadata,
        ),
    ];
    let reopened = FileEventStore::open(store.root()).unwrap();
    for (append, expected) in others {
        assert_reused(&store, append.clone(), &first, expected);
        assert_reused(&reopened, append, &first, expected);
    }
    // A new index knows it too.
    std::fs::remove_dir_all(store.root().join("index")).unwrap();
    let anew = FileEventStore::open(store.root()).unwrap();
    assert_reused(&anew, command(2), &first, ContentDifference::EventData);
}

/// ```text
/// here    c-1 "1" ---.
///                     both
/// there   c-1 "2" ---'
/// ```
#[test]
fn clones_that_used_one_id_apart_are_each_answered_by_their_own() {
    let (here, there) = (new_store(), new_store());
    let one = here.append(command(1)).unwrap();
    let two = there.append(command(2)).unwrap();
    merge(&there, &here);
    for (n, own) in [(1, &one), (2, &two)] {
        let again = here.append(command(n)).unwrap();
        assert_eq!(
            (again.transaction_id, again.replayed),
            (own.transaction_id, true),
            "equal content is answered by the transaction that has it"
        );
    }
    assert_reused(&here, command(3), &one, ContentDifference::EventData);
}
