//! State and cursor lie together, wherever they lie.

use fs_feed::Feed as _;
use fs_feed::projection::{Delivered, Format, Phase, Projection, Rebuild, Snapshot};

use super::{Ledger, Noted, Shelf, books, note, note_all};
use crate::support::new_store;

#[test]
fn a_state_in_memory_is_the_fold_of_all_events() {
    let store = new_store();
    note_all(&store, "a", 1..=2500);
    let mut runner = store.project(Ledger::default(), Snapshot::in_memory());
    let status = runner.catch_up().unwrap();
    let all: Vec<u64> = (1..=2500).collect();
    assert_eq!(
        *runner.model().state(),
        books(&[("a", &all)]),
        "everything is applied, beyond one batch"
    );
    assert_eq!(
        (status.applied, status.lag),
        (2500, 0),
        "and nothing is left"
    );
    assert_eq!(status.phase, Phase::Stopped, "the runner has ended");

    note(&store, "b", 7);
    runner.catch_up().unwrap();
    assert_eq!(
        *runner.model().state(),
        books(&[("a", &all), ("b", &[7])]),
        "asked again, it goes on where it stood"
    );
}

#[test]
fn a_state_in_a_file_is_there_for_the_next_process() {
    for format in [Format::Json, Format::Postcard] {
        let store = new_store();
        note_all(&store, "a", 1..=3);
        let mut runner = store.project(Ledger::default(), Snapshot::in_file(&store, format));
        runner.catch_up().unwrap();
        drop(runner);
        note(&store, "a", 4);
        let mut runner = store.project(Ledger::default(), Snapshot::in_file(&store, format));
        let mut status = runner.status();
        status.mark_unchanged();
        runner.catch_up().unwrap();
        assert_eq!(
            *runner.model().state(),
            books(&[("a", &[1, 2, 3, 4])]),
            "{format:?}: each event is applied once, by one process or the other"
        );
    }
}

#[test]
fn a_damaged_file_is_built_again() {
    for format in [Format::Json, Format::Postcard] {
        let store = new_store();
        note_all(&store, "a", 1..=3);
        let ledger = || store.project(Ledger::default(), Snapshot::in_file(&store, format));
        ledger().catch_up().unwrap();
        let directory = store.root().join("local/projections");
        let file = std::fs::read_dir(directory).unwrap().next().unwrap();
        let path = file.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        for len in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).unwrap();
            let mut runner = ledger();
            runner.catch_up().unwrap();
            assert_eq!(
                *runner.model().state(),
                books(&[("a", &[1, 2, 3])]),
                "{format:?}: of {len} bytes nothing is believed"
            );
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).unwrap();
            let mut runner = ledger();
            runner.catch_up().unwrap();
            assert_eq!(
                *runner.model().state(),
                books(&[("a", &[1, 2, 3])]),
                "{format:?}: byte {at} is another, so nothing is believed"
            );
        }
    }
}

#[test]
fn an_image_that_was_written_is_read_however_large_it_is() {
    /// Holds more than any other small file may.
    struct Hoard;
    impl Projection for Hoard {
        type Event = Noted;
        type State = String;
        type Error = std::convert::Infallible;

        fn name(&self) -> &str {
            "hoard"
        }

        fn reset(&mut self, hoard: &mut String) -> Result<(), Self::Error> {
            hoard.clear();
            Ok(())
        }

        fn apply(&mut self, hoard: &mut String, _: &Delivered<Noted>) -> Result<(), Self::Error> {
            hoard.push_str(&"x".repeat(70 << 20));
            Ok(())
        }
    }
    let store = new_store();
    note(&store, "a", 1);
    let run = || {
        let model = Snapshot::in_file(&store, Format::Postcard);
        store.project(Hoard, model).catch_up().unwrap().rebuilt
    };
    assert_eq!(run(), Some(Rebuild::First));
    assert_eq!(run(), None, "the next process goes on with it");
}

#[test]
fn what_is_not_selected_is_not_applied_and_not_looked_at_again() {
    let store = new_store();
    note(&store, "attic-1", 1);
    note(&store, "cellar-1", 2);
    note(&store, "attic-2", 3);
    note_all(&store, "cellar-2", 4..=9);
    let shelf = || store.project(Shelf("attic"), Snapshot::in_file(&store, Format::Json));
    let mut runner = shelf();
    let status = runner.catch_up().unwrap();
    let expected = books(&[("attic-1", &[1]), ("attic-2", &[3])]);
    assert_eq!(
        *runner.model().state(),
        expected,
        "the shelf holds its own books"
    );
    assert_eq!(
        (status.applied, status.lag),
        (2, 0),
        "the others are dealt with all the same"
    );
    drop(runner);
    let mut runner = shelf();
    let status = runner.catch_up().unwrap();
    assert_eq!(*runner.model().state(), expected, "the next process knows");
    assert!(status.position.is_some(), "and where it stands");
}

#[test]
fn a_projection_that_selects_nothing_stands_at_the_end_all_the_same() {
    let store = new_store();
    let nothing = || store.project(Shelf("nowhere"), Snapshot::in_file(&store, Format::Json));
    nothing().catch_up().unwrap();
    note_all(&store, "a", 1..=3);
    note(&store, "a", 4);
    let status = nothing().catch_up().unwrap();
    assert_eq!((status.applied, status.lag), (0, 0));
    let gone = store.transactions().unwrap().pop().unwrap().transaction_id;
    std::fs::remove_file(store.root().join("events").join(gone.relative_path())).unwrap();
    note(&store, "a", 5);
    let status = nothing().catch_up().unwrap();
    assert_eq!((status.applied, status.lag), (0, 0), "in another epoch too");
    note(&store, "nowhere", 6);
    let mut runner = nothing();
    assert_eq!(runner.catch_up().unwrap().applied, 1);
    assert_eq!(*runner.model().state(), books(&[("nowhere", &[6])]));
}

#[test]
fn an_empty_store_is_no_error() {
    let store = new_store();
    let mut runner = store.project(Ledger::default(), Snapshot::in_memory());
    let status = runner.catch_up().unwrap();
    assert_eq!((status.applied, status.lag), (0, 0));
    note(&store, "a", 1);
    runner.catch_up().unwrap();
    assert_eq!(
        *runner.model().state(),
        books(&[("a", &[1])]),
        "the first event is applied when it comes"
    );
}

#[tokio::test]
async fn async_code_gets_its_runner_back() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let runner = store.project(Ledger::default(), Snapshot::in_memory());
    let (runner, outcome) = runner.catch_up_async().await;
    assert_eq!(outcome.unwrap().applied, 3);
    note(&store, "a", 4);
    let (runner, outcome) = runner.catch_up_async().await;
    assert_eq!(outcome.unwrap().applied, 4, "it goes on where it stood");
    assert_eq!(
        runner.into_model().into_state(),
        books(&[("a", &[1, 2, 3, 4])])
    );
}

#[test]
fn a_state_in_memory_is_that_of_one_projection() {
    let store = new_store();
    note_all(&store, "a", 1..=3);
    let mut first = store.project(Ledger::default(), Snapshot::in_memory());
    first.catch_up().unwrap();
    let other = Ledger {
        name: "other",
        ..Ledger::default()
    };
    note(&store, "a", 4);
    let mut second = store.project(other, first.into_model());
    let status = second.catch_up().unwrap();
    assert_eq!(
        (status.rebuilt, status.applied),
        (Some(Rebuild::First), 4),
        "what another projection built is not its own"
    );
}

#[test]
fn who_follows_in_async_code_takes_one_thread() {
    let store = new_store();
    note(&store, "a", 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let runner = store.project(Ledger::default(), Snapshot::in_memory());
        let mut status = runner.status();
        let following = tokio::spawn(runner.follow_async());
        for applied in 1..=3 {
            let is_there = status.wait_for(|status| status.applied == applied);
            let in_time = tokio::time::timeout(std::time::Duration::from_secs(20), is_there).await;
            assert!(
                in_time.is_ok(),
                "it waits for a thread that it has itself: {applied}"
            );
            drop(in_time);
            note(&store, "a", applied + 1);
        }
        following.abort();
    });
}
