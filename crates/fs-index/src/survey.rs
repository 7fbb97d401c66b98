//! Comparing the files with the history: what came, what went, and what cannot be used.
//!
//! Two paths stand for one id: `S` in the directories of the id (format 3), `F` flat (formats 1 and 2). A whole file at
//! `S` hides the one at `F`, whichever was there first.
//!
//! **Invariant**: members that are not gone, and candidates, are the whole files that were there at the last look; each
//! other file is among the troubles.

use fs_format::Location;
use fs_io::FileKind;

use crate::error::IndexError;
use crate::examine::Examined;
use crate::index::{Depth, Index};
use crate::record::Place;
use crate::stored::Stored;

impl Index {
    /// Looks at every path that may have changed.
    pub(crate) fn survey(&mut self, depth: Depth) -> Result<(), IndexError> {
        let changed = self.scanner.scan(
            self.system.disk.as_ref(),
            self.system.clock.as_ref(),
            &self.layout,
        )?;
        self.pending.extend(changed);
        if std::mem::take(&mut self.compare_all) {
            self.pending.extend(self.scanner.files());
            self.unseen = self
                .history
                .shared()
                .iter()
                .map(|stored| stored.relative_path())
                .collect();
        }
        // A file that came and went between two scans is in no listing.
        let unseen = std::mem::take(&mut self.unseen);
        let missed = unseen
            .into_iter()
            .filter(|path| !self.scanner.contains(path));
        self.pending.extend(missed);
        self.pending.extend(self.restless());
        let gone = self.gone.iter().filter_map(|id| self.history.find(*id));
        self.pending.extend(gone.map(Stored::relative_path));
        if depth == Depth::Files {
            self.compare_files();
        }
        while let Some(path) = self.pending.pop_first() {
            match self.examine(&path) {
                Examined::Unchanged => {
                    self.troubles.remove(&path);
                }
                Examined::Trouble(watched) => {
                    if let Ok(location) = fs_format::check_name(&path) {
                        self.miss(&location);
                    }
                    self.troubles.insert(path, watched);
                }
                Examined::Gone(location) => {
                    self.troubles.remove(&path);
                    self.miss(&location);
                }
                Examined::Whole(stored) => {
                    self.troubles.remove(&path);
                    self.meet(*stored);
                }
            }
        }
        Ok(())
    }

    /// Takes note that there is no whole file at `location`.
    fn miss(&mut self, location: &Location) {
        let (id, place) = (location.transaction_id(), Place::of(location));
        if self.candidates.get(&id).is_some_and(|it| it.place == place) {
            self.candidates.remove(&id);
            self.unsettled = true;
        }
        let was_member = self.history.find(id).is_some_and(|it| it.place == place);
        if was_member && self.gone.insert(id) {
            self.unsettled = true;
        }
        if place == Place::Sharded && self.troubles.contains_key(&id.file_name()) {
            self.pending.insert(id.file_name());
        }
    }

    /// Takes note of a whole file.
    fn meet(&mut self, stored: Stored) {
        let id = stored.id();
        let member = self.history.find(id);
        let others = [member, self.candidates.get(&id)];
        if stored.place == Place::Sharded
            && others
                .into_iter()
                .flatten()
                .any(|it| it.place == Place::Flat)
        {
            self.pending.insert(id.file_name());
        }
        if member.is_some_and(|it| it.is_same_file(&stored)) {
            let came_back = self.gone.remove(&id);
            let instead = self.candidates.remove(&id);
            self.unsettled |= came_back || instead.is_some();
            return;
        }
        if member.is_some() && self.gone.insert(id) {
            self.unsettled = true;
        }
        match self.candidates.get(&id).map(|it| it.is_same_file(&stored)) {
            Some(same) => self.unsettled |= !same,
            None => {
                self.claims.add(&stored.header);
                self.cyclic.clear();
            }
        }
        self.candidates.insert(id, stored);
    }

    /// Marks the members as gone whose files have another length or time than recorded, and another content.
    fn compare_files(&mut self) {
        let limit = fs_format::limits::MAX_FILE_BYTES;
        for stored in self.history.shared() {
            let path = self.layout.event_file(&stored.relative_path());
            let stat = self.system.disk.stat(&path);
            let looks_alike = matches!(stat, Ok(Some(stat)) if stat.kind == FileKind::File
                && stat.len == stored.bytes.len() as u64
                && stat.modified_nanos == stored.modified_nanos);
            let is_same = looks_alike
                || self
                    .system
                    .disk
                    .read(&path, limit)
                    .is_ok_and(|bytes| bytes == stored.file_bytes());
            if !is_same && self.gone.insert(stored.id()) {
                self.unsettled = true;
                self.pending.insert(stored.relative_path());
            }
        }
    }
}
