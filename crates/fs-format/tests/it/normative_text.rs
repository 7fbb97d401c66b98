//! The examples in `docs/format.md` are golden bytes, and its limits are those of the code.

use fs_format::{
    FENCE, FENCE_NAME, GIT_ATTRIBUTES, GIT_IGNORE_LINES, MAX_REQUIRES_BYTES, Timestamp, decode,
    is_litter, limits,
};

use crate::golden::read;

fn text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the fenced blocks that name a golden file, as (name, block).
fn examples(text: &str) -> Vec<(String, String)> {
    let mut examples = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("```jsonl ") {
            let block: Vec<_> = lines
                .by_ref()
                .take_while(|line| *line != "```")
                .map(|line| format!("{line}\n"))
                .collect();
            examples.push((name.to_owned(), block.concat()));
        }
    }
    examples
}

#[test]
fn the_examples_are_golden_bytes() {
    let examples = examples(&text());
    let names: Vec<_> = examples.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "v3/minimal.jsonl",
            "v3/full.jsonl",
            "v3/merge.jsonl",
            "v2/two-streams.jsonl",
            "example/a.jsonl",
            "example/b.jsonl",
            "example/c.jsonl",
            "example/d.jsonl",
            "example/e.jsonl",
            "example/f.jsonl",
        ]
    );
    for (name, block) in &examples {
        assert_eq!(
            block.as_bytes(),
            read(name),
            "{name}: the text shows the bytes as they are"
        );
        decode(block.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_block_of_records_is_tied_to_a_golden_file() {
    let text = text();
    let shown = examples(&text)
        .iter()
        .map(|(_, block)| block.matches("{\"record\":").count())
        .sum::<usize>();
    assert_eq!(
        text.matches("{\"record\":").count(),
        shown + text.matches(FENCE).count(),
        "an example that no test reads goes stale"
    );
}

#[test]
fn the_files_beside_the_transactions_are_those_of_the_code() {
    let text = text();
    let ignore = GIT_IGNORE_LINES.map(|line| format!("{line}\n")).concat();
    for content in [GIT_ATTRIBUTES, &ignore, FENCE] {
        assert!(
            text.contains(&format!("```text\n{content}```\n")),
            "the text must show {content:?}"
        );
    }
    for name in [
        format!("`events/{FENCE_NAME}`"),
        format!("{MAX_REQUIRES_BYTES} bytes"),
    ] {
        assert!(text.contains(&name), "the text must name {name}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let text = text();
    let rows = [
        ("a file", limits::MAX_FILE_BYTES, "bytes"),
        ("events of a transaction", limits::MAX_EVENTS as u64, ""),
        ("parents of a transaction", limits::MAX_PARENTS as u64, ""),
        ("nesting of a line", limits::MAX_JSON_DEPTH as u64, "levels"),
        (
            "a stream id",
            limits::MAX_STREAM_ID_CHARS as u64,
            "characters",
        ),
        (
            "a command id",
            limits::MAX_COMMAND_ID_CHARS as u64,
            "characters",
        ),
        ("`replica_seq`", limits::MAX_REPLICA_SEQ, ""),
    ];
    let latest = format!("| `created_at` | {} |", Timestamp::LATEST_CREATED_AT);
    assert!(text.contains(&latest), "the limits must list {latest:?}");
    for (what, limit, unit) in rows {
        let row = format!("| {what} | {limit} {unit}").trim_end().to_owned() + " |";
        assert!(text.contains(&row), "the limits must list {row:?}");
    }
}

#[test]
fn the_names_that_are_passed_over_are_those_of_the_code() {
    let text = text();
    let (_, list) = text.split_once("names that are, in either case, ").unwrap();
    let (list, _) = list.split_once("Everything else").unwrap();
    let (names, beginnings) = list.split_once("or begin with").unwrap();
    let quoted = |part: &str| -> Vec<String> {
        let quoted = part.split('`').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    };
    let (names, beginnings) = (quoted(names), quoted(beginnings));
    assert!(
        names.len() > 10 && beginnings.len() > 5,
        "the lists are found"
    );
    for name in names {
        assert!(is_litter(&name), "{name} is passed over");
        assert!(!is_litter(&format!("{name}.x")), "and no longer name is");
    }
    for beginning in beginnings {
        assert!(is_litter(&format!("{beginning}x")), "{beginning} is enough");
        assert!(!is_litter(&format!("x{beginning}")), "at the beginning");
    }
}
