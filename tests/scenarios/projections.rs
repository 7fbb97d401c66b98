//! Consumers of the ingestion order.

use scenarios::{World, append, ingested, number, numbers};

#[test]
fn a_merge_that_sorts_before_what_was_read_is_delivered_once_and_last() {
    let world = World::new();
    let alice = world.init("alice");
    let bob = world.clone(&alice, "bob");
    bob.work("early", &[11, 12]);
    alice.work("late", &[1, 2]);
    let store = alice.store();
    let first = ingested(&store, None);
    let generation = store.status().unwrap().topology_generation;
    assert_eq!(first.iter().map(number).collect::<Vec<_>>(), [1, 2]);

    alice.merge(&bob);

    let second = ingested(&store, first.last().map(|event| event.position));
    assert_eq!(
        second.iter().map(number).collect::<Vec<_>>(),
        [11, 12],
        "what arrived is delivered after everything already read, once"
    );
    assert!(
        first.last().unwrap().position < second[0].position,
        "positions only grow"
    );
    let canonical: Vec<_> = store
        .canonical_events()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    assert_eq!(
        canonical,
        [11, 12, 1, 2],
        "although it sorts before it in canonical order"
    );
    assert!(
        store.status().unwrap().topology_generation > generation,
        "which the topology generation tells"
    );

    let again = alice.store();
    let all: Vec<_> = ingested(&again, None)
        .into_iter()
        .map(|event| event.position)
        .collect();
    let seen: Vec<_> = first
        .iter()
        .chain(&second)
        .map(|event| event.position)
        .collect();
    assert_eq!(all, seen, "reopening keeps positions");
    assert!(ingested(&again, seen.last().copied()).is_empty());
}

#[test]
fn handles_see_each_others_appends_and_number_them_alike() {
    let world = World::new();
    let clone = world.init("clone");
    let (left, right) = (clone.store(), clone.store());
    for n in 0..10 {
        append(if n % 2 == 0 { &left } else { &right }, "issue", n);
    }
    let positions = |store| {
        ingested(store, None)
            .into_iter()
            .map(|event| (number(&event), event.position))
            .collect::<Vec<_>>()
    };
    assert_eq!(positions(&left), positions(&right));
    assert_eq!(numbers(&left, "issue"), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_page_may_end_within_a_transaction() {
    use fs_store::{All, Append};
    let world = World::new();
    let clone = world.init("clone");
    let store = clone.store();
    let mut transaction = Append::new();
    for n in 0..7 {
        transaction = transaction
            .event(scenarios::stream_id("issue"), "Counted", &n.to_string())
            .unwrap();
    }
    store.append(transaction).unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.ingested_events(after, &All, 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        seen.extend(page.iter().map(number));
    }
    assert_eq!(seen, (0..7).collect::<Vec<_>>());
}
