//! Events that cannot be applied, and read models that fail.

use std::collections::BTreeMap;
use std::time::Duration;

use fs_feed::Feed as _;
use fs_feed::projection::{
    Delivered, Format, OnFailure, OnUnknown, Projection, ProjectionError, Retry, Snapshot,
};
use fs_store::{Append, FileEventStore};

use super::{Noted, note, note_all};
use crate::support::{new_store, stream};

/// Sums up numbers, and fails as it is told.
#[derive(Default)]
struct Sum {
    /// How many times each number fails before it goes well.
    failures: BTreeMap<u64, u32>,
    calls: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is unlucky")]
struct Unlucky(u64);

impl Projection for Sum {
    type Event = Noted;
    type State = u64;
    type Error = Unlucky;

    fn name(&self) -> &str {
        "sum"
    }

    fn reset(&mut self, sum: &mut u64) -> Result<(), Unlucky> {
        *sum = 0;
        Ok(())
    }

    fn apply(&mut self, sum: &mut u64, noted: &Delivered<Noted>) -> Result<(), Unlucky> {
        self.calls += 1;
        let number = noted.event.number;
        // What is done before the failure has to be undone.
        *sum += number;
        match self.failures.get_mut(&number) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(Unlucky(number))
            }
            _ => Ok(()),
        }
    }
}

fn quick(times: u32) -> Retry {
    Retry {
        times,
        first: Duration::from_micros(10),
        longest: Duration::from_micros(100),
    }
}

fn failing(failures: &[(u64, u32)]) -> Sum {
    Sum {
        failures: failures.iter().copied().collect(),
        ..Sum::default()
    }
}

fn noted_up_to(last: u64) -> FileEventStore {
    let store = new_store();
    note_all(&store, "a", 1..=last);
    store
}

#[test]
fn what_fails_for_a_while_is_tried_again_and_applied_once() {
    let store = noted_up_to(10);
    let models: [Snapshot<u64>; 2] = [
        Snapshot::in_memory(),
        Snapshot::in_file(&store, Format::Json),
    ];
    for model in models {
        let sum = failing(&[(4, 2), (5, 1), (9, 3)]);
        let mut runner = store.project(sum, model).retry(quick(3));
        runner.catch_up().unwrap();
        assert_eq!(*runner.model().state(), 55, "each number is in it once");
    }
}

#[test]
fn what_fails_for_good_ends_the_runner_before_it_and_is_named() {
    let store = noted_up_to(10);
    let mut runner = store
        .project(failing(&[(7, u32::MAX)]), Snapshot::in_memory())
        .retry(quick(2));
    let error = runner.catch_up().unwrap_err();
    let ProjectionError::Apply {
        event,
        attempts,
        source,
        ..
    } = &error
    else {
        panic!("an event cannot be applied: {error}");
    };
    assert_eq!(
        (event.version, &event.stream_id),
        (7, &stream("a")),
        "the event is named"
    );
    assert_eq!(*attempts, 3, "it was tried and tried again twice");
    assert_eq!(source.to_string(), "7 is unlucky", "with what is wrong");
    assert_eq!(
        *runner.model().state(),
        21,
        "everything before it is applied"
    );
    let error = runner.catch_up().unwrap_err();
    assert!(
        matches!(&error, ProjectionError::Apply { event, .. } if event.version == 7),
        "{error}"
    );
    assert_eq!(*runner.model().state(), 21, "and stays so");
}

#[test]
fn what_fails_for_good_is_set_aside_where_that_was_chosen() {
    for format in [Format::Json, Format::Postcard] {
        what_fails_for_good_is_set_aside_in(format);
    }
}

fn what_fails_for_good_is_set_aside_in(format: Format) {
    let store = noted_up_to(10);
    let model = || Snapshot::<u64>::in_file(&store, format);
    let mut runner = store
        .project(failing(&[(3, u32::MAX), (7, u32::MAX)]), model())
        .retry(quick(1))
        .on_failure(OnFailure::SetAside { at_most: 2 });
    let status = runner.catch_up().unwrap();
    assert_eq!(*runner.model().state(), 45, "all but the two");
    assert_eq!((status.applied, status.set_aside, status.lag), (8, 2, 0));
    drop(runner);
    let mut runner = store.project(failing(&[]), model());
    runner.catch_up().unwrap();
    let progress = fs_feed::projection::ReadModel::progress(runner.model_mut(), "sum");
    let progress = progress.unwrap().unwrap();
    let letters: Vec<_> = progress
        .dead_letters()
        .iter()
        .map(|letter| (letter.version, letter.attempts, letter.error.as_str()))
        .collect();
    assert_eq!(
        letters,
        [(3, 2, "3 is unlucky"), (7, 2, "7 is unlucky")],
        "the list survives, with the errors"
    );
    let mut runner = store.project(failing(&[]), model()).rebuild();
    let status = runner.catch_up().unwrap();
    assert_eq!(
        (*runner.model().state(), status.set_aside),
        (55, 0),
        "to build the state again tries them again"
    );
}

#[test]
fn events_that_fail_in_turn_do_not_keep_each_other_alive() {
    /// Every other try of 4 fails, and every try of 5.
    struct InTurn(Sum);
    impl Projection for InTurn {
        type Event = Noted;
        type State = u64;
        type Error = Unlucky;

        fn name(&self) -> &str {
            "in turn"
        }

        fn reset(&mut self, sum: &mut u64) -> Result<(), Unlucky> {
            self.0.reset(sum)
        }

        fn apply(&mut self, sum: &mut u64, noted: &Delivered<Noted>) -> Result<(), Unlucky> {
            self.0.apply(sum, noted)?;
            let number = noted.event.number;
            assert!(self.0.calls < 1000, "it goes on for ever");
            if number == 4 {
                self.0.failures.insert(4, 1);
            }
            Ok(())
        }
    }
    let store = noted_up_to(10);
    let in_turn = InTurn(failing(&[(5, u32::MAX)]));
    let mut runner = store
        .project(in_turn, Snapshot::in_memory())
        .retry(quick(3));
    match runner.catch_up() {
        Err(ProjectionError::Apply { event, .. }) => assert_eq!(event.version, 5),
        other => panic!("five cannot be applied: {other:?}"),
    }
    assert_eq!(*runner.model().state(), 10, "four can");
}

#[test]
fn no_more_are_set_aside_than_may_be() {
    let store = noted_up_to(10);
    let sum = failing(&[(3, u32::MAX), (5, u32::MAX), (7, u32::MAX)]);
    let mut runner = store
        .project(sum, Snapshot::in_memory())
        .retry(Retry::NEVER)
        .on_failure(OnFailure::SetAside { at_most: 2 });
    match runner.catch_up() {
        Err(ProjectionError::TooManySetAside { at_most: 2, .. }) => {}
        other => panic!("two is the most: {other:?}"),
    }
    assert_eq!(*runner.model().state(), 1 + 2 + 4 + 6, "up to the third");
}

#[test]
fn an_event_that_does_not_decode_is_not_tried_again() {
    let store = noted_up_to(2);
    let broken = Append::new().event(stream("a"), "Noted", r#"{"book": "a"}"#);
    store.append(broken.unwrap()).unwrap();
    note(&store, "a", 4);
    let hour = Retry {
        first: Duration::from_secs(3600),
        ..Retry::default()
    };
    let mut runner = store
        .project(Sum::default(), Snapshot::in_memory())
        .retry(hour);
    match runner.catch_up() {
        Err(ProjectionError::Apply {
            event, attempts, ..
        }) => assert_eq!((event.version, attempts), (3, 1)),
        other => panic!("it does not decode: {other:?}"),
    }
    assert_eq!(*runner.model().state(), 3);
    let mut runner = store
        .project(Sum::default(), runner.into_model())
        .on_failure(OnFailure::SetAside { at_most: 1 });
    runner.catch_up().unwrap();
    assert_eq!(
        *runner.model().state(),
        7,
        "it is set aside where that was chosen"
    );
}

#[test]
fn a_type_that_is_not_known_is_skipped_where_that_was_chosen() {
    let store = noted_up_to(2);
    let other = Append::new().event(stream("a"), "Torn", "null").unwrap();
    store.append(other).unwrap();
    note(&store, "a", 4);
    let mut runner = store.project(Sum::default(), Snapshot::in_memory());
    match runner.catch_up() {
        Err(ProjectionError::Apply { event, .. }) => assert_eq!(event.event_type, "Torn"),
        other => panic!("nothing is skipped in silence: {other:?}"),
    }
    let mut runner = store
        .project(Sum::default(), runner.into_model())
        .on_unknown(OnUnknown::Skip);
    let status = runner.catch_up().unwrap();
    assert_eq!(*runner.model().state(), 7);
    assert_eq!(
        (status.applied, status.set_aside),
        (3, 0),
        "it is not set aside"
    );
}

#[test]
fn a_failing_event_is_tried_without_its_neighbours() {
    let store = noted_up_to(1000);
    let mut runner = store
        .project(failing(&[(900, 3)]), Snapshot::in_memory())
        .retry(quick(3));
    runner.catch_up().unwrap();
    assert_eq!(*runner.model().state(), 500_500);
    assert!(
        runner.projection().calls < 2100,
        "a batch is applied a second time at most: {} calls",
        runner.projection().calls
    );
}
