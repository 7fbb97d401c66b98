//! Watching the directories below `events/`.
//!
//! A directory's change stamp tells whether names came or went, so only changed directories are listed again. A stamp
//! that is younger than the clock's granularity at the time it was taken may hide a later change, so such a directory
//! is listed again (as git does with racy entries of its index).
//!
//! **Invariant**: a directory in which a name came or went since its stamp was taken is listed, whatever the order in
//! which the operating system lists names. Nothing is opened and nothing is followed here.
//!
//! *Not done here*: telling what came and went (`changes.rs`).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;

use fs_io::{Clock, Disk, FileKind, Stat};

use crate::codec::{Fields, Writer};
use crate::error::IndexError;
use crate::layout::Layout;
use crate::look::Depth;

/// Step of the time stamps where they have no fraction of a second (the coarsest in use, FAT, steps by two seconds).
const COARSE_NANOS: i64 = 2_000_000_000;

/// Step of the time stamps where they have one: a tick of the system's timer.
const FINE_NANOS: i64 = 20_000_000;

/// A directory of more entries is not listed again before every read and append while its stamp is young ...
const LARGE: u32 = 16;

/// ... but after this time for each of its entries, so that listing stays a small part of the work.
const PATIENCE_NANOS_PER_ENTRY: i64 = 50_000;

/// Names that people and systems leave in directories and that are no trouble.
const HARMLESS: [&str; 5] = [
    ".gitattributes",
    ".gitkeep",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
];

/// Depth of the directories below `events/`.
const LEVELS: usize = 2;

/// What a directory looked like when it was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    changed_nanos: i64,
    /// Whether the stamp was too young to be trusted when it was taken.
    is_racy: bool,
    listed_nanos: i64,
    entries: u32,
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
/// At [`Depth::Recent`], large directories with young stamps are not listed each time.
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
    depth: Depth,
) -> Result<Vec<Listing>, IndexError> {
    let mut listings = Vec::new();
    let mut waiting = vec![(String::new(), 0)];
    while let Some((directory, level)) = waiting.pop() {
        let now = clock.now_unix_nanos();
        let path = path_of(layout, &directory);
        let failed = |source| IndexError::Read {
            path: path.clone(),
            source,
        };
        let stat = disk.stat(&path).map_err(failed)?;
        let Some(stat) = stat.filter(|stat| stat.kind == FileKind::Directory) else {
            listings.extend(gone(&directory, known));
            continue;
        };
        let changed_nanos = stamp_of(&stat);
        let is_current = known
            .get(&directory)
            .is_some_and(|stamp| stamp.is_current(changed_nanos, now, depth));
        if is_current {
            let below = below(&directory, known).filter(|path| level_of(path) == level + 1);
            waiting.extend(below.map(|path| (path.to_owned(), level + 1)));
            continue;
        }
        let listed = disk.list(&path).map_err(failed)?;
        let mut entries = BTreeMap::new();
        let mut count = 0u32;
        for entry in listed {
            count = count.saturating_add(1);
            let name = entry.name.to_string_lossy().into_owned();
            if entry.kind == FileKind::Directory && level < LEVELS {
                waiting.push((join(&directory, &name), level + 1));
            } else if !is_harmless(&name) {
                entries.insert(name, entry.kind);
            }
        }
        let listed: Vec<_> = waiting.iter().map(|(path, _)| path.as_str()).collect();
        let missing: Vec<Listing> = below(&directory, known)
            .filter(|path| level_of(path) == level + 1 && !listed.contains(path))
            .flat_map(|path| gone(path, known))
            .collect();
        listings.extend(missing);
        let stamp = Stamp {
            changed_nanos,
            is_racy: is_racy(changed_nanos, now),
            listed_nanos: now,
            entries: count,
        };
        listings.push(Listing {
            directory,
            stamp: Some(stamp),
            entries,
        });
    }
    Ok(listings)
}

/// Returns whether a file of this name is none of the store's and no trouble.
pub(crate) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
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
    };

    fn is_current(&self, changed_nanos: i64, now: i64, depth: Depth) -> bool {
        if self.changed_nanos != changed_nanos {
            return false;
        }
        let patience = i64::from(self.entries).saturating_mul(PATIENCE_NANOS_PER_ENTRY);
        let may_wait = depth == Depth::Recent
            && self.entries > LARGE
            && now.saturating_sub(self.listed_nanos) < patience;
        !self.is_racy || may_wait
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.i64(self.changed_nanos)
            .byte(u8::from(self.is_racy))
            .i64(self.listed_nanos)
            .u32(self.entries);
    }

    pub(crate) fn read(from: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            changed_nanos: from.i64()?,
            is_racy: from.flag()?,
            listed_nanos: from.i64()?,
            entries: from.u32()?,
        })
    }
}

fn path_of(layout: &Layout, directory: &str) -> PathBuf {
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

fn stamp_of(stat: &Stat) -> i64 {
    stat.changed_nanos.map_or(stat.modified_nanos, |changed| {
        changed.max(stat.modified_nanos)
    })
}

fn is_racy(stamp: i64, now: i64) -> bool {
    let step = if stamp % 1_000_000_000 == 0 {
        COARSE_NANOS
    } else {
        FINE_NANOS
    };
    stamp > now.saturating_sub(step)
}
