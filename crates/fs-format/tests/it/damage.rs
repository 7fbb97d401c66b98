//! Damage of every kind at every place: found, and never mistaken for something else.

use fs_format::{DecodeError, Events, decode, decode_header, encode};
use proptest::prelude::*;

use crate::build::arbitrary;
use crate::golden::read;

const SEALED: [&str; 3] = ["v3/minimal.jsonl", "v3/full.jsonl", "v3/merge.jsonl"];

/// Reads the bytes in every way there is.
fn read_all(bytes: &[u8]) {
    let decoded = decode(bytes);
    if let Ok(header) = decode_header(bytes) {
        let count = Events::new(&header, bytes).count();
        assert!(
            decoded.is_err() || decoded.is_ok_and(|whole| whole.events.len() == count),
            "both readers agree"
        );
    }
    // Whatever follows the first line, it ends.
    let _ = Events::of_streams(&[], bytes).count();
}

/// Checks that `damaged` is refused, or reads as `whole` with the change reported.
fn check_flip(whole: &[u8], damaged: &[u8], what: &str) {
    if let Ok(read) = decode(damaged) {
        let before = decode(whole).unwrap();
        assert_eq!(
            (read.header, read.events),
            (before.header, before.events),
            "{what}: content never changes unseen"
        );
        assert_eq!(read.content_hash, before.content_hash, "{what}");
        assert!(
            !read.transit.is_clean(),
            "{what}: a changed byte never passes unreported"
        );
    }
}

#[test]
fn a_flipped_byte_is_detected_wherever_it_is() {
    for name in SEALED {
        let whole = read(name);
        let mut damaged = whole.clone();
        for at in 0..whole.len() {
            for mask in [
                0x01, 0x02, 0x04, 0x07, 0x08, 0x10, 0x20, 0x2a, 0x40, 0x80, 0xff,
            ] {
                damaged[at] = whole[at] ^ mask;
                check_flip(
                    &whole,
                    &damaged,
                    &format!("{name}, byte {at} ^ {mask:#04x}"),
                );
            }
            damaged[at] = whole[at];
        }
    }
}

#[test]
fn no_other_byte_does_in_the_seal_which_no_hash_covers() {
    let whole = read("v3/minimal.jsonl");
    let seal = whole.len()
        - 1
        - whole[..whole.len() - 1]
            .iter()
            .rev()
            .position(|byte| *byte == b'\n')
            .unwrap();
    let mut damaged = whole.clone();
    for at in seal - 1..whole.len() {
        for mask in 1..=u8::MAX {
            damaged[at] = whole[at] ^ mask;
            check_flip(&whole, &damaged, &format!("byte {at} ^ {mask:#04x}"));
        }
        damaged[at] = whole[at];
    }
}

#[test]
fn a_file_that_breaks_off_anywhere_is_incomplete() {
    for name in SEALED {
        let lf = read(name);
        let crlf = String::from_utf8(lf.clone())
            .unwrap()
            .replace('\n', "\r\n")
            .into_bytes();
        let bom = [b"\xef\xbb\xbf", &lf[..]].concat();
        for whole in [lf, crlf, bom] {
            let content = whole.trim_ascii_end().len();
            for len in 0..content {
                let error = decode(&whole[..len]).expect_err("a part is never taken for the whole");
                assert!(
                    error.is_incomplete(),
                    "{name} cut to {len} bytes is incomplete, not: {error}"
                );
                let zeroed = [&whole[..len], &vec![0; whole.len() - len]].concat();
                let error =
                    decode(&zeroed).expect_err("blocks that were never written are not content");
                assert!(
                    error.is_incomplete(),
                    "{name} zeroed from byte {len} is incomplete, not: {error}"
                );
            }
            for len in content..whole.len() {
                let read = decode(&whole[..len]).expect("only the end of the last line is lost");
                assert!(
                    read.transit.missing_final_newline,
                    "{name} cut to {len} bytes is whole, and reported"
                );
            }
        }
    }
}

#[test]
fn a_file_without_a_seal_is_incomplete_where_that_shows() {
    for name in ["v1/two-streams.jsonl", "v2/two-streams.jsonl"] {
        let whole = read(name);
        let ends: Vec<_> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
        for len in 0..whole.len() - 1 {
            let whole_lines = ends.iter().skip(1).any(|end| len == *end || len == end + 1);
            let zeroed = [&whole[..len], &[0; 8]].concat();
            let error =
                decode(&zeroed).expect_err("blocks that were never written are not content");
            assert!(
                error.is_incomplete(),
                "{name} zeroed from byte {len} is incomplete, not: {error}"
            );
            match decode(&whole[..len]) {
                Ok(_) => assert!(
                    name.starts_with("v1") && whole_lines,
                    "{name} cut to {len} bytes"
                ),
                Err(error) => assert!(
                    error.is_incomplete() || whole_lines,
                    "{name} cut to {len} bytes: {error}"
                ),
            }
        }
    }
}

proptest! {
    #[test]
    fn a_part_of_any_transaction_is_incomplete((header, events) in arbitrary(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&header, &events).unwrap().bytes;
        let error = decode(&bytes[..cut.index(bytes.len() - 1)]).expect_err("a part is never taken for the whole");
        prop_assert!(error.is_incomplete(), "not: {}", error);
    }

    #[test]
    fn a_flipped_byte_of_any_transaction_is_detected(
        (header, events) in arbitrary(), at in any::<prop::sample::Index>(), mask in 1..=u8::MAX
    ) {
        let whole = encode(&header, &events).unwrap().bytes;
        let mut damaged = whole.clone();
        damaged[at.index(whole.len())] ^= mask;
        check_flip(&whole, &damaged, "a flipped byte");
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn no_mangled_file_panics(
        name in prop::sample::select(vec!["v1/two-streams.jsonl", "v2/two-streams.jsonl", "v3/minimal.jsonl", "v3/full.jsonl"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[\\x00-\\x7f]{0,3}|[0-9\\[{\",:}\\]]{0,3}"), 1..5),
    ) {
        let mut bytes = read(name);
        for (from, to, text) in edits {
            let from = from.index(bytes.len() + 1);
            let to = (from + to.index(8)).min(bytes.len());
            bytes.splice(from..to, text.bytes());
        }
        read_all(&bytes);
    }
}

#[test]
fn a_key_of_a_header_that_is_there_twice_is_refused() {
    let whole = String::from_utf8(read("v3/minimal.jsonl")).unwrap();
    for key in [
        r#""record":"header""#,
        r#""format_version":3"#,
        r#""replica_seq":7"#,
    ] {
        let (header, rest) = whole.split_once("}\n").unwrap();
        let header = format!("{header},{key}}}");
        let refused = decode_header(format!("{header}\n{rest}").as_bytes());
        assert!(
            matches!(&refused, Err(DecodeError::InvalidJson { line: 1, .. })),
            "{key}: {refused:?}"
        );
    }
}

#[test]
fn events_that_are_fewer_than_their_streams_say_are_not_all() {
    let whole = read("v3/full.jsonl");
    let header = decode_header(&whole).unwrap();
    let streams = header.stream_bases.iter();
    let streams: Vec<_> = streams
        .map(|(stream_id, base)| (stream_id.clone(), base.writes))
        .collect();
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let without_seal = lines[..lines.len() - 1].concat();
    assert!(Events::of_streams(&streams, &without_seal).all(|event| event.is_ok()));
    let cut = lines[..lines.len() - 2].concat();
    assert!(
        matches!(
            Events::of_streams(&streams, &cut).last(),
            Some(Err(DecodeError::Truncated))
        ),
        "the last event is missing"
    );
}
