//! Reading while another thread of the process is in the middle of something long.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fs_io::sim::Simulation;
use fs_io::{Disk, File, SyncPolicy, create_dirs};
use fs_store::{All, FileEventStore, StoreOptions};
use fs_testing::{Interposed, Interposer};

use crate::support::{count, numbers, stream};

/// Longer than any read takes: a test fails after it, and does not hang.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Stops one thread at the first file of a kind that it reads, until it is told to go on.
#[derive(Debug, Default)]
struct Pause(Mutex<Option<Armed>>);

#[derive(Debug)]
struct Armed {
    thread: ThreadId,
    is_meant: fn(&Path) -> bool,
    reached: Sender<()>,
    go_on: Receiver<()>,
}

impl Pause {
    fn meet(&self, path: &Path) {
        let is_meant =
            |armed: &mut Armed| armed.thread == thread::current().id() && (armed.is_meant)(path);
        let armed = self.0.lock().unwrap().take_if(is_meant);
        if let Some(armed) = armed {
            armed.reached.send(()).unwrap();
            let told = armed.go_on.recv_timeout(TOO_LONG);
            told.expect("a reader has answered meanwhile");
        }
    }
}

impl Interposer for Pause {
    fn read_at(
        &self,
        path: &Path,
        file: &dyn File,
        offset: u64,
        len: usize,
    ) -> io::Result<Vec<u8>> {
        self.meet(path);
        file.read_at(offset, len)
    }
}

/// Opens a store that has three events on a disk that pauses.
fn open(machine: &Simulation) -> (FileEventStore, Arc<Pause>) {
    let pause = Arc::new(Pause::default());
    let mut system = machine.system();
    system.disk = Arc::new(Interposed::new(system.disk, Arc::clone(&pause)));
    let store = StoreOptions::default().system(system).create("/store");
    let store = store.unwrap();
    (1..=3).for_each(|n| _ = count(&store, "s", n));
    (store, pause)
}

/// Reads on this thread while another is paused in the middle of its work.
fn read_while(
    pause: &Pause,
    is_meant: fn(&Path) -> bool,
    work: impl FnOnce() + Send,
    read: impl FnOnce(),
) {
    let (reached, paused) = channel();
    let (told, go_on) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            *pause.0.lock().unwrap() = Some(Armed {
                thread: thread::current().id(),
                is_meant,
                reached,
                go_on,
            });
            work();
        });
        let reached = paused.recv_timeout(TOO_LONG);
        reached.expect("the other thread begins to read files");
        read();
        told.send(()).expect("the other thread has waited for this");
    });
}

fn all(store: &FileEventStore) -> usize {
    store.ingested_events(None, &All, 100).unwrap().len()
}

#[test]
fn a_read_goes_on_while_another_thread_ingests() {
    let machine = Simulation::new(1);
    let (store, pause) = open(&machine);
    // What another clone appended arrives, as by `git merge`.
    let elsewhere = Simulation::new(2);
    let from = StoreOptions::default().system(elsewhere.system());
    let from = from.create("/store").unwrap();
    let arriving = count(&from, "t", 1).transaction_id.relative_path();
    let arriving = Path::new("/store/events").join(arriving);
    let bytes = elsewhere.disk.read(&arriving, u64::MAX).unwrap();
    let directory = arriving.parent().unwrap().strip_prefix("/").unwrap();
    create_dirs(&machine.disk, Path::new("/"), directory, SyncPolicy::None).unwrap();
    let mut file = machine.disk.create_new(&arriving).unwrap();
    file.append(&bytes).unwrap();

    let is_event = |path: &Path| path.starts_with("/store/events");
    read_while(
        &pause,
        is_event,
        || store.refresh().unwrap(),
        || {
            assert_eq!(numbers(&store, "s"), [1, 2, 3], "a stream is read");
            assert_eq!(all(&store), 3, "and all that was there");
            assert_eq!(store.streams().unwrap().len(), 1, "and listed");
            let history = store.with_history(|history| history.len());
            assert_eq!(history.unwrap(), 3, "the graph is loaded beside it");
            assert!(store.completeness().unwrap().is_complete());
        },
    );
    assert_eq!(numbers(&store, "t"), [1], "then it is there");
    assert_eq!(all(&store), 4);
}

#[test]
fn a_read_goes_on_while_another_thread_loads_the_history() {
    // So many that the graph of the first is in a segment.
    const MANY: u64 = 100;
    let machine = Simulation::new(1);
    let (store, pause) = open(&machine);
    (4..=MANY).for_each(|n| _ = count(&store, "s", n));
    store.refresh().unwrap();
    let is_segment = |path: &Path| path.extension().is_some_and(|it| it == "segment");
    let load = || {
        let len = store.with_history(|history| history.len());
        assert_eq!(
            len.unwrap() as u64,
            MANY,
            "the history is that of before the append"
        );
    };
    read_while(&pause, is_segment, load, || {
        let read = numbers(&store, "s");
        assert_eq!(read, (1..=MANY).collect::<Vec<_>>(), "a stream is read");
        assert_eq!(all(&store) as u64, MANY, "and all");
        count(&store, "s", MANY + 1);
        let read = numbers(&store, "s").last().copied();
        assert_eq!(read, Some(MANY + 1), "an append goes on too");
        let streams = store.streams().unwrap();
        assert_eq!(streams.into_inner(), [(stream("s"), MANY + 1)]);
    });
    let len = store.with_history(|history| history.len());
    assert_eq!(len.unwrap() as u64, MANY + 1, "the next one sees it");
}
