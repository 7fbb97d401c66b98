//! Looking at one file below `events/`: is it a transaction, and the one that its name says?
//!
//! **Invariant**: names are checked before anything is opened, sizes before anything is read, nothing is followed, and
//! whatever is not taken is reported with its reason.

use std::error::Error;
use std::hint::black_box;

use fs_format::{Location, NameError, limits};
use fs_io::{FileKind, ReadError, Stat, System};
use rayon::prelude::*;

use crate::layout::Layout;
use crate::log::record::Seen;
use crate::progress::{Count, Progress};
use crate::stored::Stored;
use crate::watch::file_stamp::FileStamp;
use crate::watch::rejected::{Reason, RejectedFile};

/// Up to this number, items are left to one thread.
const MAX_SERIAL_ITEMS: usize = 128;

/// What a thread takes from the system at a time, less than what the GNU C library would map by itself ...
const ROOM_BYTES: usize = 100 << 10;

/// ... and the number of items that it looks at in between.
const ITEMS_PER_ROOM: usize = 16;

/// A reported file and what it looked like then, so that it is looked at again only when it changes.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    pub(crate) trouble: RejectedFile,
    pub(crate) seen: Seen,
}

impl Rejected {
    pub(crate) fn new(path: &str, stat: Option<&Stat>, reason: Reason) -> Self {
        let is_newer = matches!(reason, Reason::Newer(_));
        Self {
            trouble: RejectedFile {
                path: path.to_owned(),
                reason,
            },
            seen: Seen {
                stamp: stat.map(FileStamp::of),
                is_newer,
            },
        }
    }

    pub(crate) fn of(stored: &Stored, trouble: RejectedFile) -> Self {
        Self {
            trouble,
            seen: Seen {
                stamp: Some(stored.stamp),
                is_newer: false,
            },
        }
    }
}

/// What a name stands for.
pub(crate) enum Named {
    /// Nothing; a name that is listed all the same is not UTF-8.
    Missing(Result<Location, NameError>),
    /// A regular file with the name of a transaction.
    File(Location, Stat),
    /// Something else.
    Rejected(Rejected),
}

/// What a file holds.
pub(crate) enum Found {
    /// There is none.
    Missing(Result<Location, NameError>),
    /// The transaction that its name says.
    Whole(Box<Stored>),
    /// Something that cannot be used.
    Rejected(Rejected),
}

/// Looks at what stands under a path, without opening it.
pub(crate) fn name(system: &System, layout: &Layout, path: &str) -> Named {
    let stat = match system.disk.stat(&layout.event_file(path)) {
        Ok(stat) => stat,
        Err(error) => {
            return Named::Rejected(Rejected::new(
                path,
                None,
                Reason::Unreadable(error.to_string()),
            ));
        }
    };
    let location = fs_format::check_name(path);
    let Some(stat) = stat else {
        return Named::Missing(location);
    };
    let reason = match location {
        _ if stat.kind != FileKind::File => Reason::NotAFile(stat.kind),
        Ok(location) => return Named::File(location, stat),
        Err(error) => Reason::Name(error),
    };
    Named::Rejected(Rejected::new(path, Some(&stat), reason))
}

/// Reads and decodes a file.
pub(crate) fn decode(
    system: &System,
    layout: &Layout,
    path: &str,
    location: Location,
    stat: &Stat,
) -> Found {
    let trouble = |reason| Found::Rejected(Rejected::new(path, Some(stat), reason));
    match system
        .disk
        .read(&layout.event_file(path), limits::MAX_FILE_BYTES)
    {
        Ok(bytes) => match Reason::of_pointer(&bytes) {
            Some(reason) => trouble(reason),
            None => match Stored::of_file(bytes, location, FileStamp::of(stat)) {
                Ok(stored) => Found::Whole(Box::new(stored)),
                Err(error) => trouble(Reason::of_content(&error)),
            },
        },
        Err(ReadError::NotFound { .. }) => Found::Missing(Ok(location)),
        Err(ReadError::TooLarge { len, .. }) => trouble(Reason::TooLarge { len }),
        Err(ReadError::NotAFile { kind, .. }) => trouble(Reason::NotAFile(kind)),
        Err(error) => trouble(Reason::Unreadable(cause_of(&error))),
    }
}

/// Returns what an error says, as the system has it; the path is named beside it.
fn cause_of(error: &ReadError) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// Reads a file that is as it should be; `None` for any other, which is to be looked at more closely.
fn read(system: &System, layout: &Layout, path: &str, location: Location) -> Option<Stored> {
    let path = layout.event_file(path);
    let read = system.disk.read_as_said(&path, limits::MAX_FILE_BYTES);
    let (bytes, stat) = read.ok()?;
    let is_whole = bytes.len() as u64 == stat.len;
    let stored = Stored::of_file(bytes, location, FileStamp::of(&stat));
    stored.ok().filter(|_| is_whole)
}

/// Looks at a file and reads it.
pub(crate) fn inspect(system: &System, layout: &Layout, path: &str) -> Found {
    if let Ok(location) = fs_format::check_name(path)
        && let Some(stored) = read(system, layout, path, location)
    {
        return Found::Whole(Box::new(stored));
    }
    match name(system, layout, path) {
        Named::Missing(location) => Found::Missing(location),
        Named::File(location, stat) => decode(system, layout, path, location, &stat),
        Named::Rejected(rejected) => Found::Rejected(rejected),
    }
}

/// Looks at files and reads them, on as many threads as there are processors; answers are in the order of the paths.
pub(crate) fn inspect_all(
    system: &System,
    layout: &Layout,
    paths: &[String],
    progress: &Progress,
) -> Vec<Found> {
    let count = Count::new(progress, paths.len());
    each(paths, |path| {
        let found = inspect(system, layout, path);
        count.one();
        found
    })
}

/// Lets the allocator take a good deal of memory at once, and have it back.
///
/// That of the GNU C library gives a thread its memory page by page, each by a call to the system that stops the other
/// threads: for many small values that stay, that takes as long as to read the files.
fn make_room() {
    drop(black_box(Vec::<u8>::with_capacity(ROOM_BYTES)));
}

/// Calls `look` for each item, on as many threads as there are processors; answers are in the order of the items.
pub(crate) fn each<I: Sync, T: Send>(items: &[I], look: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let parts = in_parts(items, |part| {
        let looked = part.iter().enumerate().map(|(nth, item)| {
            if nth.is_multiple_of(ITEMS_PER_ROOM) {
                make_room();
            }
            look(item)
        });
        looked.collect::<Vec<T>>()
    });
    parts.into_iter().flatten().collect()
}

/// Calls `work` for parts of the items, one for each processor; answers are in the order of the items.
pub(crate) fn in_parts<I: Sync, T: Send>(items: &[I], work: impl Fn(&[I]) -> T + Sync) -> Vec<T> {
    if items.len() <= MAX_SERIAL_ITEMS {
        return vec![work(items)];
    }
    let part = items.len().div_ceil(rayon::current_num_threads());
    items.par_chunks(part).map(&work).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_unreadable_file_says_why_and_names_itself_once() {
        let error = ReadError::Io {
            path: "/store/events/x.jsonl".into(),
            source: io::Error::other("the disk is on fire"),
        };
        let reason = Reason::Unreadable(cause_of(&error)).to_string();
        assert_eq!(
            reason, "cannot be read: the disk is on fire",
            "the cause is told, and the path stands beside it"
        );
    }
}
