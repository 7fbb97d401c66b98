//! Power cuts at every operation; each protocol that lacks something must be found out.

use super::broken::Broken;
use super::fates::{Tally, Walk};
use super::story::{Setting, Step, machine};

use Step::{Append, AppendFiles, Flush, Large, Reopen, Reset, Wait};

const STORIES: &[&[Step]] = &[
    // The third append finds two records, as many as the log may hold here, and a checkpoint comes first.
    &[Append, Append, Append],
    &[Append, Flush, Append],
    &[Append, Append, Reset, Append],
    &[Append, Reset, Reopen, Append],
    &[Append, Wait, Append, Reopen],
    &[Append, AppendFiles, Append],
];

/// A transaction that is too large for the log, among others that are not.
const LARGE: &[Step] = &[Append, Large, Append];

/// Cuts the power everywhere in some of the stories.
fn walk(setting: Setting, stories: &[&[Step]]) -> Result<Tally, String> {
    let mut walk = Walk::new(setting, 7);
    for story in stories {
        walk.cut_everywhere(&machine(11, setting), story)?;
    }
    Ok(walk.tally)
}

#[test]
fn what_was_acknowledged_survives_every_power_cut_and_what_was_reset_stays_gone() {
    let (states, again) = std::thread::scope(|scope| {
        let halves = STORIES
            .chunks(STORIES.len().div_ceil(2))
            .map(|stories| scope.spawn(|| walk(Setting::new(), stories)));
        let tallies = halves
            .collect::<Vec<_>>()
            .into_iter()
            .map(|half| half.join().unwrap().unwrap());
        tallies.fold((0, 0), |(states, again), tally| {
            (states + tally.states, again + tally.again)
        })
    });
    assert!(
        states > 500 && again > 50,
        "there were many different states, and crashes of their recovery: {states}, {again}"
    );
}

#[test]
fn a_transaction_that_is_too_large_for_the_log_survives_as_well() {
    let setting = Setting::new();
    let mut walk = Walk::new(setting, 7).briefly();
    walk.cut_everywhere(&machine(11, setting), LARGE).unwrap();
}

#[test]
fn a_protocol_that_lacks_something_is_found_out() {
    for broken in [
        Broken::NoDirectorySync,
        Broken::NoFileSync,
        Broken::AnswerBeforeSync,
        Broken::NoChecksum,
    ] {
        let setting = Setting {
            broken,
            ..Setting::new()
        };
        let found_out = walk(setting, &STORIES[..1]);
        assert!(
            found_out.is_err(),
            "{broken:?} passes for right: {found_out:?}"
        );
    }
}
