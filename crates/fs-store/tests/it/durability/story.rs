//! What happens to a store until the power goes, and what must be true afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fs_format::TransactionId;
use fs_io::Disk as _;
use fs_io::sim::Simulation;
use fs_store::{Append, AppendError, Durability, FileEventStore, StoreOptions};
use fs_testing::Interposed;

use super::broken::Broken;
use crate::support::{counted, numbers, stream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Append,
    /// An append that is too large for the log.
    Large,
    /// `git reset --hard HEAD~1`: the newest file goes away, durably, and a refresh sees it.
    Reset,
    Flush,
    /// Half a minute passes.
    Wait,
    /// The process ends and another one starts.
    Reopen,
    /// A process with another durability appends.
    AppendFiles,
}

/// What the users of a store know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    /// Acknowledged and not removed, in order.
    pub(crate) acknowledged: Vec<(u64, TransactionId)>,
    /// Removed, and the store has seen it.
    pub(crate) removed: BTreeSet<u64>,
    /// Every number below was tried.
    pub(crate) tried: u64,
    /// Whether a sync failed that is not the store's, and took along what was the store's.
    pub(crate) is_void: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) broken: Broken,
    pub(crate) durability: Durability,
    pub(crate) checkpoint_after: usize,
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self {
            broken: Broken::Nothing,
            durability: Durability::Log,
            checkpoint_after: 2,
        }
    }

    pub(crate) fn open(&self, machine: &Simulation) -> Result<FileEventStore, fs_store::OpenError> {
        let mut system = machine.system();
        system.disk = Arc::new(Interposed::new(system.disk, Arc::new(self.broken)));
        let options = StoreOptions::default()
            .durability(self.durability)
            .checkpoint_after(self.checkpoint_after);
        options.system(system).create(Path::new("/store"))
    }
}

/// Tells the story from where the ledger is; ends early when the power is gone. A handle that failed is replaced by a new one, as a user would.
pub(crate) fn tell(machine: &Simulation, setting: Setting, steps: &[Step], ledger: &mut Ledger) {
    let reopen = || (0..3).find_map(|_| setting.open(machine).ok());
    let Some(mut store) = reopen() else { return };
    for step in steps {
        let failed = match step {
            Step::Append => append(&store, ledger, counted("s", ledger.tried)).is_err(),
            Step::Large => {
                let text = format!(r#"{{"large": "{}"}}"#, "x".repeat(300 << 10));
                let large = counted("s", ledger.tried)
                    .event(stream("large"), "Large", &text)
                    .unwrap();
                append(&store, ledger, large).is_err()
            }
            Step::AppendFiles => {
                let setting = Setting {
                    durability: Durability::Files,
                    ..setting
                };
                match setting.open(machine) {
                    Ok(other) => append(&other, ledger, counted("s", ledger.tried)).is_err(),
                    Err(_) => true,
                }
            }
            Step::Reset => reset(machine, &store, ledger),
            Step::Flush => store.flush().is_err(),
            Step::Wait => {
                machine.clock.advance(Duration::from_secs(31));
                false
            }
            Step::Reopen => true,
        };
        if failed {
            match reopen() {
                Some(another) => store = another,
                None => return,
            }
        }
    }
}

fn append(store: &FileEventStore, ledger: &mut Ledger, append: Append) -> Result<(), AppendError> {
    let n = ledger.tried;
    ledger.tried += 1;
    let appended = store.append(append)?;
    ledger.acknowledged.push((n, appended.transaction_id));
    Ok(())
}

/// Returns whether the handle is of no more use.
fn reset(machine: &Simulation, store: &FileEventStore, ledger: &mut Ledger) -> bool {
    let Some((n, id)) = ledger.acknowledged.pop() else {
        return false;
    };
    let path = Path::new("/store/events").join(id.relative_path());
    let removed = machine
        .disk
        .remove_file(&path)
        .and_then(|()| machine.disk.sync_dir(path.parent().unwrap()));
    ledger.is_void |= removed.is_err();
    let seen = store.refresh();
    if removed.is_ok() && seen.is_ok() {
        ledger.removed.insert(n);
    }
    seen.is_err()
}

/// Opens the store as somebody would after the power came back, and compares it with what its users know.
pub(crate) fn check(machine: &Simulation, setting: Setting, ledger: &Ledger) -> Result<(), String> {
    let store = setting
        .open(machine)
        .map_err(|error| format!("the store does not open: {error:?}"))?;
    let found = numbers(&store, "s");
    for (n, _) in &ledger.acknowledged {
        if !found.contains(n) {
            return Err(format!("{n} was acknowledged and is not there: {found:?}"));
        }
    }
    if !found.is_sorted_by(|one, next| one < next) {
        return Err(format!("one is there twice, or out of order: {found:?}"));
    }
    for n in &found {
        if ledger.removed.contains(n) {
            return Err(format!("{n} is back from the dead: {found:?}"));
        }
        if *n >= ledger.tried {
            return Err(format!("{n} was never appended: {found:?}"));
        }
    }
    let status = store.status().map_err(|error| format!("{error:?}"))?;
    if !(status.quarantined.is_empty()
        && status.incomplete.is_empty()
        && status.dangling.is_empty())
    {
        return Err(format!("one is there in part: {status:?}"));
    }
    Ok(())
}

/// A machine with a store that was set up a while ago.
pub(crate) fn machine(seed: u64, setting: Setting) -> Simulation {
    let machine = Simulation::new(seed);
    drop(setting.open(&machine).unwrap());
    machine
}
