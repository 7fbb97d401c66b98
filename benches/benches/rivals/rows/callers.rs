//! Concurrent appends of one process.

use std::sync::Arc;
use std::time::Duration;

use eventcore_types::EventStore;
use fs_store::Durability;
use tokio::runtime::Runtime;

use super::append::unique;
use crate::Fallible;
use crate::arguments::Arguments;
use crate::line::{Bound, Figure, Line, count};
use crate::measure::{self, Contender, WarmUp, in_turn, ratio};
use crate::scratch::Scratch;
use crate::stores::{self, Kind, Synchronous};
use crate::workload;

const CALLERS: usize = 16;

/// Lets 16 tasks append at the same time.
pub(crate) fn sixteen(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let (size, each) = (arguments.sizes.small, arguments.sizes.caller_appends);
    let what = "durable append, 16 callers, `Log`".to_owned();
    let at = format!("{} tx", count(size));
    let planned = arguments.rounds * CALLERS * each;
    let grow = |kind| scratch.growing("callers", kind, size, planned);
    let options = fs_store::StoreOptions::default().durability(Durability::Log);
    let root = grow(Kind::Ours)?.path;
    let ours = Arc::new(options.create(root)?);
    let sqlite = stores::eventcore_sqlite(&grow(Kind::EventcoreSqlite)?.path, Synchronous::Full)?;
    let sqlite = Arc::new(sqlite);
    let fs = Arc::new(stores::eventcore_fs(&grow(Kind::EventcoreFs)?.path)?);
    let runtime = stores::runtime()?;
    let contenders: Vec<Contender<'_>> = vec![
        Box::new(|_| run(&runtime, &ours, each)),
        Box::new(|_| run(&runtime, &sqlite, each)),
        Box::new(|_| run(&runtime, &fs, each)),
    ];
    let times = in_turn(arguments.rounds, WarmUp::No, contenders)?;
    let rate = |time: Duration| {
        let rate = (CALLERS * each) as f64 / time.as_secs_f64();
        format!("{} tx/s", count(rate as u64))
    };
    let line = |other: &str, time: Duration, bound| Line {
        what: what.clone(),
        at: at.clone(),
        ours: rate(times[0]),
        others: format!("{other} {}", rate(time)),
        figure: Figure::Times(ratio(time, times[0])),
        bound,
    };
    Ok(vec![
        line("eventcore-sqlite", times[1], Bound::AtLeast(2.5)),
        line("eventcore-fs", times[2], Bound::None),
    ])
}

fn run<S: EventStore + Send + 'static>(
    runtime: &Runtime,
    store: &Arc<S>,
    each: usize,
) -> Fallible<Duration> {
    let streams: Vec<_> = (0..CALLERS).map(|_| unique("caller")).collect();
    let (taken, ()) = measure::time(|| {
        runtime.block_on(async {
            let mut tasks = Vec::with_capacity(CALLERS);
            for stream in streams.clone() {
                let store = Arc::clone(store);
                tasks.push(tokio::spawn(async move {
                    for version in 0..each as u64 {
                        store
                            .append_events(workload::write(&stream, version, version)?)
                            .await?;
                    }
                    Fallible::Ok(())
                }));
            }
            for task in tasks {
                task.await??;
            }
            Ok(())
        })
    })?;
    for stream in &streams {
        let found = runtime.block_on(stores::read_stream(store.as_ref(), stream))?;
        measure::expect("events of a caller", found, each)?;
    }
    Ok(taken)
}
