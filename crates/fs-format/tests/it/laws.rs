//! Round trips and what a checkout may do to a file.

use fs_format::{
    Event, EventId, Events, Json, Location, Transit, check_name, decode, decode_header, encode,
    encode_merge,
};
use proptest::prelude::*;

use crate::build::{arbitrary, id, json_text, minimal};

/// The bytes as a checkout with other habits leaves them.
fn in_transit(bytes: &[u8], transit: Transit) -> Vec<u8> {
    let mut text = String::from_utf8(bytes.to_vec()).unwrap();
    if transit.crlf {
        text = text.replace('\n', "\r\n");
    }
    if transit.missing_final_newline {
        text.truncate(text.len() - 1);
    }
    if transit.bom {
        text.insert(0, '\u{feff}');
    }
    text.into_bytes()
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself((header, events) in arbitrary()) {
        let encoded = encode(&header, &events).unwrap();
        let decoded = decode(&encoded.bytes).unwrap();
        prop_assert_eq!(&decoded.header, &header);
        prop_assert_eq!(&decoded.events, &events);
        prop_assert_eq!(decoded.content_hash, encoded.content_hash);
        prop_assert!(decoded.transit.is_clean(), "nothing happened to the bytes");
        prop_assert_eq!(encode(&decoded.header, &decoded.events).unwrap(), encoded.clone());

        let alone = decode_header(&encoded.bytes).unwrap();
        let streamed: Vec<_> = Events::new(&alone, &encoded.bytes).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&streamed, &events, "events read one by one are those read at once");
        let streams = alone.stream_bases.iter().map(|(stream_id, base)| (stream_id.clone(), base.writes));
        let streams: Vec<_> = streams.filter(|(_, writes)| *writes > 0).collect();
        let without: Vec<_> = Events::of_streams(&streams, &encoded.bytes).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&without, &events, "and those read without the header");
        let owned: Vec<_> = streamed.into_iter().map(Event::into_owned).collect();
        prop_assert_eq!(&owned, &events);
    }

    #[test]
    fn the_order_of_parents_and_resolved_heads_is_not_content((header, events) in arbitrary()) {
        let mut turned = header.clone();
        turned.parents.reverse();
        turned.resolves.values_mut().for_each(|heads| heads.reverse());
        prop_assert_eq!(encode(&turned, &events).unwrap(), encode(&header, &events).unwrap());
    }

    #[test]
    fn line_endings_and_marks_are_not_content(
        (header, events) in arbitrary(), crlf in any::<bool>(), bom in any::<bool>(), missing_final_newline in any::<bool>()
    ) {
        let transit = Transit { crlf, bom, missing_final_newline };
        let encoded = encode(&header, &events).unwrap();
        let bytes = in_transit(&encoded.bytes, transit);
        let decoded = decode(&bytes).unwrap();
        prop_assert_eq!(decoded.content_hash, encoded.content_hash, "the hash is over lines");
        prop_assert_eq!(decoded.transit, transit, "what happened is reported");
        prop_assert_eq!((&decoded.header, &decoded.events), (&header, &events));
    }

    #[test]
    fn a_merge_is_a_function_of_fork_and_resolution((header, events) in arbitrary(), (other, _) in arbitrary()) {
        let merged = encode_merge(&header, &events);
        let mut elsewhere = header.clone();
        (elsewhere.transaction_id, elsewhere.replica_id) = (other.transaction_id, other.replica_id);
        (elsewhere.replica_seq, elsewhere.recorded_at) = (None, other.recorded_at);
        elsewhere.parents.reverse();
        let mut drafted = events.clone();
        drafted.iter_mut().for_each(|event| event.event_id = EventId::from_uuid(uuid::Uuid::nil()));
        prop_assert_eq!(&encode_merge(&elsewhere, &drafted), &merged, "who writes it leaves no trace");
        let merged = merged.unwrap();
        let decoded = decode(&merged.bytes).unwrap();
        prop_assert_eq!(decoded.header.transaction_id, merged.transaction_id);
        prop_assert_eq!(merged.transaction_id.as_u128() >> 80, u128::from(header.created_at.unix_millis()));
        if let [first, ..] = &events[..] {
            let mut changed = events.clone();
            changed[0].stream_version = first.stream_version.wrapping_add(1);
            prop_assert_ne!(encode_merge(&header, &changed).unwrap().transaction_id, merged.transaction_id);
        }
    }

    #[test]
    fn compact_json_keeps_its_value_and_stays_as_it_is(text in json_text()) {
        let compact = Json::compact(&text).unwrap();
        prop_assert_eq!(&Json::compact(compact.as_str()).unwrap(), &compact, "there is nothing left to strip");
        let values = (serde_json::from_str::<serde_json::Value>(&text), compact.decode::<serde_json::Value>());
        if let (Ok(before), after) = values {
            prop_assert_eq!(before, after.unwrap(), "white space between tokens has no meaning");
        }
    }

    #[test]
    fn a_name_is_checked_by_its_id(n in any::<u32>(), other in any::<u32>()) {
        let (mut header, events) = minimal();
        header.transaction_id = id(n.into());
        let bytes = encode(&header, &events).unwrap().bytes;
        let transaction = decode(&bytes).unwrap();
        let id = header.transaction_id;
        let location = check_name(&id.relative_path()).unwrap();
        prop_assert_eq!(location, Location::Sharded(id));
        prop_assert!(transaction.check_location(location).is_ok(), "a file belongs where its id says");
        prop_assert!(transaction.check_location(Location::Flat(id)).is_err(), "format 3 never lies flat");
        prop_assume!(n != other);
        let renamed = check_name(&crate::build::id(other.into()).relative_path()).unwrap();
        prop_assert!(transaction.check_location(renamed).is_err(), "a renamed file is not taken for another transaction");
    }

    #[test]
    fn any_path_is_checked_without_a_panic(path in any::<String>()) {
        if let Ok(location) = check_name(&path) {
            prop_assert!(path.ends_with(&location.transaction_id().file_name()));
        }
    }
}

#[test]
fn stream_ids_of_events_are_shared_with_the_header() {
    let (header, events) = minimal();
    let bytes = encode(&header, &events).unwrap().bytes;
    let decoded = decode(&bytes).unwrap();
    let declared = decoded.header.stream_bases.keys().next().unwrap().as_str();
    let of_event = decoded.events[0].stream_id.as_str();
    assert!(
        std::ptr::eq(declared, of_event),
        "no event allocates its stream id"
    );
    let data = decoded.events[0].event_data.as_str().as_ptr();
    assert!(
        bytes.as_ptr_range().contains(&data),
        "event data is borrowed from the bytes"
    );
}

#[test]
fn an_older_format_never_lies_in_the_place_of_format_3() {
    for name in ["v1/minimal.jsonl", "v2/minimal.jsonl"] {
        let bytes = crate::golden::read(name);
        let transaction = decode(&bytes).unwrap();
        let id = transaction.header.transaction_id;
        assert!(
            transaction.check_location(Location::Flat(id)).is_ok(),
            "{name} is read where it lies"
        );
        assert!(
            transaction.check_location(Location::Sharded(id)).is_err(),
            "{name} was put elsewhere"
        );
    }
}
