//! Watching the directories below `events/`.
//!
//! A directory's change stamp tells whether names came or went, so only changed directories are listed again. A stamp
//! that is younger than the clock's granularity at the time it was taken may hide a later change, so such a directory
//! is listed again (as git does with racy entries of its index).
//!
//! **Invariant**: a directory in which a name came or went since its stamp was taken is listed, whatever the order in
//! which the operating system lists names. Nothing is opened and nothing is followed here.
//!
//! *Not done here*: telling which files were added or removed (`compare.rs`).

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;

use fs_io::{Clock, Disk, FileKind, Stat};

use crate::codec::{Fields, Writer};
use crate::error::IndexError;
use crate::layout::Layout;
use crate::watch::file_stamp::StampSum;

/// Step of the time stamps where they have no fraction of a second (the coarsest in use, FAT, steps by two seconds).
const COARSE_NANOS: i64 = 2_000_000_000;

/// Step of the time stamps where they have one: a tick of the system's timer.
const FINE_NANOS: i64 = 20_000_000;

/// A directory of more entries is not listed again before every read and append while its stamp is young ...
const MAX_RELISTED_ENTRIES: u32 = 16;

/// ... but after this time for each of its entries, so that listing stays a small part of the work.
const PATIENCE_NANOS_PER_ENTRY: i64 = 50_000;

/// Depth of the directories below `events/`.
const LEVELS: usize = 2;

/// How closely a poll looks at the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Names that came and went, and files that were replaced; where there are many directories or large ones, not more
    /// often than a fraction of the time allows.
    Throttled,
    /// Names that came and went, and files that were replaced.
    Names,
    /// Also every known file that was written to in its place, by its length and times; where they differ, its content.
    Contents,
}

/// What a directory looked like when it was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    changed_nanos: i64,
    /// Whether the stamp was too young to be trusted when it was taken.
    is_racy: bool,
    listed_nanos: i64,
    entries: u32,
    /// Of the files of the transactions that are known to lie in it.
    pub(crate) files: StampSum,
}

/// What a scan found.
#[derive(Debug)]
pub(crate) struct DirectoryScan {
    /// The directories that have changed, or may have.
    pub(crate) listings: Vec<Listing>,
    /// When a directory that is there changed last.
    pub(crate) moved_nanos: i64,
}

/// A directory that has changed, or may have.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Its path below `events/`; `""` is `events/` itself.
    pub(crate) directory: String,
    /// `None` when it is gone.
    pub(crate) stamp: Option<Stamp>,
    /// What is in it, but for the directories that are listed by themselves.
    pub(crate) entries: BTreeMap<String, FileKind>,
}

/// Lists the directories whose stamps are not those that are `known` by path, and those that were not known.
///
/// At [`Scan::Throttled`], large directories with young stamps are not listed each time.
///
/// # Errors
/// [`IndexError::Read`] when a directory cannot be listed.
///
/// # Complexity
/// One `stat` a directory, and one listing a changed directory.
pub(crate) fn scan(
    disk: &dyn Disk,
    clock: &dyn Clock,
    layout: &Layout,
    known: &BTreeMap<String, Stamp>,
    scan: Scan,
) -> Result<DirectoryScan, IndexError> {
    let mut scanning = Scanning {
        disk,
        layout,
        known,
        now: clock.now_unix_nanos(),
        found: DirectoryScan {
            listings: Vec::new(),
            moved_nanos: i64::MIN,
        },
        waiting: Vec::new(),
    };
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let mut missing: Vec<&str> = Vec::new();
    for ((directory, stamp), stat) in known.iter().zip(disk.stat_all(&layout.events(), &names)) {
        // What was below a directory that is gone went with it.
        if missing.iter().any(|missing| is_below(directory, missing)) {
            continue;
        }
        let stat = stat.map_err(|source| scanning.unreadable(directory, source))?;
        let stat = stat.filter(|stat| stat.kind == FileKind::Directory);
        scanning.found.has_moved(stat.as_ref());
        match stat {
            None => {
                missing.push(directory);
                scanning.found.listings.extend(gone(directory, known));
            }
            Some(stat) if !stamp.is_current(stamp_of(&stat), scanning.now, scan) => {
                scanning.list(directory.clone(), &stat)?;
            }
            Some(_) => {}
        }
    }
    if !known.contains_key("") {
        scanning.waiting.push(String::new());
    }
    while let Some(directory) = scanning.waiting.pop() {
        let stat = disk.stat(&path_of(layout, &directory));
        let stat = stat.map_err(|source| scanning.unreadable(&directory, source))?;
        if let Some(stat) = stat.filter(|stat| stat.kind == FileKind::Directory) {
            scanning.found.has_moved(Some(&stat));
            scanning.list(directory, &stat)?;
        }
    }
    Ok(scanning.found)
}

impl DirectoryScan {
    fn has_moved(&mut self, directory: Option<&Stat>) {
        if let Some(directory) = directory {
            self.moved_nanos = self.moved_nanos.max(stamp_of(directory));
        }
    }
}

/// A scan under way.
struct Scanning<'a> {
    disk: &'a dyn Disk,
    layout: &'a Layout,
    known: &'a BTreeMap<String, Stamp>,
    /// When it began.
    now: i64,
    found: DirectoryScan,
    /// Directories that were not known.
    waiting: Vec<String>,
}

impl Scanning<'_> {
    fn list(&mut self, directory: String, stat: &Stat) -> Result<(), IndexError> {
        let listed = self.disk.list(&path_of(self.layout, &directory));
        let listed = listed.map_err(|source| self.unreadable(&directory, source))?;
        let is_low = level_of(&directory) == LEVELS;
        let mut entries = BTreeMap::new();
        let mut count = 0u32;
        for entry in listed {
            count = count.saturating_add(1);
            let name = entry.name.to_string_lossy().into_owned();
            let path = join(&directory, &name);
            if is_passed_over(&path) {
                continue;
            }
            if entry.kind == FileKind::Directory && !is_low {
                if !self.known.contains_key(&path) {
                    self.waiting.push(path);
                }
            } else {
                entries.insert(name, entry.kind);
            }
        }
        let changed_nanos = stamp_of(stat);
        let stamp = Stamp {
            changed_nanos,
            is_racy: is_racy(stat, self.now),
            listed_nanos: self.now,
            entries: count,
            files: StampSum::default(),
        };
        self.found.listings.push(Listing {
            directory,
            stamp: Some(stamp),
            entries,
        });
        Ok(())
    }

    fn unreadable(&self, directory: &str, source: io::Error) -> IndexError {
        IndexError::Read {
            path: path_of(self.layout, directory),
            source,
        }
    }
}

fn is_below(directory: &str, above: &str) -> bool {
    match directory.strip_prefix(above) {
        Some(rest) => above.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Returns whether what is at this path below `events/` is no transaction and no trouble.
pub(crate) fn is_passed_over(path: &str) -> bool {
    path.split('/').any(fs_format::is_litter) || path == fs_format::FENCE_NAME
}

/// Returns the stamp of a directory after this process has published a file in it; `before` is the one it had.
///
/// The directory is listed again by and by: the new stamp may hide what others did there at the same time.
pub(crate) fn restamp(
    disk: &dyn Disk,
    layout: &Layout,
    directory: &str,
    before: &Stamp,
) -> Option<Stamp> {
    let stat = disk.stat(&path_of(layout, directory)).ok()??;
    Some(Stamp {
        changed_nanos: stamp_of(&stat),
        is_racy: true,
        entries: before.entries.saturating_add(1),
        ..*before
    })
}

/// Returns the directory and the name of a path below `events/`.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Returns the path below `events/` of a name in a directory.
pub(crate) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

impl Stamp {
    /// That of a directory that is known to be there and was not listed yet.
    pub(crate) const NOT_LISTED: Self = Self {
        changed_nanos: i64::MIN,
        is_racy: true,
        listed_nanos: i64::MIN,
        entries: 0,
        files: StampSum(0),
    };

    /// Returns whether a directory with this stamp needs no listing.
    pub(crate) fn is_current(&self, changed_nanos: i64, now: i64, scan: Scan) -> bool {
        // What was written into a file in its place leaves no trace in its directory.
        if scan == Scan::Contents || self.changed_nanos != changed_nanos {
            return false;
        }
        let patience = i64::from(self.entries).saturating_mul(PATIENCE_NANOS_PER_ENTRY);
        let may_wait = scan == Scan::Throttled
            && self.entries > MAX_RELISTED_ENTRIES
            && now.saturating_sub(self.listed_nanos) < patience;
        !self.is_racy || may_wait
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.i64(self.changed_nanos)
            .byte(u8::from(self.is_racy))
            .i64(self.listed_nanos)
            .u32(self.entries)
            .u64(self.files.0);
    }

    pub(crate) fn read(from: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            changed_nanos: from.i64()?,
            is_racy: from.flag()?,
            listed_nanos: from.i64()?,
            entries: from.u32()?,
            files: StampSum(from.u64()?),
        })
    }
}

pub(crate) fn path_of(layout: &Layout, directory: &str) -> PathBuf {
    if directory.is_empty() {
        layout.events()
    } else {
        layout.event_file(directory)
    }
}

/// Returns a directory that is gone and those that were below it.
fn gone(directory: &str, known: &BTreeMap<String, Stamp>) -> Vec<Listing> {
    let itself = known.contains_key(directory).then_some(directory);
    let listing = |path: &str| Listing {
        directory: path.to_owned(),
        stamp: None,
        entries: BTreeMap::new(),
    };
    itself
        .into_iter()
        .chain(below(directory, known))
        .map(listing)
        .collect()
}

/// Returns the known directories below one.
fn below<'a>(
    directory: &'a str,
    known: &'a BTreeMap<String, Stamp>,
) -> impl Iterator<Item = &'a str> {
    let first = join(directory, "");
    known
        .range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded))
        .map(|(path, _)| path.as_str())
        .take_while(move |path| path.starts_with(&first))
        .filter(move |path| *path != directory)
}

fn level_of(directory: &str) -> usize {
    if directory.is_empty() {
        0
    } else {
        1 + directory.matches('/').count()
    }
}

/// Returns when a file or directory changed last, as far as the system says.
pub(crate) fn stamp_of(stat: &Stat) -> i64 {
    stat.changed_nanos.map_or(stat.modified_nanos, |changed| {
        changed.max(stat.modified_nanos)
    })
}

/// Returns by how much a stamp may be older than the change that it stands for.
pub(crate) fn coarseness(stamp: i64) -> i64 {
    if stamp % 1_000_000_000 == 0 {
        COARSE_NANOS
    } else {
        FINE_NANOS
    }
}

/// Returns whether a file or directory that looks like this now may change once more without looking otherwise.
pub fn is_racy(stat: &Stat, now: i64) -> bool {
    let stamp = stamp_of(stat);
    stamp > now.saturating_sub(coarseness(stamp))
}
