//! Following a store that another process appends to.
//!
//! **Invariant**: a time begins before the append is called and ends when the event is applied, by the clock that the
//! processes share. One event at a time is on its way.

use std::convert::Infallible;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventcore_types::{Event, StreamId};
use fs_feed::Feed as _;
use fs_feed::projection::{Delivered, Projection, Snapshot};
use fs_store::{Append, FileEventStore};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{Fallible, stores};

/// What takes longer does not come any more.
const LIMIT: Duration = Duration::from_secs(60);

/// An event that tells when it was on the way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sent {
    stream: StreamId,
    nanos: u128,
}

impl Event for Sent {
    fn stream_id(&self) -> &StreamId {
        &self.stream
    }

    fn event_type_name() -> &'static str {
        "Sent"
    }
}

fn now() -> Fallible<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}

/// Tells how long each event was on its way.
struct Arrivals(Sender<Duration>);

impl Projection for Arrivals {
    type Event = Sent;
    type State = ();
    type Error = Infallible;

    fn name(&self) -> &str {
        "arrivals"
    }

    fn reset(&mut self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, (): &mut (), event: &Delivered<Sent>) -> Result<(), Infallible> {
        let nanos = now().unwrap_or_default().saturating_sub(event.event.nanos);
        // Nobody listens any more after an error.
        let _ = self.0.send(Duration::from_nanos(nanos as u64));
        Ok(())
    }
}

/// Follows the store at `root` while a new process appends so many events to it; returns how long each was on its way.
pub(crate) fn follow(root: &Path, appends: usize) -> Fallible<Vec<Duration>> {
    let store = stores::ours(root)?;
    let stop = CancellationToken::new();
    let (sender, arrivals) = channel();
    let mut runner = store
        .project(Arrivals(sender), Snapshot::in_memory())
        .stop_on(stop.clone());
    let following = std::thread::spawn(move || runner.follow().map_err(Box::new));
    let times = be_appended_to(root, appends, &arrivals);
    stop.cancel();
    let followed = following.join();
    followed.map_err(|_| "the runner panicked; what it said stands above")??;
    times
}

fn be_appended_to(
    root: &Path,
    appends: usize,
    arrivals: &Receiver<Duration>,
) -> Fallible<Vec<Duration>> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg("append")
        .arg(root)
        .stdin(Stdio::piped())
        .spawn()?;
    let mut orders = process.stdin.take().ok_or("it reads from a pipe")?;
    let mut times = Vec::with_capacity(appends);
    // The first one is not counted: opening the store and starting to follow are in it.
    for nth in 0..=appends {
        writeln!(orders)?;
        let time = arrivals.recv_timeout(LIMIT)?;
        if nth > 0 {
            times.push(time);
        }
    }
    drop(orders);
    process.wait()?;
    Ok(times)
}

/// Does what the other process is there for: appends an event for each line that it is sent.
pub(crate) fn append(root: &Path) -> Fallible<()> {
    let store: FileEventStore = stores::ours(root)?;
    let stream = StreamId::try_new("sent")?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let sent = Sent {
            stream: stream.clone(),
            nanos: now()?,
        };
        let data = serde_json::to_string(&sent)?;
        store.append(Append::new().event(fs_format::StreamId::new("sent")?, "Sent", &data)?)?;
    }
    Ok(())
}
