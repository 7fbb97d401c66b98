use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_format::{
    CommandId, ContentHash, FormatVersion, ReplicaId, StreamBase, StreamId, Timestamp,
    TransactionId,
};
use fs_io::Disk;
use fs_io::sim::Simulation;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::{Entry, Key, KeyCursor, PageCache, Posting, Segment, SegmentError, merge, write};
use crate::links::Links;
use crate::position::RunningHash;
use crate::table::tail::Tail;

const ID: [u8; 16] = [7; 16];

fn path(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

fn id(n: u64) -> TransactionId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    TransactionId::from_parts(1_795_000_000_000 + n, random)
}

fn entry(number: u64, made_of: &Shape) -> Entry {
    Entry {
        number,
        running_hash: RunningHash::from_u64(number * 3),
        id: id(made_of.id),
        replica_id: ReplicaId::from_uuid(Uuid::from_u128(u128::from(made_of.id % 3))),
        created_at: Timestamp::from_unix_nanos(1_000 + i64::from(made_of.time)).unwrap(),
        offset: number * 1000,
        len: 100,
        flags: made_of.time,
        event_count: 2,
        writes: streams(made_of.streams)
            .map(|stream_id| (stream_id, number % 5 + 1))
            .collect(),
        event_types: (0..2)
            .filter(|n| made_of.streams >> n & 1 == 1)
            .map(|n| format!("Type{n}").into())
            .collect(),
        command_id: made_of
            .streams
            .is_multiple_of(3)
            .then(|| command(made_of.streams)),
        content_hash: ContentHash::from_bytes([made_of.time; 32]),
        links: links(number, made_of),
    }
}

fn links(number: u64, made_of: &Shape) -> Links {
    let declared = |(nth, stream_id): (u64, StreamId)| {
        let (version, writes) = (number + nth, nth % 2);
        (stream_id, StreamBase { version, writes })
    };
    Links {
        format_version: [FormatVersion::V1, FormatVersion::V2, FormatVersion::V3]
            [usize::from(made_of.time % 3)],
        replica_seq: (made_of.time.is_multiple_of(2)).then_some(number),
        parents: (0..made_of.parents).map(|n| id(u64::from(n))).collect(),
        streams: (0..).zip(streams(made_of.streams)).map(declared).collect(),
        resolves: streams(made_of.streams & made_of.time)
            .map(|stream_id| (stream_id, vec![id(made_of.id)]))
            .collect(),
    }
}

fn streams(bits: u8) -> impl Iterator<Item = StreamId> {
    // In byte order, as headers have them.
    let names = ["", "a", "a/\0", "ab", "z", "é"];
    (0..6)
        .filter(move |n| bits >> n & 1 == 1 && *n > 0)
        .map(move |n| StreamId::new(names[n]).unwrap())
}

/// The streams that are asked for, forwards, backwards and twice, with some that nobody writes.
fn asked() -> impl Iterator<Item = &'static str> {
    const FORWARDS: [&str; 8] = ["A", "a", "a/", "a/\0", "ab", "m", "z", "é"];
    let twice = FORWARDS.into_iter().flat_map(|name| [name, name]);
    twice.chain(FORWARDS.into_iter().rev())
}

/// Nothing, and keys that are there and that are not.
fn keys() -> impl Iterator<Item = Option<Key>> {
    let key = |n: u64| {
        let time = Timestamp::from_unix_nanos(1_000 + i64::try_from(n % 5).unwrap()).unwrap();
        (
            time,
            ReplicaId::from_uuid(Uuid::from_u128(u128::from(n % 3))),
            id(n),
        )
    };
    std::iter::once(None).chain((0..12).map(move |n| Some(key(n))))
}

fn command(n: u8) -> CommandId {
    CommandId::new(format!("command-{n}")).unwrap()
}

#[derive(Clone, Debug)]
struct Shape {
    id: u64,
    time: u8,
    streams: u8,
    parents: u8,
}

fn shape() -> impl Strategy<Value = Shape> {
    (0..12u64, 0..4u8, any::<u8>(), 0..3u8).prop_map(|(id, time, streams, parents)| Shape {
        id,
        time,
        streams,
        parents,
    })
}

/// Everything that can be asked.
#[derive(Debug, PartialEq)]
struct Answers(Vec<String>);

fn by_key(tail: &Tail, mut postings: Vec<Posting>) -> Vec<Posting> {
    postings.sort_by_key(|posting| {
        let it = tail.transaction(posting.number).unwrap();
        (it.created_at, it.replica_id, it.id)
    });
    postings
}

fn ask(segment: &Segment) -> Result<Answers, SegmentError> {
    let mut answers = vec![format!("{}", segment.len())];
    for number in 0..20 {
        answers.push(format!("{:?}", segment.transaction(number)?));
        answers.push(format!("{:?}", segment.transactions_from(number, 3)?));
        answers.push(format!("{:?}", segment.graph_from(number, 3)?));
    }
    for after in keys() {
        let mut cursor = KeyCursor::behind(segment, after.as_ref())?;
        let mut behind = Vec::new();
        while let Some((_, number)) = cursor.peek()? {
            behind.push(number);
            cursor.advance();
        }
        answers.push(format!("{behind:?}"));
    }
    for n in 0..12 {
        answers.push(format!("{:?}", segment.numbers_of(id(n))?));
        answers.push(format!("{:?}", segment.children(id(n))?));
    }
    let (low, high) = (id(3).as_u128(), id(8).as_u128());
    answers.push(format!("{:?}", segment.ids_between(low, high)?));
    for n in 0..=255 {
        answers.push(format!("{:?}", segment.commands(&command(n))?));
    }
    let mut search = segment.stream_search();
    for stream_id in asked() {
        let run = search.stream(stream_id)?;
        let postings = run.map(|run| search.postings(&run)).transpose()?;
        let events = run.map_or(0, |run| run.events());
        answers.push(format!("{events} {:?}", postings.unwrap_or_default()));
    }
    for prefix in ["", "a", "a/", "b"] {
        answers.push(format!("{:?}", segment.streams_with_prefix(prefix)?));
    }
    for after in [None, Some("a"), Some("b")] {
        answers.push(format!("{:?}", segment.streams_behind(after, 2)?));
    }
    for event_type in ["Type0", "Type1", "Type2"] {
        answers.push(format!("{:?}", segment.numbers_of_type(event_type)?));
    }
    Ok(Answers(answers))
}

/// Answers from a plain model.
fn expect(entries: &[Entry]) -> Answers {
    let mut tail = Tail::default();
    entries.iter().cloned().for_each(|entry| tail.push(entry));
    answers_of(&tail)
}

fn answers_of(tail: &Tail) -> Answers {
    let mut answers = vec![format!("{}", tail.len())];
    for number in 0..20 {
        answers.push(format!("{:?}", tail.transaction(number)));
        answers.push(format!(
            "{:?}",
            tail.transactions_from(number).take(3).collect::<Vec<_>>()
        ));
        answers.push(format!(
            "{:?}",
            tail.graph_from(number).take(3).collect::<Vec<_>>()
        ));
    }
    for after in keys() {
        let behind = tail.behind(after.as_ref()).into_iter();
        let behind: Vec<u64> = behind.map(|row| row.number).collect();
        answers.push(format!("{behind:?}"));
    }
    for n in 0..12 {
        answers.push(format!("{:?}", tail.numbers_of(id(n))));
        answers.push(format!("{:?}", tail.children(id(n))));
    }
    let (low, high) = (id(3).as_u128(), id(8).as_u128());
    let mut between = tail.ids_between(low, high);
    between.sort_unstable();
    answers.push(format!("{between:?}"));
    for n in 0..=255 {
        answers.push(format!("{:?}", tail.commands(&command(n))));
    }
    for stream_id in asked() {
        let stream_id = StreamId::new(stream_id).unwrap();
        let postings = by_key(tail, tail.postings(&stream_id));
        let events: u64 = postings.iter().map(|posting| posting.count).sum();
        answers.push(format!("{events} {postings:?}"));
    }
    for prefix in ["", "a", "a/", "b"] {
        let mut found = BTreeSet::new();
        tail.add_streams(prefix, &mut found);
        let found: Vec<_> = found.iter().collect();
        answers.push(format!("{found:?}"));
    }
    for after in [None, Some("a"), Some("b")] {
        let mut found = BTreeSet::new();
        tail.add_streams("", &mut found);
        let behind = found.iter().filter(|it| Some(it.as_str()) > after);
        answers.push(format!("{:?}", behind.take(2).collect::<Vec<_>>()));
    }
    for event_type in ["Type0", "Type1", "Type2"] {
        answers.push(format!("{:?}", tail.numbers_of_type(event_type)));
    }
    Answers(answers)
}

fn written(disk: &dyn Disk, name: &str, entries: &[Entry]) -> Segment {
    let entries: Vec<&Entry> = entries.iter().collect();
    write(disk, &path("temp"), &path(name), ID, &entries).unwrap();
    Segment::open(disk, &path(name), ID, &Arc::new(PageCache::default())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_segment_answers_as_a_plain_list_of_its_transactions(shapes in vec(shape(), 1..16)) {
        let sim = Simulation::new(1);
        let entries: Vec<Entry> = (1..).zip(&shapes).map(|(number, shape)| entry(number, shape)).collect();
        let segment = written(&sim.disk, "one", &entries);
        prop_assert_eq!(ask(&segment).unwrap(), expect(&entries));
    }

    #[test]
    fn a_tail_beside_clones_that_are_held_answers_as_one_that_is_alone(shapes in vec(shape(), 1..40), held in vec(any::<bool>(), 40)) {
        let entries: Vec<Entry> = (1..).zip(&shapes).map(|(number, shape)| entry(number, shape)).collect();
        let mut tail = Tail::default();
        let mut clones = Vec::new();
        for (nth, is_held) in (1..=entries.len()).zip(held) {
            tail.push(entries[nth - 1].clone());
            if is_held {
                clones.push((nth, tail.clone()));
            }
        }
        prop_assert_eq!(answers_of(&tail), expect(&entries));
        for (nth, clone) in clones {
            prop_assert_eq!(answers_of(&clone), expect(&entries[..nth]), "a clone stays as it was at {}", nth);
        }
    }

    #[test]
    fn merged_segments_answer_as_one_of_what_is_left(shapes in vec(shape(), 2..16), cuts in vec(any::<prop::sample::Index>(), 0..3), dead in vec(1..17u64, 0..6)) {
        let sim = Simulation::new(1);
        let entries: Vec<Entry> = (1..).zip(&shapes).map(|(number, shape)| entry(number, shape)).collect();
        let mut at: BTreeSet<usize> = cuts.iter().map(|cut| cut.index(entries.len())).collect();
        at.insert(0);
        at.insert(entries.len());
        let at: Vec<usize> = at.into_iter().collect();
        let parts: Vec<Segment> = at.windows(2).map(|pair| written(&sim.disk, &format!("part-{}", pair[0]), &entries[pair[0]..pair[1]])).collect();
        let parts: Vec<&Segment> = parts.iter().collect();
        let dead: BTreeSet<u64> = dead.into_iter().collect();
        merge(&sim.disk, &path("temp"), &path("merged"), [8; 16], &parts, &dead).unwrap();
        let merged = Segment::open(&sim.disk, &path("merged"), [8; 16], &Arc::new(PageCache::default())).unwrap();
        let left: Vec<Entry> = entries.into_iter().filter(|entry| !dead.contains(&entry.number)).collect();
        prop_assert_eq!(ask(&merged).unwrap(), expect(&left));
    }
}

#[test]
fn damage_anywhere_is_noticed_or_changes_no_answer() {
    let sim = Simulation::new(1);
    let shapes = (0..9u8).map(|n| Shape {
        id: u64::from(n),
        time: n % 4,
        streams: n * 29,
        parents: n % 3,
    });
    let entries: Vec<Entry> = (1..)
        .zip(shapes)
        .map(|(number, shape)| entry(number, &shape))
        .collect();
    written(&sim.disk, "one", &entries);
    let bytes = sim.disk.read(&path("one"), u64::MAX).unwrap();
    let expected = expect(&entries);
    let check = |what: &str, bytes: &[u8]| {
        let _ = sim.disk.remove_file(&path("other"));
        sim.disk
            .create_new(&path("other"))
            .unwrap()
            .append(bytes)
            .unwrap();
        let opened = Segment::open(
            &sim.disk,
            &path("other"),
            ID,
            &Arc::new(PageCache::default()),
        );
        match opened.and_then(|segment| ask(&segment)) {
            Ok(answers) => assert_eq!(answers, expected, "{what}: a wrong answer"),
            Err(error) => assert!(
                matches!(error, SegmentError::Damaged { .. }),
                "{what}: {error}"
            ),
        }
    };
    for cut in 0..bytes.len() {
        check(&format!("cut at {cut}"), &bytes[..cut]);
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        check(&format!("byte {at} flipped"), &flipped);
    }
    let other = Segment::open(
        &sim.disk,
        &path("one"),
        [9; 16],
        &Arc::new(PageCache::default()),
    );
    assert!(
        other.is_err(),
        "another segment under this name is not believed"
    );
}
