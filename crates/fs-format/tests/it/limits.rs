//! Every limit, at its edge, on both ways.

use fs_format::limits::{MAX_EVENTS, MAX_FILE_BYTES, MAX_JSON_DEPTH, MAX_PARENTS};
use fs_format::{
    ContentHash, DecodeError, EncodeError, Event, EventId, Header, Json, decode, encode,
};
use uuid::Uuid;

use crate::build::{bases, event, id, minimal, parent};

/// Seals lines that `encode` would refuse to write.
fn seal(lines: &[String], events: usize) -> Vec<u8> {
    let hash = ContentHash::of_lines(lines);
    format!(
        "{}\n{{\"record\":\"seal\",\"events\":{events},\"sha256\":\"{hash}\"}}\n",
        lines.join("\n")
    )
    .into_bytes()
}

fn lines_of(header: &Header, events: &[Event<'_>]) -> Vec<String> {
    let bytes = encode(header, events).unwrap().bytes;
    let lines: Vec<_> = std::str::from_utf8(&bytes)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines[..lines.len() - 1].to_vec()
}

fn many(count: usize) -> (Header, Vec<Event<'static>>) {
    let (mut header, _) = minimal();
    header.stream_bases = bases(&[("s", 0, count as u64)]);
    let template = event(0, "s", 1, "T", "1");
    let with_id = |n| Event {
        event_id: EventId::from_uuid(Uuid::from_u128(n)),
        ..template.clone()
    };
    (header, (0..count as u128).map(with_id).collect())
}

/// One event such that the whole file takes `size` bytes.
fn sized(size: usize) -> (Header, Vec<Event<'static>>) {
    let (header, mut events) = minimal();
    let rest = encode(&header, &events).unwrap().bytes.len() - events[0].event_data.as_str().len();
    events[0].event_data = Json::compact(&format!("\"{}\"", "x".repeat(size - rest - 2))).unwrap();
    (header, events)
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn bytes() {
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    let (header, events) = sized(limit);
    let mut bytes = encode(&header, &events).unwrap().bytes;
    assert_eq!(bytes.len(), limit);
    assert_eq!(
        decode(&bytes).unwrap().events,
        events,
        "the largest file reads"
    );

    let (header, events) = sized(limit + 1);
    assert_eq!(encode(&header, &events), Err(EncodeError::TooLarge));
    bytes.push(b'\n');
    let refused = decode(&bytes).unwrap_err();
    assert!(
        matches!(refused, DecodeError::TooLarge { bytes } if bytes == MAX_FILE_BYTES + 1),
        "{refused}"
    );
}

#[test]
fn events() {
    let (header, events) = many(MAX_EVENTS);
    let mut lines = lines_of(&header, &events);
    assert_eq!(
        decode(&seal(&lines, MAX_EVENTS)).unwrap().events.len(),
        MAX_EVENTS
    );

    lines.push(lines[1].clone());
    let refused = decode(&seal(&lines, MAX_EVENTS + 1)).unwrap_err();
    assert!(matches!(refused, DecodeError::TooManyEvents), "{refused}");
    let (header, events) = many(MAX_EVENTS + 1);
    assert_eq!(
        encode(&header, &events),
        Err(EncodeError::TooManyEvents {
            events: MAX_EVENTS + 1
        })
    );
}

#[test]
fn parents() {
    let (mut header, events) = minimal();
    header.transaction_id = id(1_000_000);
    header.parents = (0..MAX_PARENTS as u64).map(parent).collect();
    let mut lines = lines_of(&header, &events);
    assert_eq!(
        decode(&seal(&lines, 1)).unwrap().header.parents.len(),
        MAX_PARENTS
    );

    let another = format!(
        "{{\"transaction_id\":\"{}\",\"sha256\":\"{}\"}}",
        id(999_999),
        "0".repeat(64)
    );
    lines[0] = lines[0].replace("\"parents\":[", &format!("\"parents\":[{another},"));
    let refused = decode(&seal(&lines, 1)).unwrap_err();
    assert!(
        matches!(refused, DecodeError::TooManyParents { parents } if parents == MAX_PARENTS + 1),
        "{refused}"
    );
    header.parents.push(parent(999_999));
    assert_eq!(
        encode(&header, &events),
        Err(EncodeError::TooManyParents {
            parents: MAX_PARENTS + 1
        })
    );
}

#[test]
fn depth() {
    let (header, mut events) = minimal();
    events[0].event_data = Json::compact(&nested(MAX_JSON_DEPTH - 1)).unwrap();
    let mut lines = lines_of(&header, &events);
    let bytes = seal(&lines, 1);
    let deepest = decode(&bytes).unwrap();
    assert!(
        deepest.events[0]
            .event_data
            .decode::<serde_json::Value>()
            .is_ok(),
        "what is accepted can be decoded"
    );

    assert!(
        Json::compact(&nested(MAX_JSON_DEPTH)).is_err(),
        "nothing deeper can be handed to the encoder"
    );
    let whole = lines[1].clone();
    for depth in [MAX_JSON_DEPTH, 1_000_000] {
        lines[1] = whole.replace(&nested(MAX_JSON_DEPTH - 1), &nested(depth));
        let refused = decode(&seal(&lines, 1)).unwrap_err();
        assert!(
            matches!(refused, DecodeError::TooDeep { line: 2 }),
            "{refused}"
        );
    }
    lines[1] = whole;
    lines[0] = lines[0].replacen('{', &format!("{{\"unknown\":{},", nested(1_000_000)), 1);
    let refused = decode(&seal(&lines, 1)).unwrap_err();
    assert!(
        matches!(refused, DecodeError::TooDeep { line: 1 }),
        "{refused}"
    );
}
