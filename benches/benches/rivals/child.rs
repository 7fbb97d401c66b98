//! Opening a store in a process of its own, which then tells how long that took and how much memory.
//!
//! **Invariant**: the first time and memory are those of the opening alone, the second include reading a stream. The
//! process reads its own clock, so starting it counts for nothing.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eventcore_types::EventStore;

use crate::arguments::Open;
use crate::stores::{self, Kind, Synchronous};
use crate::{Fallible, measure, on_a_deep_stack};

/// A process that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(300);

/// What one opening took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    /// Until the store was open.
    pub(crate) open: Duration,
    /// Until the first stream was read, the opening included.
    pub(crate) read: Duration,
    /// The most memory that was resident until the store was open, in KiB; 0 where the system does not tell.
    pub(crate) open_peak: u64,
    /// The same until the stream was read.
    pub(crate) read_peak: u64,
}

/// Opens the store in a new process, which reads a stream and checks how many events it has.
pub(crate) fn open(kind: Kind, path: &Path, stream: &str, events: usize) -> Fallible<Opened> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["open", kind.name()]).arg(path);
    command.args([stream, &events.to_string()]);
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        if start.elapsed() > LIMIT {
            process.kill()?;
            process.wait()?;
            return Err(format!("opening {} took over {LIMIT:?}", path.display()).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if !status.success() {
        return Err(format!("opening {}: {status}", path.display()).into());
    }
    let mut text = String::new();
    let mut output = process.stdout.take().ok_or("it writes to a pipe")?;
    output.read_to_string(&mut text)?;
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    match numbers[..] {
        [open, read, open_peak, read_peak] => Ok(Opened {
            open: Duration::from_nanos(open),
            read: Duration::from_nanos(read),
            open_peak,
            read_peak,
        }),
        _ => Err(format!("a child process answered {text:?}").into()),
    }
}

/// Does what the child process is there for.
pub(crate) fn run(open: &Open) -> Fallible<()> {
    match open.kind {
        Kind::Ours => report(open, stores::ours),
        Kind::EventcoreSqlite => report(open, |path| {
            stores::eventcore_sqlite(path, Synchronous::Full)
        }),
        Kind::EventcoreFs => {
            let open = Open {
                path: open.path.clone(),
                stream: open.stream.clone(),
                ..*open
            };
            on_a_deep_stack(move || report(&open, stores::eventcore_fs))
        }
    }
}

fn report<S: EventStore>(open: &Open, opening: impl FnOnce(&Path) -> Fallible<S>) -> Fallible<()> {
    let runtime = stores::runtime()?;
    let start = Instant::now();
    let store = opening(&open.path)?;
    let opened = start.elapsed();
    let open_peak = peak();
    let events = runtime.block_on(stores::read_stream(&store, &open.stream))?;
    let read = start.elapsed();
    measure::expect("events of the first stream", events, open.events)?;
    println!(
        "{} {} {open_peak} {}",
        opened.as_nanos(),
        read.as_nanos(),
        peak()
    );
    Ok(())
}

/// Returns the most memory that was ever resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
