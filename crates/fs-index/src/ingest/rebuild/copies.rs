//! Two whole files of one transaction: `S` in the directories of its id (format 3), `F` flat (formats 1 and 2).
//!
//! One is read. It is `F` where a child records the content hash of `F` and none that of `S`, and `S` elsewhere. Children of formats 1 and 2
//! record no hashes, so what the flat files say has no part in it, and the answer is not needed to find it.
//!
//! **Invariant**: the choice is a function of the files, whichever was there first. The other file is among the rejected files, and what it
//! records of its parents still counts (`claims.rs`).

use fs_format::TransactionId;

use super::Rebuild;
use crate::log::record::Place;
use crate::stored::Stored;
use crate::watch::file::Rejected;
use crate::watch::rejected::{Reason, RejectedFile};

impl Rebuild {
    /// Takes note of the other file of a transaction whose file is known.
    pub(super) fn meet_copy(&mut self, copy: Stored) {
        self.copies.insert(copy.id(), copy);
    }

    /// Forgets the other file of a transaction, if it is the one of this place.
    pub(super) fn miss_copy(&mut self, id: TransactionId, place: Place) {
        if self.copies.get(&id).is_some_and(|copy| copy.place == place) {
            self.copies.remove(&id);
        }
    }

    /// Returns the file that is taken for a transaction, if it is here.
    fn taken(&self, id: TransactionId) -> Option<&Stored> {
        let member = || self.members.find(id).filter(|_| !self.gone.contains(&id));
        self.candidates.get(&id).or_else(member)
    }

    /// Exchanges what is taken for what is not where children say so; what is known of the claims is up to date before and after.
    pub(super) fn choose_among_copies(&mut self) {
        let is_wrong = |(id, copy): &(&TransactionId, &Stored)| {
            let Some(taken) = self.taken(**id) else {
                return true;
            };
            let (flat, sharded) = match taken.place {
                Place::Flat => (taken, *copy),
                Place::Sharded => (*copy, taken),
            };
            let confirm = |file: &Stored| self.claims.confirm(**id, file.content_hash);
            let is_flat_right = confirm(flat) && !confirm(sharded);
            is_flat_right != (taken.place == Place::Flat)
        };
        let wrong: Vec<_> = self
            .copies
            .iter()
            .filter(is_wrong)
            .map(|(id, _)| *id)
            .collect();
        for id in wrong {
            if let Some(copy) = self.copies.remove(&id) {
                self.exchange(copy);
            }
        }
    }

    /// Takes another file for its transaction.
    fn exchange(&mut self, right: Stored) {
        let id = right.id();
        let wrong = self.taken(id).cloned();
        self.candidates.remove(&id);
        self.rejected_files.remove(&right.relative_path());
        match self.members.find(id) {
            Some(member) if member.is_same_file(&right) => _ = self.gone.remove(&id),
            member => {
                if member.is_some() {
                    self.gone.insert(id);
                }
                self.candidates.insert(id, right);
            }
        }
        self.copies.extend(wrong.map(|wrong| (id, wrong)));
    }

    /// Lists the files that are not read because another of their transaction is.
    pub(super) fn list_copies(&mut self) {
        for (id, copy) in &self.copies {
            let Some(taken) = self.taken(*id) else {
                continue;
            };
            let path = copy.relative_path();
            let reason = match self.claims.contradiction(*id, taken.content_hash) {
                // Then no child confirms either.
                Some(children) => Reason::Altered { children },
                None => Reason::Duplicate {
                    other: taken.relative_path(),
                },
            };
            let rejected = Rejected::of(
                copy,
                RejectedFile {
                    path: path.clone(),
                    reason,
                },
            );
            self.rejected_files.insert(path, rejected);
        }
    }
}
