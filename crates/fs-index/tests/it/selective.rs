//! Reading a few of many: what is not wanted is not read, so damage there is not met.

use fs_format::Encoded;
use fs_index::{All, Index, IndexError, PollOutcome, Scan, Select, Streams};

use crate::build::tx;
use crate::world::{Shown, World, frames, ingested, own};

const TRANSACTIONS: u64 = 300;
/// One transaction in so many is wanted.
const RARE: u64 = 100;
/// So many of the last ones lie in the tail, which every open reads.
const TAIL: u64 = 64;

struct Stream(&'static str);

impl Select for Stream {
    fn stream(&self, stream_id: &str) -> bool {
        stream_id.starts_with(self.0)
    }

    fn event_type(&self, _: &str) -> bool {
        true
    }

    fn streams(&self) -> Option<Streams<'_>> {
        let selection = self.0;
        Some(Streams {
            prefix: self.0,
            selection,
        })
    }
}

struct Type(&'static str);

impl Select for Type {
    fn stream(&self, _: &str) -> bool {
        true
    }

    fn event_type(&self, event_type: &str) -> bool {
        event_type == self.0
    }

    fn event_types(&self) -> Option<Vec<&str>> {
        Some(vec![self.0])
    }
}

/// Returns the numbers of the transactions whose events are selected.
fn numbers(index: &Index, select: &impl Select, limit: usize) -> Result<Vec<u64>, IndexError> {
    index
        .snapshot()
        .read_ingested(None, select, limit, |placed| {
            placed.position.sequence.number()
        })
}

/// A history of which every hundredth transaction is of another stream and type, with all others damaged in the journal.
fn damaged_around_the_rare() -> World {
    let world = World::new();
    let mut index = world.open();
    let mut before: Option<Encoded> = None;
    for n in 1..=TRANSACTIONS {
        let parents: Vec<&Encoded> = before.iter().collect();
        let draft = tx(n).by(own()).on(&parents);
        let next = if n % RARE == 0 {
            draft
                .writing(&[("rare-stream", 1)])
                .of_type("Rare")
                .encode()
        } else {
            draft.encode()
        };
        world.append_unread(&mut index, &next);
        before = Some(next);
    }
    let mut journal = world.journal();
    let starts = frames(&journal);
    let text = br#""event_type":"Said""#;
    let mut said = starts.windows(2).filter_map(|frame| {
        let bytes = &journal[frame[0]..frame[1]];
        let at = bytes.windows(text.len()).position(|part| part == text)?;
        Some(frame[0] + at)
    });
    let damaged: Vec<_> = said
        .by_ref()
        .take(usize::try_from(TRANSACTIONS - 2 * TAIL).unwrap())
        .collect();
    assert!(said.next().is_some(), "the tail is left as it is");
    for at in damaged {
        journal[at] ^= 1;
    }
    world.overwrite_journal(&journal);
    world
}

#[test]
fn what_a_filter_leaves_out_is_not_read() {
    let world = damaged_around_the_rare();
    let mut index = world.handle();
    assert_eq!(
        index.poll(Scan::Names).unwrap(),
        PollOutcome::Current,
        "an open does not meet the damage"
    );
    let rare = [RARE, 2 * RARE, 3 * RARE];
    for limit in [2, usize::MAX] {
        let wanted = &rare[..limit.min(3)];
        assert_eq!(
            numbers(&index, &Stream("rare-"), limit).unwrap(),
            wanted,
            "streams that are not wanted are not read, with a limit of {limit}"
        );
        assert_eq!(
            numbers(&index, &Type("Rare"), limit).unwrap(),
            wanted,
            "types that are not wanted are not read, with a limit of {limit}"
        );
    }
    assert!(
        matches!(
            numbers(&index, &All, usize::MAX),
            Err(IndexError::Damaged { .. })
        ),
        "whoever reads everything meets it"
    );
}

#[test]
fn large_transactions_scan_as_they_read() {
    let world = World::new();
    let mut index = world.open();
    let text = "x".repeat(40 << 10);
    for n in 1..=70 {
        let streams: &[(&str, u64)] = if n % 3 == 0 { &[("a", 2)] } else { &[("b", 1)] };
        world.put(&tx(n).writing(streams).saying(&text).encode());
    }
    // Compares all ways to read.
    world.refresh(&mut index);
    assert_eq!(ingested(&index.shown()).len(), 70, "all are there");
}
