//! What is measured, one file for each kind of work.
//!
//! **Invariant**: a row makes its stores before it takes any time, and only such stores as no other row appends to.

mod append;
mod callers;
mod disturbed;
mod log;
mod open;
mod process;
mod projections;
mod refresh;
mod scan;

use crate::Fallible;
use crate::arguments::Arguments;
use crate::line::Line;
use crate::scratch::Scratch;

/// One thing that can be measured by itself.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Arguments, &Scratch) -> Fallible<Vec<Line>>,
}

/// All of them, in the order of the table.
pub(crate) const ALL: &[Row] = &[
    Row {
        name: "warm-open",
        about: "opening with an index, each time in a new process: the time of the call, and the most memory that was resident \
                until it returned",
        measure: open::warm,
    },
    Row {
        name: "cold-open",
        about: "opening after `index/` went away, until a first stream was read; files are in the page cache, each time in a \
                new process. eventcore-fs, which has no index, is opened as always",
        measure: open::cold,
    },
    Row {
        name: "process",
        about: "`trib append` of one event from start to exit of the process, on a large store and on one that was just created",
        measure: process::append,
    },
    Row {
        name: "files",
        about: "appending with `Durability::Files`, one caller, against the same bytes written to a temporary file, synced, \
                renamed into a directory, and the directory synced. \"Flat\" compares the largest store with an empty one",
        measure: append::files,
    },
    Row {
        name: "log",
        about: "appending with `Durability::Log`, one caller through eventcore's `EventStore`; a round is long enough for \
                checkpoints to be in it, ours and SQLite's",
        measure: log::one_caller,
    },
    Row {
        name: "callers",
        about: "the same by 16 concurrent tasks of one process, each with a stream of its own",
        measure: callers::sixteen,
    },
    Row {
        name: "scan",
        about: "reading all events page by page through eventcore's `EventReader`, on an open store. \"Decoding alone\" turns the \
                same number of JSON texts in memory into values, which every store has to do at least",
        measure: scan::all,
    },
    Row {
        name: "filter",
        about: "the same of the streams of one tenant, 1 % of all, in pages of 1,000: by prefix, and by a glob that leaves the \
                beginning of the name open",
        measure: scan::filtered,
    },
    Row {
        name: "stream",
        about: "reading one long stream through eventcore's `EventStore`, on an open store; half of all events belong to it",
        measure: scan::stream,
    },
    Row {
        name: "refresh",
        about: "`refresh` of an open store after files were written into `events/` as git's checkout does, against reading those \
                files",
        measure: refresh::arrivals,
    },
    Row {
        name: "damaged",
        about: "`trib read` of a stream of ten events from start to exit, in a store with one damaged file and in one without",
        measure: disturbed::damaged,
    },
    Row {
        name: "appended",
        about: "the same right after an append of another process, where the newest directory has many files, against once more",
        measure: disturbed::appended,
    },
    Row {
        name: "reset",
        about: "`trib read` of a stream of ten events from start to exit, after the last files went away as by `git reset`",
        measure: disturbed::went_away,
    },
    Row {
        name: "beside",
        about: "reading a stream of ten events over and over in one thread while another takes in files that arrived and loads the \
                history: the read that took longest",
        measure: disturbed::beside_arrivals,
    },
    Row {
        name: "projections",
        about: "a projection of what is on each account, from the first event to the last, with its cursor: ours by a `Runner`, \
                theirs by `eventcore::run_projection` on eventcore-sqlite, which is run until nothing is left, since it ends after a \
                page. All databases have `synchronous=NORMAL`. Then the time from the call of an append in one process to \
                `apply` in another that follows, one event at a time",
        measure: projections::all,
    },
];
