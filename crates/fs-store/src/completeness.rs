//! What answers are known to lack, and the refusal of appends that were decided on less than there is.
//!
//! **Invariant**: nothing is renumbered in silence. A version that counts on what is missing is no proof that the caller
//! has seen everything, so an append that is checked against it is refused unless the caller says otherwise.

use std::collections::BTreeSet;

use fs_format::TransactionId;
use fs_index::{Completeness, Omission};

use crate::error::{AppendError, RefreshError};
use crate::options::OnHole;
use crate::request::Append;
use crate::store::{FileEventStore, Inner};

impl FileEventStore {
    /// Tells whether answers hold all that is known to belong to the history, as of now.
    ///
    /// Missing are parents that no file stands for, and what is in files that cannot be used. What was accepted by
    /// [`forget`](FileEventStore::forget) is not.
    ///
    /// # Errors
    /// [`RefreshError`].
    ///
    /// # Complexity
    /// That of a look for what is new; no file is opened for this.
    pub fn completeness(&self) -> Result<Completeness, RefreshError> {
        let omissions = self.omissions()?;
        Ok(Completeness::of(&omissions).while_unconfirmed(self.inner.index().unconfirmed()))
    }

    /// Returns all that makes answers incomplete, as of now: files that cannot be used by path, then missing parents by id.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn omissions(&self) -> Result<Vec<Omission>, RefreshError> {
        let omissions = self.inner.ask(|index| index.omissions())?;
        Ok(self.inner.split_accepted(omissions)?.0)
    }
}

/// Bytes that are compared with what is known of a transaction that is missing or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// They are no whole transaction, or another one.
    Useless,
    /// They are the transaction, with other line ends or a byte order mark.
    Converted,
    /// They are the transaction as it was written.
    Whole,
}

impl FileEventStore {
    /// Tells whether bytes from elsewhere are the transaction `id`, by their seal and by what its children recorded.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn examine(&self, id: TransactionId, bytes: &[u8]) -> Result<Candidate, RefreshError> {
        let Ok(transaction) = fs_format::decode(bytes) else {
            return Ok(Candidate::Useless);
        };
        let recorded = self.inner.ask(|index| index.recorded_hashes(id))?;
        let is_it = transaction.header.transaction_id == id
            && (recorded.is_empty() || recorded.contains(&transaction.content_hash));
        Ok(match is_it {
            true if transaction.transit.is_clean() => Candidate::Whole,
            true => Candidate::Converted,
            false => Candidate::Useless,
        })
    }
}

impl Inner {
    /// Returns the omissions that nobody has accepted, and those that somebody has.
    pub(crate) fn split_accepted(
        &self,
        omissions: Vec<Omission>,
    ) -> Result<(Vec<Omission>, Vec<Omission>), RefreshError> {
        if omissions.is_empty() {
            return Ok((omissions, Vec::new()));
        }
        let accepted = self.accepted()?;
        let is_accepted = |omission: &Omission| {
            omission
                .transaction_id
                .is_some_and(|id| accepted.contains(&id))
        };
        let (accepted, omissions) = omissions.into_iter().partition(is_accepted);
        Ok((omissions, accepted))
    }

    /// Refuses an append that expects a version of a stream with a hole; the index is up to date.
    ///
    /// # Errors
    /// [`AppendError::Hole`].
    ///
    /// # Complexity
    /// Nothing where no parent is missing; else the history is loaded.
    pub(crate) fn refuse_on_hole(&self, append: &Append) -> Result<(), AppendError> {
        let mut checked = append
            .expected
            .iter()
            .filter(|(_, expected)| expected.version().is_some())
            .map(|(stream_id, _)| stream_id)
            .peekable();
        if self.options.on_hole == OnHole::Allow || append.anyway || checked.peek().is_none() {
            return Ok(());
        }
        let missing: BTreeSet<TransactionId> = self.index().missing_parents().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let accepted = self.accepted().map_err(RefreshError::from)?;
        if missing.is_subset(&accepted) {
            return Ok(());
        }
        let history = self.loaded_history()?;
        for stream_id in checked {
            if let Some(missing) = history.hole(stream_id, &accepted) {
                let omissions = self.index().omissions().map_err(RefreshError::from)?;
                let omission = omissions
                    .into_iter()
                    .find(|omission| omission.transaction_id == Some(missing));
                return Err(AppendError::Hole {
                    stream_id: stream_id.clone(),
                    missing,
                    path: omission
                        .map_or_else(|| missing.relative_path(), |omission| omission.path),
                });
            }
        }
        Ok(())
    }
}
