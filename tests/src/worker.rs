//! Other processes: a program that has a store open and does what it is told, line by line.
//!
//! ```text
//! test                       worker                    line by line on its standard input and output
//!   append 3  ------------->
//!             <-------------  ack <command> <transaction> <stream>=<version> ...   once the store has answered
//!             <-------------  recorded <number>        once everything up to the number is stored
//!             <-------------  error <text>             the command is tried again, by a store opened anew
//!             <-------------  done
//! ```
//!
//! **Invariant**: an acknowledgement is written after the store's answer, by one call, so that of a worker that was
//! killed only whole lines are read, and each stands for an append that was acknowledged.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use fs_format::{StreamId, TransactionId};

/// How long a worker may be silent before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// The variable that tells a worker which boot of the machine to believe in.
pub const BOOT_ID: &str = "SCENARIO_BOOT_ID";

/// How many events a worker that consumes fetches at a time.
pub const BATCH: usize = 3;

/// An append that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The command.
    pub command: String,
    /// Its transaction.
    pub transaction_id: TransactionId,
    /// The versions that the streams have after it.
    pub versions: BTreeMap<StreamId, u64>,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An append was acknowledged.
    Ack(Ack),
    /// A recording is stored up to this number.
    Recorded(u64),
    /// Something failed.
    Error(String),
    /// The order is carried out.
    Done,
}

/// A process; it is killed when it is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Worker {
    /// Starts a worker on the store at `root`, which calls its commands and its own stream by `name`.
    pub fn start(program: &str, root: impl AsRef<OsStr>, name: &str, durability: &str) -> Self {
        let mut command = Command::new(program);
        command.arg(root).arg(name).arg(durability);
        Self::run(&mut command)
    }

    /// Starts any program that is told and tells lines.
    pub fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let orders = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            // A line without an end was not finished: nothing was acknowledged by it.
            while let Ok(1..) = output.read_until(b'\n', &mut line)
                && line.ends_with(b"\n")
                && sender
                    .send(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
                    .is_ok()
            {
                line.clear();
            }
        });
        Self {
            child,
            orders,
            lines,
        }
    }

    /// Gives an order; one that has ended does not hear it.
    pub fn order(&mut self, order: &str) {
        if let Some(orders) = &mut self.orders {
            let _ = writeln!(orders, "{order}");
        }
    }

    /// Waits for the next line; none when the worker has ended.
    pub fn next_text(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("a worker has been silent for {PATIENCE:?}"),
        }
    }

    /// Waits for the next thing the worker says; none when it has ended.
    pub fn next_line(&mut self) -> Option<Line> {
        self.next_text().map(|text| parse(&text))
    }

    /// Waits for at most `count` acknowledgements, or the end of the order or of the worker.
    pub fn acks(&mut self, count: u64) -> Vec<Ack> {
        let mut acks = Vec::new();
        while (acks.len() as u64) < count {
            match self.next_line() {
                Some(Line::Ack(ack)) => acks.push(ack),
                Some(Line::Error(_) | Line::Recorded(_)) => {}
                Some(Line::Done) | None => break,
            }
        }
        acks
    }

    /// Waits until the order is carried out; returns what was acknowledged and what failed on the way.
    pub fn until_done(&mut self) -> (Vec<Ack>, Vec<String>) {
        let (mut acks, mut errors) = (Vec::new(), Vec::new());
        loop {
            match self.next_line() {
                Some(Line::Ack(ack)) => acks.push(ack),
                Some(Line::Error(error)) => errors.push(error),
                Some(Line::Recorded(_)) => {}
                Some(Line::Done) => return (acks, errors),
                None => panic!("a worker ended before it was done: {errors:?}"),
            }
        }
    }

    /// Kills the worker wherever it is; returns what it had acknowledged and was not read yet.
    pub fn kill(self) -> Vec<Ack> {
        let acks = self.last_words().into_iter().filter_map(|line| match line {
            Line::Ack(ack) => Some(ack),
            Line::Recorded(_) | Line::Error(_) | Line::Done => None,
        });
        acks.collect()
    }

    /// Kills the worker wherever it is; returns what it had said and was not read yet.
    pub fn last_words(self) -> Vec<Line> {
        let texts = self.kill_unheard().into_iter();
        texts.map(|text| parse(&text)).collect()
    }

    /// Kills the worker wherever it is; returns what it had told and was not read yet, as it told it.
    pub fn kill_unheard(mut self) -> Vec<String> {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        std::iter::from_fn(|| self.next_text()).collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(text: &str) -> Line {
    if text == "done" {
        return Line::Done;
    }
    if let Some(error) = text.strip_prefix("error ") {
        return Line::Error(error.to_owned());
    }
    if let Some(number) = text.strip_prefix("recorded ") {
        return Line::Recorded(number.parse().expect("numbers are written in digits"));
    }
    let mut words = text
        .strip_prefix("ack ")
        .unwrap_or_else(|| panic!("a worker says {text:?}"))
        .split(' ');
    let command = words.next().expect("a line has a first word").to_owned();
    let id = words
        .next()
        .expect("an acknowledgement names its transaction");
    let versions = words.map(|word| {
        let (stream, version) = word.split_once('=').expect("versions are written as s=1");
        (StreamId::new(stream).unwrap(), version.parse().unwrap())
    });
    Line::Ack(Ack {
        command,
        transaction_id: TransactionId::parse(id).unwrap(),
        versions: versions.collect(),
    })
}
