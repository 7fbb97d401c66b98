//! State and cursor lie together, wherever they lie.

use fs_store::projection::{Format, Phase, Snapshot};

use super::{Ledger, Shelf, books, note, note_all};
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
    }
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
