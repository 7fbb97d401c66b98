//! What can be asked for on the command line.
//!
//! **Invariant**: a word that is not understood is an error; nothing is measured by mistake.

use std::path::PathBuf;

use crate::Fallible;
use crate::rows;
use crate::stores::Kind;

/// What this process was started for.
pub(crate) enum Mode {
    Measure(Arguments),
    /// To open one store and report on it: a process of its own is the only way to tell how much memory that takes.
    Open(Open),
    /// To append to the store at this path whenever it is told to: another process than the one that follows.
    Append(PathBuf),
    /// By `cargo test --benches`, which wants to see it start.
    Nothing,
}

/// The store that a child process opens.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    /// A stream that is read after the opening, and how many events it has.
    pub(crate) stream: String,
    pub(crate) events: usize,
}

/// How to measure.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) only: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) sizes: Sizes,
    pub(crate) quick: bool,
    /// To measure the huge store too; the quick one is not so huge.
    pub(crate) large: bool,
    pub(crate) scratch: PathBuf,
    pub(crate) trib: PathBuf,
    /// The document to write.
    pub(crate) write: Option<PathBuf>,
}

/// How large the stores are, in transactions of one event, and how much is done to them in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) small: u64,
    pub(crate) middle: u64,
    pub(crate) large: u64,
    pub(crate) huge: u64,
    pub(crate) stream: u64,
    pub(crate) arrivals: u64,
    /// Transactions of a store that is read while others arrive.
    pub(crate) ingested: u64,
    /// Files in one directory.
    pub(crate) directory: u64,
    /// Appends in a round, where each syncs files of its own.
    pub(crate) file_appends: usize,
    /// Appends in a round, where each syncs a log: as many as it takes to empty the log once in each.
    pub(crate) log_appends: usize,
    /// Appends of one of the concurrent callers in a round.
    pub(crate) caller_appends: usize,
    /// Processes in a round.
    pub(crate) processes: usize,
}

const FULL: Sizes = Sizes {
    small: 10_000,
    middle: 50_000,
    large: 100_000,
    huge: 1_000_000,
    stream: 10_000,
    arrivals: 1_000,
    ingested: 30_000,
    directory: 20_000,
    file_appends: 100,
    log_appends: 1_000,
    caller_appends: 125,
    processes: 10,
};

const QUICK: Sizes = Sizes {
    small: 500,
    middle: 1_000,
    large: 2_000,
    huge: 5_000,
    stream: 500,
    arrivals: 50,
    ingested: 1_000,
    directory: 500,
    file_appends: 10,
    log_appends: 50,
    caller_appends: 5,
    processes: 3,
};

impl Arguments {
    /// Returns whether the row of this name is to be measured.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == row)
    }
}

/// Reads the words after the program's name.
///
/// # Errors
/// A word that means nothing here.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Fallible<Mode> {
    let mut words = words.peekable();
    if words.peek().is_some_and(|word| word == "open") {
        return open(words.skip(1));
    }
    if words.peek().is_some_and(|word| word == "append") {
        let root = words.nth(1).ok_or("append PATH")?;
        return Ok(Mode::Append(root.into()));
    }
    let mut is_bench = false;
    let (mut only, mut rounds, mut quick, mut large) = (Vec::new(), None, false, false);
    let (mut scratch, mut trib, mut write) = (None, None, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} takes a value"));
        match word.as_str() {
            "--bench" => is_bench = true,
            "--quick" => quick = true,
            "--large" => large = true,
            "--only" => only.push(known_row(value()?)?),
            "--rounds" => rounds = Some(value()?.parse::<usize>()?.max(1)),
            "--scratch" => scratch = Some(PathBuf::from(value()?)),
            "--trib" => trib = Some(PathBuf::from(value()?)),
            "--write" => write = Some(PathBuf::from(value()?)),
            other => return Err(format!("{other:?} means nothing here").into()),
        }
    }
    if !is_bench {
        return Ok(Mode::Nothing);
    }
    Ok(Mode::Measure(Arguments {
        only,
        rounds: rounds.unwrap_or(if quick { 2 } else { 7 }),
        sizes: if quick { QUICK } else { FULL },
        quick,
        large: large || quick,
        scratch: scratch.map_or_else(default_scratch, Ok)?,
        trib: trib.map_or_else(built_trib, Ok)?,
        write,
    }))
}

fn known_row(name: String) -> Fallible<String> {
    let names: Vec<_> = rows::ALL.iter().map(|row| row.name).collect();
    if names.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("there is no row {name:?}; there are {}", names.join(", ")).into())
    }
}

fn open(mut words: impl Iterator<Item = String>) -> Fallible<Mode> {
    let mut next = || words.next().ok_or("open KIND PATH STREAM EVENTS");
    Ok(Mode::Open(Open {
        kind: Kind::parse(&next()?).ok_or("open takes the kind of a store")?,
        path: next()?.into(),
        stream: next()?,
        events: next()?.parse()?,
    }))
}

/// The directory that cargo builds into, from where this program lies in it: `<target>/release/deps/<program>`.
fn target() -> Fallible<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3);
    Ok(target
        .ok_or("this program lies in no target directory")?
        .to_owned())
}

fn default_scratch() -> Fallible<PathBuf> {
    Ok(target()?.join("bench-rivals"))
}

fn built_trib() -> Fallible<PathBuf> {
    let name = format!("trib{}", std::env::consts::EXE_SUFFIX);
    Ok(target()?.join("release").join(name))
}
