//! Power cuts at every operation; each protocol that lacks something must be found out.

use super::broken::Broken;
use super::fates::Walk;
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
    &[Append, Large, Append],
];

fn walk(setting: Setting, stories: &[&[Step]]) -> Result<Walk, String> {
    let mut walk = Walk::new(setting, 7);
    for story in stories {
        walk.cut_everywhere(&machine(11, setting), story)?;
    }
    Ok(walk)
}

#[test]
fn what_was_acknowledged_survives_every_power_cut_and_what_was_reset_stays_gone() {
    let walk = walk(Setting::new(), STORIES).unwrap();
    assert!(
        walk.tally.states > 500 && walk.tally.again > 500,
        "there were many different states, and crashes of their recovery: {:?}",
        walk.tally
    );
    println!("{:?}", walk.tally);
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
        assert!(found_out.is_err(), "{broken:?} passes for right: {found_out:?}");
    }
}
