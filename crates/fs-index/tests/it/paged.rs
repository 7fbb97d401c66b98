//! Pages that end in the middle of a transaction.

use fs_index::{All, Budget, Index, Placed, Position, Sequence};
use fs_io::Disk;

use crate::build::{stream, tx};
use crate::world::World;

type Read = (Position, String, u64);

fn told(placed: Placed<'_>) -> Read {
    (
        placed.position,
        placed.event.stream_id.to_string(),
        placed.version,
    )
}

fn page(index: &Index, after: Option<Sequence>, limit: usize) -> Vec<Read> {
    index
        .snapshot()
        .read_ingested(after, &All, limit, told)
        .unwrap()
}

fn scanned(index: &Index, after: Option<Sequence>, limit: usize) -> Vec<(Position, String)> {
    let events = index
        .snapshot()
        .scan_ingested(after, &All, limit, Budget::Unlimited);
    let events = events.unwrap().expect("any effort is enough");
    events
        .iter()
        .map(|event| (event.position, event.stream_id.to_owned()))
        .collect()
}

fn last(of: &[Read]) -> Option<Sequence> {
    of.last().map(|(position, _, _)| position.sequence)
}

#[test]
fn pages_of_any_size_are_the_whole() {
    let large = "x".repeat(80 << 10);
    let world = World::new();
    let mut index = world.open();
    for (n, writes, text) in [
        (1, &[("a", 1)][..], ""),
        (2, &[("a", 2), ("b", 3), ("c", 1)], ""),
        (3, &[("b", 5)], large.as_str()),
        (4, &[], ""),
        (5, &[("a", 9), ("d", 1)], large.as_str()),
        (6, &[("d", 2)], ""),
    ] {
        world.append_unread(&mut index, &tx(n).writing(writes).saying(text).encode());
    }
    for index in [&index, &world.open()] {
        let whole = page(index, None, usize::MAX);
        assert_eq!(whole.len(), 24, "each event is read");
        for limit in [1, 2, 3, 5, 8, 24, 25] {
            let (mut paged, mut picked) = (Vec::new(), Vec::new());
            loop {
                let next = page(index, last(&paged), limit);
                assert!(next.len() <= limit, "a page holds {limit} at most");
                picked.extend(scanned(index, last(&paged), limit));
                let is_over = next.len() < limit;
                paged.extend(next);
                if is_over {
                    break;
                }
            }
            assert_eq!(
                paged, whole,
                "pages of {limit} hold each event once, as it stands"
            );
            let whole = whole.iter().map(|(at, name, _)| (*at, name.clone()));
            assert_eq!(
                picked,
                whole.collect::<Vec<_>>(),
                "scanned in pages of {limit}"
            );
        }
    }
}

#[test]
fn a_transaction_of_many_events_is_read_once_for_all_of_its_pages() {
    let names: Vec<String> = (0..500).map(|n| format!("stream-{n}")).collect();
    let writes: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 2)).collect();
    let world = World::new();
    let mut index = world.open();
    world.append_unread(&mut index, &tx(1).writing(&writes).encode());
    let reader = world.open();
    let whole = page(&reader, None, usize::MAX);
    assert_eq!(whole.len(), 1000);
    let first = page(&reader, None, 10);
    let _ = scanned(&reader, last(&first), 10);
    // From here on, whatever is read of the record is damaged.
    let len = usize::try_from(
        world
            .sim
            .disk
            .stat(&world.layout.journal())
            .unwrap()
            .unwrap()
            .len,
    );
    let mut damaged = world.journal();
    damaged[len.unwrap() / 4..].fill(0);
    world.overwrite_journal(&damaged);
    let mut paged = first;
    while paged.len() < whole.len() {
        let next = page(&reader, last(&paged), 10);
        assert!(!next.is_empty(), "no page reads the record again");
        paged.extend(next);
    }
    assert_eq!(paged, whole, "and each goes on where the one before ended");
    let stale = reader.snapshot().read_stream(&stream("stream-1"), 0, told);
    assert!(
        stale.is_err(),
        "the record is damaged indeed, which is the point of this test"
    );
}
