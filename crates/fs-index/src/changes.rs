//! What came and went in `events/` since the directories were stamped.
//!
//! **Invariant**: names are compared, nothing is opened. What is neither a known transaction in its place nor a
//! watched file that looks as it did is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use fs_format::TransactionId;
use fs_io::FileKind;

use crate::error::IndexError;
use crate::index::Index;
use crate::look::Depth;
use crate::record::Place;
use crate::replay::FLAT;
use crate::scan::{self, Listing, Stamp};
use crate::state::State;

/// What is to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Paths below `events/` of what is new there, or was watched and looks otherwise or is gone.
    pub(crate) paths: BTreeSet<String>,
    /// Transactions whose files are not there.
    pub(crate) gone: BTreeSet<TransactionId>,
    /// The directories that were listed; `None` for those that are gone.
    pub(crate) stamps: BTreeMap<String, Option<Stamp>>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.gone.is_empty()
    }
}

impl Index {
    /// Compares the directories with what is known.
    ///
    /// # Errors
    /// [`IndexError::Read`] when a directory cannot be listed.
    ///
    /// # Complexity
    /// One `stat` for each directory and each watched file, and the entries of the directories that changed.
    pub(crate) fn changes(&self, state: &State, depth: Depth) -> Result<Changes, IndexError> {
        let (disk, clock) = (self.system.disk.as_ref(), self.system.clock.as_ref());
        let listings = scan::scan(disk, clock, &self.layout, &state.directories, depth)?;
        let mut changes = Changes::default();
        for listing in listings {
            self.compare(state, &listing, &mut changes)?;
            changes.stamps.insert(listing.directory, listing.stamp);
        }
        for (path, seen) in &state.watched {
            let stat = disk.stat(&self.layout.event_file(path)).ok().flatten();
            let now = stat.map(|stat| (stat.len, stat.modified_nanos));
            if now != seen.stat {
                changes.paths.insert(path.clone());
            }
        }
        Ok(changes)
    }

    fn compare(
        &self,
        state: &State,
        listing: &Listing,
        changes: &mut Changes,
    ) -> Result<(), IndexError> {
        let mut members = self.members_in(state, &listing.directory)?;
        for (name, kind) in &listing.entries {
            let path = scan::join(&listing.directory, name);
            let is_member = *kind == FileKind::File
                && fs_format::check_name(&path)
                    .is_ok_and(|location| members.remove(&location.transaction_id()));
            if !is_member && !state.watched.contains_key(&path) {
                changes.paths.insert(path);
            }
        }
        changes.gone.extend(members);
        let first = scan::join(&listing.directory, "");
        let watched = state
            .watched
            .range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded))
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&first))
            .filter(|path| {
                let (directory, name) = scan::split(path);
                directory == listing.directory && !listing.entries.contains_key(name)
            });
        changes.paths.extend(watched.cloned());
        Ok(())
    }

    /// Returns the transactions whose files are to be in a directory.
    fn members_in(
        &self,
        state: &State,
        directory: &str,
    ) -> Result<BTreeSet<TransactionId>, IndexError> {
        let (place, range) = match directory {
            "" if state.flat > 0 => (Place::Flat, Some((0, u128::MAX))),
            _ => (Place::Sharded, range_of(directory)),
        };
        let Some((low, high)) = range else {
            return Ok(BTreeSet::new());
        };
        let ids = self.catalog.ids_between(low, high, &state.dead)?;
        if state.flat == 0 {
            return Ok(ids.into_keys().collect());
        }
        let mut members = BTreeSet::new();
        for (id, number) in ids {
            if self.place_of(number)? == place {
                members.insert(id);
            }
        }
        Ok(members)
    }

    fn place_of(&self, number: u64) -> Result<Place, IndexError> {
        let located = self.catalog.transaction(number)?;
        Ok(match located {
            Some(located) if located.flags & FLAT != 0 => Place::Flat,
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
