//! Syncs and writes that fail at every place, and then the power goes.

use fs_io::sim::Fault;

use super::broken::Broken;
use super::fates::Walk;
use super::story::{Ledger, Setting, Step, machine, tell};

use Step::{Append, Flush, Reset};

const STORIES: &[&[Step]] = &[
    &[Append, Append, Append, Append],
    &[Append, Append, Reset, Append, Flush, Append],
];

/// Lets each operation fail in turn, goes on with a new handle, and cuts the power at the end.
fn fail_everywhere(setting: Setting, fault: Fault, steps: &[Step]) -> Result<usize, String> {
    let from = machine(5, setting);
    let operations = {
        let machine = from.copy(3);
        let before = machine.disk.operations();
        tell(&machine, setting, steps, &mut Ledger::default());
        machine.disk.operations() - before
    };
    let mut walk = Walk::new(setting, 3);
    for at in 1..=operations {
        let machine = from.copy(3);
        machine.disk.fail_at(at, fault);
        let mut ledger = Ledger::default();
        tell(&machine, setting, steps, &mut ledger);
        if ledger.is_void {
            continue;
        }
        walk.cut(&machine, &ledger, 1)
            .map_err(|error| format!("{steps:?}, {fault:?} at operation {at}: {error}"))?;
    }
    Ok(walk.tally.states)
}

#[test]
fn what_was_acknowledged_survives_any_failed_sync_or_write() {
    for fault in [Fault::SyncFails, Fault::WriteFails] {
        for story in STORIES {
            let states = fail_everywhere(Setting::new(), fault, story).unwrap();
            assert!(states > 20, "there were many different ends: {states}");
        }
    }
}

#[test]
fn a_sync_that_is_done_again_is_found_out() {
    let setting = Setting {
        broken: Broken::RetriedSync,
        ..Setting::new()
    };
    let found_out = fail_everywhere(setting, Fault::SyncFails, STORIES[0]);
    assert!(
        found_out.is_err(),
        "a second sync says that all is well, and is believed: {found_out:?}"
    );
}
