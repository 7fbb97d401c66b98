//! Appends by one caller, each durable as a file of its own.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fs_format::StreamId;
use fs_store::{Append, Durability, ExpectedVersion, FileEventStore, StoreOptions};

use crate::Fallible;
use crate::arguments::Arguments;
use crate::generate::Chain;
use crate::line::{Bound, Figure, Line, count, duration};
use crate::measure::{self, Contender, WarmUp, in_turn, ratio};
use crate::scratch::Scratch;
use crate::stores::Kind;
use crate::workload::Booked;

/// How much slower the largest store may be than an empty one and still count as flat.
pub(super) const FLAT: f64 = 1.15;

/// Returns a name that nobody has used in any store.
pub(super) fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos());
    format!("{what}/{nanos}-{next}")
}

/// A store of ours at one size: kept open, or a new one for each round where the size is 0.
pub(super) enum Ours {
    Kept(FileEventStore),
    Fresh,
}

impl Ours {
    pub(super) fn new(
        scratch: &Scratch,
        row: &str,
        size: u64,
        planned: usize,
        durability: Durability,
    ) -> Fallible<Self> {
        if size == 0 {
            return Ok(Self::Fresh);
        }
        let root = scratch.growing(row, Kind::Ours, size, planned)?.path;
        Ok(Self::Kept(open(root, durability)?))
    }

    pub(super) fn get(
        &self,
        scratch: &Scratch,
        durability: Durability,
    ) -> Fallible<FileEventStore> {
        match self {
            Self::Kept(store) => Ok(store.clone()),
            Self::Fresh => open(scratch.fresh("tributary")?, durability),
        }
    }
}

fn open(root: PathBuf, durability: Durability) -> Fallible<FileEventStore> {
    let options = StoreOptions::default().durability(durability);
    Ok(options.create(root)?)
}

pub(super) fn sizes(arguments: &Arguments) -> [u64; 3] {
    [0, arguments.sizes.small, arguments.sizes.large]
}

/// Appends one file at a time, each synced.
pub(crate) fn files(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let each = arguments.sizes.file_appends;
    let planned = arguments.rounds * each;
    let raw = Raw::new(scratch.fresh("raw")?)?;
    let mut contenders: Vec<Contender<'_>> = vec![Box::new(|_| raw.write(each))];
    for size in sizes(arguments) {
        let ours = Ours::new(scratch, "files", size, planned, Durability::Files)?;
        contenders.push(Box::new(move |_| {
            let store = ours.get(scratch, Durability::Files)?;
            append(&store, each)
        }));
    }
    let times = in_turn(arguments.rounds, WarmUp::No, contenders)?;
    let line = |at: &str, ours: Duration, other: String, figure, bound| Line {
        what: "durable append, one caller, `Files`".to_owned(),
        at: at.to_owned(),
        ours: duration(ours / each as u32),
        others: other,
        figure: Figure::Times(figure),
        bound: Bound::AtMost(bound),
    };
    let mut lines = Vec::new();
    for (size, time) in sizes(arguments).into_iter().zip(&times[1..]) {
        let at = format!("{} tx", count(size));
        let other = format!("raw file operations {}", duration(times[0] / each as u32));
        lines.push(line(&at, *time, other, ratio(*time, times[0]), 1.15));
    }
    let other = format!("itself at 0: {}", duration(times[1] / each as u32));
    lines.push(line(
        "flat",
        times[3],
        other,
        ratio(times[3], times[1]),
        FLAT,
    ));
    Ok(lines)
}

/// Appends to a stream of its own and returns the time that takes.
fn append(store: &FileEventStore, each: usize) -> Fallible<Duration> {
    let name = unique("files");
    let stream = StreamId::new(name.as_str())?;
    let account = eventcore_types::StreamId::try_new(name)?;
    let appends = (0..each as u64).map(|number| {
        let data = serde_json::to_string(&Booked::new(account.clone(), number))?;
        let append = Append::new().event(stream.clone(), "Booked", &data)?;
        Ok(append.expect(stream.clone(), ExpectedVersion::Exact(number)))
    });
    let appends: Vec<Append> = appends.collect::<Fallible<_>>()?;
    let (taken, ()) = measure::time(|| {
        for append in appends {
            store.append(append)?;
        }
        Ok(())
    })?;
    measure::expect("events appended", store.stream_events(&stream)?.len(), each)?;
    Ok(taken)
}

/// The least that a durable append by files can do.
struct Raw {
    temp: PathBuf,
    events: PathBuf,
    bytes: Vec<u8>,
}

impl Raw {
    fn new(root: PathBuf) -> Fallible<Self> {
        let mut chain = Chain::default();
        let stream = unique("files");
        let _first = chain.next(&stream, 0)?;
        let bytes = chain.next(&stream, 1)?.bytes;
        let raw = Self {
            temp: root.join("local/tmp"),
            events: root.join("events/019a/5e"),
            bytes,
        };
        std::fs::create_dir_all(&raw.temp)?;
        std::fs::create_dir_all(&raw.events)?;
        measure::settle();
        Ok(raw)
    }

    fn write(&self, each: usize) -> Fallible<Duration> {
        let names: Vec<_> = (0..each).map(|_| unique("raw").replace('/', "-")).collect();
        let (taken, ()) = measure::time(|| {
            for name in &names {
                let temp = self.temp.join(name);
                let mut file = File::create_new(&temp)?;
                file.write_all(&self.bytes)?;
                file.sync_all()?;
                std::fs::rename(&temp, self.events.join(name))?;
                File::open(&self.events)?.sync_all()?;
            }
            Ok(())
        })?;
        for name in &names {
            let length = std::fs::metadata(self.events.join(name))?.len() as usize;
            measure::expect("bytes of a file", length, self.bytes.len())?;
        }
        Ok(taken)
    }
}
