//! Appends by one caller, made durable by a log, against a database that does so too.

use std::time::Duration;

use eventcore_types::EventStore;
use fs_store::Durability;
use tokio::runtime::Runtime;

use super::append::{FLAT, Ours, sizes, unique};
use crate::Fallible;
use crate::arguments::Arguments;
use crate::line::{Bound, Figure, Line, count, duration};
use crate::measure::{self, Contender, WarmUp, in_turn, ratio};
use crate::scratch::Scratch;
use crate::stores::{self, Kind, Synchronous};
use crate::workload;

/// Appends one at a time through eventcore's interface, each synced in a log.
pub(crate) fn one_caller(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let what = "durable append, one caller, `Log`";
    let each = arguments.sizes.log_appends;
    let planned = arguments.rounds * each;
    let durability = Durability::Log;
    let runtime = &stores::runtime()?;
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for size in sizes(arguments) {
        let ours = Ours::new(scratch, "log", size, planned, durability)?;
        contenders.push(Box::new(move |_| {
            append_through(runtime, &ours.get(scratch, durability)?, each)
        }));
        let open = move || {
            let root = if size == 0 {
                scratch.fresh("eventcore-sqlite")?
            } else {
                let store = scratch.growing("log", Kind::EventcoreSqlite, size, planned);
                store?.path
            };
            stores::eventcore_sqlite(&root, Synchronous::Full)
        };
        let kept = if size == 0 { None } else { Some(open()?) };
        contenders.push(Box::new(move |_| match &kept {
            Some(store) => append_through(runtime, store, each),
            None => append_through(runtime, &open()?, each),
        }));
    }
    let times = in_turn(arguments.rounds, WarmUp::No, contenders)?;
    let line = |at: String, ours: Duration, others, figure, bound| Line {
        what: what.to_owned(),
        at,
        ours: duration(ours / each as u32),
        others,
        figure: Figure::Times(figure),
        bound,
    };
    let mut lines = Vec::new();
    for (size, times) in sizes(arguments).into_iter().zip(times.chunks(2)) {
        let at = format!("{} tx", count(size));
        let others = format!("eventcore-sqlite {}", duration(times[1] / each as u32));
        let figure = ratio(times[1], times[0]);
        lines.push(line(at, times[0], others, figure, Bound::AtLeast(1.0)));
    }
    let others = format!("itself at 0: {}", duration(times[0] / each as u32));
    let figure = ratio(times[4], times[0]);
    lines.push(line(
        "flat".to_owned(),
        times[4],
        others,
        figure,
        Bound::AtMost(FLAT),
    ));
    Ok(lines)
}

fn append_through<S: EventStore>(runtime: &Runtime, store: &S, each: usize) -> Fallible<Duration> {
    let stream = unique("log");
    let writes = (0..each as u64).map(|number| workload::write(&stream, number, number));
    let writes = writes.collect::<Fallible<Vec<_>>>()?;
    let (taken, ()) = measure::time(|| {
        runtime.block_on(async {
            for write in writes {
                store.append_events(write).await?;
            }
            Ok(())
        })
    })?;
    let found = runtime.block_on(stores::read_stream(store, &stream))?;
    measure::expect("events appended", found, each)?;
    Ok(taken)
}
