//! Watching the directories below `events/`.
//!
//! A directory's change stamp tells whether names came or went, so only changed directories are listed again. A stamp
//! that is younger than the clock's granularity at the time it was taken may hide a later change, so such a directory
//! is listed again (as git does with racy entries of its index).
//!
//! **Invariant**: a name that came or went since the last scan is reported, whatever the order in which the operating
//! system lists names. Nothing is opened and nothing is followed here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_io::{Clock, Disk, FileKind, Stat};

use crate::error::IndexError;
use crate::layout::Layout;

/// Step of the time stamps where they have no fraction of a second (the coarsest in use, FAT, steps by two seconds).
const COARSE_NANOS: i64 = 2_000_000_000;

/// Step of the time stamps where they have one: a tick of the system's timer.
const FINE_NANOS: i64 = 20_000_000;

/// A directory of more entries is not listed again at every scan while its stamp is young ...
const LARGE: usize = 256;

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

#[derive(Debug)]
struct Directory {
    changed_nanos: i64,
    /// Whether the stamp was too young to be trusted when it was taken.
    racy: bool,
    listed_nanos: i64,
    entries: BTreeMap<String, FileKind>,
}

/// What is known of the directories.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// By path below `events/`; `""` is `events/` itself.
    directories: BTreeMap<String, Directory>,
}

impl Scanner {
    /// Lists what changed; returns the paths below `events/` that came, went, or changed their kind.
    ///
    /// # Errors
    /// [`IndexError::Read`] when a directory cannot be listed.
    ///
    /// # Complexity
    /// One `stat` a directory, and one listing a changed directory.
    pub(crate) fn scan(
        &mut self,
        disk: &dyn Disk,
        clock: &dyn Clock,
        layout: &Layout,
    ) -> Result<BTreeSet<String>, IndexError> {
        let mut changed = BTreeSet::new();
        let mut waiting = vec![(String::new(), 0)];
        while let Some((directory, level)) = waiting.pop() {
            self.visit(disk, clock, layout, &directory, level, &mut changed)?;
            let Some(known) = self.directories.get(&directory) else {
                continue;
            };
            if level < LEVELS {
                let below = known
                    .entries
                    .iter()
                    .filter(|(_, kind)| **kind == FileKind::Directory);
                waiting.extend(below.map(|(name, _)| (join(&directory, name), level + 1)));
            }
        }
        Ok(changed)
    }

    /// Returns whether a file of this path was there at the last scan.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let (directory, name) = split(path);
        self.directories
            .get(directory)
            .is_some_and(|known| known.entries.contains_key(name))
    }

    /// Enters a file that this process has just published, so that it is no news.
    ///
    /// Its directory is listed again by the next scan: the new stamp may hide what others did there at the same time.
    pub(crate) fn note(&mut self, disk: &dyn Disk, layout: &Layout, path: &str) {
        let (directory, name) = split(path);
        let Some(known) = self.directories.get_mut(directory) else {
            return;
        };
        let Ok(Some(stat)) = disk.stat(&layout.event_file(directory)) else {
            return;
        };
        known.entries.insert(name.to_owned(), FileKind::File);
        known.changed_nanos = stamp_of(&stat);
        known.racy = true;
    }

    /// Returns the paths of everything but directories that was there at the last scan.
    pub(crate) fn files(&self) -> Vec<String> {
        let below = |(directory, known): (&String, &Directory)| -> Vec<String> {
            let level = if directory.is_empty() {
                0
            } else {
                1 + directory.matches('/').count()
            };
            let wanted = known
                .entries
                .iter()
                .filter(|(_, kind)| **kind != FileKind::Directory || level >= LEVELS);
            wanted.map(|(name, _)| join(directory, name)).collect()
        };
        self.directories.iter().flat_map(below).collect()
    }

    fn visit(
        &mut self,
        disk: &dyn Disk,
        clock: &dyn Clock,
        layout: &Layout,
        directory: &str,
        level: usize,
        changed: &mut BTreeSet<String>,
    ) -> Result<(), IndexError> {
        let path = layout.event_file(directory);
        let path = if directory.is_empty() {
            layout.events()
        } else {
            path
        };
        let failed = |path: &Path, source| IndexError::Read {
            path: path.to_owned(),
            source,
        };
        let now = clock.now_unix_nanos();
        let stat = disk
            .stat(&path)
            .map_err(|source| failed(&path, source))?
            .filter(|stat| stat.kind == FileKind::Directory);
        let Some(stat) = stat else {
            self.forget(directory, changed);
            return Ok(());
        };
        let stamp = stamp_of(&stat);
        if self
            .directories
            .get(directory)
            .is_some_and(|known| known.is_current(stamp, now))
        {
            return Ok(());
        }
        let listed = disk.list(&path).map_err(|source| failed(&path, source))?;
        let mut entries = BTreeMap::new();
        for entry in listed {
            let name = entry.name.to_string_lossy().into_owned();
            if !HARMLESS.contains(&name.as_str()) {
                entries.insert(name, entry.kind);
            }
        }
        let before = self
            .directories
            .remove(directory)
            .map(|known| known.entries)
            .unwrap_or_default();
        let after = &entries;
        for (name, kind) in after {
            if before.get(name) != Some(kind) && !(*kind == FileKind::Directory && level < LEVELS) {
                changed.insert(join(directory, name));
            }
        }
        for (name, kind) in before
            .iter()
            .filter(|(name, kind)| after.get(*name) != Some(kind))
        {
            let path = join(directory, name);
            if *kind == FileKind::Directory && level < LEVELS {
                self.forget(&path, changed);
            } else {
                changed.insert(path);
            }
        }
        let known = Directory {
            changed_nanos: stamp,
            racy: is_racy(stamp, now),
            listed_nanos: now,
            entries,
        };
        self.directories.insert(directory.to_owned(), known);
        Ok(())
    }

    /// Drops a directory that is gone; all that lay in it has changed.
    fn forget(&mut self, directory: &str, changed: &mut BTreeSet<String>) {
        let below = format!("{directory}/");
        let gone: Vec<String> = self
            .directories
            .keys()
            .filter(|known| {
                directory.is_empty() || *known == directory || known.starts_with(&below)
            })
            .cloned()
            .collect();
        for directory in gone {
            if let Some(known) = self.directories.remove(&directory) {
                changed.extend(
                    known
                        .entries
                        .iter()
                        .filter(|(_, kind)| **kind != FileKind::Directory)
                        .map(|(name, _)| join(&directory, name)),
                );
            }
        }
    }
}

impl Directory {
    fn is_current(&self, stamp: i64, now: i64) -> bool {
        if self.changed_nanos != stamp {
            return false;
        }
        let patience = i64::try_from(self.entries.len())
            .unwrap_or(i64::MAX)
            .saturating_mul(PATIENCE_NANOS_PER_ENTRY);
        !self.racy
            || (self.entries.len() > LARGE && now.saturating_sub(self.listed_nanos) < patience)
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

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
