//! A process that has a store open and does what its standard input says, one order a line.
//!
//! ```text
//! scenario-worker <store> <name> <durability>
//!   append <n>   appends n transactions to the shared streams and to the stream called as the worker
//!   record <n>   sends n items as <name> 1, <name> 2, ... in bursts, and records them in the stream "recording"
//!   delete       deletes index/
//!   empty        deletes what is in index/
//!   lock         takes the write lock and keeps it, as a long append would
//!   unlock       lets go of it
//!   take <n>     n times: as consumer `taker`, fetches and advances, and tells which events it has
//!   follow <order> <batch>   follows with a projection into every adapter, so many events at a time, some of which fail now and
//!                then; tells `applied <n>` whenever one of them has come further
//!   work <n>     n times: as consumer `worker`, fetches, tells which events it has, acknowledges, and tells that it has
//! ```
//!
//! Each order ends in `done`. An append that fails is told as `error` and tried again under the same command id, by a
//! store opened anew, so that every command is in the store once, however often it was tried.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it plays other processes in tests, which also delete files, and fails by panicking"
)]

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use fs_feed::projection::{Order, Projection, ReadModel, Runner};
use fs_feed::{Batch, Consumer, Feed as _, Recorder};
use fs_format::{CommandId, StreamId};
use fs_io::{LockGuard, System, Wait};
use fs_store::{Append, Durability, ExpectedVersion, FileEventStore, StoreOptions};
use futures::executor::block_on;
use scenarios::dice::Dice;
use scenarios::seen::{Fate, Place, Seen, SeenRows, stubborn};
use scenarios::worker::{BATCH, BOOT_ID};
use tokio::sync::broadcast;

/// How many failures in a row are one too many.
const TRIES: u32 = 40;

/// How many streams all workers write.
const SHARED: u64 = 3;

struct Process {
    root: PathBuf,
    name: String,
    options: StoreOptions,
    store: Option<FileEventStore>,
    held: Option<LockGuard>,
    dice: Dice,
    appended: u64,
}

fn main() {
    let mut args = std::env::args_os().skip(1);
    let root = PathBuf::from(args.next().expect("the store is named"));
    let name = args.next().expect("the worker is named");
    let name = name.into_string().expect("the name is text");
    let durability = args.next().expect("the durability is named");
    let seed = name
        .bytes()
        .fold(7, |seed: u64, byte| seed.wrapping_mul(31) ^ u64::from(byte));
    let mut process = Process {
        root,
        options: StoreOptions::default().durability(match durability.to_str() {
            Some("none") => Durability::None,
            Some("files") => Durability::Files,
            Some("log") => Durability::Log,
            other => panic!("there is no durability {other:?}"),
        }),
        store: None,
        held: None,
        dice: Dice::new(seed),
        appended: 0,
        name,
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("orders are text");
        let (order, count) = line.split_once(' ').unwrap_or((&line, ""));
        match order {
            "append" => process.append(count.parse().expect("how many is a number")),
            "record" => process.record(count.parse().expect("how many is a number")),
            "delete" => delete(&process.root.join("index")),
            "empty" => empty(&process.root.join("index")),
            "lock" => process.lock(),
            "unlock" => process.held = None,
            "take" => process.take(count.parse().expect("how many is a number")),
            "follow" => process.follow(count),
            "work" => process.work(count.parse().expect("how many is a number")),
            _ => panic!("there is no order {line:?}"),
        }
        say("done");
    }
}

impl Process {
    fn append(&mut self, count: u64) {
        for _ in 0..count {
            self.append_one();
        }
    }

    /// Appends to the worker's own stream, to a shared one, or to both.
    fn append_one(&mut self) {
        let n = self.appended;
        self.appended += 1;
        let own = StreamId::new(self.name.as_str()).unwrap();
        let shared = StreamId::new(format!("shared-{}", self.dice.below(SHARED))).unwrap();
        let streams = match self.dice.below(3) {
            0 => vec![shared],
            1 => vec![shared, own.clone()],
            _ => vec![own.clone()],
        };
        let command = format!("{}-{n}", self.name);
        let mut append = Append::new().command_id(CommandId::new(command.as_str()).unwrap());
        for stream_id in &streams {
            let data = format!("{{\"by\":\"{}\",\"n\":{n}}}", self.name);
            append = append.event(stream_id.clone(), "Counted", &data).unwrap();
        }
        if n == 0 {
            // Nobody else writes it, so this is known.
            append = append.expect(own, ExpectedVersion::New);
        }
        for _ in 0..TRIES {
            match self.try_append(append.clone()) {
                Ok(answer) => return say(&format!("ack {command} {answer}")),
                Err(error) => {
                    self.store = None;
                    say(&format!(
                        "error {}",
                        chain(error.as_ref()).replace('\n', " ")
                    ));
                }
            }
        }
        say(&format!("error {command} failed {TRIES} times"));
        std::process::exit(1);
    }

    fn try_append(&mut self, append: Append) -> Result<String, Box<dyn std::error::Error>> {
        let store = match self.store.take() {
            Some(store) => store,
            None => self.options.clone().system(system()).create(&self.root)?,
        };
        let appended = store.append(append)?;
        self.store = Some(store);
        let versions = appended.versions.iter();
        Ok(versions.fold(
            appended.transaction_id.to_string(),
            |text, (stream_id, version)| format!("{text} {stream_id}={version}"),
        ))
    }

    fn take(&mut self, count: u64) {
        let consumer = self.consumer("taker");
        for _ in 0..count {
            let batch = consumer.fetch_and_advance(BATCH).expect("it is taken");
            say(&told("took", &batch));
        }
    }

    fn work(&mut self, count: u64) {
        let consumer = self.consumer("worker");
        for _ in 0..count {
            let batch = consumer.fetch(BATCH).expect("it is fetched");
            say(&told("saw", &batch));
            consumer.ack(&batch).expect("it is acknowledged");
            say("acknowledged");
        }
    }

    /// Follows until it is killed.
    fn follow(&mut self, how: &str) {
        let (order, batch) = how.split_once(' ').expect("an order and a number");
        let order = match order {
            "ingestion" => Order::Ingestion,
            "canonical" => Order::Canonical,
            other => panic!("there is no order {other:?}"),
        };
        let batch: usize = batch.parse().expect("how many is a number");
        std::thread::scope(|scope| {
            for (place, seed) in Place::ALL.into_iter().zip(0..) {
                let store = self.options.clone().system(system()).create(&self.root);
                let store = store.expect("the store opens");
                let seen =
                    Seen::new(order, place).fated(20, Fate::Fails, seed + self.dice.below(1 << 32));
                scope.spawn(move || match place {
                    Place::Sqlite => {
                        let database = Place::database(store.root());
                        follow(store.project(SeenRows(seen), database).batch(batch));
                    }
                    Place::Json | Place::Postcard => {
                        let snapshot = place.snapshot(&store);
                        follow(store.project(seen, snapshot).batch(batch));
                    }
                });
            }
        });
    }

    fn consumer(&self, name: &str) -> Consumer {
        let store = self.options.clone().system(system()).create(&self.root);
        let consumer = store.expect("the store opens").consumer(name);
        consumer.expect("the consumer opens")
    }

    /// Sends through a channel that is shorter than some bursts.
    fn record(&mut self, count: u64) {
        let store = self
            .options
            .clone()
            .system(system())
            .create(&self.root)
            .unwrap();
        let (sender, receiver) = broadcast::channel(8);
        let mut recorder = Recorder::new(
            &store,
            StreamId::new("recording").unwrap(),
            receiver,
            |_| "Sent",
        )
        .expect("no other records");
        let mut sent = 0;
        while sent < count {
            for _ in 0..=self.dice.below(12) {
                sent += 1;
                let item = format!("{} {sent}", self.name);
                sender.send(item).expect("the recorder listens");
            }
            let drained = recorder.finish_blocking().expect("the disk does not fail");
            say(&format!("recorded {}", drained.number));
        }
    }

    fn lock(&mut self) {
        let path = self.root.join("local/lock");
        let patience = Wait::UpTo(std::time::Duration::from_secs(60));
        self.held = Some(
            system()
                .disk
                .lock(&path, patience)
                .expect("the lock can be had"),
        );
    }
}

/// Follows, and tells how far it has come.
fn follow<P: Projection, M: ReadModel<State = P::State>>(runner: Runner<P, M>) {
    let mut runner = runner.retry(stubborn());
    let mut status = runner.status();
    std::thread::spawn(move || {
        let mut told = 0;
        while block_on(status.changed()).is_ok() {
            let applied = status.borrow_and_update().applied;
            if applied != told {
                say(&format!("applied {applied}"));
                told = applied;
            }
        }
    });
    runner.follow().expect("it follows until it is killed");
}

/// Returns a line that names the events of a batch.
fn told(verb: &str, batch: &Batch) -> String {
    let events = batch.events.iter();
    events.fold(verb.to_owned(), |line, event| {
        format!("{line} {}", event.event_id)
    })
}

/// Deletes a directory that others may be filling meanwhile.
fn delete(dir: &Path) {
    while dir.exists() {
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Deletes what is in a directory now.
fn empty(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("the directory is there") {
        let path = entry.expect("the directory can be listed").path();
        // What is gone already is gone.
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
    }
}

/// Returns the real system, in the boot that the test says it is.
fn system() -> System {
    let mut system = System::real();
    if let Ok(boot_id) = std::env::var(BOOT_ID) {
        system.machine.boot_id = Some(boot_id);
    }
    system
}

/// Says a line by one call, so that a kill leaves all of it or a part without an end.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    let written = output.write_all(format!("{line}\n").as_bytes());
    if written.and_then(|()| output.flush()).is_err() {
        // Nobody listens any more.
        std::process::exit(0);
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
