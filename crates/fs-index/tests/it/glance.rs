//! A reader sees without the handle whether a poll would find anything.

use fs_index::{PollOutcome, Scan};

use crate::build::tx;
use crate::world::World;

#[test]
fn what_comes_or_goes_by_whichever_way_is_no_glance_s_to_pass_over() {
    let world = World::new();
    let mut index = world.handle();
    let reader = index.reader();
    assert!(!reader.is_current(), "nobody has polled");
    world.refresh(&mut index);
    let (first, second) = (tx(1).encode(), tx(2).encode());
    world.append_unread(&mut index, &first);
    assert!(!reader.is_current(), "nobody has polled since the append");
    let mut poll = |what: &str| {
        world.pass();
        world.refresh(&mut index);
        world.pass();
        let polled = index.poll(Scan::Throttled).unwrap();
        assert_eq!(polled, PollOutcome::Current, "{what}: it was ingested");
        assert!(reader.is_current(), "{what}: nothing came since the poll");
    };
    poll("an append");
    world.put(&second);
    assert!(!reader.is_current(), "a file came");
    poll("a merge");
    world.overwrite(
        &second.transaction_id.relative_path(),
        &tx(2).saying("!").encode().bytes,
    );
    assert!(!reader.is_current(), "a file was replaced");
    poll("a replacement");
    world.remove(second.transaction_id);
    assert!(!reader.is_current(), "a file went away");
    poll("a removal");
    let mut other = world.open();
    world.append_unread(&mut other, &tx(3).encode());
    assert!(!reader.is_current(), "another handle appended");
    poll("another's append");
    world.set_journal(None);
    assert!(!reader.is_current(), "the journal is gone");
}

#[test]
fn a_rejected_file_is_looked_at_by_each_poll() {
    let world = World::new();
    let mut index = world.open();
    world.put_at(&tx(1).encode().transaction_id.relative_path(), b"torn");
    world.pass();
    world.refresh(&mut index);
    world.pass();
    let polled = index.poll(Scan::Throttled).unwrap();
    assert_eq!(polled, PollOutcome::Current);
    assert!(
        !index.reader().is_current(),
        "it may become whole without any trace in its directory"
    );
}
