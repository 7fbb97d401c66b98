//! Comparing the files with the history: what came, what went, and what cannot be used.
//!
//! Two paths stand for one id: `S` in the directories of the id (format 3), `F` flat (formats 1 and 2). Where both are whole, `S` is taken
//! here, and children may say otherwise (`copies.rs`).
//!
//! **Invariant**: members that are not gone, candidates and copies are the whole files that were there at the last poll; each
//! other file is among the rejected files.

use std::collections::BTreeMap;
use std::sync::Arc;

use fs_format::Location;
use fs_io::FileKind;

use super::Rebuild;
use super::examine::Examined;
use crate::error::IndexError;
use crate::log::record::Place;
use crate::stored::Stored;
use crate::watch::file::{self, Found};
use crate::watch::file_stamp::FileStamp;
use crate::watch::scan;
use crate::watch::scan::Scan;

impl Rebuild {
    /// Looks at every file.
    pub(super) fn survey(&mut self) -> Result<(), IndexError> {
        let (disk, clock) = (self.system.disk.as_ref(), self.system.clock.as_ref());
        self.listed.clear();
        self.stamps.clear();
        let scan = scan::scan(disk, clock, &self.layout, &BTreeMap::new(), Scan::Contents)?;
        self.moved_nanos = scan.moved_nanos;
        for listing in scan.listings {
            let entries = listing.entries.iter();
            self.listed
                .extend(entries.map(|(name, kind)| (scan::join(&listing.directory, name), *kind)));
            self.stamps
                .extend(listing.stamp.map(|stamp| (listing.directory, stamp)));
        }
        let members = self.members.all().iter();
        self.pending
            .extend(members.map(|stored| stored.relative_path()));
        self.pending.extend(self.listed.keys().cloned());
        self.compare_files();
        self.pass_over_members();
        self.take_new_files();
        while let Some(path) = self.pending.pop_first() {
            match self.examine(&path) {
                Examined::Unchanged => {
                    self.rejected_files.remove(&path);
                }
                Examined::Rejected(rejected) => {
                    if let Ok(location) = fs_format::check_name(&path) {
                        self.miss(&location);
                    }
                    self.rejected_files.insert(path, rejected);
                }
                Examined::Gone(location) => {
                    self.rejected_files.remove(&path);
                    self.miss(&location);
                }
                Examined::Whole(stored) => {
                    self.rejected_files.remove(&path);
                    self.meet(*stored);
                }
                Examined::Copy(stored) => {
                    self.rejected_files.remove(&path);
                    self.meet_copy(*stored);
                }
            }
        }
        Ok(())
    }

    /// Leaves out the members whose files are listed where they are known to be; nothing else hides these.
    fn pass_over_members(&mut self) {
        let (members, gone) = (&self.members, &self.gone);
        for (path, kind) in &self.listed {
            let is_member = *kind == FileKind::File
                && !self.rejected_files.contains_key(path)
                && fs_format::check_name(path).is_ok_and(|location| {
                    let id = location.transaction_id();
                    let member = members.find(id).filter(|_| !gone.contains(&id));
                    Place::of(&location) == Place::Sharded
                        && member.is_some_and(|it| it.place == Place::Sharded)
                });
            if is_member {
                self.pending.remove(path);
            }
        }
    }

    /// Decodes the files in their own directories that are not known yet, which no other file can hide.
    fn take_new_files(&mut self) {
        let is_new = |path: &&String| {
            fs_format::check_name(path).is_ok_and(|location| {
                let id = location.transaction_id();
                Place::of(&location) == Place::Sharded && self.members.find(id).is_none()
            })
        };
        let paths: Vec<String> = self.pending.iter().filter(is_new).cloned().collect();
        let found = file::inspect_all(&self.system, &self.layout, &paths, &self.progress);
        for (path, found) in paths.into_iter().zip(found) {
            if let Found::Whole(stored) = found {
                self.pending.remove(&path);
                self.meet(*stored);
            }
        }
    }

    /// Takes note that there is no whole file at `location`.
    fn miss(&mut self, location: &Location) {
        let (id, place) = (location.transaction_id(), Place::of(location));
        if self.candidates.get(&id).is_some_and(|it| it.place == place) {
            self.candidates.remove(&id);
        }
        let was_member = self.members.find(id).is_some_and(|it| it.place == place);
        if was_member {
            self.gone.insert(id);
        }
        self.miss_copy(id, place);
        let flat_is_here =
            self.rejected_files.contains_key(&id.file_name()) || self.copies.contains_key(&id);
        if place == Place::Sharded && flat_is_here {
            self.pending.insert(id.file_name());
        }
    }

    /// Takes note of a whole file.
    pub(super) fn meet(&mut self, stored: Stored) {
        let id = stored.id();
        self.miss_copy(id, stored.place);
        let member = self.members.find(id);
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
            self.gone.remove(&id);
            self.candidates.remove(&id);
            return;
        }
        if member.is_some() {
            self.gone.insert(id);
        }
        self.candidates.insert(id, stored);
    }

    /// Marks the members as gone whose files look otherwise than recorded, and hold another content.
    fn compare_files(&mut self) {
        let compare = |stored: &Arc<Stored>| {
            let path = stored.relative_path();
            let stat = self.system.disk.stat(&self.layout.event_file(&path));
            let stat = stat.ok().flatten();
            let stat = stat.filter(|stat| stat.kind == FileKind::File)?;
            let stamp = FileStamp::of(&stat);
            if stamp == stored.stamp {
                return Some(stamp);
            }
            match file::inspect(&self.system, &self.layout, &path) {
                Found::Whole(now) => now.is_same_file(stored).then_some(stamp),
                Found::Missing(_) | Found::Rejected(_) => None,
            }
        };
        let members = self.members.all();
        for (stored, stamp) in members.iter().zip(file::each(members, compare)) {
            match stamp {
                Some(stamp) if stamp == stored.stamp => {}
                Some(stamp) => _ = self.restamped.insert(stored.id(), stamp),
                None if self.gone.insert(stored.id()) => {
                    self.pending.insert(stored.relative_path());
                }
                None => {}
            }
        }
    }

    /// Returns the paths of the members that would be none any more for what happened to their files.
    pub(crate) fn taken_away(&self) -> Vec<String> {
        let gone = self.gone.iter().filter_map(|id| self.members.find(*id));
        gone.map(Stored::relative_path).collect()
    }
}
