//! A full rebuild of the files that are here, and of others that may come.
//!
//! **Invariant**: what comes is judged as it would be by the full rebuild after it came.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::TransactionId;

use super::Rebuild;
use crate::error::IndexError;
use crate::snapshot::completeness::Omission;
use crate::stored::Stored;
use crate::watch::rejected::{Reason, RejectedFile};
use crate::what_if::{Incoming, Merged, another_content, stored_of};

impl Rebuild {
    /// Works out the history of what is here, apart from what counts as incoming.
    ///
    /// # Errors
    /// As [`Rebuild::poll`].
    pub(crate) fn poll_without(&mut self, incoming: &[Incoming]) -> Result<(), IndexError> {
        // Without a usable journal every file is read.
        let _ = self.catch_up()?;
        self.survey()?;
        for Incoming { path, content, .. } in incoming.iter().filter(|it| it.is_theirs) {
            let Ok(stored) = content.clone().and_then(|bytes| stored_of(path, bytes)) else {
                // It is no transaction, whether it stands here already or not.
                self.rejected_files.remove(path);
                continue;
            };
            let id = stored.id();
            let is_same = |here: &Stored| here.content_hash == stored.content_hash;
            if self.candidates.get(&id).is_some_and(is_same) {
                self.candidates.remove(&id);
            }
            if self.members.find(id).is_some_and(is_same) {
                self.gone.insert(id);
            }
            if self.copies.get(&id).is_some_and(is_same) {
                self.copies.remove(&id);
            }
        }
        self.change_as_planned();
        Ok(())
    }

    /// Lets files come after [`Rebuild::poll_without`].
    pub(crate) fn merge(mut self, incoming: Vec<Incoming>) -> Merged {
        let before: BTreeSet<TransactionId> = self.ids().collect();
        let known: BTreeSet<String> = self.rejected_files.keys().cloned().collect();
        let mut rejected_files = BTreeMap::new();
        for incoming in incoming.into_iter().filter(Incoming::may_be_one) {
            let Incoming { path, content, .. } = incoming;
            let stored = content.and_then(|bytes| stored_of(&path, bytes));
            if let Err(reason) = stored.and_then(|stored| self.take_incoming(stored)) {
                rejected_files.insert(path.clone(), RejectedFile { path, reason });
            }
        }
        self.change_as_planned();
        for (path, rejected) in &self.rejected_files {
            if !known.contains(path) {
                rejected_files
                    .entry(path.clone())
                    .or_insert_with(|| rejected.trouble.clone());
            }
        }
        let dag = self.members.history.dag();
        let rejected = self
            .rejected_files
            .iter()
            .filter(|(path, _)| known.contains(*path));
        let rejected = rejected.map(|(_, rejected)| &rejected.trouble);
        let mut omissions: Vec<_> = rejected
            .filter_map(|trouble| Omission::of_rejected(trouble, &self.members.history))
            .collect();
        let mut listed: BTreeSet<_> = omissions
            .iter()
            .filter_map(|it| it.transaction_id)
            .collect();
        for (child, parent) in dag.missing_parents() {
            if listed.insert(parent) {
                let child = self.members.history.get(child).format_version();
                omissions.push(Omission::missing_below(child, parent));
            }
        }
        Merged {
            omissions,
            arrived: self.ids().filter(|id| !before.contains(id)).collect(),
            history: self.members.history,
            rejected_files: rejected_files.into_values().collect(),
        }
    }

    fn ids(&self) -> impl Iterator<Item = TransactionId> {
        self.members.all().iter().map(|stored| stored.id())
    }

    fn change_as_planned(&mut self) {
        let plan = self.plan();
        if !plan.is_empty() {
            let _ = self.change(plan);
        }
        self.list_rejected();
    }

    /// Takes a file for one that is here, unless another content of its transaction is.
    fn take_incoming(&mut self, stored: Stored) -> Result<(), Reason> {
        let id = stored.id();
        let here = self.members.find(id).or_else(|| self.candidates.get(&id));
        match here {
            Some(here) if here.place != stored.place => match self.copies.get(&id) {
                Some(copy) if copy.content_hash != stored.content_hash => Err(another_content()),
                _ => {
                    self.meet_copy(stored);
                    Ok(())
                }
            },
            Some(here) if here.content_hash == stored.content_hash => Ok(()),
            Some(_) => Err(another_content()),
            None => {
                self.meet(stored);
                Ok(())
            }
        }
    }
}
