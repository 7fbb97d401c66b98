//! Telling what is known to be missing.
//!
//! **Invariant**: it is told from the state of the index, and no file is looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use fs_format::{ContentHash, TransactionId};

use crate::error::IndexError;
use crate::log::record::Place;
use crate::snapshot::Snapshot;
use crate::snapshot::completeness::{Omission, OmissionKind, Subject, subject_of};
use crate::state::State;
use crate::table::segment::FLAT;

impl Snapshot {
    /// Returns what is known to be missing: rejected files by path, then missing parents by id.
    ///
    /// A rejected file whose transaction is in the history all the same hides nothing, and is no omission.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    ///
    /// # Complexity
    /// O((r + m) log n) for r rejected files and m missing parents of n transactions, and O(r) where it was asked before and
    /// nothing came or went since; nothing where there are none.
    pub fn omissions(&self) -> Result<Arc<[Omission]>, IndexError> {
        match &self.state {
            Some(state) if !state.rejected.is_empty() || !state.missing_parents.is_empty() => {
                let work = || self.work_out_omissions(state);
                self.caches.omissions.get_or(state, work)
            }
            _ => Ok(Arc::default()),
        }
    }

    fn work_out_omissions(&self, state: &State) -> Result<Vec<Omission>, IndexError> {
        let mut omissions = Vec::new();
        let mut rejected = BTreeSet::new();
        for (path, file) in state.rejected.iter() {
            let transaction_id = match subject_of(path) {
                None => continue,
                Some(Subject::Directory) => None,
                Some(Subject::Transaction(id)) if self.number_of(id)?.is_some() => continue,
                Some(Subject::Transaction(id)) if !rejected.insert(id) => continue,
                Some(Subject::Transaction(id)) => Some(id),
            };
            omissions.push(Omission {
                kind: if file.is_newer {
                    OmissionKind::Newer
                } else {
                    OmissionKind::Damaged
                },
                transaction_id,
                path: path.clone(),
            });
        }
        for (parent, children) in state.missing_parents.iter() {
            if rejected.contains(parent) {
                continue;
            }
            let mut place = Place::Flat;
            for number in children {
                let child = self.catalog.transaction(*number)?;
                if child.is_none_or(|child| child.flags & FLAT == 0) {
                    place = Place::Sharded;
                }
            }
            omissions.push(Omission {
                kind: OmissionKind::Missing,
                transaction_id: Some(*parent),
                path: place.path(*parent),
            });
        }
        Ok(omissions)
    }

    /// Returns the content hashes that children recorded of a transaction, which need not be there.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn recorded_hashes(&self, id: TransactionId) -> Result<BTreeSet<ContentHash>, IndexError> {
        let mut hashes = BTreeSet::new();
        let Some(state) = &self.state else {
            return Ok(hashes);
        };
        for number in self.catalog.children(id, &state.dead)? {
            let child = self.stored(number)?;
            let links = child.header.parents.iter();
            let of_it = links.filter(|parent| parent.transaction_id == id);
            hashes.extend(of_it.filter_map(|parent| parent.content_hash));
        }
        Ok(hashes)
    }

    /// Returns the parents that are not there, by id, those of rejected files among them.
    pub fn missing_parents(&self) -> impl Iterator<Item = TransactionId> {
        let state = self.state.iter();
        state.flat_map(|state| state.missing_parents.keys().copied())
    }
}
