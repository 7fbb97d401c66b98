//! Transactions to encode: fixed ones, and arbitrary ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fs_format::{
    CommandId, ContentHash, Event, EventId, FormatVersion, Header, Json, Parent, ReplicaId,
    StreamBase, StreamId, Timestamp, TransactionId, limits,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use uuid::Uuid;

/// A header and its events.
pub(crate) type Draft = (Header, Vec<Event<'static>>);

pub(crate) fn id(n: u64) -> TransactionId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    TransactionId::from_parts(1_795_206_660_000 + n, random)
}

pub(crate) fn stream(text: &str) -> StreamId {
    StreamId::new(text).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse_canonical(text).unwrap()
}

pub(crate) fn parent(n: u64) -> Parent {
    Parent {
        transaction_id: id(n),
        content_hash: Some(ContentHash::of_lines([n.to_string()])),
    }
}

pub(crate) fn event(
    n: u128,
    stream_id: &str,
    stream_version: u64,
    event_type: &'static str,
    data: &str,
) -> Event<'static> {
    Event {
        event_id: EventId::from_uuid(Uuid::from_u128(0x01a1fd21_d4f8_70bd_9977_000000000000 + n)),
        stream_id: stream(stream_id),
        stream_version,
        event_type: Cow::Borrowed(event_type),
        event_data: Json::compact(data).unwrap(),
        metadata: Json::empty_object(),
    }
}

pub(crate) fn bases(bases: &[(&str, u64, u64)]) -> BTreeMap<StreamId, StreamBase> {
    bases
        .iter()
        .map(|(text, version, writes)| {
            (
                stream(text),
                StreamBase {
                    version: *version,
                    writes: *writes,
                },
            )
        })
        .collect()
}

/// One event, the first of its stream and of the store.
pub(crate) fn minimal() -> Draft {
    let header = Header {
        format_version: FormatVersion::V3,
        transaction_id: id(1),
        replica_id: ReplicaId::parse("01a1fd21-d4f6-72d8-ba72-9f6614d90c33").unwrap(),
        replica_seq: Some(0),
        created_at: at("2026-11-20T20:31:00.123456789Z"),
        recorded_at: None,
        parents: vec![],
        stream_bases: bases(&[("account-1", 0, 1)]),
        command_id: None,
        resolves: BTreeMap::new(),
        metadata: Json::empty_object(),
    };
    (
        header,
        vec![event(
            1,
            "account-1",
            1,
            "AccountOpened",
            r#"{"owner":"Ada"}"#,
        )],
    )
}

/// Every field, odd stream ids, and numbers that no machine type holds.
pub(crate) fn full() -> Draft {
    let (header, _) = minimal();
    let odd = "a/../b\n\0\u{1f}\u{7f}\u{2028}\"\\ Zürich 🏦";
    let header = Header {
        transaction_id: id(5),
        replica_seq: Some(12),
        created_at: at("2026-11-20T20:31:05.000000001Z"),
        recorded_at: Some(at("2026-11-20T20:30:59.999999999Z")),
        parents: vec![parent(3), parent(4)],
        stream_bases: bases(&[("account-1", 5, 2), ("rates", 3, 0), (odd, 0, 1)]),
        command_id: Some(CommandId::new("deposit/\"7\"\n€").unwrap()),
        resolves: BTreeMap::from([(stream("account-1"), vec![id(3), id(4)])]),
        metadata: Json::compact(r#"{ "user" : "ada", "why": null }"#).unwrap(),
        ..header
    };
    let numbers = r#"{"n":[1e400,0.1,12345678901234567890,-0,-0.0,1E+2,1.0000000000000000000000000000001],"z":1,"a":2,"z":3}"#;
    let texts = r#" { "t" : "\u00fc ü \/ \ud83c\udfe6 \ud800 { [ , : ] }" , "" : [ [ ] , { } ] } "#;
    let mut events = vec![
        event(5, "account-1", 6, "MoneyDeposited", numbers),
        event(6, odd, 1, "Über\tTyp", texts),
        event(7, "account-1", 7, "", "null"),
    ];
    events[1].metadata = Json::compact(r#"{"source":"import"}"#).unwrap();
    (header, events)
}

/// The draft of a merge transaction over two streams.
pub(crate) fn merge() -> Draft {
    let (header, _) = minimal();
    let resolves = [
        ("account-1", vec![id(3), id(4)]),
        ("rates", vec![id(3), id(4)]),
    ];
    let header = Header {
        created_at: at("2026-11-20T20:31:04.000000001Z"),
        parents: vec![parent(3), parent(4)],
        stream_bases: bases(&[("account-1", 6, 2), ("rates", 4, 0)]),
        resolves: resolves
            .into_iter()
            .map(|(text, heads)| (stream(text), heads))
            .collect(),
        metadata: Json::compact(r#"{"reason":"both deposits count"}"#).unwrap(),
        ..header
    };
    let data = r#"{"cents":7}"#;
    (
        header,
        vec![
            event(1, "account-1", 7, "MoneyDeposited", data),
            event(2, "account-1", 8, "MoneyDeposited", data),
        ],
    )
}

/// JSON text of all shapes, with white space here and there.
pub(crate) fn json_text() -> impl Strategy<Value = String> {
    let string = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?";
    let escaped = "\"(\\\\u[0-9a-fA-F]{4}|\\\\[\"\\\\/bfnrt]|[ -!#-\\[]){0,8}\"";
    let word = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned);
    let leaf = prop_oneof![word, number, string.clone(), escaped];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let member =
            (string.clone(), inner.clone()).prop_map(|(key, value)| format!("{key} :{value}"));
        prop_oneof![
            vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(" , "))),
            vec(member, 0..6).prop_map(|members| format!("{{\n{}\t}}", members.join(","))),
        ]
    })
}

fn json() -> impl Strategy<Value = Json<'static>> {
    json_text().prop_map(|text| Json::compact(&text).unwrap())
}

fn metadata() -> impl Strategy<Value = Json<'static>> {
    prop_oneof![
        Just("{}".to_owned()),
        json_text().prop_map(|text| format!("{{\"m\":{text}}}"))
    ]
    .prop_map(|text| Json::compact_object(&text).unwrap())
}

fn stream_id() -> impl Strategy<Value = StreamId> {
    let any_text = vec(
        any::<char>().prop_filter("globs", |c| !"*?[]".contains(*c)),
        1..20,
    );
    let any_text = any_text.prop_map(|chars| chars.into_iter().collect::<String>());
    prop_oneof!["[a-z]{1,8}(-[0-9]{1,3})?", any_text].prop_map(|text| stream(&text))
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::LATEST_CREATED_AT.unix_nanos())
        .prop_map(|nanos| Timestamp::from_unix_nanos(nanos).unwrap())
}

fn transaction_id() -> impl Strategy<Value = TransactionId> {
    (0..1_u64 << 48, any::<[u8; 10]>())
        .prop_map(|(millis, random)| TransactionId::from_parts(millis, random))
}

fn events() -> impl Strategy<Value = (BTreeMap<StreamId, StreamBase>, Vec<Event<'static>>)> {
    let streams = btree_map(stream_id(), any::<u64>(), 1..5);
    let bodies = vec(
        (
            any::<prop::sample::Index>(),
            any::<u64>(),
            any::<String>(),
            json(),
            metadata(),
        ),
        0..6,
    );
    (streams, bodies, any::<u64>()).prop_map(|(streams, bodies, salt)| {
        let mut bases: BTreeMap<_, _> = streams
            .into_iter()
            .map(|(stream, version)| (stream, StreamBase { version, writes: 0 }))
            .collect();
        let names: Vec<_> = bases.keys().cloned().collect();
        let events = bodies.into_iter().enumerate().map(
            |(at, (pick, stream_version, event_type, event_data, metadata))| {
                let stream_id = pick.get(&names).clone();
                bases.get_mut(&stream_id).unwrap().writes += 1;
                let event_id = EventId::from_uuid(Uuid::from_u64_pair(salt, at as u64));
                Event {
                    event_id,
                    stream_id,
                    stream_version,
                    event_type: Cow::Owned(event_type),
                    event_data,
                    metadata,
                }
            },
        );
        let events = events.collect();
        (bases, events)
    })
}

/// Anything that can be written.
pub(crate) fn arbitrary() -> impl Strategy<Value = Draft> {
    let ids = (transaction_id(), any::<u128>(), 0..=limits::MAX_REPLICA_SEQ);
    let times = (instant(), proptest::option::of(instant()));
    let parents = btree_map(transaction_id(), any::<[u8; 32]>(), 0..5);
    let command_id = proptest::option::of(vec(any::<char>(), 1..30));
    let resolves = btree_map(stream_id(), btree_set(transaction_id(), 0..4), 0..3);
    (
        ids,
        times,
        parents,
        events(),
        command_id,
        resolves,
        metadata(),
    )
        .prop_map(
            |(ids, times, parents, (stream_bases, events), command_id, resolves, metadata)| {
                let parents = parents.into_iter().filter(|(parent, _)| *parent != ids.0);
                let parents = parents.map(|(transaction_id, hash)| Parent {
                    transaction_id,
                    content_hash: Some(ContentHash::from_bytes(hash)),
                });
                let header = Header {
                    format_version: FormatVersion::V3,
                    transaction_id: ids.0,
                    replica_id: ReplicaId::from_uuid(Uuid::from_u128(ids.1)),
                    replica_seq: Some(ids.2),
                    created_at: times.0,
                    recorded_at: times.1,
                    parents: parents.collect(),
                    stream_bases,
                    command_id: command_id.map(|chars| {
                        CommandId::new(chars.into_iter().collect::<String>()).unwrap()
                    }),
                    resolves: resolves
                        .into_iter()
                        .map(|(stream, heads)| (stream, heads.into_iter().collect()))
                        .collect(),
                    metadata,
                };
                (header, events)
            },
        )
}
