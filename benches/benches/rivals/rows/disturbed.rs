//! Commands and reads beside what may disturb them: a damaged file, a fresh append, files that went away, another thread's work.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fs_format::StreamId;
use fs_store::{Append, Durability, FileEventStore, StoreOptions};

use super::append::unique;
use crate::Fallible;
use crate::arguments::Arguments;
use crate::generate::Files;
use crate::line::{Bound, Figure, Line, count, duration};
use crate::measure::{self, Contender, WarmUp, in_turn, median, ratio, time};
use crate::scratch::Scratch;
use crate::stores::{self, Kind};
use crate::workload::Shape;

/// The name of a file that is no transaction.
const DAMAGED: &str = "018c/c2/018cc200-0000-7000-8000-000000000000.jsonl";

/// Reads a stream by `trib read`, in a store with a damaged file and in one without.
pub(crate) fn damaged(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let size = arguments.sizes.large;
    let (stream, _) = Shape::Tenants.stream(size, 0);
    let [whole, damaged] =
        ["whole", "damaged"].map(|row| scratch.growing(row, Kind::Ours, size, 0));
    let (whole, damaged) = (whole?.path, damaged?.path);
    let file = damaged.join("events").join(DAMAGED);
    std::fs::create_dir_all(file.parent().ok_or("a file lies in a directory")?)?;
    std::fs::write(file, "no transaction")?;
    let read = |store: &Path| trib(&arguments.trib, store, &["read", &stream]);
    let contenders: Vec<Contender<'_>> =
        vec![Box::new(|_| read(&damaged)), Box::new(|_| read(&whole))];
    let rounds = arguments.rounds * arguments.sizes.processes;
    let times = in_turn(rounds, WarmUp::Yes, contenders)?;
    Ok(vec![Line {
        what: "`trib read` beside a damaged file".to_owned(),
        at: format!("{} tx", count(size)),
        ours: duration(times[0]),
        others: format!("without one {}", duration(times[1])),
        figure: Figure::Times(ratio(times[0], times[1])),
        bound: Bound::AtMost(1.2),
    }])
}

/// Reads a stream by `trib read` right after an append to a directory of many files, and once more.
pub(crate) fn appended(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let size = arguments.sizes.directory;
    let root = scratch.fresh("appended")?;
    let options = StoreOptions::default().durability(Durability::None);
    let store = options.create(&root)?;
    for number in 0..size {
        append(&store, &format!("counter-{}", number % 100), number)?;
    }
    store.flush()?;
    let read = || trib(&arguments.trib, &root, &["read", "counter-7"]);
    let contenders: Vec<Contender<'_>> = vec![
        Box::new(|round| {
            append(&store, "counter-1", round as u64)?;
            read()
        }),
        Box::new(|_| {
            read()?;
            read()
        }),
    ];
    let rounds = arguments.rounds * arguments.sizes.processes;
    let times = in_turn(rounds, WarmUp::Yes, contenders)?;
    Ok(vec![Line {
        what: "`trib read` after an append".to_owned(),
        at: format!("{} files in the directory", count(size)),
        ours: duration(times[0]),
        others: format!("once more {}", duration(times[1])),
        figure: Figure::Times(ratio(times[0], times[1])),
        bound: Bound::AtMost(1.3),
    }])
}

/// Takes notice of transactions that went away together, as by `git reset`.
pub(crate) fn went_away(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let (size, gone) = (arguments.sizes.large, 3 * arguments.sizes.arrivals);
    let planned = arguments.rounds * gone as usize;
    let mut growing = scratch.growing("reset", Kind::Ours, size, planned)?;
    let (stream, _) = Shape::Tenants.stream(size, 0);
    let mut times = Vec::new();
    for _ in 0..arguments.rounds {
        let tip = growing.chain().tip;
        let paths = pull(&growing.path.clone(), growing.chain(), gone)?;
        drop(stores::ours(&growing.path)?.status()?);
        paths.iter().try_for_each(std::fs::remove_file)?;
        // Ids are of their place in the chain, so none comes a second time.
        growing.chain().tip = tip;
        growing.save()?;
        times.push(trib(&arguments.trib, &growing.path, &["read", &stream])?);
    }
    let taken = median(times);
    Ok(vec![Line {
        what: format!("a command after {} transactions went away", count(gone)),
        at: format!("{} tx", count(size)),
        ours: duration(taken),
        others: "-".to_owned(),
        figure: Figure::Milliseconds(taken.as_secs_f64() * 1e3),
        bound: Bound::AtMost(300.0),
    }])
}

/// Reads by one thread while another takes in what arrived, and finds the read that took longest.
pub(crate) fn beside_arrivals(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let (size, arrivals) = (arguments.sizes.ingested, arguments.sizes.arrivals);
    let planned = arguments.rounds * arrivals as usize;
    let mut growing = scratch.growing("beside", Kind::Ours, size, planned)?;
    let store = stores::ours(&growing.path)?;
    let (stream, version) = Shape::Tenants.stream(size, size - 1);
    let stream = StreamId::new(&*stream)?;
    let mut slowest = Vec::new();
    for _ in 0..arguments.rounds {
        pull(&growing.path.clone(), growing.chain(), arrivals)?;
        growing.save()?;
        let is_over = AtomicBool::new(false);
        let longest = std::thread::scope(|scope| {
            let reader = scope.spawn(|| -> Result<Duration, fs_store::ReadError> {
                let mut longest = Duration::ZERO;
                while !is_over.load(Ordering::Relaxed) {
                    let start = std::time::Instant::now();
                    let events = store.stream_events(&stream)?;
                    longest = longest.max(start.elapsed());
                    assert!(events.len() as u64 > version, "all events are read");
                }
                Ok(longest)
            });
            let refreshed = store.refresh().and_then(|()| store.with_history(|_| ()));
            is_over.store(true, Ordering::Relaxed);
            refreshed?;
            let longest = reader.join().map_err(|_| "the reader panicked")?;
            Fallible::Ok(longest?)
        })?;
        slowest.push(longest);
    }
    let slowest = median(slowest);
    Ok(vec![Line {
        what: format!("slowest read while {} files are ingested", count(arrivals)),
        at: format!("{} tx", count(size)),
        ours: duration(slowest),
        others: "-".to_owned(),
        figure: Figure::Milliseconds(slowest.as_secs_f64() * 1e3),
        bound: Bound::AtMost(5.0),
    }])
}

/// Writes `transactions` files on top of the chain, as a `git pull` does.
fn pull(
    store: &Path,
    chain: &mut crate::generate::Chain,
    transactions: u64,
) -> Fallible<Vec<PathBuf>> {
    let (stream, mut files) = (unique("pulled"), Files::new(store));
    (0..transactions)
        .map(|version| files.write(&chain.next(&stream, version)?))
        .collect()
}

fn append(store: &FileEventStore, stream: &str, number: u64) -> Fallible<()> {
    let stream = StreamId::new(stream)?;
    store.append(Append::new().event(stream, "Counted", &number.to_string())?)?;
    Ok(())
}

/// Runs a command of `trib` from start to exit.
fn trib(program: &Path, store: &Path, words: &[&str]) -> Fallible<Duration> {
    let mut command = Command::new(program);
    command.arg("--store").arg(store).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null());
    let (taken, status) = time(|| Ok(command.status()?))?;
    let code = usize::try_from(status.code().unwrap_or(1))?;
    measure::expect(&format!("exit code of {command:?}"), code, 0)?;
    Ok(taken)
}
