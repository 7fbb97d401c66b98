//! Comparing `events/` with what is known: what came, went and changed since the directories were stamped.
//!
//! **Invariant**: names are compared, and the stamps of the files in directories that changed; only files with other
//! stamps than recorded are opened. What is neither a known transaction in its place nor a rejected file that looks as it
//! did is reported.

use std::collections::BTreeMap;
use std::ops::Bound;

use fs_format::TransactionId;
use fs_io::FileKind;

use crate::error::IndexError;
use crate::index::Index;
use crate::log::record::Place;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::table::segment::FLAT;
use crate::watch::changes::Changes;
use crate::watch::file::{self, Found};
use crate::watch::file_stamp::{FileStamp, StampSum};
use crate::watch::scan::Scan;
use crate::watch::scan::{self, Listing};

/// A known transaction whose file is there.
struct Member<'a> {
    id: TransactionId,
    number: u64,
    name: &'a str,
}

impl Index {
    /// Compares the directories with what is known.
    ///
    /// # Errors
    /// [`IndexError::Read`] when a directory cannot be listed.
    ///
    /// # Complexity
    /// One `stat` for each directory, each rejected file, and each file in the directories that changed.
    pub(crate) fn changes(&self, state: &State, scan: Scan) -> Result<Changes, IndexError> {
        let (disk, clock) = (self.system.disk.as_ref(), self.system.clock.as_ref());
        let scan = scan::scan(disk, clock, &self.layout, &self.directories.0, scan)?;
        let mut changes = Changes {
            moved_nanos: scan.moved_nanos,
            ..Changes::default()
        };
        for mut listing in scan.listings {
            let files = self.compare(state, &listing, &mut changes)?;
            if let Some(stamp) = &mut listing.stamp {
                stamp.files = files;
            }
            changes.stamps.insert(listing.directory, listing.stamp);
        }
        for (path, seen) in state.rejected.iter() {
            let stat = disk.stat(&self.layout.event_file(path)).ok().flatten();
            let now = stat.as_ref().map(FileStamp::of);
            if now != seen.stamp {
                changes.paths.insert(path.clone());
            }
        }
        Ok(changes)
    }

    /// Compares a directory with what is known; returns the sum of the stamps of the known files in it.
    fn compare(
        &self,
        state: &State,
        listing: &Listing,
        changes: &mut Changes,
    ) -> Result<StampSum, IndexError> {
        let mut members = self.members_in(state, &listing.directory)?;
        let mut present = Vec::new();
        for (name, kind) in &listing.entries {
            let path = scan::join(&listing.directory, name);
            let member = fs_format::check_name(&path)
                .ok()
                .filter(|_| *kind == FileKind::File)
                .map(|location| location.transaction_id())
                .and_then(|id| Some((id, members.remove(&id)?)));
            if let Some((id, number)) = member {
                present.push(Member { id, number, name });
            } else if !state.rejected.contains_key(&path) {
                changes.paths.insert(path);
            }
        }
        let files = self.compare_files(listing, &present, changes)?;
        changes.gone.extend(members.into_keys());
        let first = scan::join(&listing.directory, "");
        let rejected = state
            .rejected
            .range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded))
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&first))
            .filter(|path| {
                let (directory, name) = scan::split(path);
                directory == listing.directory && !listing.entries.contains_key(name)
            });
        changes.paths.extend(rejected.cloned());
        Ok(files)
    }

    /// Looks at the files of known transactions, and reads those again that look otherwise than recorded.
    fn compare_files(
        &self,
        listing: &Listing,
        present: &[Member<'_>],
        changes: &mut Changes,
    ) -> Result<StampSum, IndexError> {
        let directory = scan::path_of(&self.layout, &listing.directory);
        let names: Vec<&str> = present.iter().map(|member| member.name).collect();
        let stats = self.system.disk.stat_all(&directory, &names);
        let stamp_of = |stat: std::io::Result<Option<_>>| stat.ok().flatten();
        let stamps: Vec<_> = stats
            .into_iter()
            .map(|stat| stamp_of(stat).as_ref().map(FileStamp::of))
            .collect();
        let mut sum = StampSum::default();
        stamps.iter().flatten().for_each(|stamp| sum.add(*stamp));
        let known = self.directories.get(&listing.directory);
        if known.map_or(StampSum::default(), |known| known.files) == sum {
            return Ok(sum);
        }
        changes.has_restamped = true;
        let mut other = Vec::new();
        for (member, stamp) in present.iter().zip(stamps) {
            let record = self.snapshot.record_of(member.number)?;
            if Some(record.stamp) != stamp {
                other.push((member.id, record.content_hash, record.place.path(member.id)));
            }
        }
        let paths: Vec<String> = other.iter().map(|(_, _, path)| path.clone()).collect();
        let looked = file::inspect_all(&self.system, &self.layout, &paths, &self.progress);
        for ((id, content_hash, _), found) in other.into_iter().zip(looked) {
            match found {
                Found::Whole(stored) if stored.content_hash == content_hash => {}
                Found::Missing(_) => _ = changes.gone.insert(id),
                Found::Whole(_) | Found::Rejected(_) => _ = changes.rewritten.insert(id),
            }
        }
        Ok(sum)
    }

    /// Returns the transactions whose files are to be in a directory, with their numbers.
    fn members_in(
        &self,
        state: &State,
        directory: &str,
    ) -> Result<BTreeMap<TransactionId, u64>, IndexError> {
        let (place, range) = match directory {
            "" if state.flat > 0 => (Place::Flat, Some((0, u128::MAX))),
            _ => (Place::Sharded, range_of(directory)),
        };
        let Some((low, high)) = range else {
            return Ok(BTreeMap::new());
        };
        let ids = self.snapshot.catalog.ids_between(low, high, &state.dead)?;
        if state.flat == 0 {
            return Ok(ids);
        }
        let mut members = BTreeMap::new();
        for (id, number) in ids {
            if self.snapshot.place_of(number)? == place {
                members.insert(id, number);
            }
        }
        Ok(members)
    }
}

impl Snapshot {
    fn place_of(&self, number: u64) -> Result<Place, IndexError> {
        let row = self.catalog.transaction(number)?;
        Ok(match row {
            Some(row) if row.flags & FLAT != 0 => Place::Flat,
            _ => Place::Sharded,
        })
    }

    /// Returns the path below `events/` where the file of a transaction is known to be.
    pub(crate) fn path_of(&self, id: TransactionId) -> Result<String, IndexError> {
        let place = match self.number_of(id)? {
            Some(number) => self.place_of(number)?,
            None => Place::Sharded,
        };
        Ok(place.path(id))
    }
}

/// Returns the least and the greatest id of a directory `0190/ab`; `None` for any other.
fn range_of(directory: &str) -> Option<(u128, u128)> {
    let (first, second) = directory.split_once('/')?;
    let is_hex = |text: &str, len| {
        text.len() == len
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !is_hex(first, 4) || !is_hex(second, 2) {
        return None;
    }
    let digits = u128::from_str_radix(&format!("{first}{second}"), 16).ok()?;
    let low = digits << (128 - 24);
    Some((low, low | (u128::MAX >> 24)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_directory_stands_for_the_ids_that_begin_with_its_digits() {
        let (low, high) = range_of("0190/ab").expect("it is the name of a directory");
        assert_eq!(
            Uuid::from_u128(low).to_string(),
            "0190ab00-0000-0000-0000-000000000000"
        );
        assert_eq!(
            Uuid::from_u128(high).to_string(),
            "0190abff-ffff-ffff-ffff-ffffffffffff"
        );
        for other in ["", "0190", "0190/a", "0190/AB", "0190/ab/c", "+190/ab"] {
            assert_eq!(range_of(other), None, "{other:?} holds no transactions");
        }
    }
}
