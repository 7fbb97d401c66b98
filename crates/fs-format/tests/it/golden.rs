//! The committed bytes of every format: what is written today is what was written then, and reads as it did.
//!
//! The files of format 2 were written by eventcore-fs 1.0.0 and 2.1.0. Those of format 1 are made from them by leaving
//! out `content_hash` and, in one, by writing the instant with another offset and fewer digits.

use std::path::PathBuf;

use fs_format::{FormatVersion, decode, decode_header, encode, encode_merge};

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
