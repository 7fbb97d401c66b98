//! Which directories are watched for hints.
//!
//! ```text
//!   <root>/  index/  events/  and below events/ the newest two of <hex 1-4>/, with the newest of their <hex 5-6>/
//! ```
//!
//! **Invariant**: a bounded number, whatever the size of the store; what falls outside is found by looking at intervals. That is rare:
//! directories are named by time, so new files go to the newest ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_index::Layout;
use fs_io::{Disk, FileId, FileKind, Stat, System, Watch};

use crate::subscribe::signal::Signal;

/// How many of the upper directories are watched with what is in them.
const UPPER: usize = 2;

/// How many of the lower directories are watched: eleven days.
const LOWER: usize = 64;

/// The watch of one store.
#[derive(Debug)]
pub(crate) struct WatchedDirs {
    disk: Arc<dyn Disk>,
    layout: Layout,
    watch: Option<Box<dyn Watch>>,
    watched: BTreeMap<PathBuf, Option<FileId>>,
    /// The directories by whose stamps it shows that others are to be watched, as of the last look.
    stamps: Vec<(PathBuf, Option<Stat>)>,
}

impl WatchedDirs {
    pub(crate) fn new(system: &System, layout: &Layout, signal: &Arc<Signal>) -> Self {
        let signal = Arc::clone(signal);
        let watch = system.disk.watch(Arc::new(move || signal.wake()));
        if let Err(error) = &watch {
            tracing::debug!(%error, root = %layout.root().display(), "no file events; looking at intervals only");
        }
        Self {
            disk: Arc::clone(&system.disk),
            layout: layout.clone(),
            watch: watch.ok(),
            watched: BTreeMap::new(),
            stamps: Vec::new(),
        }
    }

    /// Watches what is to be watched by now. What is read after this call and before the next hint is not too old.
    pub(crate) fn follow(&mut self) {
        if self.watch.is_none() {
            return;
        }
        let telling: Vec<_> = self.stamps.iter().map(|(path, _)| path.clone()).collect();
        if !self.stamps.is_empty() && self.stamps_of(telling) == self.stamps {
            return;
        }
        let events = self.layout.events();
        let mut telling = vec![self.layout.root().to_owned(), self.layout.index(), events];
        let mut stamps = self.stamps_of(telling.clone());
        let upper = self.newest_below(&telling[2], UPPER);
        stamps.extend(self.stamps_of(upper.clone()));
        let mut lower = Vec::new();
        for upper in &upper {
            lower.extend(self.newest_below(upper, LOWER - lower.len()));
        }
        telling.extend(upper);
        telling.extend(lower);
        self.watch_exactly(telling);
        self.stamps = stamps;
    }

    fn watch_exactly(&mut self, wanted: Vec<PathBuf>) {
        let Some(watch) = &mut self.watch else { return };
        let before = std::mem::take(&mut self.watched);
        for path in wanted {
            let Ok(Some(stat)) = self.disk.stat(&path) else {
                continue;
            };
            // A directory that was made anew under an old name is not the one that is watched.
            let is_watched = before.get(&path) == Some(&stat.file_id);
            if is_watched || watch.add(&path).is_ok() {
                self.watched.insert(path, stat.file_id);
            }
        }
        for path in before.keys() {
            if !self.watched.contains_key(path) {
                watch.remove(path);
            }
        }
    }

    /// Returns the last `count` directories in `dir` by name, the last first.
    fn newest_below(&self, dir: &Path, count: usize) -> Vec<PathBuf> {
        let entries = self.disk.list(dir).unwrap_or_default();
        let directories = entries
            .iter()
            .rev()
            .filter(|entry| entry.kind == FileKind::Directory);
        directories
            .take(count)
            .map(|entry| dir.join(&entry.name))
            .collect()
    }

    fn stamps_of(&self, paths: Vec<PathBuf>) -> Vec<(PathBuf, Option<Stat>)> {
        let index = self.layout.index();
        let stamp = |path: PathBuf| {
            let mut stat = self.disk.stat(&path).ok().flatten();
            // Names come and go in `index/` all the time; it matters only whether it is the same directory.
            if let Some(stat) = stat.as_mut().filter(|_| path == index) {
                (stat.len, stat.modified_nanos, stat.changed_nanos) = (0, 0, None);
            }
            (path, stat)
        };
        paths.into_iter().map(stamp).collect()
    }
}
