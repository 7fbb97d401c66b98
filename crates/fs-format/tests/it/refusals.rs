//! What cannot be written.

use fs_format::{
    EncodeError, FormatVersion, Json, Parent, Timestamp, encode, encode_merge, limits,
};

use crate::build::{Draft, bases, full, id, merge, minimal, parent, stream};

fn refused(change: impl FnOnce(&mut Draft)) -> EncodeError {
    let mut draft = full();
    change(&mut draft);
    encode(&draft.0, &draft.1).unwrap_err()
}

#[test]
fn what_cannot_be_written_is_refused_with_its_reason() {
    use EncodeError as E;
    let old = refused(|(header, _)| header.format_version = FormatVersion::V2);
    assert_eq!(
        old,
        E::OldFormat {
            version: FormatVersion::V2
        }
    );
    assert_eq!(
        refused(|(header, _)| header.replica_seq = None),
        E::MissingReplicaSeq
    );
    assert_eq!(
        refused(|(header, _)| header.parents.push(parent(3))),
        E::DuplicateParent { id: id(3) }
    );
    assert_eq!(
        refused(|(header, _)| header.parents.push(parent(5))),
        E::SelfParent { id: id(5) }
    );
    let without = Parent {
        transaction_id: id(2),
        content_hash: None,
    };
    assert_eq!(
        refused(|(header, _)| header.parents.push(without)),
        E::ParentWithoutHash { id: id(2) }
    );
    let twice = full().1[0].event_id;
    assert_eq!(
        refused(|(_, events)| events[2].event_id = twice),
        E::DuplicateEventId { id: twice }
    );
    let other = stream("other");
    assert_eq!(
        refused(|(_, events)| events[0].stream_id = other.clone()),
        E::UndeclaredStream { stream: other }
    );
    let mismatch = E::WritesMismatch {
        stream: stream("account-1"),
        declared: 2,
        found: 1,
    };
    assert_eq!(refused(|(_, events)| drop(events.pop())), mismatch);
    let array = Json::compact("[]").unwrap();
    assert_eq!(
        refused(|(header, _)| header.metadata = array.clone()),
        E::MetadataNotAnObject
    );
    assert_eq!(
        refused(|(_, events)| events[0].metadata = array),
        E::MetadataNotAnObject
    );
}

#[test]
fn what_no_reader_takes_is_not_written() {
    use EncodeError as E;
    let created_at = Timestamp::LATEST_CREATED_AT.successor().unwrap();
    assert_eq!(
        refused(|(header, _)| header.created_at = created_at),
        E::DatedTooLate { created_at }
    );
    assert_eq!(
        refused(|(header, _)| header.replica_seq = Some(u64::MAX)),
        E::SequenceTooHigh {
            replica_seq: u64::MAX
        }
    );
    let (mut last, events) = full();
    last.created_at = Timestamp::LATEST_CREATED_AT;
    last.replica_seq = Some(limits::MAX_REPLICA_SEQ);
    let bytes = encode(&last, &events).unwrap().bytes;
    assert_eq!(
        fs_format::decode(&bytes).unwrap().header,
        last,
        "the last of either range is written and read"
    );
    let (mut merge, events) = merge();
    merge.created_at = created_at;
    assert_eq!(
        encode_merge(&merge, &events),
        Err(E::DatedTooLate { created_at })
    );
}

#[test]
fn a_merge_is_checked_alike() {
    let (mut header, events) = merge();
    header.stream_bases = bases(&[("account-1", 6, 1)]);
    let mismatch = EncodeError::WritesMismatch {
        stream: stream("account-1"),
        declared: 1,
        found: 2,
    };
    assert_eq!(encode_merge(&header, &events), Err(mismatch));
}

#[test]
fn a_transaction_may_add_nothing() {
    let (mut header, _) = minimal();
    header.stream_bases = bases(&[("rates", 3, 0)]);
    let bytes = encode(&header, &[]).unwrap().bytes;
    assert_eq!(
        fs_format::decode(&bytes).unwrap().header,
        header,
        "a decision without events is a transaction"
    );
}
