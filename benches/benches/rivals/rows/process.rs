//! The command line from start to exit.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Fallible;
use crate::arguments::Arguments;
use crate::line::{Bound, Figure, Line, count, duration};
use crate::measure::{Contender, WarmUp, in_turn, ratio, time};
use crate::scratch::Scratch;
use crate::stores::{self, Kind};

/// Appends one event by a process of its own.
pub(crate) fn append(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let size = arguments.sizes.large;
    let processes = arguments.rounds * arguments.sizes.processes;
    let large = scratch.growing("process", Kind::Ours, size, processes + 1)?;
    let empty = scratch.fresh("process")?;
    drop(stores::ours(&empty)?);
    let contenders: Vec<Contender<'_>> = vec![
        Box::new(|round| run(&arguments.trib, &large.path, round)),
        Box::new(|round| run(&arguments.trib, &empty, round)),
    ];
    let times = in_turn(processes, WarmUp::Yes, contenders)?;
    Ok(vec![Line {
        what: "`trib append`, whole process".to_owned(),
        at: format!("{} tx", count(size)),
        ours: duration(times[0]),
        others: format!("itself on an empty store: {}", duration(times[1])),
        figure: Figure::Times(ratio(times[0], times[1])),
        bound: Bound::AtMost(1.3),
    }])
}

fn run(trib: &Path, store: &Path, round: usize) -> Fallible<Duration> {
    let mut command = Command::new(trib);
    command.arg("--store").arg(store);
    command.args(["append", "by-process", "Counted", &round.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let (taken, status) = time(|| {
        command
            .status()
            .map_err(|error| format!("cannot start {}: {error}", trib.display()).into())
    })?;
    if status.success() {
        Ok(taken)
    } else {
        Err(format!("trib append in {}: {status}", store.display()).into())
    }
}
