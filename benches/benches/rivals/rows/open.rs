//! Opening a store, in a new process each time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Fallible;
use crate::arguments::Arguments;
use crate::child;
use crate::line::{Bound, Figure, Line, Unit, count, duration};
use crate::measure::{self, Aside, Contender, WarmUp, in_turn, ratio};
use crate::scratch::Scratch;
use crate::stores::Kind;
use crate::workload::Shape;

/// A store that is opened again and again.
struct Subject {
    kind: Kind,
    path: PathBuf,
    stream: String,
    events: usize,
}

/// What is measured beside the time of an opening.
#[derive(Default)]
struct Notes {
    open_peak: Aside,
    read: Aside,
    read_peak: Aside,
}

impl Notes {
    /// Returns the time until a first stream was read, and the memory.
    fn until_read(&self) -> String {
        let time = duration(self.read());
        format!("{time}, {}", mebibytes(self.read_peak.median()))
    }

    fn read(&self) -> Duration {
        Duration::from_nanos(self.read.median())
    }
}

impl Subject {
    fn new(scratch: &Scratch, kind: Kind, size: u64) -> Fallible<Self> {
        let (stream, version) = Shape::Tenants.stream(size, size - 1);
        Ok(Self {
            kind,
            path: scratch.store(kind, Shape::Tenants, size)?,
            stream,
            events: version as usize + 1,
        })
    }

    fn open(&self) -> Fallible<child::Opened> {
        child::open(self.kind, &self.path, &self.stream, self.events)
    }

    /// Takes the time of the opening alone, and notes the rest.
    fn contender<'a>(&'a self, notes: &'a Notes) -> Contender<'a> {
        Box::new(move |_| {
            let opened = self.open()?;
            notes.open_peak.add(opened.open_peak);
            notes.read_peak.add(opened.read_peak);
            notes.read.add(opened.read.as_nanos() as u64);
            Ok(opened.open)
        })
    }
}

/// Opens with what an earlier process left behind.
pub(crate) fn warm(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let sizes = arguments.sizes;
    let ours = Subject::new(scratch, Kind::Ours, sizes.middle)?;
    let rival = Subject::new(scratch, Kind::EventcoreFs, sizes.middle)?;
    let notes = [Notes::default(), Notes::default()];
    let contenders = vec![ours.contender(&notes[0]), rival.contender(&notes[1])];
    let times = in_turn(arguments.rounds, WarmUp::Yes, contenders)?;
    let at = format!("{} tx", count(sizes.middle));
    let peaks = [notes[0].open_peak.median(), notes[1].open_peak.median()];
    let mut lines = vec![
        Line {
            what: "warm open".to_owned(),
            at: at.clone(),
            ours: duration(times[0]),
            others: format!("eventcore-fs {}", duration(times[1])),
            figure: Figure::Times(ratio(times[1], times[0])),
            bound: Bound::AtLeast(50.0),
        },
        Line {
            what: "warm open, peak memory".to_owned(),
            at: at.clone(),
            ours: mebibytes(peaks[0]),
            others: format!("eventcore-fs {}", mebibytes(peaks[1])),
            figure: Figure::Times(peaks[0] as f64 / (peaks[1] as f64).max(1.0)),
            bound: Bound::AtMost(0.1),
        },
        Line {
            what: "warm open and a first stream read".to_owned(),
            at,
            ours: notes[0].until_read(),
            others: format!("eventcore-fs {}", notes[1].until_read()),
            figure: Figure::Times(ratio(notes[1].read(), notes[0].read())),
            bound: Bound::None,
        },
    ];
    lines.extend(against_size(arguments, scratch)?);
    Ok(lines)
}

/// Compares a small store with the largest.
fn against_size(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let sizes = arguments.sizes;
    let what = "warm open";
    let at = format!("{} tx", count(sizes.huge));
    if !arguments.large {
        let line = |what: String, unit, bound| Line {
            what,
            at: at.clone(),
            ours: "-".to_owned(),
            others: "-".to_owned(),
            figure: Figure::Missing("needs --large", unit),
            bound,
        };
        return Ok(vec![
            line(what.to_owned(), Unit::Times, Bound::Under(5.0)),
            line(
                format!("{what}, peak memory"),
                Unit::Mebibytes,
                Bound::Under(64.0),
            ),
        ]);
    }
    let small = Subject::new(scratch, Kind::Ours, sizes.small)?;
    let huge = Subject::new(scratch, Kind::Ours, sizes.huge)?;
    let notes = [Notes::default(), Notes::default()];
    let contenders = vec![huge.contender(&notes[0]), small.contender(&notes[1])];
    let times = in_turn(arguments.rounds, WarmUp::Yes, contenders)?;
    let others = format!("itself at {}: ", count(sizes.small));
    Ok(vec![
        Line {
            what: what.to_owned(),
            at: at.clone(),
            ours: duration(times[0]),
            others: others.clone() + &duration(times[1]),
            figure: Figure::Times(ratio(times[0], times[1])),
            bound: Bound::Under(5.0),
        },
        Line {
            what: format!("{what}, peak memory"),
            at,
            ours: mebibytes(notes[0].open_peak.median()),
            others: others + &mebibytes(notes[1].open_peak.median()),
            figure: Figure::Mebibytes(notes[0].open_peak.median() as f64 / 1024.0),
            bound: Bound::Under(64.0),
        },
    ])
}

/// Opens with nothing but the transaction files.
pub(crate) fn cold(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let size = arguments.sizes.middle;
    let ours = Subject::new(scratch, Kind::Ours, size)?;
    let rival = Subject::new(scratch, Kind::EventcoreFs, size)?;
    let aside = scratch.fresh("index")?;
    let contenders: Vec<Contender<'_>> = vec![
        Box::new(|_| {
            put_index_aside(&ours.path, &aside)?;
            Ok(ours.open()?.read)
        }),
        Box::new(|_| {
            measure::settle();
            Ok(rival.open()?.read)
        }),
    ];
    let times = in_turn(arguments.rounds, WarmUp::Yes, contenders)?;
    Ok(vec![Line {
        what: "cold open".to_owned(),
        at: format!("{} tx", count(size)),
        ours: duration(times[0]),
        others: format!("eventcore-fs {}", duration(times[1])),
        figure: Figure::Times(ratio(times[1], times[0])),
        bound: Bound::AtLeast(2.0),
    }])
}

/// Takes the index of a store away. Only the one of the round before is deleted, which is a handful of files.
fn put_index_aside(store: &Path, aside: &Path) -> Fallible<()> {
    if aside.exists() {
        std::fs::remove_dir_all(aside)?;
    }
    std::fs::rename(store.join("index"), aside)?;
    measure::settle();
    Ok(())
}

fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}
