//! The committed bytes of every format: what is written today is what was written then, and reads as it did.
//!
//! The files of format 2 were written by eventcore-fs 1.0.0 and 2.1.0. Those of format 1 are made from them by leaving
//! out `content_hash` and, in one, by writing the instant with another offset and fewer digits.

use std::path::PathBuf;

use fs_format::{
    ContentHash, FormatVersion, MergeFlaw, decode, decode_header, encode, encode_merge,
};

use crate::build::{self, Draft};

pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    let path = directory().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check(name: &str, (header, events): Draft) {
    let golden = read(name);
    let encoded = encode(&header, &events).unwrap();
    assert_eq!(
        text(&encoded.bytes),
        text(&golden),
        "{name}: the bytes of a format never change"
    );
    let decoded = decode(&golden).unwrap();
    assert_eq!(
        (&decoded.header, &decoded.events),
        (&header, &events),
        "{name}: what was written is read"
    );
    assert_eq!(decoded.content_hash, encoded.content_hash);
    assert!(
        decoded.transit.is_clean(),
        "{name}: golden bytes are as they were written"
    );
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn format_3() {
    check("v3/minimal.jsonl", build::minimal());
    check("v3/full.jsonl", build::full());
}

#[test]
fn format_3_merge() {
    let (header, events) = build::merge();
    let encoded = encode_merge(&header, &events).unwrap();
    let golden = read("v3/merge.jsonl");
    assert_eq!(
        text(&encoded.bytes),
        text(&golden),
        "two clones that settle a fork alike write the same file"
    );
    let decoded = decode(&golden).unwrap();
    assert!(
        decoded.header.replica_id.is_nil() && decoded.header.replica_seq == Some(0),
        "a merge is nobody's own"
    );
    assert_eq!(decoded.header.transaction_id, encoded.transaction_id);
    let again = encode_merge(&decoded.header, &decoded.events).unwrap();
    assert_eq!(
        again, encoded,
        "the ids of a merge are a function of the rest"
    );
}

#[test]
fn every_golden_file_reads_as_it_did() {
    for version in ["v1", "v2", "v3"] {
        for entry in std::fs::read_dir(directory().join(version)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let bytes = read(&format!("{version}/{name}"));
            let decoded = decode(&bytes).unwrap();
            assert_eq!(
                format!("v{}", decoded.header.format_version),
                version,
                "{name}"
            );
            let mut header = decode_header(&bytes).unwrap();
            if decoded.header.format_version != FormatVersion::V3 {
                assert!(
                    header.stream_bases.values().all(|base| base.writes == 0),
                    "the header alone counts no events"
                );
                header.stream_bases.clone_from(&decoded.header.stream_bases);
            }
            assert_eq!(
                header, decoded.header,
                "{name}: the header alone reads as it does with the rest"
            );
            insta::assert_debug_snapshot!(
                format!("{version}_{}", name.trim_end_matches(".jsonl")),
                decoded
            );
        }
    }
}

/// Returns the file with another header, sealed anew.
fn resealed(name: &str, replaced: &[(&str, &str)]) -> Vec<u8> {
    let whole = read(name);
    let (mut header, mut lines) = text(&whole)
        .split_once('\n')
        .map(|(header, lines)| (header.to_owned(), lines.lines().collect::<Vec<_>>()))
        .unwrap();
    for (old, new) in replaced {
        assert!(header.contains(old), "{name} has no {old}");
        header = header.replace(old, new);
    }
    let _seal = lines.pop();
    let hash = ContentHash::of_lines(std::iter::once(header.as_str()).chain(lines.iter().copied()));
    let events = lines.len();
    let seal = format!(r#"{{"record":"seal","events":{events},"sha256":"{hash}"}}"#);
    let lines: Vec<&str> = std::iter::once(header.as_str())
        .chain(lines)
        .chain([seal.as_str()])
        .collect();
    (lines.join("\n") + "\n").into_bytes()
}

#[test]
fn lists_of_ids_are_read_in_any_order() {
    const A: &str = r#"{"transaction_id":"01a1faa7-bfa3-7000-8000-000000000003","sha256":"1121cfccd5913f0a63fec40a6ffd44ea64f9dc135c66634ba001d10bcf4302a2"}"#;
    const B: &str = r#"{"transaction_id":"01a1faa7-bfa4-7000-8000-000000000004","sha256":"7de1555df0c2700329e815b93b32c571c3ea54dc967b89e81ab73b9972b72d1d"}"#;
    let resolved = [
        r#""01a1faa7-bfa3-7000-8000-000000000003","01a1faa7-bfa4-7000-8000-000000000004""#,
        r#""01a1faa7-bfa4-7000-8000-000000000004","01a1faa7-bfa3-7000-8000-000000000003""#,
    ];
    let bytes = resealed(
        "v3/full.jsonl",
        &[
            (&format!("{A},{B}"), &format!("{B},{A}")),
            (resolved[0], resolved[1]),
        ],
    );
    assert_eq!(
        decode(&bytes).unwrap().header,
        build::full().0,
        "an order that means nothing shows nowhere"
    );
}

#[test]
fn what_no_reader_looks_at_may_be_anything() {
    let noise = r#""x":1,"x":"\ud800","y":{"z":[1e999,{}],"z":null},"#;
    let replica_id = r#""replica_id""#;
    let bytes = resealed(
        "v3/minimal.jsonl",
        &[(replica_id, &format!("{noise}{replica_id}"))],
    );
    assert_eq!(
        decode(&bytes).unwrap().header,
        build::minimal().0,
        "an unknown field may stand twice and hold any JSON"
    );
}

#[test]
fn a_merge_of_another_writer_is_read() {
    let bytes = resealed(
        "v3/merge.jsonl",
        &[
            (r#""replica_seq":0"#, r#""replica_seq":1"#),
            (
                r#""parents""#,
                r#""recorded_at":"2026-11-20T20:31:00.000000000Z","parents""#,
            ),
            (
                r#"{"reason":"both deposits count"}"#,
                r#"{"author":7,"reason":["both"]}"#,
            ),
        ],
    );
    let read = decode(&bytes).unwrap();
    assert!(read.header.replica_id.is_nil(), "a decision is read as one");
    let reported = fs_format::check_merge(&read.header, &read.events);
    assert_eq!(
        reported,
        [
            MergeFlaw::Sequence,
            MergeFlaw::RecordedAt,
            MergeFlaw::TransactionId,
            MergeFlaw::EventIds,
            MergeFlaw::Author,
            MergeFlaw::Reason,
        ],
        "each field that another clone would write otherwise is named"
    );
    let golden = read_golden_merge();
    assert_eq!(fs_format::check_merge(&golden.0, &golden.1), []);
}

fn read_golden_merge() -> Draft {
    let bytes = read("v3/merge.jsonl");
    let read = decode(&bytes).unwrap();
    let events = read.events.into_iter().map(|event| fs_format::Event {
        event_type: event.event_type.into_owned().into(),
        event_data: event.event_data.into_owned(),
        metadata: event.metadata.into_owned(),
        ..event
    });
    (read.header, events.collect())
}
