//! Files that arrive under an open store.

use std::path::PathBuf;
use std::time::Duration;

use fs_format::StreamId;

use super::append::unique;
use crate::Fallible;
use crate::arguments::Arguments;
use crate::generate::Files;
use crate::line::{Bound, Figure, Line, count, duration};
use crate::measure::{self, median, ratio, time};
use crate::scratch::Scratch;
use crate::stores::{self, Kind};

/// Takes notice of what a `git pull` brought.
pub(crate) fn arrivals(arguments: &Arguments, scratch: &Scratch) -> Fallible<Vec<Line>> {
    let (size, arrivals) = (arguments.sizes.large, arguments.sizes.arrivals);
    let planned = arguments.rounds * arrivals as usize;
    let mut growing = scratch.growing("refresh", Kind::Ours, size, planned)?;
    let store = stores::ours(&growing.path)?;
    let (mut refreshes, mut reads) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        let stream = unique("pulled");
        let mut files = Files::new(&growing.path);
        let chain = growing.chain();
        let mut paths = Vec::new();
        let mut bytes = 0;
        for version in 0..arrivals {
            let encoded = chain.next(&stream, version)?;
            bytes += encoded.bytes.len();
            paths.push(files.write(&encoded)?);
        }
        growing.save()?;
        let mut refresh = || -> Fallible<()> {
            refreshes.push(time(|| Ok(store.refresh()?))?.0);
            Ok(())
        };
        if round % 2 == 0 {
            reads.push(read(&paths, bytes)?);
            refresh()?;
        } else {
            refresh()?;
            reads.push(read(&paths, bytes)?);
        }
        let found = store.stream_events(&StreamId::new(stream.as_str())?)?.len();
        measure::expect("events that arrived", found, arrivals as usize)?;
    }
    let (refresh, read) = (median(refreshes), median(reads));
    Ok(vec![Line {
        what: format!("refresh after a pull of {} files", count(arrivals)),
        at: format!("{} tx", count(size)),
        ours: duration(refresh),
        others: format!("reading these files {}", duration(read)),
        figure: Figure::Times(ratio(refresh, read)),
        bound: Bound::AtMost(3.0),
    }])
}

fn read(paths: &[PathBuf], expected: usize) -> Fallible<Duration> {
    let (taken, found) = time(|| {
        let mut bytes = 0;
        for path in paths {
            bytes += std::fs::read(path)?.len();
        }
        Ok(bytes)
    })?;
    measure::expect("bytes read", found, expected)?;
    Ok(taken)
}
